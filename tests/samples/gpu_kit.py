"""The scripts of benchmarks/gpu as modules."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from project_runs import ROOT


def load_script(name: str) -> ModuleType:
    """A script, and those beside it that it imports."""
    folder = str(ROOT / "benchmarks" / "gpu")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)
