"""Source files of the user: looked up at their path, then in the mirror."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DatasetError

from mixmas_pipeline.datasets.user_files import UserFilesDataset


class Films(UserFilesDataset):
    """A folder of films."""

    def load(self) -> list[str]:
        folder = self.locate()
        assert folder is not None
        return [file.name for file in folder.iterdir()]


def films(folder: Path) -> Films:
    return Films(filepath=str(folder / "raw"), mirror="movies/films")


def test_the_users_own_path_comes_before_the_mirror(own_mirror: Path, tmp_path: Path) -> None:
    assert films(tmp_path).locate() is None
    assert not films(tmp_path).exists()
    (own_mirror / "movies/films").mkdir(parents=True)
    assert films(tmp_path).locate() == own_mirror / "movies/films"
    (tmp_path / "raw").mkdir()
    assert films(tmp_path).locate() == tmp_path / "raw"
    assert films(tmp_path).exists()


def test_messages_name_both_paths(own_mirror: Path, tmp_path: Path) -> None:
    assert films(tmp_path).locations() == f"{tmp_path / 'raw'} nor {own_mirror / 'movies/films'}"


def test_without_a_mirror_messages_name_its_variable(no_mirror: None, tmp_path: Path) -> None:
    assert films(tmp_path).locate() is None
    assert films(tmp_path).locations() == f"{tmp_path / 'raw'} nor movies/films in MIXMAS_MIRROR (not set)"


def test_it_is_only_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"raw is a source; it is only read"):
        films(tmp_path).save("a")
    assert not (tmp_path / "raw").exists()
