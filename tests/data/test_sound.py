"""Sound files, resampling and spectrograms, against formulas written out in numpy."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
import torch

from mixmas_pipeline.data import sound
from mixmas_pipeline.data.sound import read_sound, resample, spectrogram_transform, stft_magnitude, to_decibel_bytes


def sine(frequency: float, rate: int, seconds: float = 1.0, amplitude: float = 10_000) -> np.ndarray:
    """A sine of int16 samples."""
    time = np.arange(round(rate * seconds)) / rate
    return np.rint(amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.int16)


@pytest.mark.parametrize("rate", [44100, 22050, 16000, 48000, 8000, 6000])
def test_resampling_keeps_frequency_length_and_level(rate: int) -> None:
    found = resample(sine(1000, rate), rate, 8000)
    assert found.dtype == np.int16
    assert len(found) == 8000
    spectrum = np.abs(np.fft.rfft(found.astype(float)))
    assert spectrum.argmax() == 1000, "one bin is one hertz"
    np.testing.assert_allclose(found[500:-500], sine(1000, 8000)[500:-500], atol=100)


def test_resampling_removes_what_the_new_rate_cannot_hold() -> None:
    """6 kHz would fold to 2 kHz at a rate of 8 kHz."""
    found = resample(sine(6000, 44100), 44100, 8000)
    assert np.abs(found[500:-500].astype(int)).max() < 100


def test_resampling_clips_instead_of_wrapping() -> None:
    square = np.where(sine(100, 44100) >= 0, 32767, -32768).astype(np.int16)
    found = resample(square, 44100, 8000)
    expected = np.where(sine(100, 8000) >= 0, 1, -1)
    inside = np.abs(sine(100, 8000).astype(int)) > 5000
    assert (np.sign(found[inside].astype(int)) == expected[inside]).all()
    assert found.max() == 32767


def test_same_rate_is_untouched() -> None:
    wave = sine(440, 8000)
    np.testing.assert_array_equal(resample(wave, 8000, 8000), wave)


def written(**how: str) -> bytes:
    """Two seconds of stereo noise."""
    file = io.BytesIO()
    soundfile.write(file, np.random.default_rng(0).uniform(-0.5, 0.5, (16_000, 2)), 8000, **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("W64", "PCM_16"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_a_file_that_is_cut_off_is_refused_unless_what_is_wanted_is_there(form: str, subtype: str) -> None:
    content = written(format=form, subtype=subtype)
    cut = content[: len(content) * 3 // 4]
    assert len(read_sound(content)[0]) == 16_000
    assert len(read_sound(cut, seconds=0.5)[0]) == 4000
    with pytest.raises(ValueError, match=r"cut off: 0\.[45]\d of 2\.00 s are missing"):
        read_sound(cut)


@pytest.mark.parametrize("excess", [44, 300])
def test_a_header_that_is_a_little_too_large_is_forgiven(excess: int) -> None:
    """Some programs count the header too."""
    content = written(format="WAV", subtype="PCM_16")
    start = content.index(b"data") + 4
    size = int.from_bytes(content[start : start + 4], "little") + excess
    changed = content[:start] + size.to_bytes(4, "little") + content[start + 4 :]
    assert len(read_sound(changed)[0]) == 16_000


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_that_is_cut_off_is_refused(subtype: str, caplog: pytest.LogCaptureFixture) -> None:
    """Inside a page; between two it looks like one that has no mark of its end, which is said once."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(48_000 * 4)
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, 48_000, format="OGG", subtype=subtype)
    content = buffer.getvalue()
    assert len(read_sound(content)[0]) == len(noise)
    with pytest.raises(ValueError, match=r"it is cut off after [1-3]\.\d\d s, inside a page"):
        read_sound(content[:-10])
    assert len(read_sound(content[:-10], seconds=1)[0]) == 48_000
    sound._warn_of_open_end.cache_clear()
    for _ in range(2):
        assert len(read_sound(content[: content.rfind(b"OggS")])[0]) < len(noise)
    assert caplog.text.count("without a mark of their end") == 1


def test_frames_that_a_header_announces_take_no_memory() -> None:
    """FLAC's stream information has 36 bits for them, in bytes 18 to 25 of the file."""
    content = written(format="FLAC", subtype="PCM_16")
    head = int.from_bytes(content[18:26], "big")
    assert head & (2**36 - 1) == 16_000
    absurd = content[:18] + (head | 2**31).to_bytes(8, "big") + content[26:]
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"it is cut off|not a readable sound file"):
            read_sound(absurd)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_a_recording_of_many_hours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "_MOST_SAMPLES", 20_000)
    monkeypatch.setattr(sound, "_BLOCK", 5000)
    with pytest.raises(ValueError, match="it has more than 20,000 samples; cut it, or use its beginning only"):
        read_sound(written(format="WAV", subtype="PCM_16"))
    assert read_sound(written(format="WAV", subtype="PCM_16"), seconds=1)[0].shape == (8000, 2)


@pytest.mark.parametrize("rate", [1, 16_000_057, 2**31 - 1])
def test_a_rate_that_no_recording_has_is_refused_before_it_takes_memory(rate: int) -> None:
    content = written(format="WAV", subtype="PCM_16")
    start = content.index(b"fmt ") + 12
    changed = content[:start] + rate.to_bytes(4, "little") + content[start + 4 :]
    with pytest.raises(ValueError, match=f"its sample rate is {rate:,} Hz; expected 100 to 1,000,000"):
        read_sound(changed, seconds=1)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_stream_of_unknown_size_is_read_to_its_end(size: int) -> None:
    content = written(format="WAV", subtype="PCM_16")
    start = content.index(b"data") + 4
    streamed = content[:start] + size.to_bytes(4, "little") + content[start + 4 :]
    np.testing.assert_array_equal(read_sound(streamed)[0], read_sound(content)[0])


def slow_magnitude(wave: np.ndarray, size: int, hop: int) -> np.ndarray:
    """|STFT| by its definition: centred frames, reflected edges, periodic Hann window, a sum a frequency."""
    padded = np.pad(wave.astype(np.float64), size // 2, mode="reflect")
    window = np.array([0.5 - 0.5 * np.cos(2 * np.pi * n / size) for n in range(size)])
    frames = 1 + len(wave) // hop
    result = np.empty((size // 2 + 1, frames))
    for k in range(size // 2 + 1):
        turn = np.exp(-2j * np.pi * k * np.arange(size) / size)
        for t in range(frames):
            result[k, t] = abs(np.sum(padded[t * hop : t * hop + size] * window * turn))
    return result


@pytest.mark.parametrize(("size", "hop", "samples"), [(16, 5, 83), (14, 14, 100), (222, 72, 1500)])
def test_stft_is_the_discrete_fourier_transform(size: int, hop: int, samples: int) -> None:
    waves = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    found = stft_magnitude(torch.from_numpy(waves), size, hop).numpy()
    assert found.shape == (2, size // 2 + 1, 1 + samples // hop)
    for row in range(2):
        np.testing.assert_allclose(found[row], slow_magnitude(waves[row], size, hop), atol=1e-4)


def test_transform_is_torchaudios() -> None:
    try:
        from torchaudio.transforms import Spectrogram
    except (ImportError, OSError) as error:
        pytest.skip(f"torchaudio does not import here ({type(error).__name__}); torch.stft stands in for it")
    waves = torch.randn(3, 8000, generator=torch.Generator().manual_seed(0))
    theirs = Spectrogram(n_fft=222, hop_length=72, power=1.0)(waves)[..., :112]
    torch.testing.assert_close(spectrogram_transform(112, 8000)(waves), theirs, rtol=0, atol=1e-6)
    torch.testing.assert_close(stft_magnitude(waves, 222, 72)[..., :112], theirs, rtol=1e-6, atol=1e-5)


def test_torchaudio_is_asked_for_magnitudes_where_it_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in with torchaudio's documented signature and computation."""
    asked: list[tuple[int, int, float]] = []

    class Spectrogram:
        def __init__(self, n_fft: int, hop_length: int, power: float) -> None:
            asked.append((n_fft, hop_length, power))

        def __call__(self, waves: torch.Tensor) -> torch.Tensor:
            return stft_magnitude(waves, 222, 72)

    waves = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(sound, "_torchaudio_spectrogram", lambda: None)
    without = spectrogram_transform(112, 8000)(waves)
    assert not asked
    monkeypatch.setattr(sound, "_torchaudio_spectrogram", lambda: Spectrogram)
    torch.testing.assert_close(spectrogram_transform(112, 8000)(waves), without)
    assert asked == [(222, 72, 1.0)]


@pytest.mark.parametrize(("bins", "samples"), [(112, 8000), (112, 4001), (112, 12345), (64, 8000), (8, 100)])
def test_spectrograms_are_square(bins: int, samples: int) -> None:
    assert spectrogram_transform(bins, samples)(torch.ones(2, samples)).shape == (2, bins, bins)


@pytest.mark.parametrize("frequency", [500, 1000, 3500])
def test_a_tone_lies_in_its_row(frequency: int) -> None:
    """Row k of 112 stands for k * 8000 / 222 Hz."""
    wave = torch.from_numpy(sine(frequency, 8000).astype(np.float32))[None]
    rows = spectrogram_transform(112, 8000)(wave)[0, :, 20:90].argmax(dim=0)
    assert (rows == round(frequency * 222 / 8000)).all()


def test_a_click_lies_in_its_column() -> None:
    wave = torch.zeros(1, 8000)
    wave[0, 50 * 72] = 1
    assert spectrogram_transform(112, 8000)(wave)[0].sum(dim=0).argmax() == 50


def test_decibel_bytes_by_hand() -> None:
    """At 80 dB a byte is 80 / 255 dB: 0, -20, -40, -60 dB and silence are 255, 191.25, 127.5, 63.75 and 0."""
    magnitude = torch.tensor([[[5.0, 0.5, 0.05], [0.005, 0.0, 1e-9]]])
    found = to_decibel_bytes(magnitude, 80.0)
    assert found.dtype == np.uint8
    assert found[0, 0].tolist()[:2] == [255, 191]
    assert found[0, 0, 2] in (127, 128)
    assert found[0, 1].tolist() == [64, 0, 0]
    np.testing.assert_array_equal(to_decibel_bytes(magnitude, 20.0)[0], [[255, 0, 0], [0, 0, 0]])


def test_decibel_bytes_are_relative_to_each_spectrogram() -> None:
    magnitude = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.01
    magnitude[1] = magnitude[0] * 1000
    found = to_decibel_bytes(magnitude, 80.0)
    assert (found[0].max(), found[1].max()) == (255, 255)
    assert np.abs(found[0].astype(int) - found[1]).max() <= 1


def test_decibel_bytes_invert_to_decibels() -> None:
    magnitude = torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(1)) + 0.001
    stored = to_decibel_bytes(magnitude, 80.0)[0].astype(float)
    expected = 20 * np.log10(magnitude[0].numpy() / magnitude.max().item())
    np.testing.assert_allclose(stored * 80 / 255 - 80, expected, atol=80 / 255 / 2 + 1e-3)


def test_silence_is_zero() -> None:
    np.testing.assert_array_equal(to_decibel_bytes(torch.zeros(1, 3, 3), 80.0), np.zeros((1, 3, 3)))


def encoded(samples: np.ndarray, rate: int = 8000, format: str = "WAV", subtype: str | None = None) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=format, subtype=subtype)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("format", "subtype", "tolerance"),
    [("WAV", "PCM_16", 2e-4), ("WAV", "FLOAT", 1e-6), ("WAV", "PCM_24", 1e-5), ("FLAC", "PCM_16", 2e-4)],
)
def test_sound_files_are_read_at_their_level(format: str, subtype: str, tolerance: float) -> None:
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (500, 2))
    found, rate = read_sound(encoded(samples, 11025, format, subtype))
    assert (found.dtype, rate) == (np.float32, 11025)
    np.testing.assert_allclose(found, samples, atol=tolerance)
    beginning, _ = read_sound(encoded(samples, 11025, format, subtype), seconds=0.02)
    np.testing.assert_array_equal(beginning, found[:221])


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: b"no sound", "not a readable sound file"),
        (lambda: encoded(np.zeros((0, 1))), "empty"),
        (lambda: encoded(np.array([0.0, np.nan]), subtype="FLOAT"), "NaN"),
    ],
    ids=["text", "no samples", "not a number"],
)
def test_files_that_hold_no_sound_are_refused(make: Callable[[], bytes], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read_sound(make())


def test_floats_are_resampled_as_whole_numbers_are() -> None:
    wave = sine(1000, 44100)
    floats = resample((wave / 32768).astype(np.float32), 44100, 8000)
    assert floats.dtype == np.float32
    np.testing.assert_allclose(floats * 32768, resample(wave, 44100, 8000), atol=0.51)
