"""Arrays of a .npz as columns. Damaged ones: test_reading.py and the fuzz tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mixmas_pipeline.pipelines.data.custom.formats import arrays
from mixmas_pipeline.pipelines.data.custom.formats.form import Form


def test_arrays_of_one_axis_are_columns(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3), series=np.zeros((3, 5)))
    frame = arrays.read(tmp_path / "a.npz", Form())
    assert frame.to_dict("list") == {"x": [0, 1, 2]}
    assert arrays.read_arrays(tmp_path / "a.npz")["series"].shape == (3, 5)


def test_rows_without_any_column(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", series=np.zeros((3, 5)))
    assert arrays.read(tmp_path / "a.npz", Form()).shape == (3, 0)
