"""`kedro run` of the comparison and of the search's validation, as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from project_runs import kedro

REPORTING = Path("data/test/08_reporting/avmnist")


def newest(project: Path, name: str) -> Path:
    return sorted((project / REPORTING / name).glob(f"*/{name}"))[-1]


def run(project: Path, pipeline: str, *extra: str) -> str:
    done = kedro(project, "run", "--env=test", f"--pipeline={pipeline}", *extra)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def test_compare(copy_of_finished: Callable[[], Path]) -> None:
    project = copy_of_finished()
    said = run(project, "compare", "--params=avmnist.compare.published.baseline=0.732")
    assert "avmnist: test accuracy, mean of 2 seeds" in said
    assert "published, on other data: baseline 0.7320" in said
    table = pd.read_parquet(newest(project, "comparison.parquet")).set_index("contender")
    assert list(table.index) == ["baseline", "searched", "image_alone", "audio_alone", "most frequent class"]
    assert (table["source"] == "AV-MNIST demo (5,000 MNIST digits, synthetic speech and noise)").all()
    trained = table.drop(index="most frequent class")
    assert trained["learning_rate"].isin([0.001, 0.002]).all()
    assert (trained["epochs"] <= 2).all()
    assert (trained["low"] <= trained["difference"]).all()
    assert (trained["difference"] <= trained["high"]).all()
    expected = trained["score"] - trained.loc["baseline", "score"]
    pd.testing.assert_series_equal(trained["difference"], expected, check_names=False)
    bars = json.loads(newest(project, "comparison_figure.json").read_text())["data"]
    assert [bar["name"] for bar in bars if "published" in bar["name"]] == ["baseline, published"]
    # A change of what is only shown trains nothing again.
    said = run(project, "compare", "--params=avmnist.compare.published.searched=0.5")
    ran = [part.split()[0] for part in said.split("Running ")[1:]]
    assert ran == ["compare.evaluate_contenders", "compare.draw_comparison"]


def test_validate_search(copy_of_finished: Callable[[], Path]) -> None:
    project = copy_of_finished()
    said = run(project, "validate_search")
    assert "4 combinations, trained on 100 examples for 1 epochs" in said
    combinations = pd.read_parquet(newest(project, "combinations.parquet"))
    assert sorted(combinations["image"] + combinations["fusion_function"]) == [
        "mlp_mixerconcat",
        "mlp_mixermax",
        "ramlpconcat",
        "ramlpmax",
    ]
    assert combinations["mean"].is_monotonic_decreasing
    agreement = pd.read_parquet(newest(project, "agreement.parquet"))
    assert len(agreement) == 2 * 2 * 2  # methods, epochs, seeds
    assert (agreement["replicates"] == 2).all()
    by_method: dict[str, Any] = dict(iter(agreement.groupby("method")))
    costs = [by_method[m].set_index(["epochs", "seeds"])["cost"] for m in ("stage by stage", "joint (TPE)")]
    assert (costs[1] >= costs[0]).all()  # the joint search is never given less
    summary = json.loads(newest(project, "agreement_summary.json").read_text())
    assert summary["best"] == combinations["combination"].iloc[0]
    # The budget that follows from it is set in the search's parameters: nothing is to be trained again for that.
    said = run(project, "validate_search", "--params=avmnist.search.budget.steps=13")
    assert "Running validate_search.truth.train_" not in said
    assert "Running validate_search.search.search_" not in said
