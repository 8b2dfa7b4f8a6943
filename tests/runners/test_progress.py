"""A run's progress in a terminal, in a notebook and in a log."""

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
import time
from itertools import pairwise
from pathlib import Path

import probes
import pytest
from kedro.pipeline import Node, Pipeline
from rich.console import Console
from screens import Screen

from mixmas_pipeline.runners import board
from mixmas_pipeline.runners import progress as display
from mixmas_pipeline.runners.board import Board, Job
from mixmas_pipeline.runners.resources import ComputeParameters
from mixmas_pipeline.utils.logs import LineHandler
from mixmas_pipeline.utils.progress import LOGGER, Begun, Part, Progress, Scored, Step, tell

IMAGE, TRAINING = "search.image", "training"


class Clock:
    """Says what it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def filled(clock: Clock) -> Board:
    """A board in the middle of a run."""
    jobs = {f"{IMAGE}.train_{i}": Job(IMAGE, f"train_{i}", "train") for i in range(4)}
    jobs["training.train_model"] = Job(TRAINING, "train_model", "train_model")
    known = Board(jobs, clock)
    known.take(Begun(f"{IMAGE}.train_0"), f"{IMAGE}.train_0")
    clock.now = 60.0
    known.take(Scored("ramlp", "0", "accuracy", 0.694), f"{IMAGE}.train_0")
    known.end(f"{IMAGE}.train_0", well=True)
    for number in (1, 2):
        known.take(Begun(f"{IMAGE}.train_{number}"), f"{IMAGE}.train_{number}")
    known.take(Part("seed", 2, 3), f"{IMAGE}.train_1")
    known.take(Step("step 120 of 200", 120, 200, 8.0, False, ""), f"{IMAGE}.train_1")
    known.take(Begun("training.train_model"), None)
    words = "epoch 3 of at most 20, step 5 of 55"
    known.take(Step(words, 115, 1100, 125.0, True, "best accuracy 0.7123 in epoch 2"), None)
    return known


def text(known: Board, width: int, height: int = 40) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(display.draw(known, width, height))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_drawing_fits_eighty_columns() -> None:
    lines = text(filled(Clock()), 80)
    assert max(map(len, lines)) <= 80
    bars = re.compile(r"\s*[━╸╺]+\s*")
    assert [bars.sub(" | ", line) for line in lines] == [
        "1 of 5 nodes | 1 min 0 s, at least 1 min 8 s left",  # (8 + 8, 60 and another 60) / 2
        "search image  1 of 4 done, best ramlp, accuracy 0.694",
        "  train_1            seed 2 of 3, step 120 of 200 | 8.0 s left",
        "  train_2                                                              for 0.0 s",
        "training  0 of 1 done",
        "  train_model        epoch 3 of at most 20, step 5 of 55 | up to 2 min 5 s",
        "                     best accuracy 0.7123 in epoch 2",
    ]


def test_drawing_says_all_where_there_is_room() -> None:
    said = text(filled(Clock()), 140)
    assert "epoch 3 of at most 20, step 5 of 55 " in said[-2]
    assert "best accuracy 0.7123 in epoch 2" in said[-1]


def test_drawing_takes_half_of_the_terminal_at_most() -> None:
    jobs = {f"{IMAGE}.train_{i}": Job(IMAGE, f"train_{i}", "train") for i in range(50)}
    known = Board(jobs, Clock())
    for node in jobs:
        known.take(Begun(node), node)
    lines = text(known, 80, 20)
    assert len(lines) == 10
    assert lines[-1] == "  and 43 lines more"
    assert len(lines) - 3 + 43 == 50


# --- events ----------------------------------------------------------------------------------------------------------
def test_progress_tells_the_rate_from_what_it_has_done_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And no more than an event every half second, and a line every five."""
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    caplog.set_level(logging.DEBUG, LOGGER)
    progress = Progress(200, "training", at_most=True, done=100)
    for _ in range(48):
        clock.now += 0.125
        progress.advance()
    events = [vars(record)["progress"] for record in caplog.records]
    assert len(events) == 1 + 12
    assert events[0] == Step("training: 100 of 200", 100, 200, None, True, "")
    assert (events[-1].done, events[-1].left) == (148, 52 * 0.125)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert lines == ["training: 140 of 200 (70%), at most 7.5 s left"]


def test_without_a_display_there_are_lines_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tell(Part("seed", 1, 2))
    assert not caplog.records


def test_events_come_from_workers_and_lines_are_few(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "_SOONEST", 0.5)
    caplog.set_level(logging.INFO, "mixmas_pipeline")
    graph, values = probes.pipeline(probes.train, {"a": "ramlp", "b": "mlp_mixer"})
    graph += Pipeline([Node(probes.stay, ["params:c"], "c", name="search.image.last", tags="trial")])
    start = time.monotonic()
    probes.run(tmp_path, graph, {**values, "params:c": 1.0}, cores=2)
    taken = time.monotonic() - start
    lines = [record.getMessage() for record in caplog.records if record.name == display.__name__]
    assert len(lines) <= taken / 0.5 + 1
    assert any(re.search(r"run_a seed [12] of 2, step \d+ of 20, run_b seed [12] of 2, step", line) for line in lines)
    assert re.fullmatch(r"3 nodes run in .* s, 0 reused", lines[-1])
    assert not [record for record in caplog.records if record.name == LOGGER], "events are no lines"
    assert logging.getLogger(LOGGER).propagate
    assert not logging.getLogger(LOGGER).handlers


def test_what_goes_wrong_in_the_display_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in the thread that reads what workers send, too."""
    monkeypatch.setattr(Board, "take", lambda *_: 1 / 0)
    graph, values = probes.pipeline(probes.train, {"a": "ramlp", "b": "mlp_mixer"})
    assert probes.run(tmp_path, graph, values, cores=2) == {"a": "ramlp", "b": "mlp_mixer"}
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_lines_are_the_rarer_the_longer_a_run_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event a second for ten hours; one line every 10 s, from 200 s on every twentieth, from 20 min on every min."""
    clock = Clock()
    monkeypatch.setattr(display, "Board", lambda jobs: board.Board(jobs, clock))
    shown = display.Display([], ComputeParameters())
    due = []
    for second in range(36_000):
        clock.now = float(second)
        if shown._line_is_due():
            due.append(second)
    assert due[:3] == [10, 20, 30]
    assert max(b - a for a, b in pairwise(due)) == 60
    assert len(due) < 10 * 60 + 60


def test_log_in_a_file_has_a_line_a_record_and_no_codes() -> None:
    file = io.StringIO()
    console = Console(file=file, width=80)
    handler = LineHandler(console)
    message = "[search] image: " + "long " * 40
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "%s", (message,), None))
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\] INFO     " + re.escape(message) + "\n", file.getvalue())


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


def in_terminal(folder: Path, *how: str, **environment: str) -> tuple[int, str]:
    """Run two nodes in a terminal, until they end, or one "waits": then comes Ctrl-C. Status, and all that was
    written."""
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
        if not interrupted and b"run_waits: waits has printed" in written:
            interrupted = True
            os.write(ours, b"\x03")
    os.close(ours)
    return run.wait(20), written.decode()


@pytest.mark.parametrize(("second", "status"), [("ends", 0), ("fails", 1), ("waits", -signal.SIGINT)])
def test_nothing_of_the_picture_is_left_in_the_terminal(tmp_path: Path, second: str, status: int) -> None:
    """At a good end, after an error, and after Ctrl-C."""
    code, written = in_terminal(tmp_path, "other", second)
    assert code == status, written
    assert re.search(r"0 of 2 nodes.*time left unknown", written)
    assert "step 20 of 20" in written or re.search(r"seed 2 of 2, step \d+ of 20", written)
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


@pytest.mark.parametrize("variable", [{"TERM": "dumb"}, {"TTY_INTERACTIVE": "0"}])
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
    assert re.match(r"2 of 2 nodes [^\n]*\n *2 of 2 done, best \w+, accuracy 0.375 *\n", shown[1]), shown
    assert not any("Running" in one for one in shown)
    assert len(outputs) <= 6, shown
    assert any("2 nodes run in" in one for one in shown)
