"""Makes the modules of this folder, and those of tests/project that run whole projects, importable by name."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "project"))
