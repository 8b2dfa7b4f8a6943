"""The data sets, and the sections that the parameters of each have.

To add a data set: write its folder in ``pipelines/data``, and add it to ``DATA_SETS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from kedro.pipeline import Pipeline
from pydantic import ValidationError

from mixmas_pipeline.pipelines.compare.parameters import CompareParameters
from mixmas_pipeline.pipelines.data import avmnist, custom, mimic, mmimdb
from mixmas_pipeline.pipelines.data.avmnist.parameters import AVMNISTParameters
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
from mixmas_pipeline.pipelines.data.mimic.parameters import MIMICParameters
from mixmas_pipeline.pipelines.data.mmimdb.parameters import MMIMDBParameters
from mixmas_pipeline.pipelines.export.parameters import ExportParameters
from mixmas_pipeline.pipelines.predict.parameters import PredictParameters
from mixmas_pipeline.pipelines.reference.parameters import ReferenceParameters
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.validate_search.parameters import ValidateSearchParameters
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.parameters import Parameters, check

# Beside the keys of its preparation, the parameters of every data set have these sections.
SECTIONS: dict[str, type[Parameters]] = {
    "search": SearchParameters,
    "training": TrainingParameters,
    "compare": CompareParameters,
    "validate_search": ValidateSearchParameters,
    "predict": PredictParameters,
    "export": ExportParameters,
    "reference": ReferenceParameters,
}


class DataSet(NamedTuple):
    """A data set.

    Attributes:
        parameters: of its preparation.
        create_pipeline: makes the preparation from them.
    """

    parameters: type[Parameters]
    create_pipeline: Callable[[Any], Pipeline]

    def prepare(self, name: str, section: dict[str, Any]) -> Pipeline:
        """The preparation, from the data set's section of the parameters.

        Raises:
            ValueError: a key of the preparation is missing or has a mistake.
        """
        return self.create_pipeline(check(preparation(section), name, self.parameters))


class CustomParameters(Parameters):
    """Preparation of a data set of the user's own.

    Attributes:
        table: its file, columns, label and split.
    """

    table: TableParameters


DATA_SETS: dict[str, DataSet] = {
    "avmnist": DataSet(AVMNISTParameters, lambda _: avmnist.create_pipeline()),
    "mimic": DataSet(MIMICParameters, mimic.create_pipeline),
    "mmimdb": DataSet(MMIMDBParameters, mmimdb.create_pipeline),
}


def data_sets(parameters: dict[str, Any]) -> dict[str, DataSet]:
    """By name: those of this project, then those of the user's own."""

    def of(name: str) -> DataSet:
        return DataSet(CustomParameters, lambda section: custom.create_pipeline(name, section.table))

    return {**DATA_SETS, **{name: of(name) for name in custom.names(parameters)}}


def preparation(section: dict[str, Any]) -> dict[str, Any]:
    """The keys of a data set's section that are about its preparation."""
    return {key: value for key, value in section.items() if key not in SECTIONS}


def complete(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the default of every key that is left out, so that each can be a node's input.

    A section with a mistake stays as it is: the mistake is reported when the pipelines are made.
    """
    completed = custom.complete(parameters)
    for name, data_set in data_sets(completed).items():
        if not isinstance(section := completed.get(name), dict):
            continue
        section = section | (with_defaults(data_set.parameters, preparation(section)) or {})
        filled = {key: with_defaults(model, section.get(key)) for key, model in SECTIONS.items()}
        completed[name] = section | {key: value for key, value in filled.items() if value is not None}
    return completed


def with_defaults(model: type[Parameters], section: Any) -> dict[str, Any] | None:
    """A section with its defaults; None if it has a mistake."""
    try:
        return model.model_validate({} if section is None else section).model_dump(mode="json")
    except ValidationError:
        return None
