"""Numbers and categories against a computation by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from custom_samples import named
from kind_samples import made

from mixmas_pipeline.datasets.column import ColumnDataset

nan = float("nan")


def test_tabular() -> None:
    frame = pd.DataFrame(
        {
            "age": ["2", None, "4", "9"],
            "weight": [1.0, 2.0, 3.0, nan],
            "same": [5, 5, 5, 6],
            "breed": ["a", "b", None, "new"],
        }
    )
    columns = ["age", "breed", "weight", "same"]
    found = made(named(frame), kind="tabular", columns=columns, categories=["breed"], train=3)
    # Of the training rows the ages are 2, 3 (the median), 4; the weights 1, 2, 3; same does not vary.
    deviation = (2 / 3) ** 0.5
    expected = [
        [-1 / deviation, -1 / deviation, 0, 0, 1, 0],
        [0, 0, 0, 1, 0, 1],
        [1 / deviation, 1 / deviation, 0, 0, 0, 0],
        [6 / deviation, 0, 1, 0, 0, 0],
    ]
    np.testing.assert_allclose(found.array, expected, rtol=1e-6)
    assert found.array.dtype == np.float32
    assert found.present.all()
    assert found.modality.shape == (6,)
    assert found.modality.features == ("age", "weight", "same", "age is missing", "breed: a", "breed: b")


def test_rare_categories_share_a_value(caplog: pytest.LogCaptureFixture) -> None:
    """Of a, b twice and c, d, e once: of the equally frequent ones c comes first. Of new rows z is another, too."""
    rows = named(pd.DataFrame({"town": ["e", "a", "d", "b", "b", "c", "a", None, "z"]}))
    written = {"kind": "tabular", "columns": ["town"], "categories": ["town"], "train": 8}
    with caplog.at_level("WARNING"):
        found = made(rows, **written, most_categories=3)
    assert found.modality.features == ("town: a", "town: b", "town: c", "town: other")
    assert found.array.argmax(axis=1).tolist() == [3, 0, 3, 1, 1, 2, 0, 0, 3]
    assert found.array.sum(axis=1).tolist() == [1] * 7 + [0, 1]
    assert (
        "town has 5 categories; the 3 most frequent have a value each, the others (2 of 8 training rows)" in caplog.text
    )
    assert made(rows, **written, most_categories=5).modality.features[-1] == "town: e"


def test_a_name_per_row_takes_no_more_memory_than_the_limit() -> None:
    rows = named(pd.DataFrame({"name": [f"n{i}" for i in range(5000)]}))
    assert made(rows, kind="tabular", columns=["name"], categories=["name"]).array.shape == (5000, 101)


def test_tabular_rows_that_are_empty_lack_an_optional_modality() -> None:
    rows = named(pd.DataFrame({"a": ["1", None, "3"], "b": ["x", None, None]}))
    for optional in (True, False):
        found = made(rows, kind="tabular", columns=["a", "b"], categories=["b"], optional=optional)
        assert list(found.present) == [True, not optional, True]
        assert found.array[1].any() == (not optional), "else what says that the number is missing"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"columns": ["agee"]}, "there is no column 'agee'; did you mean 'age'"),
        ({"columns": ["z*"]}, r"there is no column 'z\*'; the columns are 'age', 'breed', 'none'"),
        ({"columns": ["age", "a*"]}, "the column 'age' is named twice, the second time by 'a\\*'"),
        (
            {"columns": ["breed"]},
            r"row 0 \(id r0\), column breed: found 'x'; expected a number; if its values are names, list the column "
            "under categories",
        ),
        ({"columns": ["age"], "categories": ["breed"]}, "categories has 'breed', which is not among the columns age"),
        ({"columns": ["none"]}, "the column 'none' is empty in all 2 training rows"),
    ],
)
def test_tabular_that_is_wrong(written: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(
            named(pd.DataFrame({"age": ["1", "2"], "breed": ["x", "y"], "none": [None, None]})),
            kind="tabular",
            **written,
        )


def test_a_column_is_kept_whole(tmp_path: Path) -> None:
    column = made(named(pd.DataFrame({"a": ["1", None]})), kind="tabular", columns=["a"], optional=True)
    dataset = ColumnDataset(filepath=str(tmp_path / "column"))
    dataset.save(column)
    again = dataset.load()
    np.testing.assert_array_equal(again.array, column.array)
    np.testing.assert_array_equal(again.present, column.present)
    assert again.modality == column.modality


def test_all_columns_with_mistakes_are_named_at_once() -> None:
    """Each as it is named when it is the only one."""
    columns = {"age": ["3", "4"], "town": ["Ulm", "Bonn"], "weight": ["4", "heavy"], "empty": [None, None]}
    rows = named(pd.DataFrame(columns | {f"more {n}": ["x", "y"] for n in range(30)}))

    def mistake(*names: str) -> str:
        with pytest.raises(ValueError, match="column") as error:
            made(rows, kind="tabular", columns=list(names))
        return str(error.value)

    each = [mistake(name) for name in ("town", "weight", "empty")]
    assert "column weight: found 'heavy'" in each[1]
    assert mistake(*list(columns)) == "\n  ".join(["3 columns cannot be used as they are:", *each])
    assert mistake("town", "more *").splitlines()[-1] == "  and 11 more"
