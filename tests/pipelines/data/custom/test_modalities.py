"""What is refused of a modality's parameters, and how each kind reaches its encoder."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from mixmas_pipeline.pipelines.data.custom.modalities import FileFormParameters, ModalityOf, exactly_one

PHOTO = {"kind": "image", "column": "photo", "folder": "photos", "height": 8, "width": 12}


def modality(**written: Any) -> Any:
    return TypeAdapter(ModalityOf).validate_python(written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({**PHOTO, "height": 2}, "greater than or equal to 4"),
        ({**PHOTO, "pattern": "photo.png"}, "match pattern"),
        ({"kind": "audio", "column": "a", "folder": ".", "snr_db": [9, 3]}, "expected the lower ratio first"),
        ({"kind": "audio", "column": "a", "folder": ".", "onset": [0, 1]}, "noise and onset are those of variants"),
        ({"kind": "audio", "column": "a", "folder": ".", "seconds": 0.01}, "160 samples, .*expected at most 81 bins"),
        ({"kind": "time_series", "columns": ["a"], "missing": ["-"]}, "missing is only used with file"),
        (
            {"kind": "time_series", "columns": ["a"], "decimal": ","},
            "decimal is only used with file",
        ),
        ({"kind": "time_series", "columns": ["a"], "time": "t"}, "time is only used with file"),
        ({"kind": "embedding", "columns": ["a"], "sequence": True}, "sequence: true needs column, array or file"),
        ({"kind": "tabular", "columns": []}, "at least 1 item"),
        ({"kind": "words", "column": "a", "size": 0}, "greater than or equal to 1"),
    ],
)
def test_what_is_refused(written: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        modality(**written)


@pytest.mark.parametrize(
    ("written", "form", "source"),
    [
        (PHOTO, "picture", "photos"),
        ({"kind": "text", "column": "a", "encoder": "bert"}, "sequence", "bert"),
        ({"kind": "text", "column": "a", "encoder": "bert", "pooled": True}, "vector", "bert"),
        ({"kind": "tabular", "columns": "*"}, "features", None),
        ({"kind": "embedding", "file": "a.npy", "sequence": True}, "sequence", "a.npy"),
    ],
)
def test_how_a_kind_reaches_its_encoder(written: dict[str, Any], form: str, source: str | None) -> None:
    found = modality(**written)
    assert (found.form, found.source) == (form, source)


def test_exactly_one_way_is_used() -> None:
    exactly_one({"a": False, "b": True})
    with pytest.raises(ValueError, match="expected exactly one of a, b; found none"):
        exactly_one({"a": False, "b": False})
    with pytest.raises(ValueError, match="found a and b"):
        exactly_one({"a": True, "b": True})


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"encoding": "utf8x"}, "there is no such encoding of text"),
        ({"encoding": "base64"}, "there is no such encoding of text"),
        ({"decimal": ",", "thousands": ","}, "decimal and thousands are both ','"),
        ({"thousands": "."}, "decimal and thousands are both '.'"),
        ({"decimal": ";"}, "Input should be '.' or ','"),
        ({"separator": ", "}, "at most 1 character"),
        ({"query": ""}, "at least 1 character"),
    ],
)
def test_forms_of_files_that_are_refused(written: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FileFormParameters.model_validate(written)
