"""Arrays of as many rows, in a .npz."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mixmas_pipeline.pipelines.data.custom.formats.form import Form
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def read(path: Path, form: Form) -> pd.DataFrame:
    """The arrays of one axis, as columns.

    Raises:
        ValueError: see ``read_arrays``.
    """
    arrays = read_arrays(path)
    rows = range(max(map(len, arrays.values()), default=0))  # there may be no array of one axis
    return pd.DataFrame({name: array for name, array in arrays.items() if array.ndim == 1}, index=rows)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz, all of as many rows. Nothing is unpickled.

    Raises:
        ValueError: it is no whole .npz, an array holds Python objects, or has another number of rows.
    """
    from mixmas_pipeline.data.rows import load_arrays

    arrays = load_arrays(path)
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"its arrays have different numbers of rows ({found}); expected one of all")
    return arrays
