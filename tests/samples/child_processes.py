"""Which processes a process has started."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def children(parent: int) -> set[int]:
    """Numbers of a process's children. A thread that ends while its are read has none."""
    found: set[int] = set()
    for thread in Path(f"/proc/{parent}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            found |= set(map(int, (thread / "children").read_text().split()))
    return found


def command(pid: int) -> bytes:
    """A process's command line; empty once it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
