"""Installed packages."""

from __future__ import annotations

import importlib.metadata


def package_version(package: str) -> str:
    """Name and version of an installed package; "<name> absent" if it is not installed."""
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} absent"
