"""The log in a file or a pipe."""

from __future__ import annotations

import io
import logging
import re

from rich.console import Console

from mixmas_pipeline.utils.logs import LineHandler


def test_a_record_is_one_line_however_long_and_has_no_codes() -> None:
    file = io.StringIO()
    handler = LineHandler(Console(file=file, width=80))
    message = "[films search] image: " + "long " * 40
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "%s", (message,), None))
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\] INFO     " + re.escape(message) + "\n", file.getvalue())
