"""What dates tell, against a slow computation with Python's own calendar."""

from __future__ import annotations

import calendar
import math
import statistics
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from custom_samples import named, table
from kind_samples import made
from pydantic import TypeAdapter, ValidationError

from mixmas_pipeline.pipelines.data.custom import nodes
from mixmas_pipeline.pipelines.data.custom.dates import learn_rule, read_moments
from mixmas_pipeline.pipelines.data.custom.modalities import ModalityOf

MOMENTS = [
    datetime(2023, 1, 1, 0, 0),
    datetime(2024, 2, 29, 6, 30),
    None,
    datetime(2024, 12, 31, 23, 59, 59),
    datetime(1999, 7, 4, 12, 0),
    datetime(2030, 3, 1, 18, 45),  # a new row
    None,
]
TRAIN = 5
NAMES = tuple(
    ["seen: days"]
    + [f"seen: {name} ({part})" for name in ("time of year", "weekday", "time of day") for part in ("sin", "cos")]
    + ["seen is missing"]
)


def reference(moments: list[datetime | None], train: int) -> list[list[float]]:
    """Row by row."""
    passed = [(m - datetime(1900, 1, 1)) / timedelta(days=1) for m in moments[:train] if m is not None]
    median = statistics.median(passed)
    filled = passed + [median] * (train - len(passed))
    mean, deviation = statistics.fmean(filled), statistics.pstdev(filled)
    rows = []
    for moment in moments:
        if moment is None:
            rows.append([(median - mean) / deviation, *[0.0] * 6, 1.0])
            continue
        row = [((moment - datetime(1900, 1, 1)) / timedelta(days=1) - mean) / deviation]
        of_year = (moment.timetuple().tm_yday - 1) / (366 if calendar.isleap(moment.year) else 365)
        of_day = (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86400
        for part in (of_year, moment.weekday() / 7, of_day):
            row += [math.sin(2 * math.pi * part), math.cos(2 * math.pi * part)]
        rows.append([*row, 0.0])
    return rows


@pytest.mark.parametrize("form", ["text", "day first", "stored", "objects"])
def test_dates_are_facts(form: str) -> None:
    cells: Any = {
        "text": [m and m.isoformat() for m in MOMENTS],
        "day first": [m and m.strftime("%d.%m.%Y %H:%M:%S") for m in MOMENTS],
        "stored": pd.Series(MOMENTS, dtype="datetime64[us]"),
        "objects": pd.Series(MOMENTS, dtype=object),
    }[form]
    named_as = {"dates": ["seen"]} if form in ("text", "day first") else {}
    found = made(named(pd.DataFrame({"seen": cells})), kind="tabular", columns=["seen"], train=TRAIN, **named_as)
    assert found.modality.features == NAMES
    np.testing.assert_allclose(found.array, reference(MOMENTS, TRAIN), rtol=1e-5, atol=1e-6)


def test_what_does_not_vary_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """All training rows are Mondays at midnight; a new row's Tuesday noon changes nothing."""
    rows = named(pd.DataFrame({"seen": ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-16T12:00"]}))
    with caplog.at_level("INFO"):
        found = made(rows, kind="tabular", columns=["seen"], dates=["seen"], train=3)
    assert found.modality.features == ("seen: days", "seen: time of year (sin)", "seen: time of year (cos)")
    said = "seen: dates from 2024-01-01 00:00:00 to 2024-01-15 00:00:00 are the facts days, time of year"
    assert f"{said}; all training rows have the same weekday, time of day" in caplog.text
    np.testing.assert_allclose(found.array[:, 0], (np.array([0, 7, 14, 15.5]) - 7) / (7 * (2 / 3) ** 0.5), rtol=1e-5)


def test_dates_stand_between_numbers_and_categories() -> None:
    rows = named(
        pd.DataFrame({"seen": ["2023-01-01", "2024-01-01", None], "a": ["1", None, "3"], "b": ["x", "y", "x"]})
    )
    found = made(rows, kind="tabular", columns=["b", "seen", "a"], dates=["seen"], categories=["b"])
    assert found.modality.features == (
        *("a", "seen: days", "seen: weekday (sin)", "seen: weekday (cos)"),
        *("a is missing", "seen is missing", "b: x", "b: y"),
    )
    assert found.array[:, 4:].tolist() == [[0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0]]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"columns": ["a"], "dates": ["seen"]}, "dates has 'seen', which is not among the columns a"),
        ({"columns": ["seen"], "dates": ["seen"], "categories": ["seen"]}, "both under categories and under dates"),
        ({"columns": ["seen"], "dates": ["seen"], "date_format": {"sen": "%Y"}}, "date_format has 'sen', .*dates seen"),
        ({"columns": ["same"], "dates": ["same"]}, "the dates of same are the same in all training rows"),
        ({"columns": ["seen"]}, "found '2024-01-01'; expected a number; it looks like a date: list .* under dates"),
    ],
)
def test_what_is_wrong(written: dict[str, Any], message: str) -> None:
    frame = pd.DataFrame({"seen": ["2024-01-01", "2024-01-02"], "same": ["2024-01-01"] * 2, "a": ["1", "2"]})
    with pytest.raises(ValueError, match=message):
        made(named(frame), kind="tabular", **written)


@pytest.mark.parametrize(
    ("form", "cell", "expected"),
    [
        ("%d/%m/%Y %I:%M %p", "25/01/2024 01:30 PM", datetime(2024, 1, 25, 13, 30)),
        ("%Y W%W %w", "2024 W04 4", datetime(2024, 1, 25)),
        ("%Y%%I%m%d", "2024%I0125", datetime(2024, 1, 25)),
    ],
)
def test_formats_that_are_right(form: str, cell: str, expected: datetime) -> None:
    TypeAdapter(ModalityOf).validate_python({"kind": "tabular", "columns": ["seen"], "date_format": form})
    rows = named(pd.DataFrame({"seen": [cell]}))
    found = read_moments(rows, "seen", learn_rule(rows, "seen", form), "UTC")
    assert found.clock.tolist() == [expected]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"date_format": "%d.%m."}, "it has no year; expected for example '%d.%m.%Y'"),
        ({"date_format": {"seen": "YYYY-MM-DD"}}, "it has no year"),
        ({"date_format": "%Q %Y"}, "it is no format of dates"),
        ({"date_format": "%d/%m/%Y %I:%M"}, "it has hours up to 12, %I, without %p for AM and PM; expected %H"),
        ({"date_format": "%Y W%W"}, r"it has a week \(%W, %U\) but no weekday \(%w, %a, %A\); expected both"),
        ({"date_format": {"seen": "%Y-%m-%d %U"}}, "it has a week .* but no weekday"),
        ({"time_zone": "Berlin"}, "there is no such time zone"),
        ({"time_zone": "../etc/passwd"}, "there is no such time zone"),
    ],
)
def test_parameters_that_are_wrong(written: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(ModalityOf).validate_python({"kind": "tabular", "columns": ["seen"], **written})


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_new_rows_of_a_data_set_with_dates(ending: str, tmp_path: Path) -> None:
    """By the nodes of a run: the order of day and month is the training rows', and so are the statistics."""
    dates = pd.to_datetime(pd.Series([f"2024-{1 + i % 12:02}-{1 + i:02}" for i in range(20)]))
    frame = pd.DataFrame({"seen": dates, "kind": ["x", "y"] * 10})
    new = pd.DataFrame({"seen": pd.to_datetime(["2024-03-02", None])})
    facts: dict[str, Any] = {"kind": "tabular", "columns": ["seen"]}
    for part, name in ((frame, "old"), (new, "new")):
        if ending == "csv":
            part = part.assign(seen=part["seen"].dt.strftime("%d/%m/%Y"))
            facts["dates"] = ["seen"]
            part.to_csv(tmp_path / f"{name}.csv", index=False)
        else:
            part.to_parquet(tmp_path / f"{name}.parquet")
    written = table(modalities={"facts": facts}).model_dump()
    rows = nodes.read_table(tmp_path / f"old.{ending}", written)
    train, *_ = nodes.split_rows(rows, written)
    learnt = nodes.learn_modality(train, written, facts)
    new_rows = nodes.read_new_table(tmp_path / f"new.{ending}", written)
    found = nodes.prepare_modality(new_rows, learnt, facts, "new")
    numbers = [int(number) for number in train["row number"]]
    passed = [(dates[i] - pd.Timestamp("2024-03-02")).days for i in numbers]
    expected = -statistics.fmean(passed) / statistics.pstdev(passed)
    np.testing.assert_allclose(found.array[0, 0], expected, rtol=1e-4)
    np.testing.assert_allclose(
        found.array[0, 3:5], [math.sin(2 * math.pi * 5 / 7), math.cos(2 * math.pi * 5 / 7)], rtol=1e-5
    )
