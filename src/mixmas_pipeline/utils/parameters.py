"""The base of every parameter model: a typo, a wrong type or a value out of range is an error before any work. And the
types that several models share."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

T = TypeVar("T", bound=tuple[Any, ...])


class Parameters(BaseModel):
    """Immutable, and refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


def _without_repeats(values: T) -> T:
    if len(set(values)) != len(values):
        raise ValueError(f"{values} repeats one")
    return values


Distinct = AfterValidator(_without_repeats)
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=1)]
