"""The log in a file or a pipe."""

from __future__ import annotations

import contextlib
import io
import logging
import re

import pytest
import yaml
from kedro.logging import RichHandler
from project_runs import ROOT
from rich.console import Console

from mixmas_pipeline.utils.logs import LineHandler, quiet


@pytest.mark.parametrize("name", ["speed [/s]", "[red]stop[/red]", "[/x]", "\\[link=a]"])
def test_names_in_the_terminals_log_are_no_markup(name: str) -> None:
    """With the settings of conf/logging.yml."""
    settings = yaml.safe_load((ROOT / "conf" / "logging.yml").read_text())["handlers"]["rich"]
    file = io.StringIO()
    keys = {key: value for key, value in settings.items() if key not in ("class", "formatter")}
    handler = RichHandler(console=Console(file=file, width=80), **keys)
    handler.handle(logging.LogRecord("mixmas_pipeline", logging.INFO, "", 0, "%s has 3 categories", (name,), None))
    assert f"{name} has 3 categories" in file.getvalue()


def test_a_record_is_one_line_however_long_and_has_no_codes() -> None:
    file = io.StringIO()
    handler = LineHandler(Console(file=file, width=80))
    message = "[films search] image: " + "long " * 40
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "%s", (message,), None))
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\] INFO     " + re.escape(message) + "\n", file.getvalue())


def test_loggers_are_quiet_meanwhile_and_as_before_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    first, second = (logging.getLogger(f"tests.{name}") for name in ("first", "second"))
    first.setLevel(logging.DEBUG)
    with contextlib.suppress(ValueError), quiet("tests.first", "tests.second"):
        first.warning("not said")
        second.error("said")
        raise ValueError
    first.debug("said again")
    assert [record.message for record in caplog.records] == ["said", "said again"]
    assert second.level == logging.NOTSET
