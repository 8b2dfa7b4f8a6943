"""Whole tables: what each row was made from, by an independent computation; and the alignment check."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from avmnist_samples import Pair, audio_accuracy

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.data.avmnist import nodes, sound
from mixmas_pipeline.pipelines.data.avmnist.nodes import build_table, check_alignment, resample_clips
from mixmas_pipeline.pipelines.data.avmnist.parameters import SoundParameters

Images = dict[str, np.ndarray]
SOURCE = "AV-MNIST of the tests"


@pytest.fixture
def reduced(images: Images) -> Images:
    """The pictures as they are, in the form of reduced ones."""
    return {**images, "scale": np.array([1.5], np.float32), "offset": np.array([-20.0], np.float32)}


def by_hand(row: pd.Series, speech: pd.DataFrame, noise: pd.DataFrame, range_db: float = 80) -> np.ndarray:
    """Decibels of one row's spectrogram, in numpy and in double precision."""
    samples, size, hop = 8000, 222, 72
    clip = speech["waveform"].iloc[row["recording"]].astype(np.float64)[:samples]
    start = int(np.floor(row["onset"] * (samples - len(clip) + 1)))
    window = np.zeros(samples)
    window[start : start + len(clip)] = clip
    hiss = noise["waveform"].iloc[row["noise"]].astype(np.float64)
    while len(hiss) < samples:
        hiss = np.concatenate([hiss, noise["waveform"].iloc[row["noise"]]])
    place = int(np.floor(row["noise_start"] * (len(hiss) - samples + 1)))
    excerpt = hiss[place : place + samples]
    wanted = np.mean(clip**2) / 10 ** (row["snr_db"] / 10)
    mixed = window + excerpt * np.sqrt(wanted / np.mean(excerpt**2))
    padded = np.pad(mixed, size // 2, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    frames = np.stack([padded[t * hop : t * hop + size] * hann for t in range(112)])
    magnitude = np.abs(np.fft.rfft(frames, axis=1)).T
    return np.maximum(20 * np.log10(magnitude / magnitude.max()), -range_db)


def test_rows_are_what_a_slow_computation_gives(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    for pairs, part in zip(pair(train_size=40), ("train", "train", "test"), strict=True):
        pairs = pairs.iloc[:40]
        table = build_table(pairs, reduced, speech, noise, sound, SOURCE)
        assert table.arrays["audio"].shape == (40, 112, 112)
        modality = table.schema.modalities["audio"]
        decibel = table.arrays["audio"] * modality.scale + modality.offset
        for i in range(0, 40, 3):
            expected = by_hand(pairs.iloc[i], speech, noise)
            assert np.abs(decibel[i] - expected).max() < 0.75 * modality.scale, f"row {i} of {part}"
        np.testing.assert_array_equal(table.arrays["image"], reduced[part][pairs["picture"]])


def test_table_says_what_it_holds(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    pairs = pair(train_size=200)[0]
    table = build_table(pairs, reduced, speech, noise, sound, SOURCE)
    assert len(table) == 200
    image, audio = table.schema.modalities["image"], table.schema.modalities["audio"]
    assert (image.kind, image.shape, image.dtype, image.scale, image.offset) == (
        "image",
        (28, 28),
        "uint8",
        1.5,
        -20,
    )
    assert (audio.kind, audio.shape, audio.dtype, audio.unit) == ("audio", (112, 112), "uint8", "dB")
    assert audio.scale * 255 + audio.offset == pytest.approx(0)
    assert audio.offset == -80
    assert table.schema.source == SOURCE
    assert table.schema.classes == tuple("0123456789")
    assert table.ids.tolist() == pairs["id"].tolist()
    np.testing.assert_array_equal(table.labels, pairs["digit"])
    np.testing.assert_array_equal(table.extra["spoken_digit"], pairs["digit"])
    assert table.extra["recording_file"].tolist() == pairs["recording_file"].tolist()
    assert table.extra["noise_file"].tolist() == pairs["noise_file"].tolist()
    np.testing.assert_array_equal(table.extra["snr_db"], pairs["snr_db"])
    MultimodalTable(table.schema, table.arrays, table.labels, table.ids, table.extra)  # passes its checks
    check_alignment(table)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_rows_do_not_depend_on_the_chunk(
    chunk: int,
    pair: Pair,
    reduced: Images,
    speech: pd.DataFrame,
    noise: pd.DataFrame,
    sound: SoundParameters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = pair(train_size=50)[0]
    first = build_table(pairs, reduced, speech, noise, sound, SOURCE)
    monkeypatch.setattr(nodes, "_CHUNK", chunk)
    second = build_table(pairs, reduced, speech, noise, sound, SOURCE)
    for name in ("image", "audio"):
        np.testing.assert_array_equal(first.arrays[name], second.arrays[name])


def test_rows_do_not_depend_on_their_neighbours(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    """The public generator's faults: order of workers, and anything carried from row to row."""
    pairs = pair(train_size=50)[0]
    whole = build_table(pairs, reduced, speech, noise, sound, SOURCE)
    order = np.random.default_rng(0).permutation(50)[:20]
    some = build_table(pairs.iloc[order], reduced, speech, noise, sound, SOURCE)
    np.testing.assert_array_equal(some.arrays["audio"], whole.arrays["audio"][order])
    np.testing.assert_array_equal(some.arrays["image"], whole.arrays["image"][order])
    np.testing.assert_array_equal(some.labels, whole.labels[order])


def test_ratio_of_every_row_is_the_one_recorded(
    pair: Pair,
    reduced: Images,
    speech: pd.DataFrame,
    noise: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen from inside: power of each clip over its own length, against the noise that is added to it."""
    measured: list[np.ndarray] = []

    def spy(window: np.ndarray, *arguments: np.ndarray) -> np.ndarray:
        mixed = mix(window, *arguments)
        added = np.mean(np.square(mixed.astype(np.float64) - window), axis=1)
        spoken = np.array(
            [np.mean(np.square(row[np.flatnonzero(row)[0] : np.flatnonzero(row)[-1] + 1])) for row in window]
        )
        measured.append(10 * np.log10(spoken / added))
        return mixed

    mix = sound.mix
    monkeypatch.setattr(sound, "mix", spy)
    pairs = pair(train_size=60)[0]
    table = build_table(pairs, reduced, speech, noise, SoundParameters(snr_db=(-15, 0)), SOURCE)
    np.testing.assert_allclose(np.concatenate(measured), table.extra["snr_db"], atol=0.1)


def test_long_clips_are_cropped_and_short_noises_repeated(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame
) -> None:
    """A window of a tenth of a second is shorter than every clip."""
    short = SoundParameters(snr_db=(0, 0), seconds=0.1, bins=32)
    table = build_table(pair(train_size=20)[0], reduced, speech, noise, short, SOURCE)
    assert table.arrays["audio"].shape == (20, 32, 32)
    assert (table.arrays["audio"].reshape(20, -1).max(axis=1) == 255).all()


def test_clean_audio_tells_the_digit(pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame) -> None:
    """A wrong alignment anywhere shows here: each digit has its own tone."""
    clean = SoundParameters(snr_db=(60, 60), onset="start")
    train, validation, test = (
        build_table(pairs, reduced, speech, noise, clean, SOURCE) for pairs in pair(train_size=300, sound=clean)
    )
    assert audio_accuracy(train, validation) > 0.98
    assert audio_accuracy(train, test) > 0.98


def test_shifted_labels_are_caught(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    table = build_table(pair(train_size=60)[0], reduced, speech, noise, sound, SOURCE)
    shifted = MultimodalTable(table.schema, table.arrays, np.roll(table.labels, 1), table.ids, table.extra)
    wrong = int((np.roll(table.labels, 1) != table.labels).sum())
    with pytest.raises(ValueError, match=rf"{wrong} of 60 rows are out of step"):
        check_alignment(shifted)


def test_one_wrong_row_is_named(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    table = build_table(pair(train_size=60)[0], reduced, speech, noise, sound, SOURCE)
    labels = table.labels.copy()
    labels[17] = (labels[17] + 1) % 10
    with pytest.raises(ValueError, match=r"row 17 \(id train-00017\)") as caught:
        check_alignment(MultimodalTable(table.schema, table.arrays, labels, table.ids, table.extra))
    assert f"labelled {labels[17]} but its recording says {table.labels[17]}; 1 of 60" in str(caught.value)


@pytest.mark.parametrize("left", [0, 1])
def test_a_starved_class_is_named(
    left: int, pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    table = build_table(pair(train_size=200)[0], reduced, speech, noise, sound, SOURCE)
    check_alignment(table)
    fours = np.flatnonzero(table.labels == 4)
    rows = np.setdiff1d(np.arange(200), fours[left:])
    with pytest.raises(ValueError, match=rf"class '4' has {left} of {len(rows)} rows"):
        check_alignment(table.take(rows))


def test_resampled_clips_keep_their_rows(speech: pd.DataFrame, sound: SoundParameters) -> None:
    rng = np.random.default_rng(0)
    quiet = np.zeros(3000, np.int16)
    loud = (rng.standard_normal(22050) * 3000).astype(np.int16)
    clips = pd.DataFrame(
        {
            "digit": ["3", "5"],
            "file": ["a", "b"],
            "sample_rate": [44100, 8000],
            "waveform": [loud, np.concatenate([quiet, loud, quiet])],
        }
    )
    found = resample_clips(clips, sound)
    assert found["digit"].tolist() == ["3", "5"]
    assert found["sample_rate"].tolist() == [8000, 8000]
    assert [wave.dtype for wave in found["waveform"]] == [np.int16] * 2
    assert abs(len(found["waveform"].iloc[0]) - 4000) < 20
    assert abs(len(found["waveform"].iloc[1]) - 22050) < 20
    assert clips["sample_rate"].tolist() == [44100, 8000], "the input is not changed"
