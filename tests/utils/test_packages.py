"""Versions of installed packages."""

from __future__ import annotations

import numpy as np

from mixmas_pipeline.utils.packages import package_version


def test_the_version_is_that_of_the_package() -> None:
    assert package_version("numpy") == f"numpy {np.__version__}"


def test_a_package_that_is_not_installed_is_absent() -> None:
    assert package_version("no-such-package-anywhere") == "no-such-package-anywhere absent"
