"""Small pictures, speech and noise with known content."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from avmnist_samples import RATE, SPEAKERS, TAKES, Pair, Pairs, pairing_with

from mixmas_pipeline.pipelines.data.avmnist import nodes
from mixmas_pipeline.pipelines.data.avmnist.parameters import SoundParameters


@pytest.fixture(scope="session")
def mirror_folder() -> Path:
    """The folder of real data; tests that ask for it are skipped where there is none."""
    if not os.environ.get("MIXMAS_MIRROR"):
        pytest.skip("reads real data: set MIXMAS_MIRROR to a folder laid out as shared/datasets")
    return Path(os.environ["MIXMAS_MIRROR"])


@pytest.fixture(scope="session")
def labels() -> dict[str, np.ndarray]:
    """1,300 training and 300 test labels; classes are not quite balanced."""
    rng = np.random.default_rng(1)
    return {part: rng.integers(0, 10, count).astype(np.uint8) for part, count in (("train", 1300), ("test", 300))}


@pytest.fixture(scope="session")
def images(labels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Blocky pictures that depend on the label, with some noise."""
    rng = np.random.default_rng(2)
    prototypes = rng.random((10, 7, 7)).repeat(4, axis=1).repeat(4, axis=2) * 200
    return {
        part: (prototypes[of_part] + rng.random((len(of_part), 28, 28)) * 55).astype(np.uint8)
        for part, of_part in labels.items()
    }


@pytest.fixture(scope="session")
def speech() -> pd.DataFrame:
    """Ten digits by six speakers in eight takes: tones of a frequency that belongs to the digit."""
    rows = []
    for number, speaker in enumerate(SPEAKERS):
        for take in range(TAKES):
            for digit in range(10):
                time = np.arange(2000 + 100 * digit + 37 * take + number) / RATE
                wave = (4000 + 500 * number) * np.sin(2 * np.pi * (300 + 250 * digit) * time)
                rows.append((str(digit), speaker, str(take), f"{digit}_{speaker}_{take}", wave.astype(np.int16)))
    clips = pd.DataFrame(rows, columns=["digit", "speaker", "take", "file", "waveform"])
    return clips.assign(sample_rate=RATE)


@pytest.fixture(scope="session")
def noise() -> pd.DataFrame:
    """Five folds of four white noises, shorter and longer than the window."""
    rng = np.random.default_rng(3)
    rows = []
    for fold in range(1, 6):
        for clip in range(4):
            wave = (rng.standard_normal(5000 + 3000 * clip) * 3000).astype(np.int16)
            rows.append(("hiss", str(fold), f"{fold}-{clip}", wave))
    return pd.DataFrame(rows, columns=["category", "fold", "file", "waveform"]).assign(sample_rate=RATE)


@pytest.fixture(scope="session")
def sound() -> SoundParameters:
    """The defaults, at moderate noise."""
    return SoundParameters(snr_db=(-5, 10))


@pytest.fixture
def pair(labels: dict[str, np.ndarray], speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters) -> Pair:
    """``pair_digits`` on the small source; keyword arguments replace sources or pairing parameters."""

    def run(split: dict[str, Any] | None = None, **changes: Any) -> Pairs:
        sources: dict[str, Any] = {
            "train_labels": labels["train"],
            "test_labels": labels["test"],
            "speech": speech,
            "noise": noise,
            "sound": sound,
        }
        sources.update({name: changes.pop(name) for name in list(changes) if name in sources})
        if split is not None:
            changes["speech"] = split
        return nodes.pair_digits(**sources, pairing=pairing_with(**changes))

    return run
