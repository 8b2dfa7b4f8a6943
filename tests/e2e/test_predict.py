"""`kedro run --pipelines=predict`: the trained model on a file of rows, without any training."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from project_runs import kedro, make_project, newest
from run_results import started

from mixmas_pipeline.datasets.references import ReferencesDataset
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.training.inference import compute_logits

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
    words = done.stdout + done.stderr
    assert done.returncode == 0, words
    assert "avmnist: 30 rows predicted by the searched model" in words
    assert "Running training" not in words, "nothing is trained, nor checked"
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
    assert "avmnist: 10 rows predicted by" in changed.stdout
    wrong = kedro(project, *PREDICT, "--params=avmnist.predict.rows=nothing.npz")
    assert "nothing.npz does not exist; avmnist.predict.rows names it" in wrong.stdout + wrong.stderr


def test_a_reference_predicts_and_its_refit_is_what_counts(project: Path) -> None:
    """Its table is what the catalog's refitted model says; the recommended model is that of the verdict."""
    rows = "avmnist.predict.rows=rows.npz"
    done = kedro(project, *PREDICT, f"--params={rows},avmnist.predict.model=linear")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "avmnist: 30 rows predicted by the linear model" in done.stdout
    predicted = pd.read_parquet(newest(project / OUTPUT / "predicted.parquet"))
    kept = newest(project / "data/test/06_models/avmnist/reference/linear_refitted")
    (model, *_) = ReferencesDataset(filepath=str(kept)).load()
    test = TableDataset(filepath=str(newest(project / "data/test/05_model_input/avmnist/test.arrow"))).load()
    logits = compute_logits(model, test, torch.device("cpu"))["fused"][:30]
    chances = [c for c in predicted if c.startswith("probability_")]
    np.testing.assert_allclose(predicted[chances], np.exp(logits), atol=1e-6)
    assert list(predicted["predicted"]) == [test.schema.classes[c] for c in logits.argmax(axis=1)]
    assert not [name for name in predicted if "head" in name]
    verdict = json.loads(newest(project / "data/test/08_reporting/avmnist/verdict.json").read_text())
    assert verdict["recommended"]["model"] == "linear"
    again = kedro(project, *PREDICT, f"--params={rows},avmnist.predict.model=recommended")
    assert started(again.stdout) == ["predict.predict_new_rows"]
    pd.testing.assert_frame_equal(pd.read_parquet(newest(project / OUTPUT / "predicted.parquet")), predicted)


def test_models_of_another_run_than_the_verdict_are_refused(project: Path) -> None:
    rows, refitted = "avmnist.predict.rows=rows.npz", "avmnist.reference.max_rows=100"
    done = kedro(project, "run", "--env=test", "--pipeline=reference", f"--params={refitted}")
    assert done.returncode == 0, done.stdout + done.stderr
    stale = said(kedro(project, *PREDICT, f"--params={rows},avmnist.predict.model=recommended,{refitted}"))
    assert "the newest avmnist.verdict was made from another version of avmnist.references" in stale
    other = kedro(project, *PREDICT, f"--params={rows},avmnist.predict.model=linear,{refitted}")
    assert other.returncode == 0, "what is named needs no verdict"
    no_trees = "avmnist.predict.model=trees,avmnist.reference.kinds=[linear]"
    off = said(kedro(project, *PREDICT, f"--params={rows},{no_trees}"))
    assert "avmnist.predict.model is 'trees' and no reference model 'trees' is fitted" in off


def said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    done = kedro(project, *PREDICT)
    assert done.returncode != 0
    assert "avmnist.model does not exist" in said(done)
    assert "kedro run --pipelines=training makes it" in said(done)
    done = kedro(project, *PREDICT, "--params=avmnist.predict.model=linear")
    assert "avmnist.reference.linear_refitted does not exist" in said(done)
    assert "kedro run --pipelines=reference makes it" in said(done)
    done = kedro(project, *PREDICT, "--params=avmnist.predict.row=x")
    assert "avmnist.predict.row: Extra inputs are not permitted (found: 'x'); did you mean rows?" in done.stderr
