"""Which code trains an architecture: checkpoints of other code, and hosts that have other code, do not fit."""

from __future__ import annotations

from typing import Any

from mixmas_pipeline.models.implementations import implementations
from mixmas_pipeline.utils.code_hash import PACKAGE, combined_hash


def training_code(architecture: dict[str, Any], of: str = "training.fit:fit") -> str:
    """Hash of the code that trains an architecture, given as its document: the training's and its blocks'.

    Args:
        of: the function that trains, "module:name" in this package. Default: what makes the checkpoints.
    """
    return combined_hash([f"{PACKAGE}.{of}", *implementations(architecture)])
