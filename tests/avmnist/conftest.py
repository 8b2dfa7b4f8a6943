"""Small pictures, speech and noise with known content, and parameters that fit them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixmas_pipeline.pipelines.avmnist import nodes
from mixmas_pipeline.pipelines.avmnist.parameters import PairingParameters, SoundParameters

SPEAKERS = ("ann", "bob", "cyn", "dan", "eve", "fay")
TAKES = 8
RATE = 8000


@pytest.fixture
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
    """Smooth random pictures whose content depends on the label."""
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
    for speaker_number, speaker in enumerate(SPEAKERS):
        for take in range(TAKES):
            for digit in range(10):
                time = np.arange(2000 + 100 * digit + 37 * take + speaker_number) / RATE
                wave = (4000 + 500 * speaker_number) * np.sin(2 * np.pi * (300 + 250 * digit) * time)
                rows.append((str(digit), speaker, str(take), f"{digit}_{speaker}_{take}", RATE, wave.astype(np.int16)))
    return pd.DataFrame(rows, columns=["digit", "speaker", "take", "file", "sample_rate", "waveform"])


@pytest.fixture(scope="session")
def noise() -> pd.DataFrame:
    """Five folds of four white noises; longer and shorter than the window."""
    rng = np.random.default_rng(3)
    rows = []
    for fold in range(1, 6):
        for clip in range(4):
            wave = (rng.standard_normal(5000 + 3000 * clip) * 3000).astype(np.int16)
            rows.append(("hiss", str(fold), f"{fold}-{clip}", RATE, wave))
    return pd.DataFrame(rows, columns=["category", "fold", "file", "sample_rate", "waveform"])


@pytest.fixture(scope="session")
def sound() -> SoundParameters:
    """The defaults, at moderate noise."""
    return SoundParameters(snr_db=(-5, 10))


def pairing_with(**changes: Any) -> PairingParameters:
    """Parameters for the small source, with some replaced."""
    arguments: dict[str, Any] = {
        "seed": 0,
        "validation_size": 300,
        "speech": {"by": "take", "validation": ["6"], "test": ["7"]},
        "noise_folds": {"train": ["1", "2", "3"], "validation": ["4"], "test": ["5"]},
    }
    return PairingParameters(**{**arguments, **changes})


Pair = Callable[..., tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]]


@pytest.fixture
def pair(
    labels: dict[str, np.ndarray], speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> Pair:
    """``pair_digits`` on the small source; keyword arguments replace sources or pairing parameters."""

    def run(**changes: Any) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        sources = {
            "train_labels": labels["train"],
            "test_labels": labels["test"],
            "speech": speech,
            "noise": noise,
            "sound": sound,
        }
        sources.update({name: changes.pop(name) for name in list(changes) if name in sources})
        # "speech_split" stands for the pairing's own ``speech``, which is also the name of a source.
        if "speech_split" in changes:
            changes["speech"] = changes.pop("speech_split")
        return nodes.pair_digits(**sources, pairing=pairing_with(**changes))

    return run
