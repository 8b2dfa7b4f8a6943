"""Which pipelines there are. They are made from the parameters: the search space decides the graph.

``kedro run`` loads the context first, whose hook leaves its parameters here (with ``--env`` and ``--params``); commands
that have no context (``kedro registry list``, ``kedro viz``) fall back to reading the configuration.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from kedro.pipeline import Pipeline
from pydantic import ValidationError

from mixmas_pipeline.pipelines import (
    compare,
    describe,
    export,
    predict,
    reporting,
    search,
    training,
    validate_search,
)
from mixmas_pipeline.pipelines.compare.parameters import CompareParameters
from mixmas_pipeline.pipelines.data import avmnist, custom, mimic, mmimdb
from mixmas_pipeline.pipelines.data.custom.parameters import EmbeddingParameters, TableParameters
from mixmas_pipeline.pipelines.export.parameters import ExportParameters
from mixmas_pipeline.pipelines.predict.parameters import PredictParameters
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.validate_search.parameters import ValidateSearchParameters
from mixmas_pipeline.runners.resources import ComputeParameters
from mixmas_pipeline.utils.parameters import Parameters

# Each is made from the data set's section of the parameters. Beside them there are those of the user's custom.
DATA: dict[str, Callable[[dict[str, Any]], Pipeline]] = {
    "avmnist": lambda _: avmnist.create_pipeline(),
    "mimic": mimic.create_pipeline,
    "mmimdb": mmimdb.create_pipeline,
}
# Keys of a section that not every graph made from it reads.
_OPTIONAL: dict[str, tuple[str, ...]] = {"mimic": mimic.OPTIONAL, "mmimdb": mmimdb.OPTIONAL}
# Keys that every data set's section has, beside those of its preparation.
_SECTIONS = ("search", "training", "compare", "validate_search", "predict", "export")
# Top-level parameters that are no data set.
_SETTINGS = ("dataset", "reuse", "tracking", "compute", custom.OWN)
MOST_COMBINATIONS = 500
_PIPELINES = ("describe", "search", "training", "reporting", "predict", "export", "compare", "validate_search")

_log = logging.getLogger(__name__)
_context_parameters: dict[str, Any] | None = None
_left_out: dict[str, str] = {}


def use_parameters(parameters: dict[str, Any] | None) -> None:
    """Make the pipelines from these parameters."""
    global _context_parameters
    _context_parameters = parameters


def register_pipelines() -> dict[str, Pipeline]:
    """Pipelines by name: every data set's preparation under its own; the others for the data set that the parameter
    ``dataset`` names. Each brings along what it needs: ``search`` prepares the data first, and so on; but
    ``predict`` and ``export`` begin with what the newest training has left.

    Raises:
        ValueError: the parameters name an unknown data set, or its search space has an error.
    """
    _left_out.clear()
    parameters = custom.complete(_context_parameters if _context_parameters is not None else _read_parameters())
    makers = {**DATA, **_own_data(parameters)}
    dataset = parameters.get("dataset")
    if not isinstance(dataset, str) or dataset not in makers:
        raise ValueError(f"the parameter 'dataset' is {dataset!r}; {_missing(dataset, parameters, makers)}")
    if not isinstance(parameters.get(dataset), dict):
        raise ValueError(f"the parameters have no section {dataset!r} (found: {parameters.get(dataset)!r})")
    _checked(parameters.get("compute", {}), "compute", ComputeParameters)
    if not isinstance(tracking := parameters.get("tracking", True), bool):
        raise ValueError(f"the parameter 'tracking' is {tracking!r}; expected true or false")
    preparations = _preparations(parameters, dataset, makers)
    data = preparations[dataset]
    space = _section(dataset, parameters, "search", SearchParameters)
    prediction = _checked(parameters[dataset].get("predict") or {}, f"{dataset}.predict", PredictParameters)
    _checked(parameters[dataset].get("export") or {}, f"{dataset}.export", ExportParameters)
    comparison = _section(dataset, parameters, "compare", CompareParameters)
    validation = _section(dataset, parameters, "validate_search", ValidateSearchParameters)
    if set(comparison.baseline.encoders) != set(space.encoders):
        raise ValueError(
            f"{dataset}.compare.baseline has encoders of {sorted(comparison.baseline.encoders)}; the search space of "
            f"{sorted(space.encoders)}"
        )
    described = data + describe.create_pipeline(dataset, has_rows=custom.TABLE in parameters[dataset])
    searching = data + search.create_pipeline(dataset, space)
    trained = searching + training.create_pipeline(dataset)
    everything = trained + reporting.create_pipeline(dataset)
    compared = searching + compare.create_pipeline(dataset, list(space.encoders), comparison.seeds)
    validated = _validated(dataset, space, validation)
    everything_read = everything + described + compared + sum(validated.values(), Pipeline([]))
    _reject_unknown_parameters(parameters, dataset, everything_read, preparations)
    return {
        **preparations,
        "describe": described,
        "search": searching,
        "training": trained,
        "reporting": everything,
        "predict": predict.create_pipeline(dataset, _reading(dataset, parameters[dataset], prediction)),
        "export": export.create_pipeline(dataset, parameters[dataset].get("export") is not None),
        "compare": compared,
        **{name: data + graph for name, graph in validated.items()},
        "__default__": everything,
    }


def why_left_out(name: str) -> str | None:
    """Why there is no pipeline of this name, where the parameters are the reason."""
    return _left_out.get(name)


def _validated(dataset: str, space: SearchParameters, validation: ValidateSearchParameters) -> dict[str, Pipeline]:
    """``validate_search``, unless it has so many combinations that even to list its nodes takes seconds."""
    where = f"{dataset}.validate_search.space"
    try:
        combinations = validate_search.count(space.only(validation.space))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if combinations > MOST_COMBINATIONS:
        _left_out["validate_search"] = (
            f"validate_search would train {combinations:,} combinations fully; name candidates in {where}, so that "
            f"there are at most {MOST_COMBINATIONS}"
        )
        return {}
    return {"validate_search": validate_search.create_pipeline(dataset, space, validation)}


def _own_data(parameters: dict[str, Any]) -> dict[str, Callable[[dict[str, Any]], Pipeline]]:
    """What makes the preparation of each data set of the user's custom.

    Raises:
        ValueError: one has a name that means something else, or that cannot name files.
    """
    taken = {*DATA, *_SETTINGS, *_PIPELINES}
    for name in custom.own_names(parameters):
        if name in taken or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            why = "it is taken" if name in taken else "expected small letters, digits and _, starting with a letter"
            raise ValueError(f"the section {name!r} has a table, and {name!r} cannot name a data set: {why}")

    def maker(name: str) -> Callable[[dict[str, Any]], Pipeline]:
        return lambda section: custom.create_pipeline(name, _table(name, section))

    return {name: maker(name) for name in custom.own_names(parameters)}


def _table(dataset: str, section: dict[str, Any]) -> TableParameters:
    return _checked(section[custom.TABLE], f"{dataset}.{custom.TABLE}", TableParameters)


def _missing(dataset: Any, parameters: dict[str, Any], makers: Iterable[str]) -> str:
    """What to do about a data set that there is not."""
    if isinstance(parameters.get(dataset), dict):
        guess = get_close_matches(custom.TABLE, parameters[dataset], n=1)
        return f"its section has no table{f', but {guess[0]!r}' if guess else ''}: see docs/custom.md"
    guess = get_close_matches(str(dataset), makers, n=1)
    return f"expected one of {sorted(makers)}{f'; did you mean {guess[0]}?' if guess else ''}"


def _reading(dataset: str, section: dict[str, Any], prediction: PredictParameters) -> Pipeline | None:
    """What reads new rows in the layout of the data set's own table; None where they come as arrays.

    Raises:
        ValueError: ``sources`` names what has none; or does not name a file whose rows are those of the table.
    """
    table = _table(dataset, section) if custom.TABLE in section else None
    known = [name for name, modality in table.modalities.items() if modality.source] if table else []
    if unknown := sorted(set(prediction.sources) - set(known)):
        raise ValueError(
            f"{dataset}.predict.sources names {unknown[0]!r}; modalities with files of their own: {known or 'none'}"
        )
    if table is None or not custom.has_layout(table, prediction.rows):
        return None
    for name, modality in table.modalities.items():
        by_place = isinstance(modality, EmbeddingParameters) and modality.file is not None
        if prediction.rows is not None and by_place and name not in prediction.sources:
            raise ValueError(
                f"{dataset}.predict.sources has no {name!r}: the rows of {modality.source} are those of the table, not "
                "the new ones; name a file for them"
            )
    return custom.create_reading(dataset, table)


def _preparations(
    parameters: dict[str, Any], dataset: str, makers: dict[str, Callable[[dict[str, Any]], Pipeline]]
) -> dict[str, Pipeline]:
    """Each data set's preparation. An error in the section of another data set than the active one does not stop what
    is done with that one: it is logged, and there is no pipeline of the other's name."""
    made = {}
    for name, make in makers.items():
        if not isinstance(parameters.get(name), dict):
            continue
        try:
            made[name] = make(parameters[name])
        except Exception as error:
            if name == dataset:
                raise
            _left_out[name] = f"There is no pipeline {name!r}, since its parameters have an error: {error}"
            _log.warning(_left_out[name])
    return made


def _keys_read(pipeline: Pipeline, dataset: str) -> set[str]:
    """Keys of a data set's section that a pipeline reads."""
    prefix = f"params:{dataset}."
    return {name.removeprefix(prefix).split(".")[0] for name in pipeline.inputs() if name.startswith(prefix)}


def _reject_unknown_parameters(
    parameters: dict[str, Any], dataset: str, pipeline: Pipeline, preparations: dict[str, Pipeline]
) -> None:
    """A misspelt key would silently leave a default in force. Deeper keys are checked by the parameter models."""
    needed = _keys_read(pipeline, dataset)
    if missing := sorted(needed - set(parameters[dataset])):
        raise ValueError(f"the parameters have no section {dataset}.{missing[0]}")
    sections = [
        (f"{name}.", parameters[name], _keys_read(made, name) | {*_SECTIONS, *_OPTIONAL.get(name, ())})
        for name, made in preparations.items()
    ]
    data = {*DATA, *custom.own_names(parameters)}
    for where, found, known in [("", parameters, {*_SETTINGS, *data}), *sections]:
        for key in sorted(set(found) - known):
            guess = get_close_matches(key, known, n=1)
            hint = f"; did you mean {where}{guess[0]}?" if guess else ""
            raise ValueError(f"unknown parameter {where}{key}: expected one of {', '.join(sorted(known))}{hint}")


P = TypeVar("P", bound=Parameters)


def _section(dataset: str, parameters: dict[str, Any], name: str, model: type[P]) -> P:
    """A section of a data set's parameters, checked."""
    try:
        section = parameters[dataset][name]
    except KeyError as error:
        raise ValueError(
            f"the parameters of {dataset!r} have no {error}; see conf/base/parameters_{name}.yml"
        ) from error
    return _checked(section, f"{dataset}.{name}", model)


def _checked(section: Any, where: str, model: type[P]) -> P:
    try:
        return model.model_validate(section)
    except ValidationError as error:
        details = "\n".join(
            f"  {_place((where, *e['loc']))}: {e['msg']} (found: {_short(e['input'])}){_hint(e, model)}"
            for e in error.errors()
        )
        name = where.rpartition(".")[2]
        raise ValueError(f"the {name} parameters have {error.error_count()} error(s):\n{details}") from None


def _hint(error: Any, model: type[Parameters]) -> str:
    """The keys that are known beside a mistaken one, where it stands at the top of its section."""
    if error["type"] != "extra_forbidden" or len(error["loc"]) != 1:
        return ""
    guess = get_close_matches(str(error["loc"][0]), model.model_fields, n=1)
    return f"; did you mean {guess[0]}?" if guess else f"; expected one of {', '.join(model.model_fields)}"


def _place(location: tuple[int | str, ...]) -> str:
    """The key's path as it is written: pydantic adds the type of a block or tokeniser as a key of its custom."""
    kept = [
        key
        for i, key in enumerate(location)
        if not (i >= 2 and location[i - 2] in ("candidates", "modalities"))
        and not (i >= 1 and location[i - 1] == "tokeniser")
    ]
    return ".".join(map(str, kept))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _read_parameters() -> dict[str, Any]:
    from kedro.utils import find_kedro_project

    from mixmas_pipeline.config_loader import ProjectConfigLoader
    from mixmas_pipeline.settings import CONFIG_LOADER_ARGS
    from mixmas_pipeline.utils.packaged_project import PROJECT

    root = find_kedro_project(Path.cwd()) or PROJECT
    loader = ProjectConfigLoader(str(root / "conf"), env=os.environ.get("KEDRO_ENV"), **CONFIG_LOADER_ARGS)
    return loader["parameters"]
