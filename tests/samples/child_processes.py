"""Other processes: started for a test, or by a process."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def children(parent: int) -> set[int]:
    """Process ids of a process's children. A thread that ends while its children are read counts as having none."""
    pids: set[int] = set()
    for thread in Path(f"/proc/{parent}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            pids |= set(map(int, (thread / "children").read_text().split()))
    return pids


def workers(parent: int) -> set[int]:
    """Process ids of a run's workers that are alive."""
    return {pid for pid in children(parent) if b"loky.backend.popen_loky_posix" in command(pid)}


def command(pid: int) -> bytes:
    """A process's command line; empty once it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python process, which stands for another machine. It can import the helpers of the tests."""
    samples = str(Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [samples, os.environ.get("PYTHONPATH")]))}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )
