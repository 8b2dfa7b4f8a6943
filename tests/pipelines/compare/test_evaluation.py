"""Scores and intervals on the test split, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare_samples import COMPARE, TEST, TRAIN, TRAINING, VALIDATION, tuned_to
from reference_fits import logits_of
from reference_samples import QUICK
from scipy.stats import t
from sklearn.metrics import f1_score

from mixmas_pipeline.pipelines.compare import nodes
from mixmas_pipeline.pipelines.compare.results import Contender


def test_scores_and_intervals_by_hand(contenders: dict[str, Contender], tmp_path: Path) -> None:
    """Weighted F1 from its definition; the interval is t(seeds - 1) times bootstrap and seed noise in quadrature."""
    names = ("baseline", "searched")
    inputs: dict[str, Any] = {}
    for name in names:
        tuned = tuned_to(0.02)
        trained = nodes.train_seeds(
            contenders[name], tuned, TRAIN, VALIDATION, TRAINING, [0, 1, 2], str(tmp_path / name)
        )
        inputs |= {f"{name}/{key}": value for key, value in trained.items()}
        inputs |= {f"{name}/contender": contenders[name], f"{name}/tuned": tuned}
    comparison, predictions = nodes.evaluate_contenders(TRAIN, VALIDATION, TEST, COMPARE, "f1_weighted", **inputs)
    rows = comparison.set_index("contender")
    assert list(rows.index) == [*names, "most frequent labels"]

    def labels(column: str) -> np.ndarray:
        return np.array([[digit == "1" for digit in text] for text in predictions[column]])

    truth = labels("label")
    np.testing.assert_array_equal(truth, TEST.labels.astype(bool))

    def f1(guess: np.ndarray, chosen: np.ndarray) -> float:
        total = 0.0
        for c in range(4):
            hits = (truth[chosen, c] & guess[chosen, c]).sum()
            both = truth[chosen, c].sum() + guess[chosen, c].sum()
            total += truth[chosen, c].sum() * (2 * hits / both if both else 0.0)
        return total / truth[chosen].sum()

    everything = np.arange(len(truth))
    scores = {n: [f1(labels(f"{n}_seed_{s}"), everything) for s in COMPARE.seeds] for n in names}
    for name in names:
        assert rows.loc[name, "score"] == pytest.approx(np.mean(scores[name]))
        assert rows.loc[name, "spread"] == pytest.approx(np.std(scores[name], ddof=1))
    by_seed = np.subtract(scores["searched"], scores["baseline"])
    assert rows.loc["searched", "difference"] == pytest.approx(by_seed.mean())
    rng, resampled = np.random.default_rng(5), []
    for _ in range(400):
        chosen = rng.integers(len(truth), size=len(truth))
        pairs = [
            f1(labels(f"searched_seed_{s}"), chosen) - f1(labels(f"baseline_seed_{s}"), chosen) for s in COMPARE.seeds
        ]
        resampled.append(np.mean(pairs))
    error = np.hypot(np.std(resampled), by_seed.std(ddof=1) / 3**0.5)
    half = (rows.loc["searched", "high"] - rows.loc["searched", "low"]) / 2
    assert half == pytest.approx(t.ppf(0.975, 2) * error, rel=0.25)  # 60 resamples against 400
    assert rows.loc["baseline", ["difference", "low", "high"]].tolist() == [0, 0, 0]


def test_references_are_scored_beside_the_networks(contenders: dict[str, Contender], tmp_path: Path) -> None:
    """By scikit-learn's F1. One fit of the linear model meets the baseline of every seed; trees have a fit per seed."""
    tuned = tuned_to(0.02)
    trained = nodes.train_seeds(contenders["baseline"], tuned, TRAIN, VALIDATION, TRAINING, [0, 1, 2], str(tmp_path))
    linear, trees = nodes.fit_linear(TRAIN, QUICK, "none"), nodes.fit_trees(TRAIN, QUICK, "none", [0, 1, 2])
    inputs = {
        **{f"baseline/{key}": value for key, value in trained.items()},
        "baseline/contender": contenders["baseline"],
        "baseline/tuned": tuned,
        "linear/models": linear,
        "trees/models": trees,
    }
    comparison, predictions = nodes.evaluate_contenders(TRAIN, VALIDATION, TEST, COMPARE, "f1_weighted", **inputs)
    rows = comparison.set_index("contender")
    assert list(rows.index) == ["baseline", "linear", "trees", "most frequent labels"]

    def score(name: str, seed: int) -> float:
        guess = np.array([[digit == "1" for digit in text] for text in predictions[f"{name}_seed_{seed}"]])
        return f1_score(TEST.labels, guess, average="weighted", zero_division=0)

    expected = f1_score(TEST.labels, logits_of(linear[0], TEST) > 0, average="weighted", zero_division=0)
    assert rows.loc["linear", [f"seed_{seed}" for seed in COMPARE.seeds]].tolist() == pytest.approx([expected] * 3)
    assert rows.loc["linear", "spread"] == 0
    assert rows.loc["trees", "score"] == pytest.approx(np.mean([score("trees", seed) for seed in COMPARE.seeds]))
    assert len({model.scores.threshold.numpy().tobytes() for model in trees}) == 3
    for name in ("linear", "trees"):
        paired = np.mean([score(name, seed) - score("baseline", seed) for seed in COMPARE.seeds])
        assert rows.loc[name, "difference"] == pytest.approx(paired)
        assert rows.loc[name, "low"] < paired < rows.loc[name, "high"]
        assert rows.loc[name, ["flops_per_example", "learning_rate", "epochs"]].isna().all()
    assert rows.loc["linear", "parameters"] == sum(t.numel() for t in (linear[0].scores.weight, linear[0].scores.bias))
