"""Which processes a process has started."""

from __future__ import annotations

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
