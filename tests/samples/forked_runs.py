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
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Forks:
    """Starts the script and gives it orders."""

    def __enter__(self) -> Self:
        environment = {**os.environ, "COLUMNS": "1000", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, project: Path, log: Path, arguments: list[str], **order: Any) -> int:
        """Run ``kedro`` in a project folder; the exit status, -9 for a kill.

        Args:
            trace: file that takes the list of what has happened, in order: [node, kind, path].
            die: {"node", "kind", "path", "count", "tear"}: kill before that is done for the ``count``th time in that
                node (``tear``: half of the file to be renamed is cut off first); where it never happens, when the next
                node begins.
            last: the node that a run ends with; for ``die``.
            after: seconds from the start to a kill from outside.
            most: nodes that may begin; when one more does, kill. Default: any number.
        """
        line = {"project": str(project), "log": str(log), "arguments": arguments, **order}
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
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(order["project"])
    sys.argv = ["kedro", *order["arguments"]]
    from kedro.framework.cli.cli import main

    watch = Watch(order)
    watch.install()
    status: Any = 0
    try:
        main()
    except SystemExit as end:
        status = end.code
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    if "trace" in order:
        Path(order["trace"]).write_text(json.dumps({"events": watch.events, "modules": sorted(sys.modules)}))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1 if status else 0)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # some modules print when they are imported
    for line in sys.stdin:
        order = json.loads(line)
        if (process := os.fork()) == 0:
            _child(order)
        if "after" in order:
            time.sleep(order["after"])
            os.kill(process, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if "trace" in order and status == 0:
            # What the first run has imported, all later ones find imported.
            for module in json.loads(Path(order["trace"]).read_text())["modules"]:
                with contextlib.suppress(Exception):
                    importlib.import_module(module)
            gc.freeze()  # a collection in a fork would copy all of the memory
        answers.write(f"{status}\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
