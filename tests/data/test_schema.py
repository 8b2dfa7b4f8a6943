"""A modality as JSON has what the table's modality has."""

from __future__ import annotations

import dataclasses

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from mixmas_pipeline.data.schema import StoredInput
from mixmas_pipeline.data.table import Modality


def test_fields_and_defaults_are_those_of_a_modality() -> None:
    fields = {
        field.name: PydanticUndefined if field.default is dataclasses.MISSING else field.default
        for field in dataclasses.fields(Modality)
    }
    assert {name: field.default for name, field in StoredInput.model_fields.items()} == fields


def test_a_modality_survives_json() -> None:
    modality = Modality("time_series", (5, 3), "float32", scale=0.5, unit="mmHg", padded=True, features=("a", "b", "c"))
    stored = StoredInput.model_validate_json(StoredInput(**vars(modality)).model_dump_json())
    assert Modality(**dict(stored)) == modality


def test_an_empty_axis_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"shape\.1"):
        StoredInput(kind="image", shape=(3, 0), dtype="uint8")
