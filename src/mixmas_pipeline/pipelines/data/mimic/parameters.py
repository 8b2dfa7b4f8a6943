"""Parameters of the MIMIC-III preparation."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mixmas_pipeline.utils.parameters import Parameters

Fraction = Annotated[float, Field(gt=0, lt=1)]
Source = Literal["tables", "im_pk"]
Task = Literal["mortality", "icd9_140_239", "icd9_460_519"]


class CohortParameters(Parameters):
    """Whose stays are taken.

    Attributes:
        minimum_age: at admission, in years. Default 16.
        minimum_stay: in the intensive-care unit, in hours. Default 24.
    """

    minimum_age: float = Field(16.0, ge=0)
    minimum_stay: float = Field(24.0, ge=0)


class ExtractionParameters(Parameters):
    """What DuckDB may use.

    Attributes:
        memory_limit: as DuckDB writes it; what does not fit goes to a temporary folder. Default "4GB".
        threads: null for one a core.
        verify: compare the checksums of .gz tables, in a further thread. Default true.
    """

    memory_limit: str = Field("4GB", pattern=r"^\d+(\.\d+)? ?(MB|GB|MiB|GiB)$")
    threads: int | None = Field(None, ge=1)
    verify: bool = True


class LabelParameters(Parameters):
    """What is to be predicted.

    Attributes:
        task: "mortality" by the time from entering the intensive-care unit to death, or whether a diagnosis is in one
            of the ICD-9 groups 140-239 (neoplasms) or 460-519 (respiratory system).
        edges: of the classes of mortality, in hours; a class includes its upper edge, the last one has those who live
            longer. Default 1, 2 and 3 days, 1 week, 1 year.
        hide_own_codes: give the models 0 for static values that come from the diagnosis codes to be predicted: the
            two kinds of cancer, for icd9_140_239. Default true.
    """

    task: Task = "mortality"
    edges: tuple[float, ...] = Field((24.0, 48.0, 72.0, 168.0, 8760.0), min_length=1)
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
        seed: of the draw.
        validation, test: shares of the patients. Default 0.1 each.
    """

    seed: int = Field(ge=0)
    validation: Fraction = 0.1
    test: Fraction = 0.1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation {self.validation} and test {self.test} leave nothing to train on")
        return self


def _duration(hours: float) -> str:
    for unit, length in (("year", 8760), ("week", 168), ("day", 24), ("hour", 1)):
        if hours % length == 0 and not (unit == "week" and hours > 168):
            count = int(hours // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{hours:g} hours"
