"""Catalog entries of the files that the parameters of custom data sets name: a catalog cannot read parameters."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from mixmas_pipeline.pipelines.data.custom.defaults import names
from mixmas_pipeline.pipelines.data.custom.modalities import ModalityParameters, TextParameters
from mixmas_pipeline.pipelines.data.custom.parameters import TABLE, TableParameters

_RAW = {"kedro-viz": {"layer": "raw"}}


def catalog_entries(parameters: dict[str, Any]) -> dict[str, Any]:
    """For every custom data set whose table has no mistake: its file, and each modality's files, those of the table and
    those of new rows (``predict.sources``)."""
    entries: dict[str, Any] = {}
    for name in names(parameters):
        section = parameters[name]
        try:
            table = TableParameters.model_validate(section[TABLE])
        except ValidationError:
            continue  # its pipeline is not made
        entries[f"{name}.raw_table"] = _file(table.file, f"{name}.table.file")
        others = (section.get("predict") or {}).get("sources") or {}
        for modality, parameters_of in table.modalities.items():
            if parameters_of.source is None:
                continue
            key = f"{name}.table.modalities.{modality}.{parameters_of.source_key}"
            entry = entries[f"{name}.raw_{modality}"] = _entry(parameters_of, parameters_of.source, key)
            other = others.get(modality)
            entries[f"{name}.predict.raw_{modality}"] = (
                entry if other is None else _entry(parameters_of, other, f"{name}.predict.sources.{modality}")
            )
    return entries


def _entry(modality: ModalityParameters, path: str, key: str) -> dict[str, Any]:
    if isinstance(modality, TextParameters):
        kind = "mixmas_pipeline.datasets.EncoderDataset"
        return {"type": kind, "encoder": path, "revision": modality.revision, "metadata": _RAW}
    return _file(path, key)


def _file(path: str, key: str) -> dict[str, Any]:
    return {"type": "mixmas_pipeline.datasets.NamedFileDataset", "filepath": path, "key": key, "metadata": _RAW}
