"""The options and the sizes of `kedro prune`; tests/storage/test_retention.py has what it deletes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from mixmas_pipeline.cli import prune
from mixmas_pipeline.cli.prune import Age, format_bytes
from mixmas_pipeline.storage.locks import locked


@pytest.mark.parametrize(
    ("text", "age"),
    [("12h", timedelta(hours=12)), ("30d", timedelta(days=30)), ("4w", timedelta(days=28)), ("0d", timedelta())],
)
def test_age(text: str, age: timedelta) -> None:
    assert Age().convert(text, None, None) == age


@pytest.mark.parametrize("text", ["12", "d", "12 d", "-1d", "1.5d", "1m", "1d2h"])
def test_what_is_no_age_is_refused_with_examples(text: str) -> None:
    with pytest.raises(click.BadParameter, match=rf"'{text}' is no age; expected .* such as 12h, 30d or 4w"):
        Age().convert(text, None, None)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_540_000, "1.5 MB"), (2e9, "2.0 GB"), (5e15, "5000.0 TB")],
)
def test_sizes(number: float, text: str) -> None:
    assert format_bytes(number) == text


def test_a_data_root_in_use_is_a_message_without_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "01_raw").mkdir()
    configuration = {"globals": {"data_root": str(tmp_path)}}
    monkeypatch.setattr(prune, "load_configuration", lambda metadata, env: configuration)
    project = SimpleNamespace(project_path=tmp_path)
    with locked(tmp_path):
        result = CliRunner().invoke(prune.prune_command, ["--yes"], obj=project)
        listed = CliRunner().invoke(prune.prune_command, [], obj=project)
    assert isinstance(result.exception, SystemExit)
    assert f"Error: The data root {tmp_path} is in use by" in result.output
    assert listed.exit_code == 0
