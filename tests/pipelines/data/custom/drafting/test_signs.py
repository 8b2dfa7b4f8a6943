"""Decimal commas, marks of thousands and percent signs, and what is too little to guess them from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mixmas_pipeline.pipelines.data.custom.drafting import draft
from mixmas_pipeline.pipelines.data.custom.drafting.signs import Signs, guess_signs, with_plain_numbers
from mixmas_pipeline.pipelines.data.custom.nodes import read_table


@pytest.mark.parametrize(
    ("columns", "decimal", "thousands", "percent"),
    [
        pytest.param({"a": ["1,5", "2,25", None]}, ",", None, (), id="comma"),
        pytest.param({"a": ["1,5"], "b": ["1.234"], "c": ["-1.234.567,8"]}, ",", ".", (), id="comma and points"),
        pytest.param({"a": ["1,234.5", "2"]}, None, ",", (), id="point and commas"),
        pytest.param({"a": ["1,234,567", "2"]}, None, ",", (), id="two commas"),
        pytest.param({"a": ["1,234"], "b": ["1.5"]}, None, ",", (), id="another column shows the point"),
        pytest.param({"a": ["1,234.5", "0.125"]}, None, ",", (), id="no thousands begin with 0"),
        pytest.param({"a": ["1.234", "0.125"]}, None, None, (), id="three decimals"),
        pytest.param({"a": ["1.234", "2.345"]}, None, None, (), id="points without a semicolon"),
        pytest.param({"a": ["1,234", "1234"]}, None, None, (), id="a large number without a mark"),
        pytest.param({"a": ["1,5"], "b": ["1.5"]}, None, None, (), id="both"),
        pytest.param({"a": ["1,5", "old"]}, None, None, (), id="not all are numbers"),
        pytest.param({"a": ["12 %", "2%"], "b": ["1.5", "2"]}, None, None, ("a",), id="percent"),
        pytest.param({"a": ["12 %", "2"]}, None, None, (), id="not all have the sign"),
        pytest.param({"a": ["12,5 %", "2 %"]}, ",", None, ("a",), id="percent with a comma"),
        pytest.param({"a": ["1,234 %"]}, None, None, (), id="percent, either"),
        pytest.param({"a": ["1.5", "2"], "b": ["x", "y"], "c": [1.5, 2.0]}, None, None, (), id="plain"),
        pytest.param({"a": ["01.02.2024", "31.12.2023"]}, None, None, (), id="dates"),
    ],
)
def test_guesses(columns: dict[str, list[object]], decimal: str | None, thousands: str | None, percent: tuple) -> None:
    rows = pd.concat([pd.Series(cells, name=name, dtype=object) for name, cells in columns.items()], axis=1)
    found = guess_signs(rows)
    assert (found.decimal, found.thousands, found.percent) == (decimal, thousands, percent)
    assert bool(found.example) == bool(decimal or thousands)


def test_what_may_be_read_both_ways_is_taken_for_thousands_and_said(tmp_path: Path) -> None:
    """Houses of 836 to 2.170 square feet, with commas or with semicolons between cells."""
    rows = pd.DataFrame({"a": ["836", "2.170", "1.055"], "b": ["1,234", "2,345", "999"]})
    assert guess_signs(rows, ";") == Signs(",", ".", (), "2.170", doubtful=True)
    assert guess_signs(rows[["b"]]) == Signs(None, ",", (), "1,234", doubtful=True)
    assert guess_signs(rows[["a"]]) == Signs()
    lines = [f"{n}.{100 + n};{n % 9}" if n % 3 else f"{800 + n};{n % 9}" for n in range(1, 100)]
    (tmp_path / "houses.csv").write_text("\n".join(["price;beds", *lines]))
    made = draft(tmp_path / "houses.csv", "houses.csv", ("price",), "houses", tmp_path)
    assert "numbers such as 1.101 are taken for 1101. If the mark is a decimal one" in " ".join(made.warnings)
    assert made.parameters["houses"]["table"]["thousands"] == "."
    found = pd.to_numeric(read_table(tmp_path / "houses.csv", made.parameters["houses"]["table"])["price"])
    assert found.tolist() == [1000 * n + 100 + n if n % 3 else 800 + n for n in range(1, 100)]


def test_rows_are_as_a_run_reads_them() -> None:
    rows = pd.DataFrame({"a": ["1.234,5", None], "b": ["12,5 %", "3 %"], "c": ["7", "8"], "d": ["x,y", "z"]})
    found = with_plain_numbers(rows, Signs(",", ".", ("b",), "1.234,5"))
    assert found["a"].tolist()[0] == "1234.5"
    assert found["b"].tolist() == ["0.125", "0.03"]
    assert found[["c", "d"]].equals(rows[["c", "d"]])


def test_a_draft_of_a_table_with_decimal_commas_reads_its_numbers(tmp_path: Path) -> None:
    lines = [f"{n}.{100 + n},5;{n % 40},5 %;{'ja' if n % 3 else 'nein'}" for n in range(1, 100)]
    (tmp_path / "shop.csv").write_text("\n".join(["price;share;bought", *lines]))
    made = draft(tmp_path / "shop.csv", "shop.csv", ("bought",), "shop", tmp_path)
    table = made.parameters["shop"]["table"]
    assert (table["decimal"], table["thousands"], table["percent"]) == (",", ".", ["share"])
    assert made.left_out == {}
    rows = read_table(tmp_path / "shop.csv", table)
    assert pd.to_numeric(rows["price"]).tolist() == [1000 * n + 100 + n + 0.5 for n in range(1, 100)]
    assert pd.to_numeric(rows["share"]).tolist() == pytest.approx([(n % 40 + 0.5) / 100 for n in range(1, 100)])


def test_a_column_that_is_left_out_is_not_under_percent(tmp_path: Path) -> None:
    lines = [f"{n % 7},{n % 2 * 10 + 5} %,{n % 2}" for n in range(100)]
    (tmp_path / "t.csv").write_text("\n".join(["a,copy,y", *lines]))
    made = draft(tmp_path / "t.csv", "t.csv", ("y",), "t", tmp_path)
    assert "copy" in made.left_out
    assert "percent" not in made.parameters["t"]["table"]
