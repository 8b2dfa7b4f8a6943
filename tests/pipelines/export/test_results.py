"""A report as a JSON document: what is saved is what is loaded, and a damaged document is refused."""

from __future__ import annotations

import json

import pytest
from export_samples import REPORT
from pydantic import ValidationError

from mixmas_pipeline.pipelines.export.results import ExportReport, Latency


def test_a_report_survives_json() -> None:
    report = ExportReport.model_validate(REPORT)
    assert report.latency == (Latency(form="torch", examples=1, median_ms=0.5, p90_ms=0.75, calls=100),)
    assert json.loads(report.model_dump_json()) == REPORT


@pytest.mark.parametrize("damage", [{"latency": [{}]}, {"parameters": None}, {"extra": 1}], ids=lambda d: next(iter(d)))
def test_a_damaged_document_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(damage))):
        ExportReport.model_validate({**REPORT, **damage})
