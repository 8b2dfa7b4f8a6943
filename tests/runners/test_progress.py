"""The progress of a run in a terminal, in a notebook and in a log."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from itertools import pairwise
from pathlib import Path

import probes
import pytest
from kedro.pipeline import Node, Pipeline
from rich.console import Console
from rich.logging import RichHandler
from screens import Screen

from mixmas_pipeline.runners import progress, run_status
from mixmas_pipeline.runners.progress import LiveProgress, RunProgress
from mixmas_pipeline.runners.run_status import NodeInfo, RunStatus
from mixmas_pipeline.utils.progress import LOGGER, CandidateScored, NodeStarted, PartStarted, StepsDone
from mixmas_pipeline.utils.resources import ComputeParameters

IMAGE, TRAINING = "search.image", "training"


class Clock:
    """Shows the time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def status_in_the_middle_of_a_run(clock: Clock) -> RunStatus:
    nodes = [NodeInfo(f"{IMAGE}.train_{i}", "train") for i in range(4)]
    status = RunStatus([*nodes, NodeInfo(f"{TRAINING}.train_model", "train_model")], clock)
    status.take(NodeStarted(f"{IMAGE}.train_0"), f"{IMAGE}.train_0")
    clock.now = 60.0
    status.take(CandidateScored("ramlp", "0", "accuracy", 0.694), f"{IMAGE}.train_0")
    status.end(f"{IMAGE}.train_0", succeeded=True)
    for number in (1, 2):
        status.take(NodeStarted(f"{IMAGE}.train_{number}"), f"{IMAGE}.train_{number}")
    status.take(PartStarted("seed", 1, 2), f"{IMAGE}.train_1")
    status.take(StepsDone("step 0 of 200", 0, 200), f"{IMAGE}.train_1")
    status.take(NodeStarted(f"{TRAINING}.train_model"), None)
    status.take(StepsDone("", 0, 1100, at_most=True), None)
    clock.now = 70.0
    status.take(StepsDone("step 120 of 200", 120, 200), f"{IMAGE}.train_1")
    words = "epoch 3 of at most 20, step 5 of 55"
    status.take(StepsDone(words, 115, 1100, at_most=True, note="best accuracy 0.7123 in epoch 2"), None)
    return status


@pytest.mark.parametrize("width", [pytest.param(80, id="narrow"), pytest.param(140, id="wide")])
def test_the_display_shows_the_run_each_node_and_the_best(width: int) -> None:
    """Seed 1 of 2 has done 120 of 200 steps in 10 s, so 23.3 s are left; 10 s for 115 of 1100 steps leave 86 s. Of the
    trials, 23.3, 50 and another 60 s are left, two at once."""
    status = status_in_the_middle_of_a_run(Clock())
    live = LiveProgress(status, threading.RLock(), RichHandler(console=Console(file=io.StringIO(), width=width)))
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(live)
    assert isinstance(console.file, io.StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert max(map(len, lines)) <= width - 4, "a terminal needs room for ^C"
    assert all(set(line) & set("━╸") for line in lines[:4])
    if width == 80:
        return
    assert [re.sub(r"\s*[━╸╺]+\s*", " | ", re.sub("  +", "  ", line)) for line in lines] == [
        "1 of 5 nodes | 1 min 10 s, at least 1 min 7 s left",
        "image.train_1  seed 1 of 2, step 120 of 200 | 23 s left",
        "image.train_2 | for 10 s",
        "training.train_model epoch 3 of at most 20, step 5 of 55 | up to 1 min 26 s",
        "training.train_model: best accuracy 0.7123 in epoch 2",
        "best so far in search.image: ramlp, accuracy 0.694",
    ]


# --- events ----------------------------------------------------------------------------------------------------------
def test_events_come_from_workers_and_lines_are_few(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SHORTEST_PAUSE", 0.5)
    caplog.set_level(logging.INFO, "mixmas_pipeline")
    graph, values = probes.pipeline(probes.train, {"a": "ramlp", "b": "mlp_mixer"})
    graph += Pipeline([Node(probes.stay, ["params:c"], "c", name="search.image.last", tags="trial")])
    start = time.monotonic()
    probes.run(tmp_path, graph, {**values, "params:c": 1.0}, cores=2)
    taken = time.monotonic() - start
    lines = [record.getMessage() for record in caplog.records if record.name == progress.__name__]
    assert len(lines) <= taken / 0.5 + 1
    assert any(
        re.search(r"run_([ab]) seed [12] of 2, step \d+ of 20, [^;]*; run_(?!\1)[ab] seed [12] of 2, step", line)
        for line in lines
    )
    assert re.fullmatch(r"3 nodes run in .* s, 0 reused", lines[-1])
    assert not [record for record in caplog.records if record.name == LOGGER], "events are no lines"
    assert logging.getLogger(LOGGER).propagate
    assert not logging.getLogger(LOGGER).handlers


def test_what_goes_wrong_in_the_display_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in the thread that reads what workers send, too."""
    monkeypatch.setattr(RunStatus, "take", lambda *_: 1 / 0)
    graph, values = probes.pipeline(probes.train, {"a": "ramlp", "b": "mlp_mixer"})
    assert probes.run(tmp_path, graph, values, cores=2) == {"a": "ramlp", "b": "mlp_mixer"}
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_lines_are_the_rarer_the_longer_a_run_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event a second for ten hours; one line every 10 s, from 200 s on every twentieth, from 20 min on every min."""
    clock = Clock()
    monkeypatch.setattr(progress, "RunStatus", lambda nodes: run_status.RunStatus(nodes, clock))
    shown = RunProgress([], ComputeParameters())
    due = []
    for second in range(36_000):
        clock.now = float(second)
        if shown._line_is_due():
            due.append(second)
    assert due[:3] == [10, 20, 30]
    assert max(b - a for a, b in pairwise(due)) == 60
    assert len(due) < 10 * 60 + 60


# --- in a terminal ---------------------------------------------------------------------------------------------------
SCRIPT = """
import logging, signal, sys, pathlib
import kedro.logging, probes
from mixmas_pipeline.utils.logs import log_lines
signal.signal(signal.SIGINT, signal.default_int_handler)
logging.basicConfig(level="INFO", format="%(message)s", handlers=[kedro.logging.RichHandler(show_path=False)])
log_lines()
graph, values = probes.pipeline(probes.train, {name: name for name in sys.argv[2:]})
probes.run(pathlib.Path(sys.argv[1]), graph, values, cores=2)
"""


STEPS = r"seed [12] of 2, step \d+ of 20"


def in_terminal(folder: Path, *how: str, **environment: str) -> tuple[int, str]:
    """Run two nodes in a terminal, until they end, or one "waits": Ctrl-C comes once its steps have been shown. Status,
    and all that was written."""
    ours, theirs = pty.openpty()
    paths = os.pathsep.join([str(Path(probes.__file__).parent), *sys.path])
    size = {"TERM": "xterm", "COLUMNS": "80", "LINES": "30"}
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), *how],
        env={**os.environ, **size, **environment, "PYTHONPATH": paths},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that its Ctrl-C is for this program
    )
    os.close(theirs)
    written, interrupted, deadline = b"", False, time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                written += os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
        if not interrupted and b"run_waits: waits has printed" in written and re.search(STEPS.encode(), written):
            interrupted = True
            os.write(ours, b"\x03")
    os.close(ours)
    return run.wait(20), written.decode()


@pytest.mark.parametrize(
    ("second", "status"),
    [
        pytest.param("ends", 0, id="success"),
        pytest.param("fails", 1, id="error"),
        pytest.param("waits", -signal.SIGINT, id="Ctrl-C"),
    ],
)
def test_nothing_of_the_picture_is_left_in_the_terminal(tmp_path: Path, second: str, status: int) -> None:
    """At a good end, after an error, and after Ctrl-C."""
    code, written = in_terminal(tmp_path, "other", second)
    assert code == status, written
    assert re.search(r"0 of 2 nodes.*time left unknown", written)
    assert re.search(STEPS, written)
    screen = Screen(80)
    screen.write(written)
    assert screen.cursor_is_shown
    shown = screen.shown()
    assert "of 2 nodes" not in shown
    assert "━" not in shown
    if second != "waits":
        assert shown.count("run_other: other has printed") == 2, "lines stay whole above the picture"
    assert len(re.findall(r"Running run_other \(. of 2\)", shown)) == 1
    assert ("2 nodes run in" in shown) == (status == 0)
    assert ("LookupError: no such thing" in shown) == (second == "fails")
    assert ("KeyboardInterrupt" in shown) == ("^C" in written) == (second == "waits")


@pytest.mark.parametrize(
    "variable",
    [
        pytest.param({"TERM": "dumb"}, id="a dumb terminal"),
        pytest.param({"TTY_INTERACTIVE": "0"}, id="not interactive"),
    ],
)
def test_a_terminal_can_do_without_the_picture(tmp_path: Path, variable: dict[str, str]) -> None:
    code, written = in_terminal(tmp_path, "other", "ends", **variable)
    assert code == 0
    assert "\x1b[?25l" not in written
    assert "━" not in written
    assert "2 nodes run in" in re.sub(r"\x1b\[[\d;]*m", "", written)


def test_a_pipe_gets_no_codes_also_where_colours_are_forced(tmp_path: Path) -> None:
    """As continuous integration does: colours then, but no picture."""
    paths = os.pathsep.join([str(Path(probes.__file__).parent), *sys.path])
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "plain"), "other", "ends"]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout
    assert "2 nodes run in" in done.stdout
    command[3] = str(tmp_path / "forced")
    done = subprocess.run(command, env={**environment, "FORCE_COLOR": "1"}, capture_output=True, text=True, check=True)
    assert "\x1b[?25l" not in done.stdout
    assert "2 nodes run in" in re.sub(r"\x1b\[[\d;]*m", "", done.stdout)


# --- in a notebook ---------------------------------------------------------------------------------------------------
def test_a_notebook_has_one_output_that_is_renewed(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
    pytest.importorskip("ipykernel", reason="pip install nbclient ipykernel")
    nbformat = pytest.importorskip("nbformat")
    code = f"import sys; sys.argv[1:] = [{str(tmp_path)!r}, 'other', 'ends']\n{SCRIPT}"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    paths = os.pathsep.join([str(Path(probes.__file__).parent), *sys.path])
    client = nbclient.NotebookClient(book, timeout=120, kernel_name="python3")
    client.execute(env={**os.environ, "PYTHONPATH": paths})
    outputs = book.cells[0].outputs
    shown = ["".join(output.get("data", {}).get("text/plain", "")) or output.get("text", "") for output in outputs]
    shown = [re.sub(r"\x1b\[[\d;]*m", "", one) for one in shown]
    assert len([one for one in shown if "of 2 nodes" in one]) == 1, shown
    assert re.match(r"2 of 2 nodes [^\n]*\nbest so far: \w+, accuracy 0.375 *\n", shown[1]), shown
    assert not any("Running" in one for one in shown)
    assert len(outputs) <= 6, shown
    assert any("2 nodes run in" in one for one in shown)
