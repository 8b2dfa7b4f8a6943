"""Which blocks a document names, and the code behind them.

A model gets its blocks from its architecture. So the code of a block counts for what is made from an architecture that
names it, and for nothing else (see ``mixmas_pipeline.runners.fingerprints``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mixmas_pipeline.models.blocks import BLOCKS


def implementations(document: Any) -> list[str]:
    """The blocks that a document of JSON names under the key "block", at any depth: "module:Class" of each."""
    return sorted({BLOCKS[name] for name in _named(document) if name in BLOCKS})


def _named(document: Any) -> Iterator[str]:
    if isinstance(document, list):
        for entry in document:
            yield from _named(entry)
    elif isinstance(document, dict):
        for key, value in document.items():
            if key == "block" and isinstance(value, str):
                yield value
            else:
                yield from _named(value)
