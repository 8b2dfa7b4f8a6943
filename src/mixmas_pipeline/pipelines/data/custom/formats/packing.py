"""Files that may be packed with gzip."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO


def open_unpacked(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked if its name ends in .gz."""
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]
