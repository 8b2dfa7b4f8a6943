"""Arrays whose rows are the table's: of a .npz table, or a .npy beside it."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mixmas_pipeline.pipelines.data.custom.cells import COUNT, CellError

if TYPE_CHECKING:
    import pandas as pd


def read_array(path: Path, name: str | None, rows: pd.DataFrame, *, optional: bool) -> np.ndarray | None:
    """The rows' part of an array, with values that may be missing (NaN).

    Args:
        path: a .npy, or, of the array ``name``, a .npz.
        rows: their index says which part.
        optional: whether a .npz may lack the array.

    Returns:
        (n, ...) as it is stored; None where it may lack and does.

    Raises:
        ValueError: there is no such array, it holds no numbers, or it has not as many rows as the table.
    """
    if name is None:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise ValueError(f"{path.name} is no .npy file of plain values ({error})") from error
        what = path.name
    else:
        from mixmas_pipeline.data.rows import load_arrays

        arrays = load_arrays(path)
        if name not in arrays:
            if optional:
                return None
            guess = get_close_matches(name, arrays, n=1)
            hint = f"did you mean {guess[0]!r}?" if guess else f"there are {', '.join(arrays)}"
            raise ValueError(f"there is no array {name!r}; {hint}")
        array, what = arrays[name], f"the array {name!r}"
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{what} has the type {array.dtype}; expected numbers")
    if len(array) != (count := rows[COUNT].iloc[0]):
        raise ValueError(f"{what} has {len(array)} rows; the table has {count}: expected one a row, in the same order")
    return np.asarray(array[rows.index.to_numpy()])


def check_finite(rows: pd.DataFrame, values: np.ndarray, what: str) -> None:
    """Is no value of (n, ...) infinite?

    Raises:
        CellError: one is.
    """
    bad = np.isinf(values).reshape(len(values), -1).any(axis=1)
    if bad.any():
        raise CellError(rows, int(bad.argmax()), what, "found infinity; expected finite numbers")
