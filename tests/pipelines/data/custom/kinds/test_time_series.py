"""Series of columns, groups, arrays and files against plain loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from custom_samples import named
from hypothesis import given, settings
from hypothesis import strategies as st
from kind_samples import made
from pydantic import TypeAdapter

from mixmas_pipeline.pipelines.data.custom.cells import ID
from mixmas_pipeline.pipelines.data.custom.kinds import KINDS
from mixmas_pipeline.pipelines.data.custom.modalities import ModalityOf

SERIES = {"kind": "time_series", "id": "who", "time": "when", "columns": ["place", "moment"], "steps": 2}

nan = float("nan")


def by_hand(series: list[list[float]], train: int) -> np.ndarray:
    """Filled and standardised (n, steps) of one feature, in plain loops."""
    seen = [v for row in series[:train] for v in row if v == v]
    median = float(np.median(seen))
    filled = []
    for row in series:
        last, out = median, []
        for value in row:
            last = value if value == value else last
            out.append(last)
        filled.append(out)
    known = np.array(filled[:train])
    spread = known.std()
    return (np.array(filled) - known.mean()) / (spread if spread > 1e-9 * max(1, abs(known.mean())) else 1)


cells = st.one_of(st.just(nan), st.floats(-100, 100).map(lambda v: round(v, 2)))


@settings(max_examples=60)
@given(
    st.integers(1, 5).flatmap(
        lambda steps: st.lists(st.lists(cells, min_size=steps, max_size=steps), min_size=3, max_size=6)
    )
)
def test_time_series_of_columns(series: list[list[float]]) -> None:
    series[0][0] = 1.0
    frame = pd.DataFrame(series, columns=[f"hr_{t}" for t in range(len(series[0]))])
    found = made(named(frame.assign(other="x")), kind="time_series", columns=["hr_*"], mask=True, train=2)
    values = by_hand(series, 2)
    for row, given_row in enumerate(series):
        if all(v != v for v in given_row):
            assert not found.present[row]
            assert not found.array[row].any()
        else:
            np.testing.assert_allclose(found.array[row, :, 0], values[row], rtol=1e-4, atol=1e-4)
            np.testing.assert_array_equal(found.array[row, :, 1], [v == v for v in given_row])
    assert not found.modality.padded


def test_time_series_of_groups_and_of_an_array_are_the_same(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(5, 3, 2))
    values[1, 1, 0] = nan
    frame = pd.DataFrame({f"{f}{t}": values[:, t, i] for i, f in enumerate("ab") for t in range(3)})
    np.savez(tmp_path / "pets.npz", vitals=values)
    grouped = made(named(frame), kind="time_series", groups={"a": ["a*"], "b": ["b0", "b1", "b2"]}, train=4)
    array = made(named(frame), tmp_path / "pets.npz", kind="time_series", array="vitals", train=4)
    np.testing.assert_array_equal(grouped.array, array.array)
    for i in range(2):
        np.testing.assert_allclose(grouped.array[..., i], by_hand(values[..., i].tolist(), 4), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="different numbers of columns"):
        made(named(frame), kind="time_series", groups={"a": ["a0"], "b": ["b0", "b1"]})


@pytest.mark.parametrize("keep", ["last", "first"])
def test_time_series_of_a_file_of_its_own(keep: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lengths = {"r0": 2, "r1": 5, "r2": 0, "r3": 3, "somebody else": 4}
    steps = [(name, t, round(rng.normal(), 3), rng.normal()) for name, n in lengths.items() for t in range(n)]
    long = pd.DataFrame(steps, columns=["who", "hour", "hr", "bp"])
    long.loc[1, "hr"] = nan
    long.sample(frac=1, random_state=0).to_csv(tmp_path / "vitals.csv", index=False)
    rows = named(pd.DataFrame({"x": range(4)}))
    written = {"id": "who", "time": "hour", "columns": ["hr", "bp"], "steps": 3, "keep": keep}
    found = made(rows, tmp_path / "vitals.csv", kind="time_series", file="vitals.csv", train=2, **written)
    assert found.array.shape == (4, 3, 3)
    assert found.modality.padded
    assert list(found.present) == [True, True, False, True]
    taken = {n: g.tail(3) if keep == "last" else g.head(3) for n, g in long.groupby("who")}
    known = np.concatenate([taken["r0"]["bp"], taken["r1"]["bp"]])
    for position, name in enumerate(["r0", "r1", "r2", "r3"]):
        length = min(3, lengths[name])
        np.testing.assert_array_equal(found.array[position, :, 2], np.arange(3) < length)
        assert not found.array[position, length:].any(), "padding"
        if length:
            expected = (taken[name]["bp"].to_numpy() - known.mean()) / known.std()
            np.testing.assert_allclose(found.array[position, :length, 1], expected, rtol=1e-5)


def test_dates_sort_steps(tmp_path: Path) -> None:
    dates = ["2024-10-01", "2024-09-30", "2024-09-30T12:00"]
    pd.DataFrame({"who": "r0", "day": dates, "hr": [3, 1, 2]}).to_csv(tmp_path / "v.csv", index=False)
    written = {"id": "who", "time": "day", "columns": ["hr"], "steps": 3}
    rows = named(pd.DataFrame({"x": [0]}))
    found = made(rows, tmp_path / "v.csv", kind="time_series", file="v.csv", **written)
    assert list(np.argsort(found.array[0, :, 0])) == [0, 1, 2]
    pd.DataFrame({"who": "r0", "day": [*dates[:2], "soon"], "hr": [3, 1, 2]}).to_csv(tmp_path / "v.csv", index=False)
    with pytest.raises(ValueError, match=r"v.csv: row 2 \(id 2\), column day: found 'soon'"):
        made(rows, tmp_path / "v.csv", kind="time_series", file="v.csv", **written)


def test_series_without_any_value_in_training() -> None:
    rows = named(pd.DataFrame({"h0": [None, "1"], "h1": [None, "2"]}))
    with pytest.raises(ValueError, match="no training row has a value of 'value'"):
        made(rows, kind="time_series", columns=["h*"], train=1)


# --- files as people have them -------------------------------------------------------------------------------------


def series(folder: Path, text: str, rows: pd.DataFrame, name: str = "visits.csv", **written: Any) -> np.ndarray:
    file = folder / name
    file.write_text(text)
    parameters: Any = TypeAdapter(ModalityOf).validate_python({**SERIES, "file": name, **written})
    kind = KINDS["time_series"]
    learnt = kind.learn(parameters, rows, file)
    return np.array([[entry["mean"], entry["std"]] for entry in learnt["features"].values()])


def test_columns_of_a_series_may_have_any_name(tmp_path: Path) -> None:
    rows = named(pd.DataFrame({"x": [0, 0]}))
    text = "who,when,place,moment\nr1,2,30,-3\nr0,1,10,-1\nr1,1,20,-2\nr9,1,1000,1000\n"
    np.testing.assert_allclose(series(tmp_path, text, rows)[:, 0], [20, -2])


def test_series_are_written_in_their_own_way(tmp_path: Path) -> None:
    rows = named(pd.DataFrame({"x": [0, 0]}))
    text = "who;when;place;moment\nr0;1;10;-999\nr0;2;10;-1\n"
    np.testing.assert_allclose(series(tmp_path, text, rows, separator=";", missing=[-999])[:, 0], [10, -1])
    typed = text.replace("-999", "-1,0").replace("10;", "1.000,0;")
    written = {"separator": ";", "decimal": ",", "thousands": "."}
    np.testing.assert_allclose(series(tmp_path, typed, rows, **written)[:, 0], [1000, -1])
    # The moments 1.000 and 2 in their order: 1.0 would be before 2.
    other = "who;when;place;moment\nr0;1.000;7;-2\nr0;2;5;-1\n"
    rows = named(pd.DataFrame({"x": [0]}))
    assert series(tmp_path, other, rows, steps=1, **written)[0, 0] == 7
    dated = other.replace("1.000", "2024-05-01").replace("0;2;", "0;2024-04-01;")
    assert series(tmp_path, dated, rows, steps=1, **written)[0, 0] == 7


def test_stored_numbers_beside_typed_ones_are_taken_as_they_are(tmp_path: Path) -> None:
    """Read as texts in German, 1.234 would be the last moment and 2.345 a place of 2345."""
    rows = named(pd.DataFrame({"x": [0]}))
    text = '[{"who": "r0", "when": 1.234, "place": "5,5"}, {"who": "r0", "when": "1,5", "place": 2.345}]'
    written = {"columns": ["place"], "steps": 1, "decimal": ",", "thousands": "."}
    assert series(tmp_path, text, rows, name="visits.json", **written)[0, 0] == pytest.approx(2.345)


def test_series_of_nobody_are_told_as_such(tmp_path: Path) -> None:
    rows = named(pd.DataFrame({"x": [0, 0]}))
    with pytest.raises(ValueError, match=r"visits.csv: no id in the column 'who' .* example '0007'; .* example 'r0'"):
        series(tmp_path, "who,when,place,moment\n0007,1,1,1\n", rows)


def test_two_steps_at_one_moment_are_an_error_or_become_one(tmp_path: Path) -> None:
    rows = named(pd.DataFrame({"x": [0, 0]}))
    text = "who,when,place,moment\nr0,2,50,1\nr0,3,52,2\nr0,2.0,999,4\nr1,2,7,8\nr0,2,10,\n"
    with pytest.raises(ValueError, match=r"visits.csv: row 2 .*who, when: 'r0' has a step at '2.0' already, in row 0 "):
        series(tmp_path, text, rows)
    # Means over the steps r0 at 2, r0 at 3, and r1 at 2.
    for duplicates, place, moment in (("first", 50, 1), ("mean", (50 + 999 + 10) / 3, 2.5)):
        found = series(tmp_path, text, rows, duplicates=duplicates)
        np.testing.assert_allclose(found[:, 0], [(place + 52 + 7) / 3, (moment + 2 + 8) / 3], rtol=1e-6)


@pytest.mark.parametrize(("times", "bad"), [(["1", "x", "3"], "x"), (["2024-01-01", "2024-01-02", "soon"], "soon")])
def test_the_time_that_is_wrong_is_named(tmp_path: Path, times: list[str], bad: str) -> None:
    rows, row = named(pd.DataFrame({"x": [0]})), times.index(bad)
    text = "who,when,place,moment\n" + "".join(f"r0,{time},1,1\n" for time in times)
    with pytest.raises(ValueError, match=rf"visits.csv: row {row} .*column when: found '{bad}'; expected a number"):
        series(tmp_path, text, rows)


def test_rows_without_a_step_are_counted_and_another_spelling_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = named(pd.DataFrame({"x": [0, 0, 0]})).assign(**{ID: ["1", "02", "3"]})
    series(tmp_path, "who,when,place,moment\n1,1,1,1\n9,1,1,1\n", rows)
    assert "2 of 3 rows have no step in visits.csv, for example '02', '3'" in caplog.text
    with pytest.raises(ValueError, match=r"visits.csv: row 1 \(id 02\): no step has its id, but '2'; expected the"):
        series(tmp_path, "who,when,place,moment\n1,1,1,1\n2,1,1,1\n", rows)


def test_dates_may_be_years_and_months(tmp_path: Path) -> None:
    rows = named(pd.DataFrame({"x": [0]}))
    text = "who,when,place,moment\nr0,2021,3,3\nr0,2020-06,2,2\nr0,2020,1,1\n"
    np.testing.assert_allclose(series(tmp_path, text, rows, steps=1, keep="first")[:, 0], [1, 1])


def test_an_id_may_be_a_word_for_missing(tmp_path: Path) -> None:
    rows = named(pd.DataFrame({"x": [0, 0]})).assign(**{ID: ["NA", "r1"]})
    np.testing.assert_allclose(series(tmp_path, "who,when,place,moment\nNA,1,3,4\nr1,1,5,NA\n", rows)[:, 0], [4, 4])


@pytest.mark.parametrize("moment", ["2024-01-01T12:00+02:00", "2024-01-01"])
def test_time_zones_may_differ(tmp_path: Path, moment: str) -> None:
    rows = named(pd.DataFrame({"x": [0]}))
    text = f"who,when,place,moment\nr0,2024-06-01T00:00+00:00,3,3\nr0,{moment},1,1\n"
    np.testing.assert_allclose(series(tmp_path, text, rows, steps=1, keep="first")[:, 0], [1, 1])


def test_a_missing_time_is_an_error_also_of_dates() -> None:
    from mixmas_pipeline.pipelines.data.custom.kinds.time_series import read_times

    frame = named(pd.DataFrame({"when": pd.to_datetime(["2024-01-01", None])}))
    with pytest.raises(ValueError, match=r"row 1 \(id r1\), column when"):
        read_times(frame, "when")
