"""Sound files as waveforms, waveforms at another rate, and log-magnitude spectrograms."""

from __future__ import annotations

import io
import logging
import math
import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import soundfile
    import torch

_log = logging.getLogger(__name__)
_SILENCE = 1e-10
# Of WAV, AIFF, AU and W64: the bytes that a header announces, and those that are there.
_CUT_OFF = re.compile(r"^\s*(?:data|SSND|Data Size|riff)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_SIZE = 0x7FFF0000
_HEADER_TOLERANCE = 0.05, 0.01  # seconds and share by which the headers of some programs are too large
# Samples of all channels: read at once, at most (3 hours of 48 kHz in stereo), and for each byte of a file of silence.
_BLOCK, _MOST_SAMPLES, _DENSEST = 1 << 22, 1 << 30, 10_000
_RATES = 100, 1_000_000  # Hz; resampling takes memory in proportion to the rate


def read_sound(
    content: bytes, dtype: Literal["int16", "float32"] = "float32", seconds: float | None = None
) -> tuple[np.ndarray, int]:
    """Decode a sound file (wav, flac, ogg, mp3, and what else libsndfile reads).

    Args:
        content: the file's bytes.
        dtype: "float32" in [-1, 1], or "int16", which is wrong for a wav file of floats. Default "float32".
        seconds: decode only so much of the beginning. Default None: all.

    Returns:
        waveform: (samples, channels).
        rate: in Hz.

    Raises:
        ValueError: it cannot be decoded, is empty or cut off before what is wanted (not every format shows it), has a
            rate that no recording has, or samples that are not finite.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            wanted = math.inf if seconds is None else math.ceil(seconds * file.samplerate)
            estimated = file.format == "MP3" and not any(tag in content[:4096] for tag in (b"Xing", b"Info"))
            announced, is_ogg = 0 if estimated else _announced(file), file.format == "OGG"
            frames = int(min(wanted, file.frames))
            waveform, rate = _decode(file, frames, dtype, len(content)), file.samplerate
    except soundfile.LibsndfileError as error:
        raise ValueError(f"not a readable sound file: {error.error_string}") from error
    if not _RATES[0] <= rate <= _RATES[1]:
        raise ValueError(f"its sample rate is {rate:,} Hz; expected {_RATES[0]:,} to {_RATES[1]:,}")
    if len(waveform) == 0:
        raise ValueError("it is empty (0 samples)")
    if not np.isfinite(waveform).all():
        raise ValueError("it has samples that are NaN or infinite")
    missing = (min(wanted, announced) - len(waveform)) / rate
    if missing > max(_HEADER_TOLERANCE[0], _HEADER_TOLERANCE[1] * announced / rate):
        missing = (announced - len(waveform)) / rate
        raise ValueError(f"it is cut off: {missing:.2f} of {announced / rate:.2f} s are missing; copy it again")
    if is_ogg and len(waveform) < wanted:
        _check_ogg(content, len(waveform) / rate)
    return waveform, rate


def _decode(file: soundfile.SoundFile, frames: int, dtype: str, size: int) -> np.ndarray:
    """Decode at most ``frames`` frames, (samples, channels).

    Args:
        size: of the file in bytes. If the header announces far more than such a file can hold, memory is allocated as
            samples are read.

    Raises:
        ValueError: there are more samples than a recording should have in memory.
    """
    if frames * file.channels <= min(_MOST_SAMPLES, _DENSEST * size):
        return file.read(frames, dtype=dtype, always_2d=True)
    block, parts, samples = max(1, _BLOCK // file.channels), [], 0
    while frames > 0:
        part = file.read(min(frames, block), dtype=dtype, always_2d=True)
        parts.append(part)
        samples += part.size
        if samples > _MOST_SAMPLES:
            raise ValueError(f"it has more than {_MOST_SAMPLES:,} samples; cut it, or use its beginning only")
        if len(part) < min(frames, block):
            break
        frames -= len(part)
    return np.concatenate(parts) if parts else np.zeros((0, file.channels), dtype)


def _check_ogg(content: bytes, seconds: float) -> None:
    """Look at the last page (RFC 3533, section 6).

    Raises:
        ValueError: it is not whole.
    """
    page = content[content.rfind(b"OggS") :]
    header = 27 + page[26] if len(page) > 26 else 27
    if len(page) < header or len(page) < header + sum(page[27:header]):
        raise ValueError(f"it is cut off after {seconds:.2f} s, inside a page; copy it again")
    if not page[5] & 4:
        _warn_of_open_end()


@cache
def _warn_of_open_end() -> None:
    _log.warning(
        "Ogg recordings without a mark of their end are taken as whole. Some phones and streams leave it out, but what "
        "was cut off between two pages lacks it too (said once)"
    )


def _announced(file: soundfile.SoundFile) -> int:
    """Frames that the header announces. libsndfile reads what there is, and says in its log that it is less.

    A header whose size is unknown, as that of a stream, announces none.
    """
    for announced, there in _CUT_OFF.findall(file.extra_info):
        if int(there) < int(announced) < _UNKNOWN_SIZE:
            return round(file.frames * int(announced) / max(1, int(there)))
    return file.frames


def resample(waveform: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Polyphase resampling of int16 or float32 samples from ``rate`` to ``target`` Hz, the same type again; int16 is
    clipped at its range."""
    if rate == target:
        return waveform
    from scipy.signal import resample_poly

    common = math.gcd(rate, target)
    resampled = resample_poly(waveform.astype(np.float64), target // common, rate // common)
    if waveform.dtype == np.int16:
        resampled = np.clip(np.rint(resampled), -32768, 32767)
    return resampled.astype(waveform.dtype)


def spectrogram_transform(bins: int, samples: int):
    """Magnitude short-time Fourier transform that turns ``samples`` samples into ``bins`` x ``bins``.

    A Hann window of ``2 (bins - 1)`` samples gives ``bins`` frequencies; the hop gives ``bins`` centred frames.

    Returns:
        A function from (n, samples) float32 to (n, bins, bins) float32: torchaudio's ``Spectrogram`` where torchaudio
        imports, otherwise the same computation by ``torch.stft``.
    """
    size, hop = 2 * (bins - 1), samples // (bins - 1)
    if (Spectrogram := _torchaudio_spectrogram()) is not None:
        transform = Spectrogram(n_fft=size, hop_length=hop, power=1.0)
        return lambda waveforms: transform(waveforms)[..., :bins]
    return lambda waveforms: stft_magnitude(waveforms, size, hop)[..., :bins]


def mel_transform(bins: int, samples: int, rate: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Mel spectrogram that turns ``samples`` samples into ``bins`` x ``bins``.

    The frames lie ``samples // (bins - 1)`` samples apart. The Hann window has the next power of two above twice as
    many samples, and at least 64 ms. Power is summed by triangular filters.

    Args:
        rate: in Hz.

    Returns:
        A function from (n, samples) float32 to (n, bins, bins) float32: square roots of the filters' power.
    """
    import torch

    hop = samples // (bins - 1)
    size = 1 << math.ceil(math.log2(max(2 * hop, 0.064 * rate)))
    filters = torch.from_numpy(mel_filters(bins, size, rate))

    def transform(waveforms: torch.Tensor) -> torch.Tensor:
        # Silence follows: a reflection needs more samples than half a window.
        padded = torch.nn.functional.pad(waveforms, (0, max(0, size - samples)))
        return (filters @ stft_magnitude(padded, size, hop)[..., :bins].square()).sqrt()

    return transform


def mel_filters(bins: int, size: int, rate: int) -> np.ndarray:
    """(bins, size // 2 + 1) float32: triangles whose corners are equally far apart in mel, 2595 log10(1 + Hz / 700),
    from 0 Hz to half the rate (O'Shaughnessy 1987, "Speech Communication", section 4.3). A filter that would lie
    between two lines of the spectrum has the nearest one."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, bins + 2) / 2595) - 1)
    lines = np.arange(size // 2 + 1) * rate / size
    low, centre, high = (corners[k : k + bins, None] for k in range(3))
    filters = np.minimum((lines - low) / (centre - low), (high - lines) / (high - centre)).clip(min=0)
    empty = np.flatnonzero(filters.max(axis=1) == 0)
    filters[empty, np.abs(lines - centre[empty]).argmin(axis=1)] = 1
    return filters.astype(np.float32)


def coloured_noise(exponents: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(n, samples) float32 of mean square 1, whose power falls with frequency as 1 / f**exponent: 0 is white, 1 pink, 2
    brown noise."""
    frequencies = np.maximum(np.fft.rfftfreq(samples), 1 / samples)
    spectrum = np.fft.rfft(rng.normal(size=(len(exponents), samples)), axis=1)
    shaped = np.fft.irfft(spectrum * frequencies ** (-np.asarray(exponents)[:, None] / 2), samples, axis=1)
    return (shaped / np.sqrt(np.mean(np.square(shaped), axis=1, keepdims=True))).astype(np.float32)


def stft_magnitude(waveforms: torch.Tensor, size: int, hop: int) -> torch.Tensor:
    """|STFT| with a periodic Hann window, centred frames, reflected edges: torchaudio's ``Spectrogram(power=1)``."""
    import torch

    window = torch.hann_window(size)
    return torch.stft(waveforms, size, hop, window=window, center=True, pad_mode="reflect", return_complex=True).abs()


def to_decibel_bytes(magnitude: torch.Tensor, range_db: float) -> np.ndarray:
    """Decibels below each spectrogram's maximum, as bytes: 255 is the maximum, 0 is ``range_db`` or more below.

    Args:
        magnitude: (n, bins, frames), at least 0.
        range_db: of all 255 steps.
    """
    top = magnitude.amax(dim=(1, 2), keepdim=True).clamp_min(_SILENCE)
    decibel = 20 * (magnitude / top).clamp_min(10 ** (-range_db / 20)).log10()
    return ((decibel + range_db) * (255 / range_db)).round().byte().numpy()


@cache
def _torchaudio_spectrogram() -> type | None:
    """torchaudio's transform, or None. Its wheel raises OSError, not ImportError, beside a CPU build of torch."""
    try:
        from torchaudio.transforms import Spectrogram
    except (ImportError, OSError):
        return None
    return Spectrogram
