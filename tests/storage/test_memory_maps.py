"""Arrays larger than memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mixmas_pipeline.datasets.array import ArrayDataset
from mixmas_pipeline.storage.memory_maps import RowFile, release


def test_rows_survive_the_file_they_were_written_to(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wanted = rng.integers(0, 255, (70, 3, 5), dtype=np.uint8)
    with RowFile(tmp_path, (3, 5), np.uint8) as rows:
        for part in np.array_split(wanted, 7):
            rows.append(part)
        with pytest.raises(ValueError, match=r"rows of shape \(5, 3\); expected \(3, 5\)"):
            rows.append(np.zeros((1, 5, 3)))
        array = rows.array()
    np.testing.assert_array_equal(array, wanted)
    assert not list(tmp_path.iterdir()), "the file has no name"
    kept = ArrayDataset(filepath=str(tmp_path / "a.npy"))
    kept.save(array)
    loaded = kept.load()
    np.testing.assert_array_equal(loaded, wanted)
    assert isinstance(loaded, np.memmap)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), wanted)
    with RowFile(tmp_path, (3,), np.float16) as nothing:
        kept.save(nothing.array())
    assert kept.load().shape == (0, 3)


def test_release_leaves_the_values(tmp_path: Path) -> None:
    with RowFile(tmp_path, (4,), np.float32) as rows:
        rows.append(np.arange(4000, dtype=np.float32).reshape(1000, 4))
        mapped = rows.array()
    view = mapped[10:20, 1:]
    plain = np.arange(5)
    release(mapped, view, plain)
    np.testing.assert_array_equal(view, np.arange(4000, dtype=np.float32).reshape(1000, 4)[10:20, 1:])
    np.testing.assert_array_equal(plain, np.arange(5))
