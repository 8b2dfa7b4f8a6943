"""Any table comes through with every row, id, label, category and digit, or with an error that says what is wrong.

``MIXMAS_FUZZ=2000`` draws that many examples of each, from a random seed.
"""

from __future__ import annotations

import gzip
import json
import logging
import math
import re
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fuzzing import examples
from hypothesis import assume, event, given
from hypothesis import strategies as st
from nasty_names import NASTY

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.data.custom import nodes

ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16")
FORMATS = ("csv", "csv.gz", "tsv", "semicolon", "parquet", "feather", "jsonl", "json.gz", "sqlite")
_TEXTS = FORMATS[:4]
LETTERS = st.characters(codec="utf-8")
NAMES = st.text(LETTERS, min_size=1, max_size=6) | st.sampled_from(NASTY)


@dataclass(frozen=True)
class Case:
    """A table, and how it is written.

    Attributes:
        frame: columns key, kind, size, colour.
        suffix: one of ``FORMATS``.
        index: whether it is written with pandas' index.
        encoding: of the text.
    """

    frame: pd.DataFrame
    suffix: str
    index: bool
    encoding: str

    def text(self) -> str:
        """Of a text file."""
        separator = {"tsv": "\t", "semicolon": ";"}.get(self.suffix, ",")
        return self.frame.to_csv(index=self.index, sep=separator)

    @property
    def is_readable(self) -> bool | None:
        """Whether the file tells its encoding; None if it is in another one, and reads as UTF-8 all the same."""
        if self.suffix not in _TEXTS or self.encoding == "utf-16":
            return True
        content = self.text().encode(self.encoding)
        try:
            return content.decode("utf-8-sig") == self.text() or None
        except UnicodeDecodeError:
            return False

    def write(self, folder: Path) -> Path:
        name = "csv" if self.suffix == "semicolon" else self.suffix
        path = folder / f"rows.{name}"
        if self.suffix == "parquet":
            self.frame.to_parquet(path, index=self.index)
        elif self.suffix == "feather":
            self.frame.to_feather(path)
        elif self.suffix == "sqlite":
            with closing(sqlite3.connect(path)) as connection:
                self.frame.to_sql("rows", connection, index=False)
        elif "json" in self.suffix:
            records = [{c: None if v is pd.NA else v for c, v in row.items()} for row in self.frame.to_dict("records")]
            text = json.dumps(records) if "json.gz" in name else "\n".join(json.dumps(record) for record in records)
            path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
        else:
            text = self.text().encode(self.encoding)
            path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
        return path


@st.composite
def cases(draw: st.DrawFn) -> Case:
    n = draw(st.integers(20, 60))
    whole = st.integers(-(2**63), 2**63 - 1)
    keys = draw(st.sampled_from((whole, NAMES)).flatmap(lambda of: st.lists(of, min_size=n, max_size=n, unique=True)))
    kinds = draw(st.lists(NAMES | st.sampled_from(["0", "1", "yes", "no"]), min_size=2, max_size=4, unique=True))
    sizes = draw(
        st.sampled_from(
            (
                st.floats(-1e20, 1e20) | st.none(),
                st.integers(-(2**40), 2**40),
                st.integers(-(2**62), 2**62) | st.none(),
                st.booleans(),
                st.sampled_from(["1", "2.5", " 3", "1e3", "", None, "-0", "0x1", "1_000", "inf"]),
            )
        ).flatmap(lambda of: st.lists(of, min_size=n, max_size=n))
    )
    colours = draw(
        st.lists(st.sampled_from([*draw(st.lists(NAMES, min_size=1, max_size=5)), None]), min_size=n, max_size=n)
    )
    order = draw(st.permutations(range(n)))
    frame = pd.DataFrame(
        {
            "key": keys,
            "kind": [kinds[i % len(kinds)] for i in order],
            "size": pd.array(sizes, dtype="Int64") if _whole_with_gaps(sizes) else sizes,
            "colour": pd.Series(colours, dtype=object),
        }
    )
    case = Case(frame, draw(st.sampled_from(FORMATS)), draw(st.booleans()), draw(st.sampled_from(ENCODINGS)))
    try:
        case.text().encode(case.encoding)
    except UnicodeEncodeError:  # not every encoding has every letter
        case = replace(case, encoding="utf-8")
    assume(case.is_readable is not None)
    return case


def _whole_with_gaps(values: list[Any]) -> bool:
    return None in values and all(value is None or type(value) is int for value in values)


def prepare(path: Path, separator: str | None) -> dict[str, MultimodalTable]:
    """Split -> table, by the nodes of a run."""
    facts = {"kind": "tabular", "columns": ["size", "colour"], "categories": ["colour"]}
    table: dict[str, Any] = {
        "file": str(path),
        "id": "key",
        "label": "kind",
        "task": "multiclass",
        "split": {"fractions": {"validation": 0.2, "test": 0.2}},
        "modalities": {"facts": facts},
    }
    if separator:
        table["separator"] = separator
    rows = nodes.read_table(path, table)
    *splits, learnt, _ = nodes.split_rows(rows, table)
    known = nodes.learn_modality(splits[0], table, facts)
    tables = {}
    for name, part in zip(("train", "validation", "test"), splits, strict=True):
        column = nodes.prepare_modality(part, known, facts, path.name)
        tables[name] = nodes.build_table(part, learnt, table, path.name, column)
    tables["train"].known = known  # type: ignore[attr-defined]
    return tables


@examples(100)
@given(case=cases())
def test_a_table_comes_through_whole_or_not_at_all(case: Case) -> None:
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = case.write(Path(folder))
            try:
                tables = prepare(path, ";" if case.suffix == "semicolon" else None)
            except ValueError as error:
                found = str(error)
            else:
                found = ""
    finally:
        logging.disable(logging.NOTSET)
    event(re.sub(r"[^A-Za-z ]+.*", "", found.partition(": ")[2])[:60] or "read")
    if found or not case.is_readable:
        assert path.name in found, "the file is named"
        assert len(found) < 2000
    else:
        check(case, tables)


def check(case: Case, tables: dict[str, MultimodalTable]) -> None:
    """Every cell is the written one."""
    found: dict[str, tuple[str, float, str | None]] = {}
    known = tables["train"].known  # type: ignore[attr-defined]
    size, names = known["numbers"]["size"], known["categories"]["colour"]["names"]
    for table in tables.values():
        for row, key in enumerate(table.ids.tolist()):
            values = table.arrays["facts"][row]
            number = float(values[0]) * size["std"] + size["mean"]
            first = 1 + (size["ranks"] is not None)  # of heavy tails the rank follows
            if size["missing"] and values[first] == 1:
                number = math.nan
            chosen = np.flatnonzero(values[first + size["missing"] :])
            colour = names[chosen[0]] if len(chosen) else None
            assert key not in found, "every id once"
            found[key] = table.schema.classes[int(table.labels[row])], number, colour
    assert set(found) == {shown(key) for key in case.frame["key"]}
    trained = set(tables["train"].ids.tolist())
    colours = {shown(c) for k, c in zip(case.frame["key"], case.frame["colour"], strict=True) if shown(k) in trained}
    for key, kind, number, colour in case.frame.itertuples(index=False):
        label, value, category = found[shown(key)]
        assert label == shown(kind)
        expected = None if colour is None or (isinstance(colour, float) and math.isnan(colour)) else shown(colour)
        if not expected or expected in colours:
            assert category == (expected or None)
        wanted = as_number(number)
        if math.isnan(wanted) and not size["missing"]:  # no training row lacks it, so there is no value that says so
            wanted = size["median"]
        close = math.isclose(value, wanted, rel_tol=1e-5, abs_tol=1e-5 * (abs(size["mean"]) + 4 * size["std"]))
        assert close or (math.isnan(value) and math.isnan(wanted))


def shown(value: Any) -> str:
    """A name as the tool has it: without spaces around it, a whole number without its point."""
    return str(value).strip()


def as_number(value: Any) -> float:
    if value is None or value is pd.NA or str(value).strip() == "":
        return math.nan
    return float(value)
