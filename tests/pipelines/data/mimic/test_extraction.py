"""Hourly values of events: units, flags, plausible ranges, and what is computed of several items."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mimic_samples import EVENT_TABLES, Prepare, Tables, read_all, small_tables, write_tables

from mixmas_pipeline.pipelines.data.mimic import nodes
from mixmas_pipeline.pipelines.data.mimic.extraction import extract_events
from mixmas_pipeline.pipelines.data.mimic.parameters import (
    CohortParameters,
    ExtractionParameters,
)
from mixmas_pipeline.pipelines.data.mimic.sources import MimicTablesDataset


def run_events(tables: Tables, place: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    source = MimicTablesDataset(filepath=str(write_tables(tables, place)), mirror="none").load()
    stays = nodes.select_stays(source, CohortParameters())
    return extract_events(source, stays, ExtractionParameters(threads=1))


def one_patient(events: list[dict[str, object]], table: str = "CHARTEVENTS") -> Tables:
    """One stay with exactly these events; ``hour`` counts from entry."""
    tables = small_tables(1)
    stay = tables["ICUSTAYS"].iloc[:1]
    for name in EVENT_TABLES:
        tables[name] = tables[name].iloc[:0]
    rows = [
        {"subject_id": 100, "charttime": stay["intime"].iloc[0] + pd.Timedelta(hours=e.pop("hour")), **e}
        for e in events
    ]
    tables[table] = pd.DataFrame(rows).reindex(columns=tables[table].columns)
    return {**tables, "ICUSTAYS": stay, "ADMISSIONS": tables["ADMISSIONS"].iloc[:1]}


def chart(
    hour: float, item: int, number: float, unit: str | None = None, error: int | None = None
) -> dict[str, object]:
    return {"hour": hour, "itemid": item, "valuenum": number, "valueuom": unit, "error": error}


def hourly(events: pd.DataFrame) -> dict[tuple[int, str], float]:
    return {(int(row.hour), str(row.variable)): row.value for row in events.itertuples()}


def test_temperature_by_item_and_by_unit(tmp_path: Path) -> None:
    rows = [
        chart(0.1, 223761, 100.4),
        chart(1.1, 678, 98.6, "Deg. F"),
        chart(2.1, 678, 37.5, "Deg. C"),
        chart(3.1, 223762, 39),
        chart(4.1, 223762, 38, "K"),
        chart(5.1, 223761, 37, "?F"),
    ]
    events, counts = run_events(one_patient(rows), tmp_path)
    found = hourly(events)
    wanted = {(0, "temperature"): 38.0, (1, "temperature"): 37.0, (2, "temperature"): 37.5, (3, "temperature"): 39.0}
    assert found == pytest.approx(wanted)
    row = counts.set_index("quantity").loc["temperature"]
    assert (row["rows"], row["kept"], row["unknown_unit"], row["out_of_range"]) == (6, 4, 1, 1)


def test_unknown_units_are_missing_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [chart(0.1, 225624, 7, "mmol/L"), chart(0.2, 225624, 20, "mg/dL"), chart(0.3, 225624, 30)]
    events, counts = run_events(one_patient(rows), tmp_path)
    assert hourly(events) == {(0, "urea_nitrogen"): 25.0}
    assert counts.set_index("quantity").loc["urea_nitrogen", "unknown_unit"] == 1
    assert "1 rows of urea_nitrogen are in the unknown unit 'mmol/l'" in caplog.text


def test_flagged_and_implausible_rows_are_missing(tmp_path: Path) -> None:
    rows = [
        chart(0, 211, 80),
        chart(0.5, 211, 200, error=1),
        chart(1, 211, 0),
        chart(1.5, 211, None),
        chart(2, 211, 300),
    ]
    events, counts = run_events(one_patient(rows), tmp_path)
    assert hourly(events) == {(0, "heart_rate"): 80.0, (2, "heart_rate"): 300.0}
    row = counts.set_index("quantity").loc["heart_rate"]
    assert (row["rows"], row["flagged"], row["out_of_range"], row["no_number"]) == (5, 1, 1, 1)


def test_coma_score_is_the_sum_of_the_last_known_parts(tmp_path: Path) -> None:
    rows = [chart(0.1, 184, 4), chart(0.1, 454, 6), chart(1.1, 723, 5), chart(1.2, 184, 3), chart(1.9, 184, 1)]
    events, _ = run_events(one_patient([*rows, chart(6, 454, 2), chart(6, 454, 4)]), tmp_path)
    assert hourly(events) == {(1, "gcs"): 12.0, (6, "gcs"): 8.0}


def test_ratio_takes_the_latest_fraction_before_and_arterial_blood_only(tmp_path: Path) -> None:
    rows = [
        chart(0.5, 220224, 90),  # nothing is breathed yet that is known
        chart(1, 190, 0.5, "torr"),
        chart(2, 223835, 40),
        chart(2.5, 220224, 100),
        chart(2.6, 223835, 100),
        chart(3.5, 220224, 100),
    ]
    events, _ = run_events(one_patient(rows), tmp_path / "chart")
    assert hourly(events) == pytest.approx({(2, "pao2_fio2"): 250.0, (3, "pao2_fio2"): 100.0})
    samples = [
        {"hour": 1, "itemid": 50816, "valuenum": 50, "valueuom": "%"},
        {"hour": 1, "itemid": 50821, "valuenum": 80, "valueuom": "mm Hg"},
        {"hour": 2, "itemid": 50821, "valuenum": 40, "valueuom": "mm Hg"},
        {"hour": 2, "itemid": 50800, "value": "VEN"},
        {"hour": 3, "itemid": 50821, "valuenum": 60, "valueuom": "mm Hg"},
        {"hour": 3, "itemid": 50800, "value": "ART"},
    ]
    events, counts = run_events(one_patient(samples, "LABEVENTS"), tmp_path / "lab")
    assert hourly(events) == pytest.approx({(1, "pao2_fio2"): 160.0, (3, "pao2_fio2"): 120.0})
    assert counts.set_index("quantity").loc["pao2", "not_arterial"] == 1


def test_fraction_written_as_percent(tmp_path: Path) -> None:
    rows = [chart(0.5, 223835, 0.4, "%"), chart(0.6, 220224, 100), chart(1.5, 223835, 40, "%"), chart(1.6, 220224, 80)]
    events, _ = run_events(one_patient(rows), tmp_path)
    assert hourly(events) == pytest.approx({(0, "pao2_fio2"): 250.0, (1, "pao2_fio2"): 200.0})


@pytest.mark.parametrize("unit", ["K/\u00b5L", "K/\u03bcL", "K/uL", "k/ul."])
def test_micro_is_written_in_any_way(unit: str, tmp_path: Path) -> None:
    events, _ = run_events(one_patient([chart(0.5, 220546, 9.5, unit)]), tmp_path)
    assert hourly(events) == {(0, "white_cells"): 9.5}


def test_urine_is_summed(tmp_path: Path) -> None:
    rows = [{"hour": h, "itemid": i, "value": v, "valueuom": "ml"} for h, i, v in ((3.1, 40055, 60), (3.9, 40069, 15))]
    events, _ = run_events(one_patient(rows, "OUTPUTEVENTS"), tmp_path)
    assert hourly(events) == {(3, "urine"): 75.0}


def test_interrupted_extraction_leaves_nothing_running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The query would take minutes."""
    from mixmas_pipeline.pipelines.data.mimic import extraction

    asked = iter([0])

    def interrupted() -> int:
        try:
            return next(asked)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(extraction, "_megabytes_read", interrupted)
    slow = "INSERT INTO raw SELECT 0, 0, '', sum(sqrt(range)), '', false, '' FROM range(1000000000000)"
    monkeypatch.setattr(extraction, "_READ", slow)
    running, start = threading.active_count(), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        read_all(folder)
    assert time.monotonic() - start < 30
    assert threading.active_count() == running


def test_result_does_not_depend_on_threads_or_the_order_of_rows(
    prepared: dict[str, Any], prepare_changed: Prepare, tables: Tables
) -> None:
    mixed = {name: tables[name].sample(frac=1, random_state=1) for name in EVENT_TABLES}
    after = prepare_changed(threads=1, **mixed)
    pd.testing.assert_frame_equal(prepared["events"], after["events"], check_exact=True)
