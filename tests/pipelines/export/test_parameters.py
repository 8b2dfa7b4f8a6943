"""What the section export of the parameters may hold."""

from __future__ import annotations

import pytest

from mixmas_pipeline.pipelines.export.parameters import ExportParameters
from mixmas_pipeline.utils.parameters import check


def test_by_default_both_formats_are_exported_without_a_licence() -> None:
    assert check({}, "films.export", ExportParameters).model_dump() == {
        "model": "searched",
        "formats": ("torch_export", "onnx"),
        "tolerance": 0.0001,
        "licence": None,
        "intended_use": None,
    }


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"license": "mit"}, r"films\.export\.license: .* \(found: 'mit'\); did you mean licence\?"),
        ({"formats": ["tflite"]}, r"films\.export\.formats\.0: Input should be 'torch_export' or 'onnx'"),
        ({"formats": ["onnx", "onnx"]}, r"films\.export\.formats: .*repeats one"),
        ({"model": "best"}, r"films\.export\.model: Input should be 'searched', 'linear', 'trees' or 'recommended'"),
        ({"tolerance": 0}, r"films\.export\.tolerance: Input should be greater than 0 \(found: 0\)"),
    ],
)
def test_a_mistake_names_its_key_and_what_was_expected(section: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(section, "films.export", ExportParameters)
