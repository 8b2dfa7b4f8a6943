"""`kedro run` shows a mistake of the user's without a trace, and a mistake of ours with one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from yaml import YAMLError

from mixmas_pipeline.cli import kedro_run as module
from mixmas_pipeline.cli.kedro_run import run_command
from mixmas_pipeline.storage.locks import DataRootBusy
from mixmas_pipeline.utils.errors import InputError


def _run(monkeypatch: pytest.MonkeyPatch, error: Exception, *arguments: str) -> tuple[int, str, BaseException | None]:
    def fail(**kwargs: object) -> None:
        raise error

    monkeypatch.setattr(module, "_kedro_run", fail)
    result = CliRunner().invoke(run_command, list(arguments))
    return result.exit_code, result.output, result.exception


def test_only_the_message_is_shown_unless_the_trace_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    error = InputError("pets.csv: row 3, column age: found 'old'; expected a number")
    assert _run(monkeypatch, error)[:2] == (1, f"Error: {error}\n")
    assert _run(monkeypatch, error, "--trace")[2] is error
    hostile = InputError("column a\x1b[31m:\n  empty")
    assert _run(monkeypatch, hostile)[:2] == (1, "Error: column a\\x1b[31m:\n  empty\n")
    busy = DataRootBusy("in use")
    assert _run(monkeypatch, busy)[:2] == (1, "Error: in use\n")
    yaml = YAMLError("Invalid YAML or JSON file parameters.yml, unable to read line 16")
    assert _run(monkeypatch, yaml)[:2] == (1, f"Error: {yaml}\n")
    ours = TypeError("ours")
    assert _run(monkeypatch, ours)[2] is ours


def test_it_is_the_command_of_the_project_with_kedros_options(tmp_path: Path) -> None:
    from kedro.framework.cli.project import run as kedros
    from kedro.framework.cli.utils import find_run_command

    assert find_run_command("mixmas_pipeline") is run_command
    assert [option.name for option in run_command.params] == [*(option.name for option in kedros.params), "trace"]
