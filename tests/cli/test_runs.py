"""How `kedro runs` finds and compares runs; tests/hooks/test_tracking.py runs the command on logged runs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import probes
import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.table import Table

from mixmas_pipeline.cli import runs
from mixmas_pipeline.cli.runs import changes, difference_table, find_run, runs_table
from mixmas_pipeline.datasets.runs import Record

OLD = Record(
    run="2026-01-01T00.00.00.000Z",
    dataset="films",
    environment="",
    pipeline="__default__",
    metric="accuracy",
    chosen={"image": "ramlp"},
    parameters={f"films.training.{name}": 0 for name in ("seed", "epochs", "rate", "decay")},
    key_parameters=[],
    metrics={"validation/accuracy": 0.5, "test/accuracy": 0.25, "test/f1": 0.3},
    artefacts={},
    versions={"kedro": "1.7.0", "torch": "2.12"},
)
NEW = replace(
    OLD,
    run="2026-01-02T00.00.00.111Z",
    chosen={"image": "[b]mlp[/b]"},
    parameters=dict.fromkeys(OLD.parameters, 1),
    metrics={"validation/accuracy": 0.5, "test/accuracy": 0.75},
    versions={"kedro": "1.7.0", "torch": "2.13"},
)


def cells(table: Table) -> list[list[str]]:
    """The rows as printed."""
    console = Console(width=200, markup=False)
    with console.capture() as printed:
        console.print(table)
    lines = [line for line in printed.get().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]


@pytest.mark.parametrize("wanted", [OLD.run, "2026-01-01", "000Z"], ids=["id", "beginning", "end"])
def test_a_run_is_found_by_its_id_or_a_part(wanted: str) -> None:
    assert find_run([NEW, OLD], wanted) is OLD


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("1999", f"no run is named '1999'; .* there are: {NEW.run}, {OLD.run}"),
        ("2026", f"2 runs are named '2026'; .* there are: {NEW.run}, {OLD.run}"),
    ],
)
def test_what_names_no_run_or_two_is_refused(wanted: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_run([NEW, OLD], wanted)


def test_changes_name_what_is_missing() -> None:
    assert changes({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": 5}) == {
        "a": (1, "(none)"),
        "c": (3, 4),
        "d": ("(none)", 5),
    }


def test_list_names_three_changed_parameters_and_the_versions() -> None:
    rows = cells(runs_table([NEW, OLD]))
    assert rows[0][:6] == [NEW.run, "__default__", "[b]mlp[/b]", "accuracy", "0.5000", "0.7500"]
    assert [row[6] for row in rows] == [
        "training.seed: 0 → 1",
        "training.epochs: 0 → 1",
        "training.rate: 0 → 1",
        "and 1 more parameters",
        "versions of torch",
        "",
    ]


def test_list_names_the_positive_class_that_a_score_is_about() -> None:
    binary = replace(NEW, metric="f1", positive="[red]ill")
    assert cells(runs_table([binary]))[0][3] == "f1 of [red]ill"
    assert cells(runs_table([replace(binary, metric="accuracy")]))[0][3] == "accuracy"


def test_difference_has_what_changed_and_nothing_else() -> None:
    assert cells(difference_table(OLD, NEW)) == [
        ["chosen image", "ramlp", "[b]mlp[/b]", ""],
        *([name, "0", "1", ""] for name in OLD.parameters),
        ["torch", "2.12", "2.13", ""],
        ["test/accuracy", "0.2500", "0.7500", "+0.5000"],
        ["test/f1", "0.3000", "(none)", ""],
    ]


def test_verify_names_what_is_not_as_it_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where size and time are the same."""
    graph, values = probes.pipeline(probes.same, {"a": "true", "b": "true"})
    probes.run(tmp_path / "layer", graph, values)
    monkeypatch.setattr(runs, "load_configuration", lambda *_: {"globals": {"data_root": str(tmp_path)}})
    project = SimpleNamespace(project_path=tmp_path)
    whole = CliRunner().invoke(runs.runs_command, ["--verify"], obj=project)
    assert whole.exit_code == 0
    assert CliRunner().invoke(runs.runs_command, ["--verify", "2026"], obj=project).exit_code == 2
    assert "All 2 recorded versions are what their runs saved" in whole.output
    (saved,) = tmp_path.glob("layer/b/*/b")
    before = saved.stat()
    saved.write_text(saved.read_text().replace("true", "fake"))
    os.utime(saved, ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "layer" / "a" / saved.parent.name / "provenance.json").unlink()
    altered = CliRunner().invoke(runs.runs_command, ["--verify"], obj=project)
    assert altered.exit_code == 1
    assert f"{saved} differs from what run {saved.parent.name} saved" in altered.output
    assert "could not be compared: 1" in altered.output
    assert "altered: 1 of 1" in altered.output


def test_verify_of_an_environment_without_data_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "load_configuration", lambda *_: {"globals": {"data_root": str(tmp_path / "none")}})
    done = CliRunner().invoke(runs.runs_command, ["--verify"], obj=SimpleNamespace(project_path=tmp_path))
    assert done.exit_code == 1
    assert f"there is no data root {tmp_path / 'none'}" in done.output
