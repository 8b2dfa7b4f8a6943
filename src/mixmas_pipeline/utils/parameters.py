"""The base of every parameter model, the types that several models share, and the messages about mistakes: a typo, a
wrong type or a value out of range is an error before any work."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from mixmas_pipeline.utils.errors import InputError

T = TypeVar("T", bound=tuple[Any, ...])


class Parameters(BaseModel):
    """Immutable; refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


def _without_repeats(values: T) -> T:
    if len(set(values)) != len(values):
        raise ValueError(f"{values} repeats one")
    return values


Distinct = AfterValidator(_without_repeats)
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=1)]

P = TypeVar("P", bound=Parameters)


def check(section: Any, path: str, model: type[P], context: dict[str, Any] | None = None) -> P:
    """A section of the parameters as its model.

    Args:
        section: as it was read.
        path: of its key, for messages; for example "avmnist.search".
        context: of the validation. Default none.

    Raises:
        InputError: the section has mistakes; the message names each one's key, what was found and what was expected.
    """
    try:
        return model.model_validate(section, context=context)
    except ValidationError as error:
        details = "\n".join(
            f"  {key_path(path, e['loc'])}: {_message(e)} (found: {_short(e['input'])})"
            f"{_hint(e['type'], e['loc'], model)}"
            for e in error.errors()
        )
        name = path.rpartition(".")[2]
        raise InputError(f"the {name} parameters have {error.error_count()} error(s):\n{details}") from None


def check_keys(keys: Iterable[str], path: str, known: Iterable[str]) -> None:
    """Refuse unknown keys.

    Args:
        path: of their section, for messages; empty for the top level.

    Raises:
        InputError: a key is unknown.
    """
    known, prefix = sorted(known), f"{path}." if path else ""
    for key in sorted(set(keys) - set(known)):
        raise InputError(f"unknown parameter {prefix}{key}: {suggestion(key, known, prefix)}")


def suggestion(name: str, known: Iterable[str], prefix: str = "") -> str:
    """What is expected instead of an unknown name: all known names, and the one that was probably meant.

    Args:
        prefix: written before the name that was probably meant.
    """
    known = list(known)
    guess = get_close_matches(name, known, n=1)
    return f"expected one of {', '.join(known)}" + (f"; did you mean {prefix}{guess[0]}?" if guess else "")


def key_path(path: str, location: tuple[int | str, ...]) -> str:
    """The path of a key as it is written. Pydantic adds the type of a tokeniser or modality as a key of its own."""
    keys = (path, *location)
    kept = [
        key
        for i, key in enumerate(keys)
        if not (i >= 2 and keys[i - 2] == "modalities") and not (i >= 1 and keys[i - 1] == "tokeniser")
    ]
    return ".".join(map(str, kept))


def _message(error: ErrorDetails) -> str:
    """What is wrong; pydantic's own words, but for a section without the key that says what the section is."""
    if error["type"] == "union_tag_not_found":
        return f"the key {error['ctx']['discriminator']} is missing"
    if error["type"] == "union_tag_invalid":
        key, found, expected = (error["ctx"][name] for name in ("discriminator", "tag", "expected_tags"))
        return f"{key} is {found!r}; expected one of {expected}"
    return error["msg"]


def _hint(kind: str, location: tuple[int | str, ...], model: type[Parameters]) -> str:
    """What was probably meant by an unknown key."""
    if kind != "extra_forbidden" or (holder := _model_at(location[:-1], model)) is None:
        return ""
    guess = get_close_matches(str(location[-1]), holder.model_fields, n=1)
    return f"; did you mean {guess[0]}?" if guess else f"; expected one of {', '.join(holder.model_fields)}"


def _model_at(location: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel] | None:
    """The model at a location inside another one; None in a union of several models that no key tells apart."""
    annotation: Any = model
    for key in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(key)].annotation
        elif get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        elif get_origin(annotation) in (Union, UnionType):  # pydantic adds the value of the key that tells them apart
            models = [part for part in get_args(annotation) if key in [f.default for f in part.model_fields.values()]]
            annotation = models[0] if len(models) == 1 else None
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        optional = [part for part in get_args(annotation) if part is not NoneType]
        if get_origin(annotation) in (Union, UnionType) and len(optional) == 1:
            annotation = optional[0]
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
