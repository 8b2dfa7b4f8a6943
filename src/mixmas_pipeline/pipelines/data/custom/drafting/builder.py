"""A table's block of parameters, guessed: roles of columns, the task, modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.pipelines.data.custom import nodes
from mixmas_pipeline.pipelines.data.custom.cells import ID, RESERVED
from mixmas_pipeline.pipelines.data.custom.drafting.block import Line, comment, nested, render
from mixmas_pipeline.pipelines.data.custom.drafting.columns import ColumnFacts, Kind, are_names, examine_all
from mixmas_pipeline.pipelines.data.custom.drafting.files import find_files, folders_beside, is_media_name
from mixmas_pipeline.pipelines.data.custom.drafting.inputs import (
    Inputs,
    ModalityDraft,
    add_arrays,
    add_columns,
    add_files,
    add_steps,
)
from mixmas_pipeline.pipelines.data.custom.drafting.leaks import find_leaks
from mixmas_pipeline.pipelines.data.custom.drafting.messages import DraftError, counted, shown
from mixmas_pipeline.pipelines.data.custom.drafting.roles import Roles, find_roles, snake
from mixmas_pipeline.pipelines.data.custom.drafting.series import blocks
from mixmas_pipeline.pipelines.data.custom.drafting.steps import find_steps
from mixmas_pipeline.pipelines.data.custom.drafting.table import Table, read
from mixmas_pipeline.pipelines.data.custom.drafting.target import Target, find_target
from mixmas_pipeline.pipelines.data.custom.formats.arrays import read_arrays
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
from mixmas_pipeline.storage.paths import without_secrets
from mixmas_pipeline.utils.logs import quiet
from mixmas_pipeline.utils.parameters import check

if TYPE_CHECKING:
    import pandas as pd

# Rows below which these shares are validated and tested on: with few rows, less says little.
_SHARES = ((1_000, 0.2, 0.3), (10_000, 0.15, 0.25), (100_000, 0.15, 0.15), (None, 0.1, 0.1))
_FEW_ROWS = 100
_POSITIVE = "guessed: yes of yes and no, 1 of 0 and 1, and so on; of other pairs the rarer one"


@dataclass(frozen=True)
class Draft:
    """A block of parameters.

    Attributes:
        name: of the data set.
        text: the block, as YAML.
        parameters: what it says.
        left_out: column or file -> why.
        warnings: what a person should look at first.
        rows, columns: of the table.
    """

    name: str
    text: str
    parameters: dict[str, Any]
    left_out: dict[str, str]
    warnings: tuple[str, ...]
    rows: int
    columns: int


def data_set_name(file: str) -> str:
    """A name of a data set, of the file's."""
    name = snake(Path(without_secrets(file)).name.partition(".")[0])
    return name if name[:1].isalpha() and name.isascii() else f"table_{name}".rstrip("_")


def draft(
    path: Path, file: str, labels: tuple[str, ...], name: str, project: Path, part: Mapping[str, str] | None = None
) -> Draft:
    """The block of a table.

    Args:
        path: of the table on this machine.
        file: the same as the parameters have it: relative to the project, absolute, or a URL.
        labels: columns to predict.
        name: of the data set.
        project: the folder that paths are relative to.
        part: ``sheet`` of a workbook, or ``query`` of a database. Default: the only one.

    Raises:
        DraftError: there is no such label, or nothing to predict it from; the message says what to do.
        ValueError: the table cannot be read.
    """
    try:
        part = part or {}
        table = read(path, labels, sheet=part.get("sheet"), query=part.get("query"))
        if not labels:
            raise DraftError(_candidates(table.rows))
        return _Builder(path, {"file": file, **part}, name, project, table, find_target(table.rows, labels)).whole()
    except ValueError as error:
        raise DraftError(f"{path.name}: {error}") from error


def _candidates(rows: pd.DataFrame) -> str:
    """What may be a label, and how to name one."""
    columns = examine_all(rows, [c for c in rows.columns if c not in RESERVED])
    no_labels = find_roles(rows, columns).used
    no_labels |= {c for block in blocks(columns) for c in block.columns}
    possible = [
        of
        for name, of in columns.items()
        if name not in no_labels and of.distinct > 1 and (of.kind in (Kind.NUMBERS, Kind.BOOLEANS) or are_names(of))
    ]
    likely = [
        f"  {shown(of.name)}: {of.distinct:,} different {of.kind}, such as {of.example}"
        for of in sorted(possible, key=lambda of: of.distinct)
    ]
    more = f"\n  and {len(likely) - 30} more" if len(likely) > 30 else ""
    found = "\n".join(likely[:30]) + more if likely else "  (none has values that repeat, or numbers)"
    return f"which column is to be predicted? Name it with --label COLUMN. Columns that may be labels:\n{found}"


class _Builder:
    """One draft, while it is made."""

    def __init__(
        self, path: Path, source: Mapping[str, str], name: str, project: Path, table: Table, target: Target
    ) -> None:
        self.path, self.source, self.name, self.project = path, source, name, project
        self.table, self.rows, self.target = table, table.rows, target
        own = [c for c in self.rows.columns if c not in RESERVED]
        self.number_of_columns = len(own)
        self.columns = examine_all(self.rows, [c for c in own if c not in target.labels])
        self.roles: Roles = find_roles(self.rows, self.columns)
        self.inputs = Inputs(self.rows, project, left_out=dict(self.roles.left_out))
        self.warnings = [*table.warnings, *target.warnings, *self.roles.warnings]

    def whole(self) -> Draft:
        """The draft, tried out."""
        self._find_inputs()
        self._check_presence()
        lines = self._lines()
        parameters = nested(lines)
        try:
            self._try(parameters[self.name]["table"])
        except ValueError as error:
            hints = "".join(f"\n{warning}" for warning in self.warnings)
            raise DraftError(f"{str(error).removeprefix(f'{self.path.name}: ')}{hints}") from error
        text = render(lines) + self._left_out_as_comments()
        return Draft(self.name, text, parameters, self.inputs.left_out, tuple(self.warnings), len(self.rows),
                     self.number_of_columns)  # fmt: skip

    def _find_inputs(self) -> None:
        rest = {name: of for name, of in self.columns.items() if name not in self.roles.used}
        for name, why in find_leaks(self.rows, self.target, rest).items():
            self.inputs.left_out[name] = f"it gives the label away: {why}"
            self.warnings.append(
                f"{shown(name)} gives the label away and is left out. Was it made from the label, or is it only known "
                "after it? If neither, add it to the columns"
            )
            del rest[name]
        rest = self._without_files(rest)
        if "id" in self.roles.keys:
            steps, unusable = find_steps(self.path, self._named(), self.roles.keys["id"])
            self.inputs.left_out |= unusable
            for found in steps:
                add_steps(self.inputs, found)
        if self.path.suffix.lower() == ".npz":
            add_arrays(self.inputs, read_arrays(self.path))
        used = {*self.target.labels, *self.roles.used} - self.roles.left_out.keys()
        saved_indexes = {c for c in self.roles.left_out if nodes.is_saved_index(self.rows, c)}
        add_columns(self.inputs, rest, used | saved_indexes)
        if not self.inputs.modalities:
            why = "".join(f"\n  {shown(name)}: {why}" for name, why in self.inputs.left_out.items())
            raise DraftError(f"no column is left to predict the label from. Left out:{why or ' none'}")

    def _named(self) -> pd.DataFrame:
        from mixmas_pipeline.pipelines.data.custom.cells import words

        return self.rows.assign(**{ID: words(self.rows, self.roles.keys["id"])})

    def _without_files(self, rest: dict[str, ColumnFacts]) -> dict[str, ColumnFacts]:
        """Add pictures and recordings; the id too may name files."""
        folders = folders_beside(self.path, self.project)
        kept = dict(rest)
        may = (Kind.NAMES, Kind.TEXTS, Kind.NUMBERS)
        ids = [self.roles.keys["id"]] if "id" in self.roles.keys else []
        # A folder that a column names is not looked through for files that are called as the ids.
        for name in sorted([*rest, *ids], key=lambda name: not is_media_name(self.columns[name].example)):
            of = self.columns[name]
            if (
                of.kind in may
                and (of.kind != Kind.NUMBERS or of.is_unique)
                and (found := find_files(self.rows, name, folders)) is not None
            ):
                add_files(self.inputs, found, of)
                folders = [folder for folder in folders if folder != found.folder or folder == self.path.parent]
                kept.pop(name, None)
        return kept

    def _check_presence(self) -> None:
        """Refuse a draft in which a row has no modality at all."""
        lacking = [m.lacking for m in self.inputs.modalities]
        if any(rows is None for rows in lacking):
            return
        nowhere = np.all([rows for rows in lacking if rows is not None], axis=0)
        if nowhere.any():
            names = ", ".join(m.name for m in self.inputs.modalities)
            raise DraftError(
                f"row {int(nowhere.argmax())} has nothing to predict from: {names} (such rows: {int(nowhere.sum())} of "
                f"{len(nowhere)}). Remove these rows from the file"
            )

    def _lines(self) -> list[Line]:
        table: list[Line] = [Line(2, key, value) for key, value in self.source.items()]
        if self.table.separator:
            table.append(Line(2, "separator", self.table.separator, "all lines have the same number of cells with it"))
        if self.table.encoding:
            why = "it is no text in UTF-8. If letters with accents are wrong, name another one"
            table.append(Line(2, "encoding", self.table.encoding, why))
        if self.table.missing:
            table.append(Line(2, "missing", list(self.table.missing), "they stand between numbers, or are usual words"))
        table += self._signs()
        if "id" in self.roles.keys:
            table.append(Line(2, "id", self.roles.keys["id"], self.roles.comments["id"]))
        for key, value in self.target.keys.items():
            made = {"label": "named by --label", "task": self.target.made_from, "positive": _POSITIVE}
            table.append(Line(2, key, value, made.get(key, "")))
        table += self._split()
        modalities = [line for modality in self.inputs.modalities for line in _modality(modality)]
        return [Line(0, "dataset", self.name), Line(0, self.name), Line(1, "table"), *table, Line(2, "modalities"),
                *modalities]  # fmt: skip

    def _signs(self) -> list[Line]:
        signs = self.table.signs
        lines = [Line(2, key, mark, f"numbers such as {shown(signs.example)}") for key, mark in signs.form.items()]
        no_inputs = {*self.inputs.left_out, *self.roles.used}
        if percent := [name for name in signs.percent if name not in no_inputs]:
            lines.append(Line(2, "percent", percent, "their numbers have the sign: 12 % is 0.12"))
        return lines

    def _split(self) -> list[Line]:
        keys, comments = dict(self.roles.keys.get("split", {})), self.roles.comments
        if "column" not in keys:
            n = len(self.rows)
            validation, test = next((v, t) for most, v, t in _SHARES if most is None or n < most)
            keys = {"fractions": {"validation": validation, "test": test}, **keys}
            made = f"shares for {counted(n, 'row')}; the fewer rows, the larger they are"
            if n < _FEW_ROWS:
                self.warnings.append(f"{counted(n, 'row')} are few: scores will be rough")
        else:
            made = comments.get("split", "")
        made = "; ".join(part for part in (made, comments.get("group", "")) if part)
        return [Line(2, "split", keys, made)]

    def _left_out_as_comments(self) -> str:
        lines = [comment(f"Left out: {shown(name)}: {why}", 2) for name, why in self.inputs.left_out.items()]
        return "".join(lines)

    def _try(self, table: dict[str, Any]) -> None:
        """Read, split, learn and prepare as a run does, which finds what the guesses have missed."""
        parameters = check(table, f"{self.name}.table", TableParameters)
        with quiet("mixmas_pipeline.pipelines.data.custom"):  # a run says the same
            rows = nodes.read_table(self.path, table)
            splits = nodes.split_rows(rows, table)[:3]
            for modality in parameters.modalities.values():
                if modality.kind == "text":
                    continue  # its encoder is not loaded for a draft
                source = None if modality.source is None else self.project / modality.source
                source = source if modality.array_name is None else self.path
                keys = modality.model_dump()
                learnt = nodes.learn_modality(splits[0], table, keys, source)
                if modality.kind in ("image", "audio"):
                    continue  # decoding all files takes too long for a draft
                for split in splits:
                    nodes.prepare_modality(split, learnt, keys, self.path.name, source)


def _modality(modality: ModalityDraft) -> list[Line]:
    keys = [Line(4, key, value) for key, value in modality.keys.items()]
    return [Line(3, modality.name, None, modality.made_from), *keys]
