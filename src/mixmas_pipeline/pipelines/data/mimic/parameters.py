"""Parameters of the MIMIC-III preparation."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from mixmas_pipeline.utils.parameters import Count, Fraction, Parameters

Source = Literal["tables", "im_pk"]
Task = Literal["mortality", "icd9_140_239", "icd9_460_519"]


class CohortParameters(Parameters):
    """Which stays are used.

    Attributes:
        minimum_age: at admission, in years. Default 16.
        minimum_stay: in the intensive-care unit, in hours. Default 24.
    """

    minimum_age: float = Field(default=16.0, ge=0)
    minimum_stay: float = Field(default=24.0, ge=0)


class ExtractionParameters(Parameters):
    """What DuckDB may use.

    Attributes:
        memory_limit: as DuckDB writes it; what does not fit goes to a temporary folder. Default "4GB".
        threads: null for one per core. Default null.
        verify: compare the checksums of .gz tables, in another thread. Default true.
    """

    memory_limit: str = Field(default="4GB", pattern=r"^\d+(\.\d+)? ?(MB|GB|MiB|GiB)$")
    threads: Count | None = None
    verify: bool = True


class LabelParameters(Parameters):
    """What is predicted.

    Attributes:
        task: "mortality", by the time from entering the intensive-care unit to death; or whether a diagnosis is in one
            of the ICD-9 groups 140-239 (neoplasms) or 460-519 (respiratory system). Default "mortality".
        edges: of the classes of mortality, in hours. A class includes its upper edge; the last class is of those who
            live longer. Default 1, 2 and 3 days, 1 week, 1 year.
        hide_own_codes: set static values to 0 if they come from the diagnosis codes to be predicted: the two kinds of
            cancer, for icd9_140_239. Default true.
    """

    task: Task = "mortality"
    edges: tuple[float, ...] = Field(default=(24.0, 48.0, 72.0, 168.0, 8760.0), min_length=1)
    hide_own_codes: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        if list(self.edges) != sorted(set(self.edges)) or self.edges[0] <= 0:
            raise ValueError(f"edges are {self.edges}; expected hours above 0 that increase")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        if self.task != "mortality":
            group = self.task.removeprefix("icd9_").replace("_", "-")
            return (f"no ICD-9 {group}", f"ICD-9 {group}")
        names = [_duration(edge) for edge in self.edges]
        between = [f"{low} to {high}" for low, high in pairwise(names)]
        return (f"within {names[0]}", *between, f"over {names[-1]} or alive")


class SplitParameters(Parameters):
    """Which patients are in which split. No patient is in two.

    Attributes:
        seed: of the draw. Default 0.
        validation, test: shares of the patients. Default 0.1 each.
    """

    seed: int = Field(default=0, ge=0)
    validation: Fraction = 0.1
    test: Fraction = 0.1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation {self.validation} and test {self.test} leave nothing to train on")
        return self


class MIMICParameters(Parameters):
    """Preparation of MIMIC-III.

    Attributes:
        source: of the data; named wherever figures appear.
        input: "tables", or "im_pk": MultiBench's preprocessed file. Default "tables".
        cohort: which stays are used; not with "im_pk".
        extraction: what DuckDB may use; not with "im_pk".
        labels: what is predicted.
        split: which patients are in which split.
        mask_as_input: add, per variable, a feature that is 1 where it was measured. Default false.
    """

    source: str
    input: Source = "tables"
    cohort: CohortParameters = Field(default_factory=CohortParameters)
    extraction: ExtractionParameters = Field(default_factory=ExtractionParameters)
    labels: LabelParameters = Field(default_factory=LabelParameters)
    split: SplitParameters = Field(default_factory=SplitParameters)
    mask_as_input: bool = False


def _duration(hours: float) -> str:
    for unit, length in (("year", 8760), ("week", 168), ("day", 24), ("hour", 1)):
        if hours % length == 0 and not (unit == "week" and hours > 168):
            count = int(hours // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{hours:g} hours"
