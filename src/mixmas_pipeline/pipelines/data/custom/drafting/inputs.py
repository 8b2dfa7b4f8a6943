"""The modalities of a draft, from the columns that are left when ids, labels and splits are known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from mixmas_pipeline.pipelines.data.custom.cells import CellError
from mixmas_pipeline.pipelines.data.custom.dates import Rule, learn_rule, read_moments, written_form
from mixmas_pipeline.pipelines.data.custom.drafting.columns import ColumnFacts, Kind, are_names
from mixmas_pipeline.pipelines.data.custom.drafting.files import FileColumn, picture_shape
from mixmas_pipeline.pipelines.data.custom.drafting.messages import counted, listed, shown
from mixmas_pipeline.pipelines.data.custom.drafting.roles import snake
from mixmas_pipeline.pipelines.data.custom.drafting.series import Block, blocks, is_embedding, is_series
from mixmas_pipeline.pipelines.data.custom.drafting.steps import Steps
from mixmas_pipeline.pipelines.data.custom.modalities import DEFAULT_ENCODER, ModalityName

if TYPE_CHECKING:
    import pandas as pd

_MOST_MODALITIES = 6
_MOST_TEXTS = 3
_BLOCK = 6  # columns of a block that is a modality of its own
_MANY = 10  # columns, from which on what stands before a dot in their names makes modalities
_NEARLY_EMPTY, _FEWEST_CELLS = 0.02, 5
_LACKING = 0.01  # the share of rows without any value from which on a group of facts is optional
_FEW_NUMBERS = 10  # different whole numbers that may be codes
_PARTED = re.compile(r"(.+?)(?:\.|__|/|:)(.+)")
_NAME: TypeAdapter[str] = TypeAdapter(ModalityName)


@dataclass(frozen=True)
class ModalityDraft:
    """A modality.

    Attributes:
        name: of the modality.
        keys: of its parameters.
        made_from: what it was guessed from.
        lacking: (n,) rows without it; None: no row can lack it.
    """

    name: str
    keys: dict[str, Any]
    made_from: str
    lacking: np.ndarray | None = None


@dataclass
class Inputs:
    """Modalities, as they are found.

    Attributes:
        rows: of the table.
        project: the folder that paths are relative to.
        modalities: so far.
        left_out: column -> why.
    """

    rows: pd.DataFrame
    project: Path
    modalities: list[ModalityDraft] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, keys: dict[str, Any], made_from: str, lacking: np.ndarray | None = None) -> None:
        """Add a modality; it is optional if rows lack it."""
        if lacking is not None and lacking.any():
            keys = {**keys, "optional": True}
            made_from += f"; rows without it: {int(lacking.sum()):,} of {len(lacking):,}"
        taken = {m.name for m in self.modalities} | {f"{m.name}_words" for m in self.modalities}
        self.modalities.append(ModalityDraft(modality_name(name, taken), keys, made_from, lacking))

    def path(self, path: Path) -> str:
        """As the parameters have it."""
        return written_path(path, self.project)


def written_path(path: Path, project: Path) -> str:
    """Relative to the project if it lies in it, else absolute."""
    whole, root = path.absolute(), project.absolute()
    return (whole.relative_to(root) if whole.is_relative_to(root) else whole).as_posix()


def modality_name(wanted: str, taken: Iterable[str]) -> str:
    """A name that a modality may have, and that is not taken."""
    taken, name = set(taken), snake(wanted)
    name = name if name[:1].isalpha() and name.isascii() else f"data_{name}".rstrip("_")
    number = 1
    while True:
        tried = name if number == 1 else f"{name}_{number}"
        try:
            _NAME.validate_python(tried)
        except ValidationError:
            name = f"{name}_data"
            continue
        if tried not in taken:
            return tried
        number += 1


def patterns(columns: tuple[str, ...], everything: Iterable[str]) -> list[str]:
    """The columns, as one pattern if it fits them alone, in their order; else by name."""
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*columns, strict=False))
    prefix = "".join(letters[0] for letters in same).rstrip("0123456789")
    is_narrow = len(columns) > 2 or (len(columns) == 2 and prefix[-1:] in ("_", ".", "-", "/", ":"))
    if not prefix or not is_narrow or re.search(r"[*?\[\]]", prefix):
        return list(columns)
    pattern, everything = f"{prefix}*", tuple(everything)
    fits = pattern not in everything and tuple(c for c in everything if c.startswith(prefix)) == columns
    return [pattern] if fits else list(columns)


def add_files(inputs: Inputs, found: FileColumn, facts: ColumnFacts) -> None:
    """Pictures or recordings."""
    if found.problem or found.folder is None:
        inputs.left_out[found.column] = found.problem
        return
    keys: dict[str, Any] = {"kind": found.media, "column": found.column, "folder": inputs.path(found.folder)}
    if found.pattern != "{}":
        keys["pattern"] = found.pattern
    made = f"{shown(facts.example)} is a file in {shown(keys['folder'])}"
    if found.media == "image":
        side, grey, what = picture_shape(found, inputs.rows)
        keys |= {"height": side, "width": side, **({"colour": "grey"} if grey else {})}
        made = what
    if found.unfound:
        made += f"; cells that name a file which does not exist: {found.unfound:,}"
    if found.most_unfound is not None:
        keys["most_unfound"] = found.most_unfound
    name = found.column if found.pattern == "{}" else found.folder.stem
    inputs.add(name, keys, made, found.lacking)


def add_arrays(inputs: Inputs, arrays: Mapping[str, np.ndarray]) -> None:
    """Arrays of more than one axis, of a .npz."""
    for name, array in arrays.items():
        shape = " x ".join(map(str, array.shape))
        if array.ndim == 1:
            continue
        if array.ndim > 3 or array.dtype.kind not in "fiub":
            inputs.left_out[name] = f"an array of {shape} {array.dtype}; expected numbers of 2 or 3 axes"
            continue
        if (array == array[:1]).all():
            inputs.left_out[name] = f"an array of {shape}, the same in all rows"
            continue
        empty = np.isnan(array.astype(np.float64)).reshape(len(array), -1)
        if array.ndim == 2 and (empty.any(axis=1) & ~empty.all(axis=1)).any():
            inputs.left_out[name] = f"an array of {shape} in which some rows have NaN beside numbers"
            continue
        kind = "embedding" if array.ndim == 2 else "time_series"
        made = f"an array of {shape}: " + ("a vector per row" if array.ndim == 2 else "rows, steps, features")
        lacking: np.ndarray = np.all(empty, axis=1)
        inputs.add(name, {"kind": kind, "array": name}, made, lacking)


def add_steps(inputs: Inputs, found: Steps) -> None:
    """A series in a file of its own."""
    keys: dict[str, Any] = {
        "kind": "time_series",
        "file": inputs.path(found.file),
        **({"separator": found.separator} if found.separator else {}),
        "id": found.id,
        "time": found.time,
        "columns": list(found.features),
        "steps": found.steps,
        **({"duplicates": "mean"} if found.repeated else {}),
    }
    made = f"{found.file.name} has several rows per {shown(found.id)}: {found.made_from}"
    if found.repeated:
        made += f"; of rows with the same {shown(found.time)} the mean is taken"
    inputs.add(found.file.name.partition(".")[0], keys, made, found.lacking)


def add_columns(inputs: Inputs, columns: Mapping[str, ColumnFacts], used: set[str]) -> None:
    """Everything that is made of the table's columns.

    Args:
        columns: those that are left.
        used: those of the id, the label and the split, which "*" leaves out.
    """
    rows, rest = inputs.rows, dict(columns)
    formats: dict[str, str] = {}
    in_blocks = _add_blocks(inputs, rest)
    for name, column in list(rest.items()):
        why = "" if name in in_blocks else _why_left_out(rows, column)
        if column.kind == Kind.DATES and not why:
            form, why = _look_at_dates(rows, name)
            formats |= {name: form} if form else {}
        if why:
            inputs.left_out[name] = why
        elif column.kind == Kind.LISTS:
            keys = {"kind": "embedding", "column": name, **({"sequence": True} if column.depth == 2 else {})}
            inputs.add(name, keys, "lists of numbers of one length", rows[name].isna().to_numpy())
        else:
            continue
        del rest[name]
    texts = {name: column for name, column in rest.items() if column.kind == Kind.TEXTS and name not in in_blocks}
    _add_texts(inputs, texts)
    facts = {name: column for name, column in rest.items() if name not in texts}
    _add_facts(inputs, facts, formats, used)


def _why_left_out(rows: pd.DataFrame, column: ColumnFacts) -> str:
    """Why a column is no number, no category and no text; "" if it is one."""
    if column.kind == Kind.EMPTY:
        return "empty in all rows"
    if column.problem:
        return column.problem
    if column.distinct == 1 and column.filled == len(rows):
        return f"the same in all rows: {column.example}"
    if column.filled < max(_FEWEST_CELLS, _NEARLY_EMPTY * len(rows)):
        return f"empty but for {counted(column.filled, 'cell')}"
    if column.kind == Kind.NAMES and not are_names(column):
        return (
            f"{column.distinct:,} different names in {column.filled:,} cells, such as {column.example}: too many for "
            "categories, too short for texts"
        )
    return ""


def _look_at_dates(rows: pd.DataFrame, column: str) -> tuple[str | None, str]:
    """Of a column of dates: its ``date_format``, as the training rows alone may not tell day and month apart; and why
    it is left out, "" if it is not."""
    form = None
    try:
        rule = learn_rule(rows, column, None)
        read_moments(rows, column, rule, "UTC")
        if form := written_form(rows, column, rule):
            read_moments(rows, column, Rule(form, rule.zoned), "UTC")
    except CellError as error:
        if form is None:
            return None, f"dates that cannot be read: {error}"
        return None, f"dates of which not all have the form {form}; write all of them like 2024-10-01"
    return form, ""


def _add_blocks(inputs: Inputs, rest: dict[str, ColumnFacts]) -> set[str]:
    """Series and embeddings in numbered columns; they are taken out of ``rest``.

    Returns:
        Columns of other blocks, which are features also where all rows have one value.
    """
    rows = inputs.rows
    usable = [c for c, facts in rest.items() if facts.kind in (Kind.NUMBERS, Kind.EMPTY)]
    features: set[str] = set()
    series: dict[tuple[int, ...], list[Block]] = {}
    for block in blocks(usable):
        lacking = rows[list(block.columns)].isna().to_numpy()
        if lacking.all():
            continue
        if is_embedding(block) and not (lacking.any(axis=1) & ~lacking.all(axis=1)).any():
            keys = {"kind": "embedding", "columns": patterns(block.columns, _own(rows))}
            inputs.add(block.prefix, keys, f"{len(block.columns)} numbered columns", lacking.all(axis=1))
        elif is_series(rows, block):
            series.setdefault(block.numbers, []).append(block)
        else:
            if len(block.columns) >= _BLOCK:
                features |= {c for c in block.columns if rest[c].kind != Kind.EMPTY}
            continue
        for column in block.columns:
            del rest[column]
    for of in series.values():
        _add_series(inputs, of)
    return features


def _add_series(inputs: Inputs, of: list[Block]) -> None:
    """One modality of all series with the same steps."""
    rows = inputs.rows
    lacking = rows[[c for block in of for c in block.columns]].isna().all(axis=1).to_numpy()
    steps = f"{len(of[0].columns)} numbered columns of one scale, one per step"
    if len(of) == 1:
        keys = {"kind": "time_series", "columns": patterns(of[0].columns, _own(rows))}
        inputs.add(of[0].prefix or "series", keys, f"{of[0].columns[0]} ... {of[0].columns[-1]}: {steps}", lacking)
        return
    groups = {block.prefix or "value": patterns(block.columns, _own(rows)) for block in of}
    inputs.add("series", {"kind": "time_series", "groups": groups}, f"{len(of)} series of {steps}", lacking)


def _add_texts(inputs: Inputs, texts: dict[str, ColumnFacts]) -> None:
    has_encoder = find_spec(DEFAULT_ENCODER.removeprefix("package:").partition("/")[0]) is not None
    longest = sorted(texts, key=lambda name: -texts[name].words)
    for name, column in texts.items():
        if longest.index(name) >= _MOST_TEXTS:
            inputs.left_out[name] = f"a further text; the longest {_MOST_TEXTS} are taken"
            continue
        made = f"{column.words:.0f} words per cell"
        if not has_encoder:
            made += "; a text needs the extra demo, which is not installed: only its words are counted"
        keys = {"kind": "text" if has_encoder else "words", "column": name}
        inputs.add(name, keys, made, inputs.rows[name].isna().to_numpy())


def _add_facts(inputs: Inputs, facts: dict[str, ColumnFacts], formats: Mapping[str, str], used: set[str]) -> None:
    """Numbers, categories and dates.

    Args:
        formats: of columns of dates with the year last.
    """
    parts = _parts(facts, _MOST_MODALITIES - len(inputs.modalities))
    for name, columns in parts.items():
        own = {column: facts[column] for column in columns}
        keys: dict[str, Any] = {"kind": "tabular", "columns": patterns(tuple(columns), _own(inputs.rows))}
        if len(parts) == 1 and "*" not in _own(inputs.rows) and _is_all_that_is_left(inputs, facts, used):
            keys["columns"] = "*"
        if names := [column for column, of in own.items() if of.kind == Kind.NAMES]:
            keys["categories"] = names
        if dates := [column for column, of in own.items() if of.kind == Kind.DATES]:
            keys["dates"] = dates
            if written := {column: formats[column] for column in dates if column in formats}:
                keys["date_format"] = written
        empty = inputs.rows[columns].isna().all(axis=1).to_numpy()
        # Where the tests of a group were not done, the group is missing; without groups each cell is.
        lacking = empty if name != "facts" and empty.mean() >= _LACKING else None
        inputs.add(name, keys, _describe(own), lacking)


def _is_all_that_is_left(inputs: Inputs, facts: Mapping[str, ColumnFacts], used: set[str]) -> bool:
    elsewhere = {c for m in inputs.modalities for c in _columns_of(m.keys, _own(inputs.rows))}
    return set(_own(inputs.rows)) - used - elsewhere == set(facts)


def _columns_of(keys: dict[str, Any], everything: list[str]) -> set[str]:
    """The table's columns that a modality is made of."""
    if "file" in keys:
        return set()
    named = [*([keys["column"]] if "column" in keys else []), *keys.get("columns", [])]
    named += [pattern for group in keys.get("groups", {}).values() for pattern in group]
    patterns = [name for name in named if name not in everything]  # as ``cells.choose``, the name itself comes first
    return {c for c in everything if c in named or any(fnmatchcase(c, pattern) for pattern in patterns)}


def _parts(facts: Mapping[str, ColumnFacts], most: int) -> dict[str, list[str]]:
    """Modality -> its columns: by what stands before a dot in all names, or by numbered blocks; else all are one."""
    whole = {"facts": list(facts)} if facts else {}
    parted = {column: match[1] for column in facts if (match := _PARTED.fullmatch(column))}
    names = list(dict.fromkeys(parted.values()))
    if len(parted) == len(facts) >= _MANY and 1 < len(names) <= most:
        by_name = {name: [c for c in facts if parted[c] == name] for name in names}
        return by_name if min(map(len, by_name.values())) > 1 else whole
    own = [block for block in blocks(facts) if len(block.columns) >= _BLOCK]
    rest = [c for c in facts if not any(c in block.columns for block in own)]
    if not own or len(own) + bool(rest) > most or (len(own) == 1 and len(rest) < 2):
        return whole
    of_blocks = {block.prefix or "numbers": list(block.columns) for block in own}
    return {**({"facts": rest} if rest else {}), **of_blocks}


def _describe(columns: Mapping[str, ColumnFacts]) -> str:
    """What a modality of facts has."""
    names = [f"{shown(c)} {of.distinct}" for c, of in columns.items() if of.kind == Kind.NAMES]
    dates = [shown(c) for c, of in columns.items() if of.kind == Kind.DATES]
    numbers = len(columns) - len(names) - len(dates)
    made = ", ".join(
        part
        for part in (
            f"{counted(numbers, 'column')} of numbers" if numbers else "",
            f"{counted(len(dates), 'column')} of dates" if dates else "",
            f"{counted(len(names), 'column')} of names (different ones: {listed(names, 8)})" if names else "",
        )
        if part
    )
    numbered = {c for block in blocks(columns) for c in block.columns}
    coded = [
        shown(c)
        for c, of in columns.items()
        if of.kind == Kind.NUMBERS
        and of.whole
        and c not in numbered
        and 2 < of.distinct <= _FEW_NUMBERS
        and of.repeated >= 5
    ]
    if coded:
        made += f". Whole numbers with few values: {listed(coded, 8)}; if they are codes, list them under categories"
    return made


def _own(rows: pd.DataFrame) -> list[str]:
    """The file's columns."""
    from mixmas_pipeline.pipelines.data.custom.cells import RESERVED

    return [column for column in rows.columns if column not in RESERVED]
