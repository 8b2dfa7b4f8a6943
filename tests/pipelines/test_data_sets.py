"""Parameters as pipelines see them are complete, and the configuration writes only what differs from a default."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from graphs import configuration
from kedro.config import OmegaConfigLoader
from project_runs import ROOT

from mixmas_pipeline.config_loader import ARGUMENTS, complete
from mixmas_pipeline.pipelines.data.custom import DEFAULTS
from mixmas_pipeline.pipelines.data_sets import DATA_SETS, SECTIONS
from mixmas_pipeline.utils.resources import ComputeParameters

TABLE: dict[str, Any] = {
    "file": "pets.csv",
    "label": "outcome",
    "task": "binary",
    "split": {"fractions": {"validation": 0.15, "test": 0.15}},
    "modalities": {
        "pulse": {"kind": "time_series", "columns": ["hr_*"]},
        "facts": {"kind": "tabular", "columns": ["age"]},
        "vector": {"kind": "embedding", "file": "vectors.npy"},
        "photo": {"kind": "image", "column": "p", "folder": "photos", "height": 48, "width": 64},
    },
}
FILES = [path.relative_to(ROOT / "conf") for path in sorted((ROOT / "conf").glob("*/parameters*.yml"))]


@cache
def raw(env: str) -> dict[str, Any]:
    return OmegaConfigLoader(str(ROOT / "conf"), env=env, **ARGUMENTS)["parameters"]


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path


def merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}


def without(value: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    first, *rest = path
    if rest:
        return {**value, first: without(value[first], tuple(rest))}
    return {key: inner for key, inner in value.items() if key != first}


def seen(parameters: dict[str, Any]) -> dict[str, Any]:
    """What pipelines see, of the shipped data sets and of custom ones, which the section of defaults completes.

    One custom table has facts alone: only there do the networks of candidates have widths of their own.
    """
    pets = {f"pets_{task}": {"table": {**TABLE, "task": task}} for task in ("binary", "multiclass")}
    labels = {"label": ["a", "b"]}
    pets |= {f"pets_{task}": {"table": {**TABLE, **labels, "task": task}} for task in ("multilabel", "regression")}
    pets["facts_alone"] = {"table": {**TABLE, "modalities": {"facts": TABLE["modalities"]["facts"]}}}
    return {key: value for key, value in complete({**parameters, **pets}).items() if key != DEFAULTS}


@pytest.mark.parametrize("env", ["base", "paper", "test"])
def test_every_section_of_every_data_set_is_there(env: str) -> None:
    parameters = configuration(env)["parameters"]
    for name, data_set in DATA_SETS.items():
        assert set(parameters[name]) == {*data_set.parameters.model_fields, *SECTIONS}
        for key, model in SECTIONS.items():
            assert set(parameters[name][key]) == set(model.model_fields)
    assert set(parameters["compute"]) == set(ComputeParameters.model_fields)


@pytest.mark.parametrize("env", ["base", "paper", "test"])
def test_what_is_complete_stays_as_it_is(env: str) -> None:
    parameters = configuration(env)["parameters"]
    assert complete(parameters) == parameters


def test_a_section_with_a_mistake_stays_as_it_is() -> None:
    parameters = {"avmnist": {"search": {"budget": {"stepz": 1}}, "training": 3}, DEFAULTS: {}}
    completed = complete(parameters)["avmnist"]
    assert completed["search"] == parameters["avmnist"]["search"]  # type: ignore[index]
    assert completed["training"] == 3
    assert completed["predict"] == {"rows": None, "sources": {}, "model": "searched"}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_no_key_repeats_a_default(file: Path) -> None:
    """Taking any key out of a file changes what pipelines see."""
    written = yaml.safe_load((ROOT / "conf" / file).read_text())
    env = file.parts[0]
    base = raw("base")
    rest = base if env != "base" else without_file(base, written)
    now = seen(merged(rest, written))
    needless = []
    for path in leaves(written):
        try:
            same = seen(merged(rest, without(written, path))) == now
        except (KeyError, TypeError, ValueError):
            same = False  # it cannot be left out
        if same:
            needless.append(".".join(path))
    assert needless == []


def without_file(parameters: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """The parameters of an environment without those of one of its files."""
    for path in leaves(written):
        parameters = without(parameters, path)
    return parameters
