"""Trimming and mixing, against formulas written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from mixmas_pipeline.pipelines.data.avmnist.sound import mix, trim_silence


def test_silence_at_the_ends_is_cut() -> None:
    tone = np.array([500, -1000, 0, 0, 1000, 20], dtype=np.int16)
    padded = np.concatenate([np.zeros(50, np.int16), np.full(5, 9, np.int16), tone, np.full(30, -10, np.int16)])
    np.testing.assert_array_equal(trim_silence(padded), tone)
    np.testing.assert_array_equal(trim_silence(padded, 0.6), tone[1:5])
    np.testing.assert_array_equal(trim_silence(tone), tone)


def test_loudest_negative_sample_counts() -> None:
    """-32768 has no positive int16."""
    wave = np.array([0, 200, -32768, 400, 0], dtype=np.int16)
    np.testing.assert_array_equal(trim_silence(wave), wave[2:4])


def test_silent_clip_stays() -> None:
    assert len(trim_silence(np.zeros(10, dtype=np.int16))) == 10


@pytest.mark.parametrize("level", [1.0, 3000.0])
def test_measured_ratio_is_the_ratio_asked(level: float) -> None:
    rng = np.random.default_rng(0)
    snr_db = np.array([-15.0, -3.0, 0.0, 6.0, 60.0])
    speech = np.zeros((5, 4000), dtype=np.float32)
    speech[:, 1000:2500] = rng.standard_normal((5, 1500)) * 800
    power = np.mean(np.square(speech[:, 1000:2500]), axis=1)
    noise = (rng.standard_normal((5, 4000)) * level + 0.1 * level).astype(np.float32)
    mixed = mix(speech, power, noise, np.full(5, 1e-6), snr_db)
    assert mixed.dtype == np.float32
    added = mixed.astype(np.float64) - speech
    measured = 10 * np.log10(power / np.mean(np.square(added), axis=1))
    np.testing.assert_allclose(measured, snr_db, atol=0.01)
    for row in range(4):
        assert np.corrcoef(added[row], noise[row])[0, 1] > 0.999, "what was added is the noise"


def test_nearly_silent_noise_is_not_blown_up() -> None:
    speech, noise = np.full((1, 100), 1000, np.float32), np.full((1, 100), 0.01, np.float32)
    mixed = mix(speech, np.array([1e6]), noise, np.array([100.0]), np.array([0.0]))
    np.testing.assert_allclose(mixed - speech, 0.01 * 1000 / 10, rtol=1e-3)
    silent = mix(speech, np.array([1e6]), np.zeros_like(noise), np.array([1e-6]), np.array([-40.0]))
    np.testing.assert_array_equal(silent, speech)
