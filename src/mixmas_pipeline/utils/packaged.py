"""The project folder that the package carries: in a checkout links to the checkout's ``conf`` and ``notebooks``, in a
wheel the files."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parents[1] / "project"
