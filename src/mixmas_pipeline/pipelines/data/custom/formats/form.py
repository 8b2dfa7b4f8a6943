"""What has to be known of a file beside its name, to read it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple


class Form(NamedTuple):
    """How a file is written; see ``FileFormParameters`` for the first fields.

    Attributes:
        separator, encoding: of a text file. Default None: as its ending and its first bytes say.
        missing: words for a missing value. Default None: as pandas reads them, in files that people write.
        sheet: of a workbook. Default None: the only one.
        query: of a database. Default None: all of its only table.
        names: columns, or patterns of them, whose cells are names. Default none.
    """

    separator: str | None = None
    missing: tuple[str, ...] | None = None
    encoding: str | None = None
    sheet: str | None = None
    query: str | None = None
    names: tuple[str, ...] = ()

    def is_name(self, column: str) -> bool:
        """Whether the column's cells are names."""
        return any(column == pattern or fnmatchcase(column, pattern) for pattern in self.names)
