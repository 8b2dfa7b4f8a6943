"""The notebooks run from top to bottom on a finished run, in any environment, and come to what the run came to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from project_runs import ROOT, make_project, newest

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What is asked of a notebook once it has been run.
ASKED = {
    "1_look_at_the_data": (
        "dict(aligned=aligned, shared=len(shared_voices), examples={n: len(t) for n, t in splits.items()},"
        " shares=balance.sum().round(9).tolist())"
    ),
    "2_understand_a_search": "dict(tied=sorted(tied), winner=winner)",
    "3_load_the_model_and_predict": (
        "dict(same=same, accuracy=accuracy, predicted=predicted['predicted'].tolist(),"
        " confusion=int(confusion.to_numpy().sum()))"
    ),
}


# As in a kernel that has just been started, but for what is imported.
NEW_BEGINNING = """%reset -f
get_ipython().extension_manager.loaded.discard("kedro.ipython")"""


@pytest.fixture(scope="module")
def found(finished_project: Path) -> dict[str, Any]:
    """Notebook -> what it has found. The notebooks only read, and so they may read the finished project."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KEDRO_ENV", "test")
        return run(ASKED, finished_project)


def run(asked: dict[str, str], project: Path) -> dict[str, Any]:
    """The value of an expression at the end of each notebook, run in a project's folder.

    One kernel runs them all, so that it imports torch once; each begins without the names of the one before.
    """
    book, places = nbformat.v4.new_notebook(), {}
    for name, expression in asked.items():
        book.cells += nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
        places[name] = len(book.cells)
        book.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({expression}))"))
        book.cells.append(nbformat.v4.new_code_cell(NEW_BEGINNING))
    for number, cell in enumerate(book.cells):
        cell["id"] = f"cell{number}"  # two notebooks may have the same ids
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(project)}}).execute()
    return {name: json.loads(book.cells[place]["outputs"][0]["text"]) for name, place in places.items()}


def artefact(project: Path, path: str) -> Path:
    return newest(project / "data/test" / path)


def test_data(found: dict[str, Any]) -> None:
    assert found["1_look_at_the_data"] == {
        "aligned": {"train": 1.0, "validation": 1.0, "test": 1.0},
        "shared": 0,
        "examples": {"train": 400, "validation": 60, "test": 1000},
        "shares": [1.0, 1.0, 1.0],
    }


def test_ties_recomputed_by_hand_are_those_of_the_search(found: dict[str, Any], finished_project: Path) -> None:
    board = pd.read_parquet(artefact(finished_project, "08_reporting/avmnist/leaderboard.parquet"))
    rows = board[board["stage"] == "image"]
    assert found["2_understand_a_search"] == {
        "tied": sorted(rows.loc[rows["tied"], "candidate"]),
        "winner": rows.loc[rows["chosen"], "candidate"].iloc[0],
    }


def test_predictions(found: dict[str, Any], finished_project: Path) -> None:
    answers = found["3_load_the_model_and_predict"]
    assert answers["same"] is True
    metrics = json.loads(artefact(finished_project, "07_model_output/avmnist/metrics.json").read_text())
    assert answers["accuracy"] == pytest.approx(metrics["test"]["accuracy"])
    predictions = pd.read_parquet(artefact(finished_project, "07_model_output/avmnist/predictions.parquet"))
    assert answers["predicted"] == predictions["predicted"].tolist()[:500]
    assert answers["confusion"] == len(predictions)


@pytest.mark.slow
def test_own_data_from_a_folder_to_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trap is found, and what is left says more than the most frequent digit."""
    monkeypatch.setenv("KEDRO_ENV", "test")
    asked = "dict(leaks=int(leaks['count'].sum()), rows=len(predicted), right=right, test=metrics['test'])"
    name = "4_your_own_data_set"
    found = run({name: asked}, make_project(tmp_path / "project"))[name]
    assert found["leaks"] == 10, "one a digit"
    assert found["rows"] == 100
    assert found["right"] > 0.25
    assert found["test"]["accuracy"] > 2 * found["test"]["accuracy, most frequent class"]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_no_outputs_are_committed(file: Path) -> None:
    """They would go stale, and be most of every difference."""
    for cell in nbformat.read(file, as_version=4).cells:
        assert not cell.get("outputs"), "clear them: jupyter nbconvert --clear-output --inplace notebooks/*.ipynb"
        assert cell.get("execution_count") is None
