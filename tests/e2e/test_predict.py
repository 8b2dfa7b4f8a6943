"""`kedro run --pipeline=predict`: the trained model on a file of rows, without any training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from project_runs import kedro, make_project, newest
from run_results import started

from mixmas_pipeline.datasets.table import TableDataset

OUTPUT = "data/test/07_model_output/avmnist"
PREDICT = ("run", "--env=test", "--pipeline=predict")


@pytest.fixture
def project(copy_of_finished: Callable[[], Path]) -> Path:
    """Training is finished, and rows.npz holds the test split's first 30 rows."""
    project = copy_of_finished()
    test = TableDataset(filepath=str(newest(project / "data/test/05_model_input/avmnist/test.arrow"))).load()
    rows = {name: array[:30] for name, array in test.arrays.items()}
    np.savez(project / "rows.npz", ids=test.ids[:30].astype(str), **rows)
    return project


def test_new_rows_are_predicted_as_in_training_and_reused(project: Path) -> None:
    rows = "--params=avmnist.predict.rows=rows.npz"
    done = kedro(project, *PREDICT, rows)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "avmnist: 30 rows predicted" in said
    assert "train_model" not in said, "nothing is trained, nor checked"
    predicted = pd.read_parquet(newest(project / OUTPUT / "predicted.parquet"))
    measured = pd.read_parquet(newest(project / OUTPUT / "predictions.parquet"))[:30]
    same = ["id", "predicted", "image_head", "audio_head"]
    assert predicted[same].equals(measured[same])
    probabilities = [c for c in measured if c.startswith("probability_")]
    np.testing.assert_allclose(predicted[probabilities], measured[probabilities], atol=1e-6)
    again = kedro(project, *PREDICT, rows)
    assert again.returncode == 0, again.stdout + again.stderr
    assert started(again.stdout) == []
    with np.load(project / "rows.npz") as old:
        np.savez(project / "rows.npz", **{name: old[name][:10] for name in old.files})
    changed = kedro(project, *PREDICT, rows)
    assert "avmnist: 10 rows predicted" in changed.stdout
    wrong = kedro(project, *PREDICT, "--params=avmnist.predict.rows=nothing.npz")
    assert "nothing.npz does not exist; avmnist.predict.rows names it" in wrong.stdout + wrong.stderr


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    done = kedro(project, *PREDICT)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "avmnist.model does not exist" in said
    assert "kedro run --pipeline=training makes it" in said
    done = kedro(project, *PREDICT, "--params=avmnist.predict.row=x")
    assert "avmnist.predict.row: Extra inputs are not permitted (found: 'x'); did you mean rows?" in done.stderr
