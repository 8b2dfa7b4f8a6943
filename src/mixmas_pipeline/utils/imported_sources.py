"""The source that the modules of this package were imported from.

A file may change between its import and the moment that somebody looks at it. What a result was made from is what was
imported.
"""

from __future__ import annotations

import importlib.machinery
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

STARTED_NS = time.time_ns()  # of this process: nothing of the package was imported much before
_sources: dict[str, bytes] = {}
_reloads = 0


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        while True:
            before = Path(self.path).read_bytes()
            code = super().get_code(fullname)
            if Path(self.path).read_bytes() == before:  # else it was saved in between
                _keep(fullname, before)
                return code


class _Finder(importlib.machinery.PathFinder):
    """Finds the modules of one package as Python does, and keeps the source of what is imported."""

    def __init__(self, package: str) -> None:
        self._prefix = f"{package}."

    def find_spec(  # type: ignore[override]  # of an instance, where Python's is of the class
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See ``importlib.abc.MetaPathFinder``. None for a module of another package."""
        if not fullname.startswith(self._prefix):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def keep_sources(package: str) -> None:
    """From now on keep the source of each module of a package that is imported. Call it before the first import."""
    sys.meta_path.insert(0, _Finder(package))


def imported_sources() -> dict[str, bytes]:
    """Module, with the package's name -> the source that it was last imported from."""
    return dict(_sources)


def reloads() -> int:
    """How often a module was imported again from another source, as a notebook's autoreload does."""
    return _reloads


def _keep(module: str, source: bytes) -> None:
    global _reloads
    if _sources.get(module, source) != source:
        _reloads += 1
    _sources[module] = source
