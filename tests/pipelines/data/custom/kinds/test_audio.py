"""Recordings of any rate, length and number of channels, as spectrograms worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from kind_samples import frame

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.sound import coloured_noise
from mixmas_pipeline.pipelines.data.custom.cells import CellError
from mixmas_pipeline.pipelines.data.custom.kinds import audio
from mixmas_pipeline.pipelines.data.custom.modalities import AudioParameters


def prepare(folder: Path, names: list[Any], **parameters: Any) -> Column:
    section = {
        "column": "sound",
        "folder": str(folder),
        "sample_rate": 8000,
        "seconds": 1,
        "bins": 64,
        "frequencies": "linear",
    }
    made, rows = AudioParameters.model_validate(section | parameters), frame(sound=names)
    return audio.prepare(made, audio.learn(made, rows, folder), rows, folder)


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


def test_mel_frequencies_are_what_a_slow_computation_gives(tmp_path: Path) -> None:
    """A frame of 512 samples per 126; power summed by 64 triangles, one after the other."""
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 8000) * np.linspace(0.1, 1, 8000)
    soundfile.write(tmp_path / "a.wav", wave, 8000, subtype="FLOAT")
    made = prepare(tmp_path, ["a.wav"], range_db=60, frequencies="mel").array[0]
    padded = np.pad(wave, 256, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    power = np.stack([np.abs(np.fft.rfft(padded[t * 126 : t * 126 + 512] * window)) ** 2 for t in range(64)])
    corners = [700 * (10 ** (2595 * np.log10(1 + 4000 / 700) * k / 65 / 2595) - 1) for k in range(66)]
    sums = np.zeros((64, 64))
    for band, (low, centre, high) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        for line in range(257):
            hertz = line * 8000 / 512
            rising, falling = (hertz - low) / (centre - low), (high - hertz) / (high - centre)
            sums[band] += max(0.0, min(rising, falling)) * power[:, line]
    decibel = np.maximum(10 * np.log10(sums / sums.max()), -60)
    assert np.abs(made - (decibel + 60) * 255 / 60).max() <= 1


def test_length_is_that_of_nine_in_ten_training_recordings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(10):
        soundfile.write(tmp_path / f"{number}.wav", tone(500, 8000, 0.5 + 0.1 * number), 8000)
    soundfile.write(tmp_path / "long.wav", tone(500, 8000, 30.0), 8000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")

    def seconds(names: list[str], **changes: Any) -> float:
        section = {"column": "sound", "folder": str(tmp_path), **changes}
        return audio.learn(AudioParameters.model_validate(section), frame(sound=names), tmp_path)["seconds"]

    with caplog.at_level("INFO"):
        assert seconds([f"{number}.wav" for number in range(10)] + ["broken.wav"]) == pytest.approx(1.31, abs=0.011)
    assert "have 0.50 to 1.40 s; 10 % are cut off" in caplog.text
    assert seconds(["long.wav"]) == 10
    assert seconds(["long.wav"], seconds=2.5) == 2.5


def test_variants_have_noise_of_their_level_and_follow_from_the_content(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1000, 8000), 8000)
    soundfile.write(tmp_path / "b.wav", tone(1000, 8000, level=0.4), 8000)
    names = ["a.wav", "b.wav", "a.wav"]
    plain, made = prepare(tmp_path, names), prepare(tmp_path, names, variants=40, snr_db=[10, 10], range_db=120)
    assert plain.variants is None
    np.testing.assert_array_equal(prepare(tmp_path, names, range_db=120).array, made.array)
    assert made.variants is not None
    assert made.variants.shape == (3, 40, 64, 64)
    np.testing.assert_array_equal(made.variants[0], made.variants[2])
    assert (made.variants[0] != made.variants[1]).any()
    row = round(1000 * 126 / 8000)

    def beside_tone(spectrograms: np.ndarray) -> np.ndarray:
        power = 10 ** (spectrograms * (12 / 255))  # (n, 64 frequencies, 64 frames), up to a factor each
        return power.sum(axis=(1, 2)) / power[:, row - 2 : row + 3].sum(axis=(1, 2)) - 1

    noise = []
    for level in (10, 20):
        variants = prepare(tmp_path, names[:1], variants=40, snr_db=[level, level], range_db=120).variants
        assert variants is not None
        noise.append(beside_tone(variants[0]) - beside_tone(made.array[:1]))  # the ends of the tone have other tones
    # White noise of 10 dB has a tenth of the tone's power; brown noise is near 0 Hz, where a line counts twice.
    assert 0.07 < noise[0].min() < noise[0].max() < 0.2
    np.testing.assert_allclose(noise[0] / noise[1], 10, rtol=0.1)


def test_variants_begin_later_and_have_the_noise_of_a_folder(tmp_path: Path) -> None:
    """A recording of half a second at 500 Hz; the noise is a tone at 3,000 Hz, shorter than the window."""
    (tmp_path / "background").mkdir()
    soundfile.write(tmp_path / "background" / "hum.wav", tone(3000, 8000, 0.3), 8000)
    soundfile.write(tmp_path / "a.wav", tone(500, 8000, 0.5), 8000)
    settings: dict[str, Any] = {"variants": 20, "snr_db": [20, 20], "noise": "background/*.wav", "onset": [0.1, 0.4]}
    made = prepare(tmp_path, ["a.wav"], **settings)
    assert made.variants is not None
    low, high = round(500 * 126 / 8000), round(3000 * 126 / 8000)
    assert np.median(made.array[0, high]) == 0, "the recording itself stays clean"
    loud = made.variants[0, :, low] > 200
    onsets = loud.argmax(axis=1) * (8000 // 63) / 8000
    assert 0.07 < onsets.min() < 0.2 < onsets.max() < 0.43
    np.testing.assert_allclose(loud.sum(axis=1), 0.5 * 63, atol=3)
    # 20 dB over the recording's half second: a level of a tenth, 20 dB below, all the time.
    decibel = made.variants[0, :, high, 2:-2] * (80 / 255) - 80
    np.testing.assert_allclose(np.median(decibel, axis=1), -20, atol=1.5)
    np.testing.assert_array_equal(prepare(tmp_path, ["a.wav"], **settings).variants, made.variants)


def test_rows_that_do_not_train_need_no_noise(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "new.wav", tone(500, 8000), 8000)
    parameters = AudioParameters(
        column="sound", folder=str(tmp_path), noise="background/*.wav", variants=2, onset=(0.0, 0.5)
    ).model_copy(update={"variants": 0})  # as for rows of validation, of the test, and new ones
    assert audio.prepare(parameters, {"seconds": 1.0}, frame(sound=["new.wav"]), tmp_path).variants is None


def test_an_onset_leaves_something_of_the_recording(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(500, 8000), 8000)
    for seconds in (1, "auto"):
        with pytest.raises(ValueError, match=r"onset is \[0.0, 1.0\], but 1 s of a recording are taken"):
            prepare(tmp_path, ["a.wav"], seconds=seconds, onset=[0, 1.0], variants=1)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        pytest.param("street/*.wav", "no file in .* fits noise: 'street/", id="none"),
        pytest.param("silence.wav", "the noise silence.wav in .* is silent", id="silent"),
        pytest.param("b.txt", "the noise b.txt in .*: not a readable sound file", id="no sound"),
    ],
)
def test_a_noise_that_is_none_is_refused_before_anything_is_prepared(tmp_path: Path, noise: str, message: str) -> None:
    soundfile.write(tmp_path / "a.wav", tone(500, 8000), 8000)
    soundfile.write(tmp_path / "silence.wav", np.zeros(8000), 8000)
    (tmp_path / "b.txt").write_text("no sound")
    made = AudioParameters(column="sound", folder=str(tmp_path), variants=2, noise=noise)
    with pytest.raises(ValueError, match=message):
        audio.learn(made, frame(sound=["a.wav"]), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"onset": [0.2, 0.1], "variants": 1}, "onset is .*the shorter time first", id="order"),
        pytest.param({"onset": [0.0, 0.1]}, "noise and onset are those of variants", id="no variants"),
        pytest.param({"noise": "*.wav"}, "noise and onset are those of variants", id="noise without variants"),
    ],
)
def test_settings_of_variants_that_contradict(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AudioParameters.model_validate({"column": "sound", "folder": "sounds", **changes})


def test_noise_has_its_colour_and_power() -> None:
    noise = coloured_noise(np.array([0.0, 1.0, 2.0]), 40_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.mean(np.square(noise), axis=1), 1, rtol=1e-4)
    power = np.abs(np.fft.rfft(noise, axis=1)) ** 2
    octaves = [power[:, k : 2 * k].mean(axis=1) for k in (1000, 2000, 4000, 8000)]
    slopes = -np.polyfit(np.log([1000, 2000, 4000, 8000]), np.log(octaves), 1)[0]
    np.testing.assert_allclose(slopes, [0, 1, 2], atol=0.1)
