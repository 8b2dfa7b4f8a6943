"""Which code trains an architecture: checkpoints of other code, and hosts that have other code, do not fit."""

from __future__ import annotations

from typing import Any

from mixmas_pipeline.models.implementations import implementations
from mixmas_pipeline.utils.code_hash import combined_hash


def training_code(architecture: dict[str, Any]) -> str:
    """Hash of the code that trains an architecture, given as its document: the training's and its blocks'."""
    return combined_hash(["mixmas_pipeline.training.fit", *implementations(architecture)])
