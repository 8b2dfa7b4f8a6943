"""Text from data in Markdown."""

from __future__ import annotations

import html
import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
# An underscore inside a word emphasises nothing.
_SIGNS = re.compile(r"([\\`*~\[\]]|(?<![^\W_])_|_(?![^\W_]))")


def literal(value: object) -> str:
    """A value's text as it is, in one line: no HTML, link, emphasis, cell border or code of a terminal."""
    text = html.escape(_CONTROL.sub(" ", str(value)), quote=False)
    return _SIGNS.sub(r"\\\1", text).replace("|", "&#124;")
