"""`kedro run` of the comparison and of the search's validation, as a user runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from project_runs import newest
from run_results import started
from shared_runs import Run, SharedRuns

REPORTING = Path("data/test/08_reporting/avmnist")


def latest(run: Run, name: str) -> Path:
    return newest(run.project / REPORTING / name)


@pytest.fixture(scope="session")
def compared(shared_runs: SharedRuns, finished: Run) -> Run:
    return shared_runs.run("run", "--env=test", "--pipeline=compare", after=finished)


@pytest.fixture(scope="session")
def validated(shared_runs: SharedRuns, finished: Run) -> Run:
    return shared_runs.run("run", "--env=test", "--pipeline=validate_search", after=finished)


def test_compare(compared: Run) -> None:
    assert "avmnist: test accuracy, mean of 2 seeds" in compared.words
    table = pd.read_parquet(latest(compared, "comparison.parquet")).set_index("contender")
    networks = ["baseline", "searched", "image_alone", "audio_alone"]
    assert list(table.index) == [*networks, "linear", "trees", "most frequent class"]
    assert (table["source"] == "AV-MNIST demo (5,000 MNIST digits, synthetic speech and noise)").all()
    trained = table.drop(index="most frequent class")
    assert trained.loc[networks, "learning_rate"].isin([0.001, 0.002]).all()
    assert (trained.loc[networks, "epochs"] <= 2).all()
    assert trained.loc[["linear", "trees"], ["learning_rate", "epochs", "flops_per_example"]].isna().all(axis=None)
    assert trained.loc["linear", "spread"] == 0
    bars = json.loads(latest(compared, "comparison_figure.json").read_text())["data"]
    assert [bar["name"].replace(" ", "_") for bar in bars[:-1]] == [*networks, "linear", "trees"]
    assert (trained["low"] <= trained["difference"]).all()
    assert (trained["difference"] <= trained["high"]).all()
    expected = trained["score"] - trained.loc["baseline", "score"]
    pd.testing.assert_series_equal(trained["difference"], expected, check_names=False)


def test_published_scores_are_shown_and_train_nothing_again(compared: Run, shared_runs: SharedRuns) -> None:
    published = "--params=avmnist.compare.published.baseline=0.732"
    shown = shared_runs.run(*compared.arguments, published, after=compared)
    assert [name.rpartition(".")[2] for name in started(shown.output)] == ["evaluate_contenders", "draw_comparison"]
    assert "published, on other data: baseline 0.7320" in shown.words
    bars = json.loads(latest(shown, "comparison_figure.json").read_text())["data"]
    assert [bar["name"] for bar in bars if "published" in bar["name"]] == ["baseline, published"]


def test_validate_search(validated: Run) -> None:
    assert "4 combinations, trained on 100 examples for 1 epochs" in validated.words
    combinations = pd.read_parquet(latest(validated, "combinations.parquet"))
    assert sorted(combinations["image"] + combinations["fusion_function"]) == [
        "mlp_mixerconcat",
        "mlp_mixermax",
        "ramlpconcat",
        "ramlpmax",
    ]
    assert combinations["mean"].is_monotonic_decreasing
    agreement = pd.read_parquet(latest(validated, "agreement.parquet"))
    assert len(agreement) == 2 * 2 * 2  # methods, epochs, seeds
    assert (agreement["replicates"] == 2).all()
    by_method: dict[str, Any] = dict(iter(agreement.groupby("method")))
    costs = [by_method[m].set_index(["epochs", "seeds"])["cost"] for m in ("stage by stage", "joint (TPE)")]
    assert (costs[1] >= costs[0]).all()  # the joint search is never given less
    summary = json.loads(latest(validated, "agreement_summary.json").read_text())
    assert summary["best"] == combinations["combination"].iloc[0]


def test_the_budget_that_follows_trains_nothing_again(validated: Run, shared_runs: SharedRuns) -> None:
    """The validation's result is set as the search's budget."""
    budget = shared_runs.run(*validated.arguments, "--params=avmnist.search.budget.steps=13", after=validated)
    trained = [name for name in started(validated.output) if re.search(r"\.(train|search)_", name)]
    assert len(trained) > 4
    assert not set(trained) & set(started(budget.output))
