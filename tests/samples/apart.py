"""Run a function in a process of its own, which may crash, hang or want too much memory without harm."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

_SECONDS, _MEMORY = 30, 3 << 30  # bytes beyond what this process has


def run_apart(function: Callable[[], object], expected: tuple[type[BaseException], ...]) -> str:
    """What became of it: "done"; "refused: ..." for an expected error; otherwise a trace, or how the process ended."""
    import resource  # Windows has none

    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        outcome = "no outcome"
        try:
            signal.alarm(_SECONDS)
            resource.setrlimit(resource.RLIMIT_AS, (_address_space() + _MEMORY,) * 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries complain
            function()
            outcome = "done"
        except expected as error:
            outcome = f"refused: {error}"
        except BaseException:
            outcome = traceback.format_exc()
        finally:
            os.write(writing, outcome.encode(errors="replace")[:4000])
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        outcome = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return outcome


def _address_space() -> int:
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
