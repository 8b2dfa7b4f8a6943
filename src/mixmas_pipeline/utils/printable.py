"""Texts from data, safe to print."""

from __future__ import annotations


def printable(text: str, kept: str = "") -> str:
    """The text with control characters as Python escapes them: a terminal would obey them.

    Args:
        kept: characters that stay. Default none.
    """
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)
