"""What a draft says: names from data made safe to print, and the error that ends it."""

from __future__ import annotations

from collections.abc import Iterable

from mixmas_pipeline.utils.printable import printable

_LONGEST = 40


class DraftError(ValueError):
    """No block can be drafted; the message says why, and what to do."""


def shown(value: object) -> str:
    """A name or a cell, for a message or a comment: without line breaks and control characters, and not too long."""
    text = printable(str(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def listed(values: Iterable[object], most: int = 5) -> str:
    """The first values, and how many more there are."""
    texts = [shown(value) for value in values]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def counted(number: int, what: str) -> str:
    """ "1 row", "2 rows"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
