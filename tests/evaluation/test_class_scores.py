"""Scores per class and per target against scikit-learn and against numbers by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, precision_recall_fscore_support, r2_score

from mixmas_pipeline.evaluation.class_scores import class_scores, label_matrix, target_scores

CLASSES = ["b", "a", "c", "never"]


def test_scores_of_classes_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    predictions = pd.DataFrame({name: rng.choice(CLASSES[:3], 200) for name in ("label", "predicted")})
    scores = class_scores(predictions, CLASSES, {})
    expected = precision_recall_fscore_support(
        predictions["label"], predictions["predicted"], labels=CLASSES, zero_division=0
    )
    assert list(scores.columns) == ["class", "precision", "recall", "f1", "examples"]
    assert list(scores["class"]) == CLASSES
    for column, values in zip(("precision", "recall", "f1", "examples"), expected, strict=True):
        np.testing.assert_allclose(scores[column], values)


def test_tuned_thresholds_decide_by_themselves() -> None:
    """With 0.5 the second row of a is missed; with 0.3 it is found, and so is one that is not a."""
    predictions = pd.DataFrame(
        {
            "label": ["a", "a", "", "a, b"],
            "predicted": ["a", "", "", "a"],
            "probability_a": [0.9, 0.4, 0.35, 0.8],
            "probability_b": [0.1, 0.1, 0.1, 0.2],
        }
    )
    scores = class_scores(predictions, ["a", "b"], {"a": 0.3, "b": 0.15}).set_index("class")
    assert scores.loc["a", "f1"] == pytest.approx(2 * 2 / (3 + 2))
    assert scores.loc["a", "f1, tuned"] == pytest.approx(2 * 3 / (3 + 4))
    assert scores.loc["b", "f1, tuned"] == 1.0
    assert list(scores["tuned threshold"]) == [0.3, 0.15]


def test_a_class_with_a_comma_in_its_name_is_one_class() -> None:
    matrix = label_matrix(pd.Series(["x, y", "x, z"]), ["x", "x, y", "z"])
    np.testing.assert_array_equal(matrix, [[False, True, False], [True, False, True]])


def test_joined_names_may_have_commas() -> None:
    classes = ["Music", "Music, Dance", "War", "(a|b)"]
    labels = pd.Series(["Music, Dance, War", "Music, War", "", "Music, Music, Dance", "Music, Dance", "(a|b), War"])
    expected = [[0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]]
    np.testing.assert_array_equal(label_matrix(labels, classes), np.array(expected, bool))


def test_scores_of_targets_are_scikit_learns_and_a_constant_target_has_no_r2() -> None:
    rng = np.random.default_rng(1)
    truth, predicted = rng.normal(3, 2, 50), rng.normal(3, 2, 50)
    predictions = pd.DataFrame(
        {"label_price": truth, "error_price": predicted - truth, "label_flat": 1.0, "error_flat": 0.5}
    )
    price, flat = target_scores(predictions, ["price", "flat"]).to_dict("records")
    assert price == {
        "target": "price",
        "r2": pytest.approx(r2_score(truth, predicted)),
        "rmse": pytest.approx(mean_squared_error(truth, predicted) ** 0.5),
        "mae": pytest.approx(mean_absolute_error(truth, predicted)),
        "mean error": pytest.approx(np.mean(predicted - truth)),
        "true mean": pytest.approx(np.mean(truth)),
        "true deviation": pytest.approx(np.std(truth)),
    }
    assert np.isnan(flat["r2"])
    assert flat["mae"] == 0.5
