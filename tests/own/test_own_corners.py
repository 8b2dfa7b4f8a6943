"""Files as people have them: columns with any name, dates, whole numbers with a point, named indices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from own_samples import named
from pydantic import TypeAdapter, ValidationError

from mixmas_pipeline.pipelines.own import cells, labels, reading
from mixmas_pipeline.pipelines.own.kinds import KINDS
from mixmas_pipeline.pipelines.own.parameters import ModalityOf, TableParameters

SERIES = {"kind": "time_series", "id": "who", "time": "when", "columns": ["place", "moment"], "steps": 2}
TABLE: dict[str, Any] = {
    "file": "pets.csv",
    "label": "outcome",
    "task": "multiclass",
    "split": {"fractions": {"validation": 0.2, "test": 0.2}},
    "modalities": {"facts": {"kind": "tabular", "columns": ["age"]}},
}


def series(folder: Path, text: str, rows: pd.DataFrame, **written: Any) -> np.ndarray:
    file = folder / "visits.csv"
    file.write_text(text)
    parameters: Any = TypeAdapter(ModalityOf).validate_python({**SERIES, "file": "visits.csv", **written})
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


def test_series_of_nobody_are_told_as_such(tmp_path: Path) -> None:
    rows = named(pd.DataFrame({"x": [0, 0]}))
    with pytest.raises(ValueError, match=r"visits.csv: no id in the column 'who' .* example '0007'; .* example 'r0'"):
        series(tmp_path, "who,when,place,moment\n0007,1,1,1\n", rows)


@pytest.mark.parametrize("moment", ["2024-01-01T12:00+02:00", "2024-01-01"])
def test_time_zones_may_differ(tmp_path: Path, moment: str) -> None:
    rows = named(pd.DataFrame({"x": [0]}))
    text = f"who,when,place,moment\nr0,2024-06-01T00:00+00:00,3,3\nr0,{moment},1,1\n"
    np.testing.assert_allclose(series(tmp_path, text, rows, steps=1, keep="first")[:, 0], [1, 1])


def test_a_missing_time_is_an_error_also_of_dates() -> None:
    from mixmas_pipeline.pipelines.own.kinds.time_series import _moments

    frame = named(pd.DataFrame({"when": pd.to_datetime(["2024-01-01", None])}))
    with pytest.raises(ValueError, match=r"row 1 \(id r1\), column when"):
        _moments(frame, "when")


@pytest.mark.parametrize("dates", [pd.to_datetime(["2024-01-01", None]), pd.to_timedelta(["1 day", None])])
def test_dates_are_no_numbers(dates: Any) -> None:
    with pytest.raises(ValueError, match=r"row 0 \(id r0\), column born: found '.*', a date; expected a number"):
        cells.numbers(named(pd.DataFrame({"born": dates})), "born")


@pytest.mark.parametrize(
    ("cell", "text"),
    [("1.0", "1"), ("-3.00", "-3"), (2.0, "2"), (b"B", "B"), ("1.05", "1.05"), ("v1.0", "v1.0"), ("007", "007")],
)
def test_whole_numbers_are_written_without_a_point(cell: Any, text: str) -> None:
    assert cells.word(cell) == text


def test_classes_have_one_order() -> None:
    names = ["Nan", "Bob", "10", "2", "inf", "Ann"]
    for turn in range(len(names)):
        turned = names[turn:] + names[:turn]
        assert sorted(turned, key=labels._by_size) == ["2", "10", "Ann", "Bob", "Nan", "inf"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_named_index_is_a_column(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "x": [1, 2]}).set_index("id")
    file = tmp_path / f"rows{suffix}"
    frame.to_parquet(file) if suffix == ".parquet" else frame.to_csv(file)
    assert list(reading.read_frame(file)["id"]) == ["a", "b"]


def test_an_empty_cell_is_missing_whatever_else_is(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n-999,1\n,NA\n")
    assert reading.read_frame(file, missing=("-999",)).isna().to_numpy().tolist() == [[True, False], [True, False]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": [False, True]}, "YAML reads it as False; put it into quotation marks"),
        ({"modalities": {"table": TABLE["modalities"]["facts"]}}, "'table' cannot name one"),
        ({"modalities": {"My Photo": TABLE["modalities"]["facts"]}}, "'My Photo' cannot name one"),
    ],
)
def test_what_is_written_wrong_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TableParameters.model_validate({**TABLE, **change})


def test_labels_that_nobody_has() -> None:
    table = TableParameters.model_validate({**TABLE, "task": "multilabel", "labels_separator": "|"})
    rows = named(pd.DataFrame({"outcome": [None, None], "age": [1, 2]}))
    with pytest.raises(ValueError, match="no training row has a label in the column 'outcome'"):
        labels.check_examples(rows, table, labels.learn_classes(rows, table))
