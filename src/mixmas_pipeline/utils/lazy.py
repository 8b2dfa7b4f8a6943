"""Modules that are imported when they are first used: making the graph takes none of pandas and pyarrow, whose import
takes longer than all the rest of ``kedro registry list``.

Node functions name their types in annotations, which Kedro evaluates when it checks parameters; so the name has to be
there at run time, and an import under ``TYPE_CHECKING`` alone would not do:

    if TYPE_CHECKING:
        import pandas as pd
    else:
        pd = lazy("pandas")
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class _Lazy(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def lazy(name: str) -> Any:
    """A stand-in for the module of this name, which is imported when the first attribute is asked for."""
    return _Lazy(name)
