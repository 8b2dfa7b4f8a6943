"""Log records that go from one process to another."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator

import pytest

from mixmas_pipeline.utils.remote_logs import SendingHandler, handle_record, log_output, logger_levels, send_all_records


@pytest.fixture
def _restored_root() -> Iterator[None]:
    handlers, level = logging.root.handlers, logging.root.level
    yield
    logging.root.handlers, logging.root.level = handlers, level


def test_a_record_arrives_with_its_arguments_in_the_text_and_its_node(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[bytes] = []
    handler = SendingHandler(lambda record: sent.append(pickle.dumps(record)), "run_a")
    handler.handle(logging.LogRecord("some.logger", logging.WARNING, "", 0, "%s of %d", (object, 3), None))
    handle_record(pickle.loads(sent[0]))
    (record,) = caplog.records
    assert record.getMessage() == f"run_a: {object} of 3"
    assert (record.name, vars(record)["node"]) == ("some.logger", "run_a")


@pytest.mark.usefixtures("_restored_root")
def test_the_levels_of_the_run_hold_in_the_worker() -> None:
    logging.getLogger("quiet").setLevel(logging.ERROR)
    levels = logger_levels()
    logging.getLogger("quiet").setLevel(logging.NOTSET)
    sent: list[logging.LogRecord] = []
    send_all_records(SendingHandler(sent.append), {**levels, "": logging.INFO})
    logging.getLogger("quiet").warning("not sent")
    logging.getLogger("other").info("sent")
    assert [record.getMessage() for record in sent] == ["sent"]


def test_printed_lines_are_literal(caplog: pytest.LogCaptureFixture) -> None:
    """Kedro's handler reads Rich's markup, and an unmatched tag in what a library prints would raise an error."""
    caplog.set_level(logging.INFO)
    log_output(["[/gloo/pair.cc:537] closed\n"], lambda: "a node")
    (record,) = caplog.records
    assert record.getMessage() == "a node: [/gloo/pair.cc:537] closed"
    assert vars(record)["markup"] is False
