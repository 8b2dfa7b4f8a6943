"""Sound: resampling, contamination with noise at a signal-to-noise ratio, log-magnitude spectrograms."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

_SILENCE = 1e-10


def resample(waveform: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Polyphase resampling of int16 samples from ``rate`` to ``target`` Hz, int16 again, clipped at its range."""
    if rate == target:
        return waveform
    from scipy.signal import resample_poly

    common = math.gcd(rate, target)
    resampled = resample_poly(waveform.astype(np.float64), target // common, rate // common)
    return np.clip(np.rint(resampled), -32768, 32767).astype(np.int16)


def trim_silence(waveform: np.ndarray, threshold: float = 0.01) -> np.ndarray:
    """Cut off what lies before the first and after the last sample above ``threshold`` of the peak."""
    level = np.abs(waveform.astype(np.int32))
    loud = np.flatnonzero(level > threshold * level.max())
    return waveform[loud[0] : loud[-1] + 1] if len(loud) else waveform


def mix(speech: np.ndarray, power: np.ndarray, noise: np.ndarray, floor: np.ndarray, snr_db: np.ndarray) -> np.ndarray:
    """Add noise to speech at given ratios of their powers.

    Args:
        speech: (n, samples) float32, zero outside the clip.
        power: (n,) mean square of each clip over its own length (not over its padding).
        noise: (n, samples) float32.
        floor: (n,) least mean square to assume of the noise: a nearly silent stretch of a recording is not blown up.
        snr_db: (n,) 10 log10(power of speech / power of noise).

    Returns:
        (n, samples) float32.
    """
    noise_power = np.maximum(np.mean(np.square(noise), axis=1), floor)
    gain = np.sqrt(power / (noise_power * 10 ** (snr_db / 10)))
    return speech + noise * gain[:, None].astype(np.float32)


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


def stft_magnitude(waveforms: torch.Tensor, size: int, hop: int) -> torch.Tensor:
    """|STFT| with a periodic Hann window, centred frames, reflected edges: torchaudio's ``Spectrogram(power=1)``."""
    import torch

    window = torch.hann_window(size)
    return torch.stft(waveforms, size, hop, window=window, center=True, pad_mode="reflect", return_complex=True).abs()


def to_decibel_bytes(magnitude: torch.Tensor, range_db: float) -> np.ndarray:
    """Decibels below each spectrogram's maximum, as bytes: 255 is the maximum, 0 is ``range_db`` or more below.

    Args:
        magnitude: (n, bins, frames), at least 0.
        range_db: of the 255 steps together.
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
