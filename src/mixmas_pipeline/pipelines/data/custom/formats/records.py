"""JSON: an object per row, in a list (.json) or one per line (.jsonl, .ndjson)."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.pipelines.data.custom.formats.columns import as_column
from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.pipelines.data.custom.formats.packing import open_unpacked
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.remote_logs import LITERAL

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_log = logging.getLogger(__name__)
_ADVICE = "expected a list of objects, one per row: [{...}, {...}] (in pandas: to_json(orient='records'))"


def read(path: Path, form: Form) -> pd.DataFrame:
    """A column per key, in the order in which keys first appear; a row without a key lacks that cell. Lists of numbers
    stay lists; other lists, and objects, are their JSON texts.

    Raises:
        ValueError: it is no such JSON, a line is cut, or an object has a key twice.
    """
    is_whole = path.name.lower().removesuffix(".gz").endswith(".json")
    records = _whole(path) if is_whole else list(_lines(path))
    keys = dict.fromkeys(key for record in records for key in record)
    return pd.DataFrame({key: _column(key, [record.get(key) for record in records]) for key in keys})


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records; blank lines are skipped."""
    with open_unpacked(path) as file:
        for number, line in enumerate(file, start=1):
            where = f"line {number}"
            text = _text(line, where).strip()
            if text:
                advice = "" if line.endswith(b"\n") else " Is the file cut off? It ends in this line"
                yield _record(_parsed(text, where, advice), where)


def _whole(path: Path) -> list[dict[str, Any]]:
    with open_unpacked(path) as file:
        found = _parsed(_text(file.read(), "it"), "it", "")
    if isinstance(found, dict):
        raise ValueError(f"it is an object with the keys {', '.join(map(repr, list(found)[:5]))}; {_ADVICE}")
    if not isinstance(found, list):
        raise ValueError(f"it is {_kind(found)}; {_ADVICE}")
    return [_record(record, f"row {number}") for number, record in enumerate(found)]


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = content[error.start]
        raise ValueError(f"{where} is no UTF-8 text (byte {byte:#x} at {error.start}); save it as UTF-8") from error


def _parsed(text: str, where: str, advice: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and not advice:
            advice = " If each line is an object, name the file .jsonl"
        place = f"line {error.lineno}, character {error.colno}" if where == "it" else f"character {error.colno}"
        raise ValueError(f"{where} is no complete JSON: {error.msg} at {place}.{advice}") from error
    except RecursionError as error:
        raise ValueError(f"{where} has objects or lists in each other, too deep to be read") from error
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the key {again!r} twice; expected every key once")
    return found


def _record(found: Any, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError(f"{where} is {_kind(found)}; expected an object with the row's cells: {{...}}")
    return found


def _column(key: str, cells: list[Any]) -> pd.Series:
    cells = [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in cells]
    if not any(isinstance(cell, list | dict) for cell in cells):
        return as_column(cells)
    try:
        lists = [None if cell is None else _numbers(cell, f"row {row}, column {key}") for row, cell in enumerate(cells)]
    except TypeError:
        _log.info("%s: lists of other things than numbers, and objects, are read as JSON texts", key, extra=LITERAL)
        return as_column([json.dumps(c, ensure_ascii=False) if isinstance(c, list | dict) else c for c in cells])
    return as_column(lists)


def _numbers(cell: Any, where: str) -> list[Any]:
    """A list of numbers, or of such lists.

    Raises:
        TypeError: it is something else.
        ValueError: a number has too many digits.
    """
    if not isinstance(cell, list):
        raise TypeError
    lists = any(isinstance(part, list) for part in cell)
    return [_numbers(part, where) if lists else _number(part, where) for part in cell]


def _number(part: Any, where: str) -> float:
    if part is None:
        return math.nan
    if isinstance(part, bool) or not isinstance(part, int | float):
        raise TypeError
    try:
        return float(part)
    except OverflowError:
        digits = len(str(abs(part)))
        raise ValueError(f"{where}: a list has a number of {digits} digits; expected at most 308") from None


def _kind(found: Any) -> str:
    names = {list: "a list", dict: "an object", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(found), "a number")
