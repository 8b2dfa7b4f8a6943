"""Where the package keeps the configuration and notebooks of a new project."""

from __future__ import annotations

from pathlib import Path

# In a checkout it has links to the checkout's own ``conf`` and ``notebooks``, in a wheel the files.
PROJECT = Path(__file__).parents[1] / "project"
