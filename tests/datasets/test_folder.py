"""A folder of files: names stay inside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DatasetError

from mixmas_pipeline.datasets.folder import FolderDataset


def test_a_file_of_a_folder_stays_in_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'../b' cannot be a file of the folder; expected a name without a path"):
        FolderDataset(filepath=str(tmp_path / "folder")).save({"a": b"1", "../b": b"2"})
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "folder").exists()
