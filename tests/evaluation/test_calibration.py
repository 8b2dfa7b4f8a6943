"""Calibration by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mixmas_pipeline.evaluation.calibration import calibration_bins, decisions, expected_calibration_error


def test_error_by_hand() -> None:
    """Two decisions near 0.6, of which one is right; three near 0.9, all right."""
    confidence = np.array([0.62, 0.66, 0.91, 0.95, 0.99])
    correct = np.array([True, False, True, True, True])
    low, high = calibration_bins(confidence, correct)
    assert (low.decisions, low.accuracy, high.decisions, high.accuracy) == (2, 0.5, 3, 1.0)
    assert (low.low, low.high) == pytest.approx((0.6, 0.7))
    expected = (2 * (0.64 - 0.5) + 3 * (1 - 0.95)) / 5
    assert expected_calibration_error(confidence, correct) == pytest.approx(expected)


def test_confidences_of_0_and_1_have_a_bin() -> None:
    assert [part.decisions for part in calibration_bins(np.array([0.0, 1.0]), np.array([True, True]))] == [1, 1]


def test_calibrated_decisions_have_hardly_an_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 50_000)
    assert expected_calibration_error(confidence, rng.random(50_000) < confidence) < 0.01
    assert expected_calibration_error(confidence, rng.random(50_000) < 0.5) == pytest.approx(0.25, abs=0.01)


def test_decisions_per_row_and_per_label() -> None:
    probabilities = np.array([[0.1, 0.9], [0.7, 0.3]])
    confidence, correct = decisions(probabilities, np.array([1, 1]))
    assert confidence.tolist() == [0.9, 0.7]
    assert correct.tolist() == [True, False]
    confidence, correct = decisions(probabilities, np.array([[1, 1], [1, 0]]))
    assert confidence.tolist() == pytest.approx([0.9, 0.9, 0.7, 0.7])
    assert correct.tolist() == [False, True, True, True]
