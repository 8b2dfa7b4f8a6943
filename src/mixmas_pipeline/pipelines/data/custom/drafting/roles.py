"""Columns that are no inputs: the rows' ids, what divides the rows, and which rows belong together."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.pipelines.data.custom.drafting.columns import ColumnFacts, Kind, as_words
from mixmas_pipeline.pipelines.data.custom.drafting.files import is_media_name
from mixmas_pipeline.pipelines.data.custom.drafting.messages import counted, listed, shown
from mixmas_pipeline.pipelines.data.custom.nodes import is_saved_index

if TYPE_CHECKING:
    import pandas as pd

_ID = re.compile(r"(^|_)(id|uid|uuid|guid|identifier)$")
_NAME = {"name", "key", "code", "rowname", "rownames", "row_names"}
_CODE = r"(_(ids?|no|nr|num|number|code|key|name))?$"
# Names of columns that say whose the row is, and of those that may say what rows have in common.
_PEOPLE = re.compile(rf"(^|_)(patient|subject|person|user|customer|speaker|participant|respondent|child|animal){_CODE}")
_SHARED = re.compile(rf"(^|_)(author|group|site|clip|file|admission|household|family|batch){_CODE}")
_SPLITS = {
    "train": {"train", "training", "tr", "trn"},
    "validation": {"validation", "valid", "val", "dev", "development"},
    "test": {"test", "testing", "te", "tst", "holdout", "eval", "evaluation"},
}
_FOLDS = range(3, 21)  # how many numbered folds there may be
_FEWEST_GROUPS, _LARGEST = 10, 20.0  # groups; mean rows of one that is not named like a person or an id
_FEWEST_ROWS = 10


@dataclass
class Roles:
    """Attributes:
    keys: ``id`` and ``split`` of the table's parameters; no ``fractions``.
    comments: key -> what it was made from.
    left_out: column -> why.
    warnings: what a person should look at.
    """

    keys: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def used(self) -> set[str]:
        """Columns that are no inputs."""
        split = self.keys.get("split", {})
        named = {self.keys.get("id"), split.get("column"), split.get("group")} - {None}
        return named | self.left_out.keys()


def snake(name: str) -> str:
    """Small letters, words divided by "_": patient_id of PatientID."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def find_roles(rows: pd.DataFrame, columns: dict[str, ColumnFacts]) -> Roles:
    """Which of the columns are no inputs.

    Args:
        columns: without those of the label.
    """
    roles = Roles()
    for name, column in columns.items():
        if not _is_certain(name) and _counts_rows(rows, column):
            roles.left_out[name] = "a saved index: a column without a name, or with the numbers of the rows"
    _find_split(rows, columns, roles)
    _find_id(rows, columns, roles)
    _find_group(rows, columns, roles)
    return roles


def _is_certain(name: str) -> bool:
    """Whether the name says that the column has ids."""
    return _ID.search(snake(name)) is not None or _PEOPLE.search(snake(name)) is not None


def _counts_rows(rows: pd.DataFrame, column: ColumnFacts) -> bool:
    if is_saved_index(rows, column.name):
        return True
    if column.kind != Kind.NUMBERS or not column.whole or column.filled < max(len(rows), _FEWEST_ROWS):
        return False
    values = as_words(rows[column.name]).astype(float).to_numpy()
    return any(np.array_equal(values, np.arange(len(rows)) + first) for first in (0, 1))


def _find_split(rows: pd.DataFrame, columns: dict[str, ColumnFacts], roles: Roles) -> None:
    """A column that names the splits, or numbered folds."""
    for name, column in columns.items():
        if name in roles.left_out or column.filled < len(rows) or column.distinct > _FOLDS[-1]:
            continue
        counts = as_words(rows[name]).value_counts()
        words = counts.index.tolist()
        values = {split: [w for w in words if w.lower() in known] for split, known in _SPLITS.items()}
        names_splits = sum(map(len, values.values())) == len(words) and bool(values["train"]) and len(words) > 1
        is_folds = _is_folds(column)
        if not names_splits and not is_folds:
            continue
        if "split" in roles.keys:
            roles.left_out[name] = f"another split; {shown(roles.keys['split']['column'])} is taken"
        elif names_splits and (lacking := [split for split, found in values.items() if not found]):
            roles.left_out[name] = (
                f"a split without rows for {' and '.join(lacking)} (it has {listed(words)}); they are divided anew. "
                "To use it, name rows of all three splits in it"
            )
        elif names_splits:
            renamed = any(found != [split] for split, found in values.items())
            roles.keys["split"] = {"column": name, **({"values": values} if renamed else {})}
            roles.comments["split"] = "rows: " + ", ".join(f"{shown(w)} {n:,}" for w, n in counts.items())
        else:
            folds = sorted(int(w) for w in words)
            values_of = {"train": folds[:-2], "validation": [folds[-2]], "test": [folds[-1]]}
            roles.keys["split"] = {"column": name, "values": values_of}
            roles.comments["split"] = f"{len(folds)} folds: the last one tests, the one before validates"


def _is_folds(column: ColumnFacts) -> bool:
    """Whether it has the numbers of folds."""
    is_named = re.search(r"(^|_)folds?$", snake(column.name)) is not None
    return is_named and column.kind == Kind.NUMBERS and column.whole and column.distinct in _FOLDS


def _find_id(rows: pd.DataFrame, columns: dict[str, ColumnFacts], roles: Roles) -> None:
    ranks = {
        name: rank
        for name, column in columns.items()
        if name not in roles.used and column.filled == len(rows) and (rank := _id_rank(column)) is not None
    }
    if not ranks:
        return
    first = min(ranks, key=lambda name: ranks[name])
    roles.keys["id"] = first
    others = [name for name in ranks if name != first]
    made = f"a different value in each of the {len(rows):,} rows"
    roles.comments["id"] = made + (f"; so have {listed(others)}" if others else "")
    for name in others:
        roles.left_out[name] = f"another id: a different value in each row; {shown(first)} is taken"


def _id_rank(column: ColumnFacts) -> int | None:
    """How likely the column is the id, 0 the most; None if it is none."""
    name = snake(column.name)
    if not column.is_unique or is_media_name(column.example) or column.kind not in (Kind.NUMBERS, Kind.NAMES):
        return 1 if column.is_unique and column.kind == Kind.TEXTS and name.startswith("row") else None
    if column.kind == Kind.NUMBERS and not column.whole:
        return None
    if _ID.search(name):
        return 0
    if name in _NAME or _PEOPLE.search(name) or _SHARED.search(name):
        return 1
    return 2 if column.kind == Kind.NAMES else None


def _find_group(rows: pd.DataFrame, columns: dict[str, ColumnFacts], roles: Roles) -> None:
    candidates = []
    for name, column in columns.items():
        if name in roles.used or column.is_unique or not _is_code(column):
            continue
        certain = _is_certain(name)
        if not certain and (_SHARED.search(snake(name)) is None or column.repeated > _LARGEST):
            continue
        if column.distinct >= _FEWEST_GROUPS and column.repeated > 1:
            candidates.append(column)
        elif certain:
            roles.left_out[name] = (
                f"named like an id, with {counted(column.distinct, 'value')}: too few groups to divide the rows by. If "
                "they are categories, list the column under columns and categories"
            )
    if not candidates:
        return
    group = min(candidates, key=lambda column: _PEOPLE.search(snake(column.name)) is None)
    for column in candidates:
        if column is not group:
            roles.left_out[column.name] = f"an id that repeats; the rows are grouped by {shown(group.name)}"
    _set_group(rows, group, roles)


def _is_code(column: ColumnFacts) -> bool:
    return column.kind == Kind.NAMES or (column.kind == Kind.NUMBERS and column.whole)


def _set_group(rows: pd.DataFrame, group: ColumnFacts, roles: Roles) -> None:
    split = roles.keys.get("split", {})
    made = f"{group.distinct:,} values of {shown(group.name)}, each in {group.repeated:.1f} rows on average"
    if "column" in split:
        named = rows[[group.name, split["column"]]].dropna().astype(str)
        shared = int((named.drop_duplicates()[group.name].value_counts() > 1).sum())
        if shared:
            roles.left_out[group.name] = f"an id that repeats, with values that are in two splits: {shared}"
            roles.warnings.append(
                f"values of {shown(group.name)} that are in two splits of {shown(split['column'])}: {shared} of "
                f"{group.distinct}. A model that knows them by heart scores too well. Divide the rows anew"
            )
            return
    roles.keys["split"] = {**split, "group": group.name}
    roles.comments["group"] = made + "; no value is in two splits"
