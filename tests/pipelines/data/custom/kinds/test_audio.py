"""Recordings of any rate, length and number of channels, as spectrograms worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from kind_samples import frame

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.pipelines.data.custom.cells import CellError
from mixmas_pipeline.pipelines.data.custom.kinds import audio
from mixmas_pipeline.pipelines.data.custom.parameters import AudioParameters


def prepare(folder: Path, names: list[Any], **parameters: Any) -> Column:
    section = {"column": "sound", "folder": str(folder), "sample_rate": 8000, "seconds": 1, "bins": 64, **parameters}
    return audio.prepare(AudioParameters.model_validate(section), {}, frame(sound=names), folder)


def tone(frequency: float, rate: int, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


def by_definition(wave: np.ndarray, bins: int, range_db: float) -> np.ndarray:
    """Frames, Hann window, FFT and logarithm in numpy."""
    size, hop = 2 * (bins - 1), len(wave) // (bins - 1)
    padded = np.pad(wave, size // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    frames = np.stack([padded[t * hop : t * hop + size] * window for t in range(bins)])
    magnitude = np.abs(np.fft.rfft(frames, axis=1)).T
    decibel = 20 * np.log10(np.maximum(magnitude / magnitude.max(), 10 ** (-range_db / 20)))
    return np.rint((decibel + range_db) * 255 / range_db)


def test_a_spectrogram_is_what_numpy_makes_of_it(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 8000) * np.linspace(0.1, 1, 8000)
    soundfile.write(tmp_path / "a.wav", wave, 8000, subtype="FLOAT")
    made = prepare(tmp_path, ["a.wav"], range_db=60)
    assert (made.array.shape, made.array.dtype) == ((1, 64, 64), np.uint8)
    assert np.abs(made.array[0] - by_definition(wave, 64, 60)).max() <= 1
    assert (made.modality.kind, made.modality.unit, made.modality.offset) == ("audio", "dB", -60)
    assert made.modality.scale * 255 + made.modality.offset == pytest.approx(0)


@pytest.mark.parametrize(("rate", "ending"), [(8000, "wav"), (44100, "flac"), (16000, "ogg"), (6000, "wav")])
def test_a_tone_lies_in_its_row_whatever_the_files_rate(rate: int, ending: str, tmp_path: Path) -> None:
    """Row k of 64 stands for k * 8000 / 126 Hz."""
    soundfile.write(tmp_path / f"a.{ending}", tone(1500, rate), rate)
    made = prepare(tmp_path, [f"a.{ending}"]).array[0]
    assert (made[:, 8:56].argmax(axis=0) == round(1500 * 126 / 8000)).all()


def test_channels_are_mixed_and_levels_do_not_matter(tmp_path: Path) -> None:
    left, right = tone(500, 8000), tone(3000, 8000, level=0.4)
    soundfile.write(tmp_path / "stereo.wav", np.column_stack([left, right]), 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "mono.wav", (left + right) / 2, 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "soft.wav", (left + right) / 2000, 8000, subtype="FLOAT")
    stereo, mono, soft = prepare(tmp_path, ["stereo.wav", "mono.wav", "soft.wav"]).array.astype(int)
    assert np.abs(stereo - mono).max() <= 1
    assert np.abs(stereo - soft).max() <= 1


def test_longer_ones_are_cut_and_shorter_ones_are_followed_by_silence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.concatenate([tone(500, 8000), tone(3000, 8000, 4)]), 8000)
    soundfile.write(tmp_path / "short.wav", tone(500, 8000, 0.5), 8000)
    long, short = prepare(tmp_path, ["long.wav", "short.wav"]).array
    assert (long[:, 4:60].argmax(axis=0) == round(500 * 126 / 8000)).all(), "the second tone begins after 1 s"
    assert (short[:, 40:] == 0).all()
    np.testing.assert_array_equal(short[:, :28], long[:, :28])


def test_silence_is_zero_and_present(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(8000), 8000)
    made = prepare(tmp_path, ["silence.wav", None], optional=True)
    assert not made.array.any()
    assert made.present.tolist() == [True, False]


@pytest.mark.parametrize("samples", [None, 0])
def test_files_that_are_no_sound_name_file_row_and_column(samples: int | None, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(500, 8000), 8000)
    if samples is None:
        (tmp_path / "b.wav").write_bytes(b"no sound")
    else:
        soundfile.write(tmp_path / "b.wav", np.zeros(samples), 8000)
    with pytest.raises(CellError, match=r"row 11 \(id id-1\), column sound: b.wav in .*: (not a readable|it is empty)"):
        prepare(tmp_path, ["a.wav", "b.wav"])
