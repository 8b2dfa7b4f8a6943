"""Modules that are imported when they are first used: making the graph needs no pandas, whose import takes longer than
the rest of ``kedro registry list``.

Kedro evaluates the annotations of node functions when it checks parameters, so the names must exist at run time; an
import under ``TYPE_CHECKING`` alone would not do:

    if TYPE_CHECKING:
        import pandas as pd
    else:
        pd = lazy("pandas")

``lazy_loader.load`` is no substitute. On CPython 3.11 a module that two threads use first at the same time raises
AttributeError (nodes run in threads with ``--runner=ThreadRunner``). And it puts the unloaded module into
``sys.modules``, where ``inspect.getmodule`` and others load it by looking at it.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class _Lazy(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def lazy(name: str) -> Any:
    """A stand-in for the module of this name, which is imported when an attribute is first used."""
    return _Lazy(name)
