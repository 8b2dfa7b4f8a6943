"""What databases have in common: a file that nobody is writing, and a query or the only table."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from mixmas_pipeline.utils.remote_logs import LITERAL

_log = logging.getLogger(__name__)


def check_settled(path: Path, *endings: str) -> None:
    """Refuse a database with changes that lie in another file: what was read would not be what the file has.

    Args:
        endings: of the names of such files, after the database's own name.

    Raises:
        ValueError: there is one.
    """
    for ending in endings:
        log = path.with_name(path.name + ending)
        if log.exists() and log.stat().st_size:
            raise ValueError(
                f"it has changes that are in {log.name}; close the program that writes the database, so that it "
                "moves them into the file"
            )


def whole_table(tables: Sequence[str]) -> str:
    """The query for all of the only table.

    Raises:
        ValueError: there is none, or another one.
    """
    if len(tables) != 1:
        shown = ", ".join(map(repr, tables[:20])) + (f" and {len(tables) - 20} more" if len(tables) > 20 else "")
        found = f"it has the tables {shown}" if tables else "it has no table"
        raise ValueError(f"{found}; write query: and a select statement beside file, or --query after kedro draft")
    _log.info("All of the table %r is read, which is the only one", tables[0], extra=LITERAL)
    quoted = tables[0].replace('"', '""')
    return f'select * from "{quoted}"'
