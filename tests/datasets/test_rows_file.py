"""The file of rows to be predicted: what is wrong with it is named, and its identity is its content."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DatasetError

from mixmas_pipeline.datasets.rows_file import RowsFileDataset


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    dataset = RowsFileDataset(filepath=str(path), key="avmnist.predict.rows")
    with pytest.raises(DatasetError, match=r"rows.npz does not exist; avmnist.predict.rows names it"):
        dataset.load()
    path.write_bytes(b"one")
    first = dataset.fingerprint()
    path.touch()
    assert dataset.fingerprint() == first
    path.write_bytes(b"two")
    assert dataset.fingerprint() != first
    with pytest.raises(DatasetError, match=r"--params=avmnist\.predict\.rows=PATH"):
        RowsFileDataset(filepath=None, key="avmnist.predict.rows").load()
