"""Each kind against a computation by hand, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from custom_samples import named
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.datasets.column import ColumnDataset
from mixmas_pipeline.pipelines.data.custom.kinds import KINDS
from mixmas_pipeline.pipelines.data.custom.parameters import ModalityOf

nan = float("nan")


def made(rows: pd.DataFrame, source: Path | None = None, train: int | None = None, **written: Any) -> Column:
    """Learnt of the first rows, prepared of all."""
    parameters: Any = TypeAdapter(ModalityOf).validate_python(written)
    kind = KINDS[parameters.kind]
    return kind.prepare(parameters, kind.learn(parameters, rows[:train], source), rows, source)


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


def test_embeddings_of_all_four_places_are_the_same(tmp_path: Path) -> None:
    vectors = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)
    vectors[2] = nan
    frame = pd.DataFrame(vectors, columns=[f"emb_{i}" for i in range(3)])
    frame["list"] = [None if np.isnan(v).any() else v for v in vectors]
    frame.to_parquet(tmp_path / "pets.parquet")
    rows = named(pd.read_parquet(tmp_path / "pets.parquet"))
    np.save(tmp_path / "v.npy", vectors)
    np.savez(tmp_path / "v.npz", v=vectors)
    ways: list[tuple[Path | None, dict[str, Any]]] = [
        (None, {"columns": ["emb_*"]}),
        (None, {"column": "list"}),
        (tmp_path / "v.npy", {"file": "v.npy"}),
        (tmp_path / "v.npz", {"array": "v"}),
    ]
    for source, written in ways:
        for part in (rows, rows.iloc[[3, 2]]):
            found = made(part, source, kind="embedding", **written)
            numbers = part.index.to_numpy()
            np.testing.assert_array_equal(found.array, np.nan_to_num(vectors[numbers]))
            assert list(found.present) == [n != 2 for n in numbers]


def test_sequences_of_embeddings(tmp_path: Path) -> None:
    vectors = np.random.default_rng(2).normal(size=(4, 2, 3))
    np.save(tmp_path / "v.npy", vectors)
    rows = named(pd.DataFrame({"list": [[list(step) for step in row] for row in vectors]}))
    rows.reset_index(drop=True).to_parquet(tmp_path / "p.parquet")
    read = named(pd.read_parquet(tmp_path / "p.parquet"))
    one = made(rows, tmp_path / "v.npy", kind="embedding", file="v.npy", sequence=True)
    other = made(read, kind="embedding", column="list", sequence=True)
    np.testing.assert_array_equal(one.array, other.array)
    with pytest.raises(ValueError, match=r"has the shape \(2, 3\); expected \(width,\); see sequence"):
        made(rows, tmp_path / "v.npy", kind="embedding", file="v.npy")


def test_embeddings_that_are_wrong(tmp_path: Path) -> None:
    rows = named(pd.DataFrame({"a": [1.0, nan], "b": [2.0, 3.0], "list": ["x", "y"]}))
    with pytest.raises(ValueError, match=r"row 1 \(id r1\), column a, b: found NaN beside numbers"):
        made(rows, kind="embedding", columns=["a", "b"])
    with pytest.raises(ValueError, match=r"row 0 \(id r0\), column list: found 'x'; expected a list of numbers"):
        made(rows, kind="embedding", column="list")
    for count in (1, 3):
        np.save(tmp_path / "other.npy", np.zeros((count, 3)))
        with pytest.raises(ValueError, match=rf"other.npy has {count} rows; the table has 2"):
            made(rows, tmp_path / "other.npy", kind="embedding", file="other.npy")
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"objects.npy is no .npy file of plain values"):
        made(rows, tmp_path / "objects.npy", kind="embedding", file="objects.npy")
    np.savez(tmp_path / "v.npz", vectors=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="there is no array 'vector'; did you mean 'vectors'"):
        made(rows, tmp_path / "v.npz", kind="embedding", array="vector")


def test_a_column_is_kept_whole(tmp_path: Path) -> None:
    column = made(named(pd.DataFrame({"a": ["1", None]})), kind="tabular", columns=["a"], optional=True)
    dataset = ColumnDataset(filepath=str(tmp_path / "column"))
    dataset.save(column)
    again = dataset.load()
    np.testing.assert_array_equal(again.array, column.array)
    np.testing.assert_array_equal(again.present, column.present)
    assert again.modality == column.modality
