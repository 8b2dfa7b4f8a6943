"""Films from files to report and comparison, as a user runs them: text, several labels, padding, tuned thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from project_runs import kedro, make_project, newest

from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES

pytestmark = pytest.mark.mirror
REPORTING = Path("data/test/08_reporting/mmimdb")


def run(project: Path, *extra: str) -> str:
    done = kedro(project, "run", "--env=test", "--params=dataset=mmimdb", *extra)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def test_films_are_searched_trained_reported_and_compared(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    said = run(project)
    assert "3,509 films in MM-IMDB's layout (not MM-IMDB)" in said
    page = newest(project / REPORTING / "report.html").read_text()
    assert "3,509 films in MM-IMDB&#39;s layout (not MM-IMDB)" in page
    classes = pd.read_parquet(newest(project / REPORTING / "class_scores.parquet"))
    assert tuple(classes["class"]) == GENRES
    assert classes["examples"].sum() > 2 * 1053  # test films have more than two genres on average
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
    run(project, "--pipeline=compare")
    table = pd.read_parquet(newest(project / REPORTING / "comparison.parquet")).set_index("contender")
    assert list(table.index) == ["baseline", "searched", "image_alone", "text_alone", "most frequent labels"]
    assert (table["metric"] == "f1_weighted").all()
