"""Vectors of every form of storage are the same; what is wrong is named by row and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from custom_samples import named
from kind_samples import made

nan = float("nan")


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
