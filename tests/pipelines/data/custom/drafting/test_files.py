"""Columns that name pictures and recordings, and where these are."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from draft_samples import animals, named_rows
from PIL import Image

from mixmas_pipeline.pipelines.data.custom.drafting.files import (
    FileColumn,
    find_files,
    folders_beside,
    is_media_name,
    picture_shape,
)

ROWS = 20


def touch(folder: Path, names: list[str]) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder: Path, cells: list[str | None]) -> FileColumn | None:
    rows = named_rows(animals(len(cells), photo=cells))
    return find_files(rows, "photo", folders_beside(folder / "pets.csv", folder))


PHOTOS = [f"p{i}.jpg" for i in range(ROWS)]


@pytest.mark.parametrize("inside", [".", "photos", "data/photos"])
def test_folder(inside: str, tmp_path: Path) -> None:
    touch(tmp_path / inside, PHOTOS)
    column = found(tmp_path, [*PHOTOS])
    assert column is not None
    assert (column.media, column.folder, column.pattern, column.unfound) == ("image", tmp_path / inside, "{}", 0)
    assert not column.lacking.any()
    assert column.most_unfound is None


def test_paths_in_cells_begin_at_the_tables_folder(tmp_path: Path) -> None:
    touch(tmp_path / "photos", PHOTOS)
    column = found(tmp_path, [f"photos/{name}" for name in PHOTOS])
    assert column is not None
    assert column.folder == tmp_path


def test_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in PHOTOS:
            archive.writestr(f"photos/{name}", b"")
    (tmp_path / "damaged.zip").write_bytes(b"no archive")
    column = found(tmp_path, [*PHOTOS])
    assert column is not None
    assert column.folder == tmp_path / "photos.zip"


def test_names_without_their_ending(tmp_path: Path) -> None:
    touch(tmp_path / "songs", [f"bird{i}.wav" for i in range(ROWS)])
    column = found(tmp_path, [f"bird{i}" for i in range(ROWS)])
    assert column is not None
    assert (column.media, column.folder, column.pattern) == ("audio", tmp_path / "songs", "{}.wav")


@pytest.mark.parametrize("inside", ["songs", "."])
def test_no_folder_is_listed(inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project may have very many files that have nothing to do with the table."""
    table = tmp_path / "data" / "birds.csv"
    folder = table.parent / inside if inside != "." else tmp_path
    touch(folder, [f"bird{i}.WAV" for i in range(ROWS)])
    monkeypatch.setattr(Path, "rglob", None)
    monkeypatch.setattr("mixmas_pipeline.pipelines.data.custom.kinds.files.Files.names", None)
    rows = named_rows(animals(ROWS, bird=[f"bird{i}" for i in range(ROWS)]))
    column = find_files(rows, "bird", folders_beside(table, tmp_path))
    assert column is not None
    assert (column.folder, column.pattern) == (folder, "{}.WAV")


def test_rows_without_a_file(tmp_path: Path) -> None:
    touch(tmp_path / "photos", PHOTOS[4:])
    column = found(tmp_path, [*PHOTOS[:-2], None, None])
    assert column is not None
    assert np.flatnonzero(column.lacking).tolist() == [0, 1, 2, 3, 18, 19]
    assert column.unfound == 4
    assert column.most_unfound == 0.41  # twice 4 of 20, since a split may have more of them


def test_files_that_do_not_exist(tmp_path: Path) -> None:
    touch(tmp_path / "photos", PHOTOS[:5])
    column = found(tmp_path, [*PHOTOS])
    assert column is not None
    assert "names of pictures, of which 5 of 20 exist" in column.problem
    assert "there is no p5.jpg (row 5)" in column.problem


@pytest.mark.parametrize("cell", ["/home/me/{}", "C:\\photos\\{}", "../photos/{}"])
def test_paths_from_elsewhere(cell: str, tmp_path: Path) -> None:
    column = found(tmp_path, [cell.replace("{}", name) for name in PHOTOS])
    assert column is not None
    assert column.problem.startswith("paths from a root")


@pytest.mark.parametrize("cells", [["cat", "dog"] * 10, [f"n{i}" for i in range(ROWS)], ["a.txt", "b.csv"] * 10])
def test_other_columns_name_no_files(cells: list[str | None], tmp_path: Path) -> None:
    touch(tmp_path / "photos", PHOTOS)
    assert found(tmp_path, cells) is None


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [("RGB", (300, 200), (64, False)), ("L", (300, 200), (64, True)), ("RGB", (28, 28), (32, False))],
)
def test_pictures_are_looked_at(mode: str, size: tuple[int, int], expected: tuple[int, bool], tmp_path: Path) -> None:
    for name in PHOTOS[1:]:
        Image.new(mode, size).save(tmp_path / name)
    (tmp_path / PHOTOS[0]).write_bytes(b"damaged")
    column = found(tmp_path, [*PHOTOS])
    assert column is not None
    side, grey, what = picture_shape(column, named_rows(pd.DataFrame({"photo": PHOTOS})))
    assert (side, grey) == expected
    assert f"about {size[0]} x {size[1]}" in what


def test_names_of_media() -> None:
    assert [is_media_name(name) for name in ("a.PNG", "b/c.mp3", "a.b.csv", "png", ".png")] == [
        *(True, True, False, False, False)
    ]
