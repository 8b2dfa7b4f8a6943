"""The pipelines by name. They are made from the parameters: the search space decides the graph.

``kedro run`` loads the context first, whose hook leaves its parameters here (with ``--env`` and ``--params``). Commands
without a context (``kedro registry list``, ``kedro viz``) fall back to reading the configuration.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline
from kedro.utils import find_kedro_project

from mixmas_pipeline.config_loader import ARGUMENTS, ProjectConfigLoader, complete
from mixmas_pipeline.models.block_reader import CHECKED
from mixmas_pipeline.pipelines import (
    compare,
    describe,
    export,
    predict,
    reference,
    reporting,
    search,
    training,
    validate_search,
)
from mixmas_pipeline.pipelines.compare.parameters import CompareParameters
from mixmas_pipeline.pipelines.data import custom
from mixmas_pipeline.pipelines.data_sets import DATA_SETS, SECTIONS, DataSet, data_sets
from mixmas_pipeline.pipelines.export.parameters import ExportParameters
from mixmas_pipeline.pipelines.predict.parameters import PredictParameters
from mixmas_pipeline.pipelines.reference import chosen
from mixmas_pipeline.pipelines.reference.parameters import ReferenceParameters
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.validate_search.parameters import ValidateSearchParameters
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.errors import InputError
from mixmas_pipeline.utils.packaged_project import PROJECT
from mixmas_pipeline.utils.parameters import check, check_keys
from mixmas_pipeline.utils.resources import ComputeParameters

MOST_COMBINATIONS = 500
# Top-level parameters that are no data set.
_SETTINGS = ("dataset", "reuse", "tracking", "compute", "checkpoints", custom.DEFAULTS)
_PIPELINES = (
    *("describe", "search", "training", "reference", "reporting"),
    *("predict", "export", "compare", "validate_search"),
)

_log = logging.getLogger(__name__)
_context_parameters: dict[str, Any] | None = None
_left_out: dict[str, str] = {}


def use_parameters(parameters: dict[str, Any] | None) -> None:
    """Make the pipelines from these parameters. None: from the configuration."""
    global _context_parameters
    _context_parameters = parameters


def register_pipelines() -> dict[str, Pipeline]:
    """Pipelines by name: every data set's preparation under its name; the others for the data set that the parameter
    ``dataset`` names. Each includes what it needs: ``search`` prepares the data first, and so on; but ``predict`` and
    ``export`` begin with what the newest training has left.

    What needs torch is not checked here; see ``check_remaining_parameters``.

    Raises:
        InputError: the parameters name an unknown data set, or have another mistake.
    """
    _left_out.clear()
    parameters = _parameters()
    known = data_sets(parameters)
    _check_settings(parameters, known)
    dataset = parameters["dataset"]
    preparations = _preparations(parameters, known)
    sections = _sections(dataset, parameters[dataset])
    return {**preparations, **_pipelines(dataset, parameters[dataset], preparations[dataset], sections)}


def why_no_name(name: str) -> str | None:
    """Why no custom data set can have this name, which is also that of a pipeline and of files; None if one can."""
    if name in {*DATA_SETS, *_SETTINGS, *_PIPELINES}:
        return "it is taken"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return "expected small letters, digits and _, starting with a letter"
    return None


def own_data_sets_not_chosen(parameters: dict[str, Any]) -> list[str]:
    """The user's own data sets, if the parameters choose none of them."""
    own = custom.names(parameters)
    return [] if parameters.get("dataset") in own else own


def check_remaining_parameters() -> None:
    """Check what ``register_pipelines`` leaves out, since it imports torch: the hyperparameters of every block of the
    active data set, and whether the metrics and the balance of a custom data set fit its task.

    Raises:
        InputError: a block has no such hyperparameter, or a value is out of range, or does not fit. The message names
            each mistake's key, what was found and what was expected.
    """
    parameters = _parameters()
    dataset = parameters["dataset"]
    section = parameters[dataset]
    for name in ("search", "compare"):
        check(section[name], f"{dataset}.{name}", SECTIONS[name], CHECKED)
    if custom.TABLE in section:
        from mixmas_pipeline.evaluation.tasks import check_settings

        search_, training_ = section["search"], section["training"]
        check_settings(
            section[custom.TABLE]["task"],
            {
                f"{dataset}.search.selection.metric": search_["selection"]["metric"],
                f"{dataset}.training.metric": training_["metric"],
            },
            {
                f"{dataset}.search.budget.balance": search_["budget"]["balance"],
                f"{dataset}.training.balance": training_["balance"],
            },
        )


def why_left_out(name: str) -> str | None:
    """Why there is no pipeline of this name, if the parameters are the reason."""
    return _left_out.get(name)


@dataclass(frozen=True)
class _Sections:
    """The active data set's sections that decide its graph."""

    search: SearchParameters
    training: TrainingParameters
    compare: CompareParameters
    validate_search: ValidateSearchParameters
    predict: PredictParameters
    export: ExportParameters
    reference: ReferenceParameters


def _parameters() -> dict[str, Any]:
    return _read_parameters() if _context_parameters is None else complete(_context_parameters)


def _read_parameters() -> dict[str, Any]:
    root = find_kedro_project(Path.cwd()) or PROJECT
    return ProjectConfigLoader(str(root / "conf"), env=os.environ.get("KEDRO_ENV"), **ARGUMENTS)["parameters"]


def _check_settings(parameters: dict[str, Any], known: dict[str, DataSet]) -> None:
    """Check the names of data sets, and the parameters that are no data set's."""
    dataset = parameters.get("dataset")
    _check_names(custom.names(parameters))
    if not isinstance(dataset, str) or dataset not in known:
        raise InputError(f"the parameter 'dataset' is {dataset!r}; {_remedy(dataset, parameters, known)}")
    if not isinstance(parameters.get(dataset), dict):
        raise InputError(f"the parameters have no section {dataset!r} (found: {parameters.get(dataset)!r})")
    check_keys(parameters, "", {*_SETTINGS, *known})
    check(parameters["compute"], "compute", ComputeParameters)
    if not isinstance(tracking := parameters.get("tracking", True), bool):
        raise InputError(f"the parameter 'tracking' is {tracking!r}; expected true or false")


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if why := why_no_name(name):
            raise InputError(f"the section {name!r} has a table, and {name!r} cannot name a data set: {why}")


def _remedy(dataset: Any, parameters: dict[str, Any], known: Iterable[str]) -> str:
    """What to do about an unknown data set."""
    if isinstance(parameters.get(dataset), dict):
        guess = get_close_matches(custom.TABLE, parameters[dataset], n=1)
        return f"its section has no table{f', but {guess[0]!r}' if guess else ''}: see docs/custom.md"
    guess = get_close_matches(str(dataset), known, n=1)
    return f"expected one of {sorted(known)}{f'; did you mean {guess[0]}?' if guess else ''}"


def _preparations(parameters: dict[str, Any], known: dict[str, DataSet]) -> dict[str, Pipeline]:
    """Each data set's preparation. A mistake in another section than the active data set's is logged, and that data set
    has no pipeline."""
    made: dict[str, Pipeline] = {}
    for name, data_set in known.items():
        if not isinstance(section := parameters.get(name), dict):
            continue
        check_keys(section, name, {*data_set.parameters.model_fields, *SECTIONS})
        try:
            made[name] = data_set.prepare(name, section)
        except ValueError as error:
            if name == parameters["dataset"]:
                raise
            _left_out[name] = f"There is no pipeline {name!r}, since its parameters have an error: {error}"
            _log.warning(_left_out[name])
    return made


def _sections(dataset: str, section: dict[str, Any]) -> _Sections:
    """The active data set's sections, checked."""
    checked: dict[str, Any] = {}
    for name, model in SECTIONS.items():
        if name not in section:
            raise InputError(f"the parameters of {dataset!r} have no {name!r}; see conf/base/parameters_{name}.yml")
        checked[name] = check(section[name], f"{dataset}.{name}", model)
    sections = _Sections(**checked)
    encoders = sections.compare.baseline.encoders
    if set(encoders) != set(sections.search.encoders):
        raise InputError(
            f"{dataset}.compare.baseline has encoders of {sorted(encoders)}; the search space of "
            f"{sorted(sections.search.encoders)}"
        )
    return sections


def _pipelines(dataset: str, section: dict[str, Any], data: Pipeline, sections: _Sections) -> dict[str, Pipeline]:
    """The active data set's pipelines."""
    searching = data + search.create_pipeline(dataset, sections.search)
    if custom.TABLE in section:
        searching += describe.create_checks(dataset)
    trained = searching + training.create_pipeline(dataset, sections.training)
    references = reference.create_pipeline(dataset, sections.reference.kinds)
    everything = trained + references + reporting.create_pipeline(dataset, with_references=bool(references.nodes))
    if not references.nodes:
        _left_out["reference"] = f"There is no pipeline 'reference', since {dataset}.reference.kinds is empty"
    modalities = list(sections.search.encoders)
    return {
        "describe": data + describe.create_pipeline(dataset, has_rows=custom.TABLE in section),
        "search": searching,
        "training": trained,
        **({"reference": data + references} if references.nodes else {}),
        "reporting": everything,
        **_using(dataset, section, sections),
        "compare": searching
        + compare.create_pipeline(dataset, modalities, sections.compare.seeds, sections.reference.kinds),
        **{name: data + graph for name, graph in _validation(dataset, sections).items()},
        "__default__": everything,
    }


def _using(dataset: str, section: dict[str, Any], sections: _Sections) -> dict[str, Pipeline]:
    """``predict`` and ``export``, unless they take a model that is not fitted."""
    kinds, made = sections.reference.kinds, {}
    reading = _reading(dataset, section, sections.predict)
    choices = {"predict": sections.predict.model, "export": sections.export.model}
    for name, choice in choices.items():
        if reason := chosen.why_not(choice, kinds):
            _left_out[name] = (
                f"There is no pipeline {name!r}, since {dataset}.{name}.model is {choice!r} and {reason} "
                f"({dataset}.reference.kinds is {list(kinds)})"
            )
        elif name == "predict":
            made[name] = predict.create_pipeline(dataset, reading, choice, kinds)
        else:
            made[name] = export.create_pipeline(dataset, choice, kinds)
    return made


def _validation(dataset: str, sections: _Sections) -> dict[str, Pipeline]:
    """``validate_search``, unless it has so many combinations that listing its nodes takes seconds."""
    path = f"{dataset}.validate_search.space"
    try:
        combinations = validate_search.count(sections.search.only(sections.validate_search.space))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    if combinations > MOST_COMBINATIONS:
        _left_out["validate_search"] = (
            f"validate_search would train {combinations:,} combinations fully; name candidates in {path}, so that "
            f"there are at most {MOST_COMBINATIONS}"
        )
        return {}
    return {"validate_search": validate_search.create_pipeline(dataset, sections.search, sections.validate_search)}


def _reading(dataset: str, section: dict[str, Any], prediction: PredictParameters) -> Pipeline | None:
    """What reads new rows in the layout of the data set's table; None if they come as arrays.

    Raises:
        InputError: ``sources`` names a modality without files, or lacks one whose files have a row per row of the
            table.
    """
    table = None
    if custom.TABLE in section:
        table = check(section[custom.TABLE], f"{dataset}.{custom.TABLE}", custom.TableParameters)
    files = [name for name, modality in table.modalities.items() if modality.source] if table else []
    if unknown := sorted(set(prediction.sources) - set(files)):
        raise InputError(
            f"{dataset}.predict.sources names {unknown[0]!r}; modalities with files of their own: {files or 'none'}"
        )
    if table is None or not custom.has_layout(table, prediction.rows):
        return None
    for name, modality in table.modalities.items():
        by_row = isinstance(modality, custom.EmbeddingParameters) and modality.file is not None
        if prediction.rows is not None and by_row and name not in prediction.sources:
            raise InputError(
                f"{dataset}.predict.sources has no {name!r}: the rows of {modality.source} are those of the table, not "
                "the new ones; name a file for them"
            )
    return custom.create_reading(dataset, table)
