"""The aligned multimodal table: what data engineering hands to search and training.

Any data set that yields such a table can be searched. A table has one row per example: an id, a label, and one array
column per modality; a schema describes the modalities. For its file see ``mixmas_pipeline.data.arrow``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mixmas_pipeline.data.schema import KINDS, TASKS, Task
from mixmas_pipeline.storage.memory_maps import CHUNK_BYTES, release

# The extra column whose equal values mark rows that belong together: no split and no fold divides them.
GROUP = "group"
# The extra column, of ones, of a table whose split was given and not drawn: training keeps to it.
GIVEN_SPLIT = "given_split"


@dataclass(frozen=True)
class Modality:
    """What one column holds. A stored value v stands for the quantity ``v * scale + offset`` in ``unit``.

    Attributes:
        kind: one of ``KINDS``.
        shape: of one example, for example (28, 28).
        dtype: numpy name of the stored type, for example "uint8".
        scale: quantity per stored unit. Default 1.
        offset: quantity at a stored 0. Default 0.
        unit: of the quantity, for people; for example "dB".
        padded: examples of (steps, features) whose last steps may be padding. Padding is all zeros, and no other step
            is. Default false.
        optional: rows may lack it. Default false.
        features: names of the last axis' values. Default: they have none.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    padded: bool = False
    optional: bool = False
    features: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Modality:
        """The inverse of ``asdict``, after JSON, which has no tuples."""
        return cls(**{**raw, "shape": tuple(raw["shape"]), "features": tuple(raw.get("features", ()))})

    def feature(self, number: int) -> str:
        """The name of a value of the last axis, or else its number."""
        return repr(self.features[number]) if self.features else f"feature {number} (from 0)"


@dataclass(frozen=True)
class TableSchema:
    """Modalities in their order, the task (one of ``TASKS``), and the class names: label c is ``classes[c]``. Of a
    binary task they are the negative, then the positive one; of a regression they are the names of the targets."""

    modalities: dict[str, Modality]
    task: Task
    classes: tuple[str, ...]
    source: str = ""

    @property
    def positive(self) -> str:
        """The class that f1, sensitivity and precision are about; "" but for a binary task."""
        return self.classes[1] if self.task == "binary" else ""

    def to_json(self) -> str:
        """Serialise; the inverse of ``from_json``."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> TableSchema:
        """Read what ``to_json`` wrote."""
        raw = json.loads(text)
        modalities = {name: Modality.from_json(modality) for name, modality in raw.pop("modalities").items()}
        return cls(modalities=modalities, **{**raw, "classes": tuple(raw["classes"])})


def chunks(array: np.ndarray) -> Iterator[slice]:
    """Slices of an array's rows, of about 32 MiB each. If the array is mapped from a file, the memory of each slice is
    released before the next, so that it may be larger than memory."""
    step = max(1, CHUNK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        yield slice(start, start + step)
        release(array)


def _gather(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``array[rows]``. No more is in memory than the result and a chunk."""
    taken = np.empty((len(rows), *array.shape[1:]), array.dtype)
    for part in chunks(taken):
        taken[part] = array[rows[part]]
        release(array)
    return taken


class MultimodalTable:
    """Aligned examples with one or more modalities.

    Args:
        schema: what the columns are.
        arrays: one array per modality, (n, *shape).
        labels: multiclass and binary (n,) integers in [0, classes); multilabel (n, classes) of 0 and 1; regression
            (n, targets) floats. None if the labels are unknown: such rows can only be predicted.
        ids: n unique strings.
        extra: further columns of length n (provenance of each row; masks), not given to models. An array of truth
            values with more than one axis is read back as uint8.
        present: of modalities that are optional, (n,) truth values: which rows have it. Where one lacks it, its array
            holds zeros. Default: all do.
        variants: of some modalities, (n, variants, *shape): other values that each row might as well have, for example
            the same recording in other noise. Only training may draw from them. Default: there are none.

    Attributes:
        file: the path from which a ``TableDataset`` read this table, and another process can read it; None for a table
            that was made in memory.

    Raises:
        ValueError: a column is missing, or has another length, shape or dtype than the schema says; a value is
            NaN or infinite; a step of zeros is followed by others where zeros are padding; a label is outside the
            classes; an id occurs twice; a row has no modality at all, or lacks one that is not optional, or values in
            one that it lacks. The message names column and row.
    """

    def __init__(
        self,
        schema: TableSchema,
        arrays: Mapping[str, np.ndarray],
        labels: np.ndarray | None,
        ids: Sequence[str] | np.ndarray,
        extra: Mapping[str, np.ndarray] | None = None,
        *,
        present: Mapping[str, np.ndarray] | None = None,
        variants: Mapping[str, np.ndarray] | None = None,
        check: bool = True,
    ) -> None:
        self.schema = schema
        self.arrays = dict(arrays)
        self._labels = None if labels is None else np.asarray(labels)
        self.ids = np.asarray(ids)
        self.extra = {name: np.asarray(column) for name, column in (extra or {}).items()}
        self.present = {
            name: np.asarray((present or {}).get(name, np.ones(len(self.ids), bool)))
            for name, modality in schema.modalities.items()
            if modality.optional or name in (present or {})
        }
        self.variants = dict(variants or {})
        self.file: str | None = None
        if check:
            self.check()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labelled(self) -> bool:
        """Whether the table has labels."""
        return self._labels is not None

    @property
    def labels(self) -> np.ndarray:
        """The labels.

        Raises:
            ValueError: the table has no labels.
        """
        if self._labels is None:
            raise ValueError("the table has no labels; expected one per row")
        return self._labels

    def __repr__(self) -> str:
        columns = ", ".join(f"{n} {m.kind} {m.shape} {m.dtype}" for n, m in self.schema.modalities.items())
        return f"MultimodalTable({len(self)} rows, {self.schema.task}, {len(self.schema.classes)} classes; {columns})"

    def take(self, rows: np.ndarray) -> MultimodalTable:
        """The given rows (indices), in the given order, copied."""
        rows = np.asarray(rows)
        return MultimodalTable(
            self.schema,
            {name: _gather(array, rows) for name, array in self.arrays.items()},
            None if self._labels is None else self._labels[rows],
            self.ids[rows],
            {name: column[rows] for name, column in self.extra.items()},
            present={name: column[rows] for name, column in self.present.items()},
            variants={name: _gather(array, rows) for name, array in self.variants.items()},
            check=False,
        )

    def label_matrix(self) -> np.ndarray:
        """Labels as (n, classes) booleans, for any task with classes."""
        if self.schema.task == "regression":
            raise ValueError("a regression has no classes")
        if self.schema.task == "multilabel":
            return self.labels.astype(bool)
        return self.labels[:, None] == np.arange(len(self.schema.classes))

    def check(self) -> None:
        """Verify the columns against the schema; see the class for what is raised."""
        schema, n = self.schema, len(self.ids)
        if schema.task not in TASKS:
            raise ValueError(f"task is {schema.task!r}; expected one of {TASKS}")
        if n == 0:
            raise ValueError("the table has no rows")
        if self._labels is not None and len(self._labels) != n:
            raise ValueError(f"{n} ids for {len(self._labels)} rows")
        if schema.task == "binary" and len(schema.classes) != 2:
            raise ValueError(f"a binary task has {len(schema.classes)} classes; expected 2")
        if set(self.arrays) != set(schema.modalities):
            raise ValueError(f"columns are {sorted(self.arrays)}; the schema expects {sorted(schema.modalities)}")
        for name, modality in schema.modalities.items():
            if modality.kind not in KINDS:
                raise ValueError(f"modality {name!r} has kind {modality.kind!r}; expected one of {KINDS}")
            array = self.arrays[name]
            if array.shape != (n, *modality.shape) or array.dtype.name != modality.dtype:
                raise ValueError(
                    f"column {name!r} is {array.dtype} {array.shape}; expected {modality.dtype} {(n, *modality.shape)}"
                )
            if modality.features and len(modality.features) != modality.shape[-1]:
                raise ValueError(
                    f"modality {name!r} has {len(modality.features)} names of features; its shape {modality.shape} "
                    f"needs {modality.shape[-1]}"
                )
            if array.dtype.kind == "f":
                finite = np.concatenate(
                    [np.isfinite(array[r]).reshape(len(array[r]), -1).all(1) for r in chunks(array)]
                )
                if not finite.all():
                    row = int(np.flatnonzero(~finite)[0])
                    raise ValueError(
                        f"column {name!r}, row {row} (id {self.ids[row]}): NaN or infinity "
                        f"({int((~finite).sum())} such rows of {n}); expected finite numbers"
                    )
            if modality.padded:
                self._check_padding(name, array)
        self._check_presence(n)
        self._check_variants(n)
        if self._labels is not None:
            self._check_labels(self._labels, n)
        values, counts = np.unique(self.ids, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"id {str(values[counts > 1][0])!r} occurs {int(counts.max())} times; ids must be unique")
        for name, column in self.extra.items():
            if len(column) != n:
                raise ValueError(f"extra column {name!r} has {len(column)} rows; expected {n}")

    def _check_padding(self, name: str, array: np.ndarray) -> None:
        for part in chunks(array):
            steps = np.asarray(array[part].any(axis=-1))  # (rows, steps): not padding
            bad = np.flatnonzero((steps[:, 1:] & ~steps[:, :-1]).any(axis=1))
            if len(bad):
                row = part.start + int(bad[0])
                raise ValueError(
                    f"column {name!r}, row {row} (id {self.ids[row]}): a step of zeros, which is padding, comes before "
                    "others; expected zeros at the end only"
                )

    def _check_presence(self, n: int) -> None:
        if unknown := sorted(set(self.present) - {m for m, kind in self.schema.modalities.items() if kind.optional}):
            raise ValueError(f"presence is given for {unknown[0]!r}, which is not an optional modality of the schema")
        for name, column in self.present.items():
            if column.shape != (n,) or column.dtype != bool:
                raise ValueError(f"presence of {name!r} is {column.dtype} {column.shape}; expected bool {(n,)}")
            for part in chunks(self.arrays[name]):
                array = self.arrays[name][part]
                filled = array.reshape(len(array), -1).any(axis=1) & ~column[part]
                if filled.any():
                    row = part.start + int(np.flatnonzero(filled)[0])
                    raise ValueError(
                        f"column {name!r}, row {row} (id {self.ids[row]}): values where the modality is missing; "
                        "expected zeros"
                    )
        if len(self.present) == len(self.schema.modalities):
            empty = ~np.any(list(self.present.values()), axis=0)
            if empty.any():
                row = int(np.flatnonzero(empty)[0])
                raise ValueError(
                    f"row {row} (id {self.ids[row]}): every modality is missing ({int(empty.sum())} such rows of {n}); "
                    "expected at least one"
                )

    def _check_variants(self, n: int) -> None:
        if unknown := sorted(set(self.variants) - set(self.schema.modalities)):
            raise ValueError(f"variants are given for {unknown[0]!r}, which the schema does not have")
        counts = {name: array.shape[1] for name, array in self.variants.items()}
        if len(set(counts.values())) > 1:
            raise ValueError(f"the modalities have different numbers of variants, {counts}; expected the same")
        for name, array in self.variants.items():
            modality = self.schema.modalities[name]
            if array.shape != (n, counts[name], *modality.shape) or array.dtype.name != modality.dtype:
                raise ValueError(
                    f"variants of {name!r} are {array.dtype} {array.shape}; expected {modality.dtype} "
                    f"{(n, counts[name], *modality.shape)}"
                )

    def _check_labels(self, labels: np.ndarray, n: int) -> None:
        classes, task = len(self.schema.classes), self.schema.task
        expected = (n,) if task in ("multiclass", "binary") else (n, classes)
        kinds, what = ("f", "floats") if task == "regression" else ("iub", "integers")
        if labels.shape != expected or labels.dtype.kind not in kinds:
            raise ValueError(f"labels are {labels.dtype} {labels.shape}; expected {what} {expected}")
        if task == "regression":
            bad, expected_values = ~np.isfinite(labels), "finite numbers"
        else:
            upper = 2 if task == "multilabel" else classes
            bad, expected_values = (labels < 0) | (labels >= upper), f"0 to {upper - 1}"
        if bad.any():
            row = int(np.argwhere(bad)[0][0])
            raise ValueError(f"row {row} (id {self.ids[row]}): unknown label {labels[row]}; expected {expected_values}")


def concatenate(first: MultimodalTable, second: MultimodalTable) -> MultimodalTable:
    """The rows of two tables of one schema, copied. Extra columns, and variants, that only one has are left out.

    Raises:
        ValueError: the schemas differ.
    """
    if first.schema != second.schema:
        raise ValueError(f"the tables have the schemas {first.schema} and {second.schema}; expected the same")
    return MultimodalTable(
        first.schema,
        {name: np.concatenate([array, second.arrays[name]]) for name, array in first.arrays.items()},
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.ids, second.ids]),
        {name: np.concatenate([v, second.extra[name]]) for name, v in first.extra.items() if name in second.extra},
        present={name: np.concatenate([mask, second.present[name]]) for name, mask in first.present.items()},
        variants={
            name: np.concatenate([array, second.variants[name]])
            for name, array in first.variants.items()
            if name in second.variants
        },
        check=False,
    )
