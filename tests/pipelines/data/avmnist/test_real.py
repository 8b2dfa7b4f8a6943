"""AV-MNIST from the real MNIST, FSDD and ESC-10: aligned, and hard in both modalities.

The figures are of a small build (3,000 training rows) and of simple classifiers: proofs of the data, not results.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from avmnist_samples import audio_accuracy, clean, configured, image_accuracy

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.data.avmnist import nodes
from mixmas_pipeline.pipelines.data.avmnist.clips import ClipArchiveDataset
from mixmas_pipeline.pipelines.data.avmnist.digits import IDXDataset
from mixmas_pipeline.pipelines.data.avmnist.parameters import SoundParameters

pytestmark = pytest.mark.mirror

NOWHERE = "http://127.0.0.1:9/none"
PAPER = configured("paper")
_log = logging.getLogger(__name__)
Tables = Callable[[SoundParameters], dict[str, MultimodalTable]]


@pytest.fixture(scope="module")
def digits(mirror_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """MNIST's four files."""
    folder = tmp_path_factory.mktemp("mnist")
    names = {
        "train_images": "train-images-idx3-ubyte.gz",
        "train_labels": "train-labels-idx1-ubyte.gz",
        "test_images": "t10k-images-idx3-ubyte.gz",
        "test_labels": "t10k-labels-idx1-ubyte.gz",
    }
    return {
        part: IDXDataset(filepath=str(folder / name), mirror=f"mnist/{name}", url=NOWHERE).load()
        for part, name in names.items()
    }


@pytest.fixture(scope="module")
def clips(mirror_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """FSDD and ESC-10 at the working rate."""
    folder = tmp_path_factory.mktemp("clips")
    speech = ClipArchiveDataset(
        filepath=str(folder / "recordings.zip"),
        mirror="fsdd/recordings.zip",
        url=NOWHERE,
        pattern=r"recordings/(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<take>\d+)\.wav$",
        sample_rate=8000,
    )
    noise = ClipArchiveDataset(
        filepath=str(folder / "esc10.zip"),
        mirror="esc10/esc10.zip",
        url=NOWHERE,
        pattern=r"(?P<category>[^/]+)/(?P<fold>\d)-(?P<source>\d+)-(?P<part>[A-Z])\.ogg$",
        sample_rate=44100,
    )
    return {name: nodes.resample_clips(raw.load(), PAPER.sound) for name, raw in (("speech", speech), ("noise", noise))}


@pytest.fixture(scope="module")
def build(digits: dict[str, np.ndarray], clips: dict[str, pd.DataFrame]) -> Tables:
    """The train table and the first 1,000 rows of the validation table, for given sound parameters."""

    pairing = PAPER.pairing.model_copy(update={"train_size": 3000})
    labels = digits["train_labels"], digits["test_labels"]
    train, _, _ = nodes.pair_digits(*labels, **clips, pairing=pairing, sound=PAPER.sound)
    basis = nodes.fit_energy_basis(digits["train_images"], train, PAPER.picture)
    assert len(basis["components"]) in (3, 4), "a quarter of MNIST's variance lies in 3 to 4 components"
    reduced = nodes.reduce_images(digits["train_images"], digits["test_images"][:10], basis)

    def tables(sound: SoundParameters) -> dict[str, MultimodalTable]:
        train, validation, _ = nodes.pair_digits(*labels, **clips, pairing=pairing, sound=sound)
        return {
            split: nodes.build_table(
                pairs, reduced, clips["speech"], clips["noise"], sound, PAPER.pairing, PAPER.source
            )
            for split, pairs in (("train", train), ("validation", validation.iloc[:1000]))
        }

    return tables


@pytest.fixture(scope="module")
def pure(build: Tables) -> dict[str, MultimodalTable]:
    """Practically without noise, every clip at the beginning."""
    return build(clean(PAPER.sound))


@pytest.fixture(scope="module")
def noisy(build: Tables) -> dict[str, MultimodalTable]:
    """With the noise that AV-MNIST has by default."""
    return build(PAPER.sound)


def test_clean_audio_proves_the_alignment(pure: dict[str, MultimodalTable]) -> None:
    accuracy = audio_accuracy(pure["train"], pure["validation"])
    _log.info("clean audio: %.3f", accuracy)
    assert accuracy > 0.93


def test_the_proof_would_fail_if_sound_and_label_drifted_apart(pure: dict[str, MultimodalTable]) -> None:
    """As in the public generator, where about 40 % of the pairs still matched."""
    table = pure["validation"]
    labels = table.labels.copy()
    labels[400:] = np.roll(labels[400:], 1)
    drifted = MultimodalTable(table.schema, table.arrays, labels, table.ids)
    assert audio_accuracy(pure["train"], drifted) < 0.6


def test_reduced_pictures_are_informative_but_do_not_decide(noisy: dict[str, MultimodalTable]) -> None:
    accuracy = image_accuracy(noisy["train"], noisy["validation"])
    _log.info("image: %.3f", accuracy)
    assert 0.5 < accuracy < 0.8


def test_noisy_audio_is_informative_but_does_not_decide(noisy: dict[str, MultimodalTable]) -> None:
    accuracy = audio_accuracy(noisy["train"], noisy["validation"])
    _log.info("noisy audio: %.3f", accuracy)
    assert 0.2 < accuracy < 0.95


def test_the_pictures_are_those_of_the_split(noisy: dict[str, MultimodalTable], digits: dict[str, np.ndarray]) -> None:
    """Each reduced picture is closest in form to its own original, brightness aside."""
    for split, first in (("train", 0), ("validation", 55000)):
        table = noisy[split]
        np.testing.assert_array_equal(table.labels[:500], digits["train_labels"][first : first + 500])
        stored = table.arrays["image"][:500].reshape(500, -1).astype(np.float64)
        originals = digits["train_images"][first : first + 500].reshape(500, -1).astype(np.float64)
        originals -= digits["train_images"][:3000].reshape(3000, -1).mean(axis=0)
        stored -= noisy["train"].arrays["image"].reshape(3000, -1).mean(axis=0)
        rows = np.arange(500)
        own = np.sum(stored * originals, axis=1)
        other = np.sum(stored * originals[np.roll(rows, 1)], axis=1)
        assert (own > 0).mean() > 0.99
        assert (own > other).mean() > 0.9
