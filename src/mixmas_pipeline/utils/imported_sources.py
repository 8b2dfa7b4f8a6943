"""The source that the modules of this package were imported from.

A file may change between its import and the moment that somebody looks at it. What a result was made from is what was
imported.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

STARTED_NS = time.time_ns()  # of this process: nothing of the package was imported much before
_COARSE_NS = 2_000_000_000
_sources: dict[str, bytes] = {}
_reloads = 0


class _Loader(SourceFileLoader):
    """Keeps the source that it imports from."""

    def get_code(self, fullname: str) -> CodeType | None:
        while True:
            source = Path(self.path).read_bytes()
            code = super().get_code(fullname) if self._drops_old_code() else self.source_to_code(source, self.path)
            if Path(self.path).read_bytes() == source:  # else it was saved in between
                _keep(fullname, source)
                return code

    def _drops_old_code(self) -> bool:
        """Remove compiled code that may be of another source; False if that is not possible.

        Python knows the source of compiled code by its size and by the second of its last change, which another source
        may have too. Code that was compiled some seconds after the last change is of this source.
        """
        cached = Path(importlib.util.cache_from_source(self.path))
        try:
            source = Path(self.path).stat()
            if cached.stat().st_mtime_ns < max(source.st_mtime_ns, source.st_ctime_ns) + _COARSE_NS:
                if sys.dont_write_bytecode:  # it would not come back
                    return False
                cached.unlink()
        except FileNotFoundError:  # nothing is compiled
            return True
        except OSError:
            return False
        return True


class _Finder:
    """Finds the modules of one package as Python does, and keeps the source of what is imported."""

    def __init__(self, package: str) -> None:
        self._prefix = f"{package}."

    def find_spec(
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
