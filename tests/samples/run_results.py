"""What a run has begun, and what it has left, apart from measured times."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pyarrow import parquet


def started(log: str) -> list[str]:
    """The nodes that a run has begun, in order. Those it reused are not among them."""
    return re.findall(r"Running (\S+) \(\d+ of \d+\)", " ".join(log.split()))


def without_seconds(value: Any) -> Any:
    """The measured times are all that may differ."""
    if isinstance(value, dict):
        return {k: without_seconds(v) for k, v in value.items() if k not in ("seconds", "earlier_seconds")}
    return [without_seconds(v) for v in value] if isinstance(value, list) else value


def results(project: Path) -> dict[str, Any]:
    """Every data set's newest version, without times; files that nothing is known about byte by byte."""
    found: dict[str, Any] = {}
    for folder in sorted((project / "data/test").rglob("*Z")):
        artefact = folder / folder.parent.name
        name = str(folder.parent.relative_to(project))
        if artefact.name in ("report.html", "leaderboard_figure.json"):
            continue  # they show times
        if artefact.suffix == ".json":
            found[name] = without_seconds(json.loads(artefact.read_text()))
        elif artefact.suffix == ".parquet":
            table = parquet.read_table(artefact)
            found[name] = repr(table.select([c for c in table.column_names if c != "seconds"]).to_pylist())
        elif artefact.is_dir():
            files = {str(file.relative_to(artefact)): file for file in artefact.rglob("*") if file.is_file()}
            found[name] = {
                path: without_seconds(json.loads(file.read_text())) if file.suffix == ".json" else file.read_bytes()
                for path, file in files.items()
            }
        else:
            found[name] = artefact.read_bytes()
    return found
