"""The definitions of this package that are executed."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import mixmas_pipeline
from mixmas_pipeline.utils.code_hash import PACKAGE

_SHOWS = ("__repr__", "extra_repr", "_describe")


class Trace:
    """A profiler that keeps the definitions that are executed, as (module without the package's name, name)."""

    def __init__(self) -> None:
        self.executed: set[tuple[str, str]] = set()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event != "call" or not module.startswith(f"{PACKAGE}."):
            return
        name, _, method = frame.f_code.co_qualname.partition(".")
        # Neither what dataclasses make, nor what is run to show something.
        if hasattr(sys.modules[module], name) and method not in _SHOWS:
            self.executed.add((module.removeprefix(f"{PACKAGE}."), name))


@contextmanager
def traced() -> Iterator[Trace]:
    """Trace this thread, and those that it starts."""
    trace = Trace()
    before = sys.getprofile()
    threading.setprofile(trace)
    sys.setprofile(trace)
    try:
        yield trace
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


def import_everything() -> None:
    """Import all modules, so that a trace has nothing of what importing executes."""
    for module in pkgutil.walk_packages(mixmas_pipeline.__path__, f"{PACKAGE}."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # of an extra that is not installed
                importlib.import_module(module.name)
