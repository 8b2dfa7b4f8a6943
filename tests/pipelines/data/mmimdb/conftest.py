"""Small films, a tiny encoder, and the whole preparation of either."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mmimdb_samples import SMALL, Films, small_films, write_folder

from mixmas_pipeline.pipelines.data.mmimdb import nodes, reading
from mixmas_pipeline.pipelines.data.mmimdb.films import FilmFiles
from mixmas_pipeline.pipelines.data.mmimdb.parameters import FilmParameters, PictureParameters


@pytest.fixture
def members() -> Films:
    return small_films()


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Any]:
    """Reads films from a folder of the given members."""

    def run(members: Films, pictures: PictureParameters = SMALL) -> Any:
        (tmp_path / "scratch").mkdir(exist_ok=True)
        return reading.read_raw(FilmFiles(write_folder(tmp_path / "films", members)), pictures, tmp_path / "scratch")

    return run


@pytest.fixture
def select(read: Callable[..., Any]) -> Callable[..., tuple[pd.DataFrame, pd.DataFrame]]:
    """Films by id, and the quality report by problem."""

    def run(members: Films, **parameters: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
        films, quality, *_ = nodes.select_films(read(members)[0], FilmParameters(**parameters))
        return films.set_index("id"), quality.set_index("problem")

    return run


@pytest.fixture(scope="session")
def movies() -> Path:
    if not os.environ.get("MIXMAS_MIRROR"):
        pytest.skip("reads real films: set MIXMAS_MIRROR to a folder that has movies/movies.zip")
    return Path(os.environ["MIXMAS_MIRROR"]) / "movies" / "movies.zip"
