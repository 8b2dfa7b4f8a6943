"""Films from files to report and comparison, as a user runs them: text, several labels, padding, tuned thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from project_runs import newest
from shared_runs import Run, SharedRuns

from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES

pytestmark = [pytest.mark.mirror, pytest.mark.slow]
REPORTING = Path("data/test/08_reporting/mmimdb")


def test_films_are_searched_trained_and_reported(films_run: Run) -> None:
    project = films_run.project
    splits = json.loads((project / "data/01_raw/mmimdb/split.json").read_text())
    source = f"{sum(map(len, splits.values()))} films in MM-IMDB's layout (not MM-IMDB)"
    assert source in films_run.words
    page = newest(project / REPORTING / "report.html").read_text()
    assert source.replace("'", "&#39;") in page
    classes = pd.read_parquet(newest(project / REPORTING / "class_scores.parquet"))
    assert tuple(classes["class"]) == GENRES
    assert classes["examples"].sum() > 2 * len(splits["test"])  # test films have more than two genres on average
    assert {"tuned threshold", "f1, tuned"} < set(classes)
    metrics = json.loads(newest(project / Path("data/test/07_model_output/mmimdb/metrics.json")).read_text())
    assert {"f1_weighted", "f1_micro", "f1_macro", "f1_samples", "average_precision_macro"} < set(metrics["test"])
    assert [name for name in metrics["test"] if name not in metrics["validation"]] == [
        f"f1_{kind}, thresholds tuned on validation" for kind in ("macro", "weighted", "micro", "samples")
    ]
    leaderboard = pd.read_parquet(newest(project / REPORTING / "leaderboard.parquet"))
    assert set(leaderboard.loc[leaderboard["stage"] == "text", "candidate"]) == {
        "mlp_mixer",
        "hyper_mixer",
        "monarch_mixer",
    }


def test_films_are_compared(films_run: Run, shared_runs: SharedRuns) -> None:
    compared = shared_runs.run(*films_run.arguments, "--pipeline=compare", after=films_run)
    table = pd.read_parquet(newest(compared.project / REPORTING / "comparison.parquet")).set_index("contender")
    assert list(table.index) == [
        *("baseline", "searched", "image_alone", "text_alone", "linear", "trees", "most frequent labels"),
    ]
    assert (table["metric"] == "f1_weighted").all()
