"""Sound: silence at the ends, contamination with noise at a signal-to-noise ratio."""

from __future__ import annotations

import numpy as np


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
