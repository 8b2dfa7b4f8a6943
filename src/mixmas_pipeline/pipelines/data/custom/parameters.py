"""Parameters of a data set of the user's own: the section ``table`` of the data set's parameters."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from mixmas_pipeline.data.schema import Task
from mixmas_pipeline.pipelines.data.custom.modalities import (
    AudioParameters,
    Columns,
    FileFormParameters,
    ModalityName,
    ModalityOf,
    TextParameters,
    TimeSeriesParameters,
    Word,
    Words,
    WordsParameters,
    exactly_one,
)
from mixmas_pipeline.utils.parameters import Fraction, Parameters

Split = Literal["train", "validation", "test"]
TABLE = "table"  # the key of a section that makes it a data set of one's own


class FractionParameters(Parameters):
    """Shares of the rows (or of the groups' rows); the rest is trained on.

    Attributes:
        validation, test: above 0, and together below 1.
    """

    validation: Fraction
    test: Fraction

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation {self.validation} and test {self.test} leave nothing to train on")
        return self


class SplitParameters(Parameters):
    """Which rows are in which split: as a column says, or drawn.

    Attributes:
        column: says train, validation or test; or what ``values`` says. Default null.
        values: split -> what the column has for it. Rows with another value are an error. Default: the splits' names.
        fractions: what is drawn. Labels (of a regression: ranges of them) are spread evenly. Default null.
        seed: of the draw. Default 0.
        group: column; rows with the same value are never in two splits. With ``column`` it is checked, with
            ``fractions`` whole groups are drawn. A row without a value is a group of its own. Default null.
        group_is_input: a modality may have the column of the group too. Default false: that is an error.
    """

    column: str | None = None
    values: dict[Split, Words] | None = None
    fractions: FractionParameters | None = None
    seed: int = Field(0, ge=0, lt=2**31)
    group: str | None = None
    group_is_input: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        exactly_one({"column": self.column is not None, "fractions": self.fractions is not None})
        if self.values is not None:
            if self.column is None:
                raise ValueError("values are only used with column")
            words = [word for words in self.values.values() for word in words]
            if len(self.values) != 3 or len(set(words)) != len(words):
                raise ValueError(f"values are {self.values}; expected train, validation and test, and no value twice")
        return self


class TableParameters(FileFormParameters):
    """A data set of one's own: a table with one row an example, and what is in its columns.

    Attributes:
        file: .csv, .tsv, .json, .jsonl (also .gz), .xlsx, .parquet, .feather, .arrow, .orc, .sqlite, .duckdb, or .npz
            (arrays of as many rows); a path in the project's folder, or the URL of an object store; or a folder of
            Parquet files.
        source: named wherever figures appear. Default null: the section's name.
        percent: columns (or patterns) of numbers that are written with a percent sign: "12 %" is 0.12, as spreadsheets
            store it. Every text in them has the sign; cells that are stored as numbers are taken as they are. Default
            none.
        id: column of the rows' names, each of which occurs once. Default null: the row's number, from 0.
        label: column; several: of a multilabel task 0 or 1 for each label, of a regression the targets.
        task: "multiclass", "binary", "multilabel" or "regression".
        labels_separator: between the labels in one column of a multilabel task ("Drama|War"); an empty cell has no
            label. Default null.
        classes: labels in their order. Default null: those of the training rows, sorted.
        positive: of a binary task the label that is looked for. Default null: the second of ``classes``, if they are
            written; else yes of yes and no, 1 of 0 and 1, and so on; else the one that fewer training rows have.
        split: which rows are trained on, which are for validation, and which for the test.
        modalities: name (small letters, digits, _) -> what it is made of.
    """

    file: str
    source: str | None = None
    percent: Columns = ()
    id: str | None = None
    label: str | Annotated[tuple[str, ...], Field(min_length=1)]
    task: Task
    labels_separator: str | None = Field(None, min_length=1)
    classes: Words | None = None
    positive: Word | None = None
    split: SplitParameters
    modalities: dict[ModalityName, ModalityOf] = Field(min_length=1)

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of the label."""
        return (self.label,) if isinstance(self.label, str) else self.label

    @property
    def used(self) -> list[str]:
        """Columns that are no input by themselves."""
        return [c for c in (self.id, *self.labels, self.split.column, self.split.group) if c is not None]

    @property
    def is_arrays(self) -> bool:
        """Whether the table is a file of arrays."""
        return self.file.lower().endswith(".npz")

    @model_validator(mode="after")
    def _check_label(self) -> Self:
        several = len(self.labels) > 1
        if several and self.task in ("multiclass", "binary"):
            raise ValueError(f"label names {len(self.labels)} columns; a {self.task} task has one")
        if (self.labels_separator is not None) != (self.task == "multilabel" and not several):
            raise ValueError(
                "labels_separator is for a multilabel task whose labels are in one column, and needed there; the task "
                f"is {self.task}, with {len(self.labels)} column(s)"
            )
        if self.positive is not None and self.task != "binary":
            raise ValueError(f"positive is only used with task: binary; the task is {self.task}")
        if self.classes is not None:
            if self.task == "regression" or several:
                raise ValueError("classes are not used here: they are the columns of the label")
            if len(set(self.classes)) != len(self.classes):
                raise ValueError(f"classes {list(self.classes)} repeats one")
            if self.task == "binary" and len(self.classes) != 2:
                raise ValueError(f"a binary task has 2 classes; found {list(self.classes)}")
            if self.positive is not None and self.positive not in self.classes:
                raise ValueError(f"positive is {self.positive!r}; expected one of the classes {list(self.classes)}")
        return self

    @field_validator("modalities")
    @classmethod
    def _add_words(cls, modalities: dict[str, ModalityOf]) -> dict[str, ModalityOf]:
        """Beside each text its words."""
        whole: dict[str, ModalityOf] = {}
        for name, modality in modalities.items():
            whole.setdefault(name, modality)
            if isinstance(modality, TextParameters) and modality.words:
                own = WordsParameters(column=modality.column, size=modality.words, optional=modality.optional)
                if (written := modalities.get(f"{name}_words", own)) != own:
                    raise ValueError(
                        f"{name}_words is the name of the words of {name}; found {written.kind}. Give it another "
                        f"name, or set words: 0 for {name}"
                    )
                whole[f"{name}_words"] = own
        return whole

    @model_validator(mode="after")
    def _check_modalities(self) -> Self:
        for name, modality in self.modalities.items():
            if modality.array_name is not None and not self.is_arrays:
                raise ValueError(f"modalities.{name}: array is only used where the table's file is a .npz")
            if isinstance(modality, TimeSeriesParameters) and modality.file is not None and self.id is None:
                raise ValueError(f"modalities.{name}: a file of its own is joined by id; expected table.id")
        counts = {n: m.variants for n, m in self.modalities.items() if isinstance(m, AudioParameters) and m.variants}
        if len(set(counts.values())) > 1:
            raise ValueError(f"the modalities have different numbers of variants, {counts}; expected the same")
        return self
