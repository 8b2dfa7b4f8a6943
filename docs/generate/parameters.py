"""The page of all parameters, made from the parameter models and their docstrings."""

from __future__ import annotations

import ast
import inspect
import json
import re
import typing
from functools import cache
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).parents[2] / "src"
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥", "max_length": "length ≤"}


@cache
def models() -> list[type[BaseModel]]:
    """Every model of the package that extends ``Parameters``, in the order of modules and lines."""
    base = import_module("mixmas_pipeline.utils.parameters").Parameters
    models = []
    for file in sorted((ROOT / "mixmas_pipeline").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        classes = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.bases]
        if not classes or not re.search(r"^class \w+\((\w*Parameters)\):", text, re.MULTILINE):
            continue
        members = vars(import_module(".".join(file.relative_to(ROOT).with_suffix("").parts)))
        models += [members[c] for c in classes if issubclass(members[c], base) and is_complete(members[c])]
    return models


def configured() -> list[type[BaseModel]]:
    """The models that the configuration may have: the sections of a data set, and every model in their fields."""
    data_sets = import_module("mixmas_pipeline.pipelines.data_sets")
    compute = import_module("mixmas_pipeline.utils.resources").ComputeParameters
    preparations = [data_set.parameters for data_set in data_sets.DATA_SETS.values()]
    reached: dict[type[BaseModel], None] = {}

    def reach(model: type[BaseModel]) -> None:
        if model not in reached:
            reached[model] = None
            for field in model.model_fields.values():
                for part in contained(field.annotation):
                    reach(part)

    for root in (*data_sets.SECTIONS.values(), compute, *preparations, data_sets.CustomParameters):
        reach(root)
    return list(reached)


def contained(annotation: Any) -> list[type[BaseModel]]:
    """The models in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return members(annotation)
    return [model for part in typing.get_args(annotation) for model in contained(part)]


def is_complete(model: type[BaseModel]) -> bool:
    """Whether a model declares all its keys. An unchecked block does not."""
    return model.model_config.get("extra") != "allow"


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Field -> its text under "Attributes:" in the docstring of the class, or of one that it extends."""
    texts: dict[str, str] = {}
    for parent in reversed(model.__mro__):
        if not (parent.__module__.startswith("mixmas_pipeline.") and parent.__doc__):
            continue
        _, _, section = inspect.cleandoc(parent.__doc__).partition("Attributes:\n")
        entries = re.split(r"\n(?=    \S)", section.split("\n\n")[0])
        for entry in entries:
            names, colon, text = entry.strip().partition(": ")
            if colon:
                texts |= {name.strip(): " ".join(text.split()) for name in names.split(",")}
    for name, field in model.model_fields.items():
        if is_tag(field.annotation):
            texts.setdefault(name, "always this value: it selects the model.")
    return texts


def is_tag(annotation: Any) -> bool:
    """Whether a field has one possible value, which selects a member of a union."""
    return typing.get_origin(annotation) is Literal and len(typing.get_args(annotation)) == 1


def describe(annotation: Any) -> tuple[str, list[str]]:
    """A type in words, and its bounds."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        text, bounds = describe(arguments[0])
        return text, bounds + limits(arguments[1:])
    if origin is Literal:
        return " or ".join(f"`{value!r}`".replace("'", '"') for value in arguments), []
    if origin in (typing.Union, UnionType):
        parts = [describe(part) for part in arguments]
        return " or ".join(text for text, _ in parts), [bound for _, bounds in parts for bound in bounds]
    if origin in (tuple, list):
        parts = [describe(part) for part in arguments if part is not Ellipsis]
        many = origin is list or Ellipsis in arguments
        text = f"list of {parts[0][0]}" if many else f"[{', '.join(text for text, _ in parts)}]"
        return text, [f"each {bound}" for bound in dict.fromkeys(b for _, bounds in parts for b in bounds)]
    if origin is dict:
        (key, _), (value, bounds) = map(describe, arguments)
        return f"{key} → {value}", bounds
    if annotation is type(None):
        return "null", []
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return " or ".join(f"[{model.__name__}](#{anchor(model)})" for model in members(annotation)), []
    names = {int: "integer", float: "number", str: "text", bool: "true or false"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation))), []


def limits(metadata: Any) -> list[str]:
    """Bounds in a field's metadata: "≥ 1"."""
    bounds = []
    for item in metadata:
        for part in (item, *getattr(item, "metadata", ())):
            bounds += [f"{sign} {getattr(part, key)}" for key, sign in _BOUNDS.items() if hasattr(part, key)]
    return list(dict.fromkeys(bounds))


def title(model: type[BaseModel]) -> str:
    """A model's name, with its package if other models have the same name."""
    if [other.__name__ for other in models()].count(model.__name__) == 1:
        return model.__name__
    return f"{model.__name__} {model.__module__.split('.')[-2]}"


def anchor(model: type[BaseModel]) -> str:
    """The anchor that Markdown gives to a model's heading."""
    return title(model).lower().replace(" ", "-")


def members(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models that a class stands for: itself, except that the base class of blocks stands for every block."""
    blocks = import_module("mixmas_pipeline.models.blocks")
    if model is not import_module("mixmas_pipeline.models.blocks.base").BlockParameters:
        return [model]
    return [import_module("mixmas_pipeline.models.block_reader").parameters_class(name) for name in blocks.BLOCKS]


def table(model: type[BaseModel]) -> str:
    """One row per key: meaning, type or values, default, range."""
    texts, rows = meanings(model), ["| key | meaning | type | default | range |", "|---|---|---|---|---|"]
    for name, field in model.model_fields.items():
        kind, bounds = describe(field.annotation)
        if field.default_factory is not None:
            is_model = isinstance(field.default_factory, type) and issubclass(field.default_factory, BaseModel)
            default = "its defaults" if is_model else "empty"
        elif field.default is PydanticUndefined:
            default = "required"
        else:
            default = f"`{_plain(field.default)}`"
        bounds = list(dict.fromkeys([*limits(field.metadata), *bounds]))
        cells = [f"`{name}`", texts.get(name, ""), kind, default, ", ".join(bounds)]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def page() -> str:
    """The whole page, in Markdown."""
    parts = [
        "# Parameters\n\nEvery key that the configuration may have, by parameter model; made from the code. An unknown "
        "key, a wrong type or a value out of range ends the run before any work.\n\nTop-level keys are `dataset` (the "
        "active data set), `reuse` (true or false), `tracking` (true or false), `compute` (a "
        "[ComputeParameters](#computeparameters)), `custom` (the defaults of custom data sets), and one section per "
        "data set.\n\nIn the section of a data set, `search` is a [SearchParameters](#searchparameters), "
        "`training` a [TrainingParameters](#trainingparameters), `compare` a [CompareParameters](#compareparameters), "
        "`validate_search` a [ValidateSearchParameters](#validatesearchparameters), `predict` a "
        "[PredictParameters](#predictparameters), `export` an [ExportParameters](#exportparameters) and `reference` a "
        "[ReferenceParameters](#referenceparameters). The other keys "
        "are those of [AVMNISTParameters](#avmnistparameters), [MIMICParameters](#mimicparameters), "
        "[MMIMDBParameters](#mmimdbparameters) or, for a custom data set, [CustomParameters](#customparameters)."
    ]
    for model in configured():
        if model.model_fields:
            summary = inspect.cleandoc(model.__doc__ or "").split("\n\nAttributes:")[0]
            parts.append(f"## {title(model)}\n\n{summary}\n\n{table(model)}")
    return "\n\n".join(parts) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        return str(value.model_dump(mode="json"))
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)
