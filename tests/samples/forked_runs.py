"""Runs `kedro` commands in forks of one process that has imported everything, and kills them where it is told to.

A process that starts from nothing takes seconds to import torch; a fork of this one takes none. As a script it reads
orders from standard input, one JSON object a line, and answers each with one line. ``Forks`` is its other end.

What happens is counted by Python's audit events (files opened to be written, renamed, removed; folders made) and by two
patched functions (``os.fsync``, ``torch.autograd.backward``): not by the code under test, whichever way it writes.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import math
import os
import pkgutil
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

# Third-party modules that functions of the project import when they are called.
IMPORTED_LATE = (
    *("IPython", "aiobotocore.session", "kedro_airflow.plugin", "kedro_viz.launchers.cli.main", "matplotlib.pyplot"),
    *("mlxtend.data", "plotly.express", "pyarrow.dataset"),
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Forks:
    """Starts the script and gives it orders."""

    def __enter__(self) -> Self:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, project: Path, log: Path, arguments: list[str], columns: int = 1000, **order: Any) -> int:
        """Run ``kedro`` in a project folder; the exit status, -9 for a kill.

        The environment variables are this process's.

        Args:
            log: file that takes what it prints.
            columns: width of its lines.
            errors: file that takes what it prints to standard error. Default: ``log``.
            timeout: seconds after which it is killed. Default: none.
            trace: file that takes the list of what has happened, in order: [node, kind, path].
            die: {"node", "kind", "path", "count", "tear"}: kill before that is done for the ``count``th time in that
                node (``tear``: half of the file to be renamed is cut off first); where it never happens, when the next
                node begins.
            last: the node that a run ends with; for ``die``.
            after: seconds from the start to a kill from outside.
            most: nodes that may begin; when one more does, kill. Default: any number.
        """
        environment = {**os.environ, "COLUMNS": str(columns), "PYTHONDONTWRITEBYTECODE": "1"}
        where = {"project": str(project), "log": str(log), "environment": environment}
        line = {**where, "arguments": arguments, **order}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that forks has died"
        return json.loads(answer)


class Watch:
    """What a forked run does to its files, and where it is to die."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._root = str(Path(order["project"], "data"))
        self._die, self._last = order.get("die"), order.get("last")
        self._left = self._die.get("count", 0) if self._die else 0
        self._ended, self._most = False, order.get("most")
        self.node = ""
        self.events: list[tuple[str, str, str]] = []

    def install(self) -> None:
        """Begin to watch this process."""
        import torch
        from kedro.runner.task import Task

        fsync, backward, execute = os.fsync, torch.autograd.backward, Task.execute

        def watched_fsync(descriptor: int) -> None:
            self.note("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
            fsync(descriptor)

        def watched_backward(*args: Any, **kwargs: Any) -> None:
            self.note("backward", f"{self._root}/backward")
            backward(*args, **kwargs)

        def watched_execute(task: Any) -> Any:
            self.node = task.node.name
            if self._most is not None:
                self._ended |= self._most == 0
                self._most -= 1
            if self._ended or (self._die and self.node == self._last != self._die["node"]):
                self._kill(f"{self.node} begins")
            result = execute(task)
            self._ended |= bool(self._die) and self.node == self._die["node"]
            return result

        os.fsync, torch.autograd.backward, Task.execute = watched_fsync, watched_backward, watched_execute
        sys.addaudithook(self._audit)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[0], str) and args[2] & _WRITING:
            self.note("open", args[0])
        elif event == "os.rename":
            self.note("rename", os.fspath(args[1]), os.fspath(args[0]))
        elif event in ("os.mkdir", "os.remove", "os.rmdir") and isinstance(args[0], str | os.PathLike):
            self.note(event.removeprefix("os."), os.fspath(args[0]))

    def note(self, kind: str, path: str, source: str = "") -> None:
        """Something is about to be done to a file of the data root."""
        if not path.startswith(f"{self._root}/"):
            return
        name = re.sub(r"\d{4}-\d\d-\d\dT[\d.]+Z", "V", path.removeprefix(f"{self._root}/"))
        happened = (self.node, kind, re.sub(r"[0-9a-f]{24,32}", "H", name))
        self.events.append(happened)
        die = self._die
        if die and happened == (die["node"], die["kind"], die["path"]):
            self._left -= 1
            if self._left == 0:
                if die["tear"]:
                    _tear(Path(source))
                self._kill(str(happened))

    def _kill(self, why: str) -> NoReturn:
        os.write(1, f"\nKilled where {why}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def _tear(path: Path) -> None:
    """Half of the file, or of every file of the folder, was never written."""
    for file in [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]:
        os.truncate(file, file.stat().st_size // 2)


def _child(order: dict[str, Any]) -> NoReturn:
    """Runs kedro in this fork, and ends it."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(os.open(order["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if "errors" in order else log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(order["project"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["kedro", *order["arguments"]]
    from kedro.framework.cli.cli import main
    from kedro.framework.project import LOGGING

    LOGGING.__init__()  # type: ignore[misc]  # it reads the project's logging.yml, as in a process that begins here
    watch = Watch(order)
    if {"trace", "die", "most"} & order.keys():
        watch.install()
    status: Any = 0
    try:
        main()
    except SystemExit as end:
        status = end.code
    if "trace" in order:
        Path(order["trace"]).write_text(json.dumps({"events": watch.events}))
    sys.exit(status)


def _import_everything() -> None:
    """What a run imports: all modules of the project, and what they import late."""
    import mixmas_pipeline

    project = [module.name for module in pkgutil.walk_packages(mixmas_pipeline.__path__, "mixmas_pipeline.")]
    names = [name for name in project if "__main__" not in name and ".ray" not in name]
    for name in [*names, *IMPORTED_LATE]:
        with contextlib.suppress(ImportError):  # an extra that is not installed
            importlib.import_module(name)
    gc.freeze()  # a collection in a fork would copy all of the memory


def _wait(process: int, seconds: float) -> int:
    """The exit status of a child, which is killed when the seconds have passed."""
    end = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.005)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # some modules print when they are imported
    _import_everything()
    for line in sys.stdin:
        order = json.loads(line)
        if (process := os.fork()) == 0:
            _child(order)
        status = _wait(process, order.get("after", order.get("timeout", math.inf)))
        answers.write(f"{status}\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
