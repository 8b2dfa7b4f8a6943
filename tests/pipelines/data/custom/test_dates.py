"""Forms of dates: what each cell means, against Python's own dates; and what is refused."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from custom_samples import named

from mixmas_pipeline.pipelines.data.custom.cells import CellError
from mixmas_pipeline.pipelines.data.custom.dates import Moments, Rule, learn_rule, read_moments, written_form

EPOCH = datetime(1970, 1, 1)


def read(cells: Any, date_format: str | None = None, zone: str = "UTC") -> tuple[Rule, Moments]:
    rows = named(pd.DataFrame({"born": cells}))
    rule = learn_rule(rows, "born", date_format)
    return rule, read_moments(rows, "born", rule, zone)


def days(moment: datetime) -> float:
    return (moment - EPOCH) / timedelta(days=1)


@pytest.mark.parametrize(
    ("cells", "expected", "form"),
    [
        (["2024-01-05", " 2024-12-31 "], [(2024, 1, 5), (2024, 12, 31)], "year"),
        (["2024-01-05T13:30", "2024-01-05 07:01:02.5"], [(2024, 1, 5, 13, 30), (2024, 1, 5, 7, 1, 2, 500_000)], "year"),
        (["2024/1/5", "2024.01.25"], [(2024, 1, 5), (2024, 1, 25)], "year"),
        (["5.1.2024", "25.12.1999"], [(2024, 1, 5), (1999, 12, 25)], "day"),
        (["5/1/2024 7:05", "12/25/1999 23:59:59"], [(2024, 5, 1, 7, 5), (1999, 12, 25, 23, 59, 59)], "month"),
        (["0001-01-01", "9999-12-31"], [(1, 1, 1), (9999, 12, 31)], "year"),
        ([date(2024, 1, 5), date(1500, 2, 3)], [(2024, 1, 5), (1500, 2, 3)], "year"),
        (pd.to_datetime(["2024-01-05 06:00", "1969-12-31 00:00"]), [(2024, 1, 5, 6), (1969, 12, 31)], "year"),
    ],
)
def test_what_cells_mean(cells: Any, expected: list[tuple[int, ...]], form: str) -> None:
    rule, found = read(cells)
    moments = [datetime(*parts) for parts in expected]  # type: ignore[arg-type]
    assert rule == (form, False)
    assert found.clock.astype(object).tolist() == moments
    np.testing.assert_allclose(found.days, [days(moment) for moment in moments], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("form", "cell", "expected"),
    [
        ("%d.%m.%y", "05.01.24", (2024, 1, 5)),
        ("%Y%m%d", 20240105, (2024, 1, 5)),
        ("%Y%m%d", 20240105.0, (2024, 1, 5)),
        ("%d %b %Y, %I:%M %p", "5 Jan 2024, 01:30 PM", (2024, 1, 5, 13, 30)),
        ("%m/%d/%Y", "01/05/2024", (2024, 1, 5)),
        ("%d/%m/%Y", "01/05/2024", (2024, 5, 1)),
    ],
)
def test_a_format_that_is_written(form: str, cell: Any, expected: tuple[int, ...]) -> None:
    rule, found = read([cell, None], form)
    assert rule.form == form
    assert found.clock[0].item() == datetime(*expected)  # type: ignore[arg-type]
    assert np.isnat(found.clock[1])
    assert np.isnan(found.days[1])


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (["2024-03-31T00:30:00Z", "2024-03-31T03:30+02:00", "2024-07-01 23:30 UTC", "2024-07-01T10:00-0500"], None),
        (["31.03.2024 00:30 +0000", "31.03.2024 03:30 +0200", "01.07.2024 23:30 Z", "01.07.2024 10:00-05"], None),
        (["2024-03-31 00:30 +0000", "2024-03-31 03:30 +0200", "2024-07-01 23:30 +0000", "2024-07-01 10:00 -0500"],
         "%Y-%m-%d %H:%M %z"),
    ],
)  # fmt: skip
def test_time_zones(cells: list[str], form: str | None) -> None:
    """Summer time begins in Berlin at 01:00 UTC on 31 March 2024."""
    rule, found = read(cells, form, "Europe/Berlin")
    moments = [
        datetime(2024, 3, 31, 0, 30, tzinfo=UTC),
        datetime(2024, 3, 31, 1, 30, tzinfo=UTC),
        datetime(2024, 7, 1, 23, 30, tzinfo=UTC),
        datetime(2024, 7, 1, 15, 0, tzinfo=UTC),
    ]
    assert rule.zoned
    np.testing.assert_allclose(found.days, [days(m.replace(tzinfo=None)) for m in moments], rtol=0, atol=1e-9)
    there = [m.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None) for m in moments]
    assert found.clock.astype(object).tolist() == there
    stored = read(pd.to_datetime(pd.Series(moments)), None, "Europe/Berlin")
    np.testing.assert_array_equal(stored[1].clock, found.clock)


def test_an_order_that_follows_from_the_training_rows_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        rule, _ = read(["01-02-2024", None, "25-02-2024"])
    assert rule == ("day", False)
    assert "born: dates are read day first, which follows from '25-02-2024' in row 2; date_format: '%d-%m-%Y'" in (
        caplog.text
    )


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["01/02/2024", "03/04/2024"], "row 0 (id r0), column born: found '01/02/2024'; expected a date that tells day "
         "and month apart, in this or another row; write date_format: '%d/%m/%Y' if the day comes first"),
        (["25/02/2024", "02/25/2024"], "row 1 (id r1), column born: found '02/25/2024'; expected dates of one order: "
         "row 0 has '25/02/2024'"),
        (["2024-01-05", "05/01/2024"], "row 1 (id r1), column born: found '05/01/2024'; expected the form of the other "
         "dates (year first)"),
        (["25/01/2024", "2024-01-05"], "row 1 (id r1), column born: found '2024-01-05'; expected the form of the other "
         "dates (year last)"),
        (["2024-01-05", "soon"], "row 1 (id r1), column born: found 'soon'; expected a date such as 2024-01-25"),
        (["2024-02-30"], "found '2024-02-30'; expected a date that the calendar has"),
        (["30.02.2024"], "found '30.02.2024'; expected a date that the calendar has"),
        (["2024-01-05T25:00"], "expected a date that the calendar has"),
        ([20240105], "found '20240105'; expected a date such as 2024-01-25"),
        (["2024-01-05T10:00Z", "2024-01-05T10:00"], "row 1 (id r1), column born: found '2024-01-05T10:00'; expected a "
         "date like the other ones, or those of the training rows: it has no time zone, and they have one"),
    ],
)  # fmt: skip
def test_cells_that_are_refused(cells: list[Any], message: str) -> None:
    with pytest.raises(CellError, match=re.escape(message)):
        read(cells)


@pytest.mark.parametrize(
    ("rule", "cells", "message"),
    [
        (Rule("day", False), ["01/25/2024"], "expected a date day first, as the training rows have"),
        (Rule("%d.%m.%Y", False), ["2024-01-05"], "expected a date of the form '%d.%m.%Y', which date_format names"),
        (Rule("year", True), pd.to_datetime(["2024-01-05"]), "it has no time zone, and they have one"),
        (Rule("year", False), pd.to_datetime(["2024-01-05"], utc=True), "it has a time zone, and they have none"),
    ],
)
def test_new_rows_follow_the_rule(rule: Rule, cells: Any, message: str) -> None:
    with pytest.raises(CellError, match=re.escape(message)):
        read_moments(named(pd.DataFrame({"born": cells})), "born", rule, "UTC")


def test_new_rows_that_are_ambiguous_by_themselves_are_read_as_the_training_rows_are() -> None:
    rows = named(pd.DataFrame({"born": ["01/02/2024", None]}))
    for order, expected in (("day", datetime(2024, 2, 1)), ("month", datetime(2024, 1, 2))):
        found = read_moments(rows, "born", Rule(order, False), "UTC")
        assert found.clock[0].item() == expected


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (["5.1.2024", "25.12.1999"], "%d.%m.%Y"),
        (["5/1/2024 7:05", "12/25/1999 23:59"], "%m/%d/%Y %H:%M"),
        (["5-1-2024T07:05:09,5", "25-12-1999T23:59:01,25"], "%d-%m-%YT%H:%M:%S,%f"),
        (["5.1.2024 07:05 +0100", "25.12.1999 23:59 -05:00"], "%d.%m.%Y %H:%M %z"),
        (["5.1.2024 07:05Z", "25.12.1999 23:59Z"], "%d.%m.%Y %H:%M%z"),
        (["2024-01-05", "1999-12-25"], None),
    ],
)
def test_the_form_that_was_found_reads_the_same(cells: list[str], form: str | None) -> None:
    rows = named(pd.DataFrame({"born": cells}))
    rule = learn_rule(rows, "born", None)
    assert written_form(rows, "born", rule) == form
    if form is not None:
        np.testing.assert_array_equal(read(cells, form)[1].days, read_moments(rows, "born", rule, "UTC").days)
