"""The real MNIST, FSDD and ESC-10 of the mirror, against figures known from their publications."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from mixmas_pipeline.pipelines.data.avmnist.clips import ClipArchiveDataset
from mixmas_pipeline.pipelines.data.avmnist.digits import IDXDataset

pytestmark = pytest.mark.mirror


@pytest.mark.parametrize(
    ("name", "sha256", "shape"),
    [
        (
            "t10k-images-idx3-ubyte.gz",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            (10000, 28, 28),
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            (10000,),
        ),
        (
            "train-labels-idx1-ubyte.gz",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            (60000,),
        ),
    ],
)
def test_mnist_is_the_published_one(
    name: str, sha256: str, shape: tuple[int, ...], mirror_folder: Path, tmp_path: Path
) -> None:
    """Hashes are of the decompressed files as they were published."""
    found = IDXDataset(
        filepath=str(tmp_path / name), mirror=f"mnist/{name}", url="http://127.0.0.1:9/none", sha256=sha256
    ).load()
    assert found.shape == shape
    if "t10k-labels" in name:  # the test set's class counts, as given in the literature
        assert np.bincount(found).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_fsdd_has_3000_recordings(mirror_folder: Path, tmp_path: Path) -> None:
    clips = ClipArchiveDataset(
        filepath=str(tmp_path / "recordings.zip"),
        mirror="fsdd/recordings.zip",
        url="http://127.0.0.1:9/none",
        pattern=r"recordings/(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<take>\d+)\.wav$",
        sample_rate=8000,
    ).load()
    assert len(clips) == 3000
    assert clips["speaker"].nunique() == 6
    assert set(clips.groupby(["digit", "speaker"]).size()) == {50}
    assert set(clips["take"]) == {str(take) for take in range(50)}
    assert clips["file"].is_unique
    assert len({hashlib.sha256(w.tobytes()).digest() for w in clips["waveform"]}) == 3000, "recordings occur twice"


def test_esc10_has_400_clips_in_five_folds(mirror_folder: Path, tmp_path: Path) -> None:
    clips = ClipArchiveDataset(
        filepath=str(tmp_path / "esc10.zip"),
        mirror="esc10/esc10.zip",
        url="http://127.0.0.1:9/none",
        pattern=r"(?P<category>[^/]+)/(?P<fold>\d)-(?P<source>\d+)-(?P<part>[A-Z])\.ogg$",
        sample_rate=44100,
    ).load()
    assert len(clips) == 400
    assert clips["category"].nunique() == 10
    assert set(clips.groupby(["category", "fold"]).size()) == {8}
    assert clips["file"].is_unique
    assert clips["waveform"].map(len).between(3 * 44100, 8 * 44100).all()
    folds = clips.groupby("source")["fold"].nunique()
    assert (folds == 1).all(), "parts of one source lie in two folds"
