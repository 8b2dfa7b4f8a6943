"""Files named in a column: folders, archives, patterns, what is missing, what points outside."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kind_samples import frame
from PIL import Image

from mixmas_pipeline.pipelines.data.custom.cells import CellError
from mixmas_pipeline.pipelines.data.custom.kinds import files, image
from mixmas_pipeline.pipelines.data.custom.modalities import ImageParameters
from mixmas_pipeline.storage.errors import StorageError


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


PICTURES = {"a.png": png(10), "sub/b.png": png(20), "7.png": png(30)}


@pytest.fixture(params=["folder", "zip", "zip of a folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "folder":
        for name, content in PICTURES.items():
            (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "photos" / name).write_bytes(content)
        return tmp_path / "photos"
    top = "photos/" if request.param == "zip of a folder" else ""
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name, content in PICTURES.items():
            archive.writestr(top + name, content)
        archive.writestr("__MACOSX/._a.png", b"what macOS adds")
    return tmp_path / "photos.zip"


def shades(rows: pd.DataFrame, place: Path, **parameters: object) -> tuple[list[int], list[bool]]:
    section = {"column": "photo", "folder": str(place), "height": 4, "width": 4, **parameters}
    made = image.prepare(ImageParameters.model_validate(section), {}, rows, place)
    return made.array[:, 0, 0, 0].tolist(), made.present.tolist()


def test_every_row_gets_its_own_file(place: Path) -> None:
    assert shades(frame(photo=["sub/b.png", "a.png", "7.png", "a.png"]), place)[0] == [20, 10, 30, 10]


def test_a_pattern_makes_names_of_ids(place: Path) -> None:
    """A column of whole numbers with a gap is read as floats."""
    rows = frame(photo=[7.0, np.nan])
    assert shades(rows, place, pattern="{}.png", optional=True) == ([30, 0], [True, False])


def test_rows_without_a_file_lack_the_modality_if_they_may(place: Path) -> None:
    rows = frame(photo=["a.png", None, "gone.png"])
    assert shades(rows, place, optional=True) == ([10, 0, 0], [True, False, False])
    with pytest.raises(CellError, match=r"row 12 \(id id-2\), column photo: there is no file gone.png in .*photos"):
        shades(rows, place)


def test_cells_that_name_no_file_are_counted(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    shades(frame(photo=["a.png", "gone.png", "7.png", "lost.png"]), place, optional=True)
    assert "photo: 2 of 4 cells name no file" in caplog.text
    assert "'gone.png', 'lost.png'; these rows lack the modality" in caplog.text


def test_more_than_a_few_cells_that_name_no_file_are_an_error_unless_allowed(place: Path) -> None:
    rows = frame(photo=["a.png"] * 17 + [None, "gone.png", "lost.png"])
    section = {"column": "photo", "folder": str(place), "height": 4, "width": 4, "optional": True}
    with pytest.raises(ValueError, match=r"2 of 19 cells of the column 'photo' name no file in .*; .* most 5%"):
        image.learn(ImageParameters.model_validate(section), rows, place)
    image.learn(ImageParameters.model_validate({**section, "most_unfound": 0.2}), rows, place)
    image.learn(ImageParameters.model_validate(section), frame(photo=["a.png", "7.png", "gone.png"]), place)


@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize(("written", "there"), [("A.PNG", "a.png"), ("sub\\b.png", "sub/b.png"), ("007.png", "7.png")])
def test_another_spelling_is_an_error(written: str, there: str, optional: bool, place: Path) -> None:
    with pytest.raises(CellError, match=rf"there is no file .* but '{there}'; expected the same spelling"):
        shades(frame(photo=["a.png" if there == "7.png" else "7.png", written]), place, optional=optional)


def test_another_rows_file_is_no_other_spelling(tmp_path: Path) -> None:
    (tmp_path / "7.png").write_bytes(png(30))
    assert shades(frame(photo=["7.png", "007.png"]), tmp_path, optional=True) == ([30, 0], [True, False])


def test_accents_in_another_form_are_another_spelling(tmp_path: Path) -> None:
    (tmp_path / "caf\u00e9.png").write_bytes(png(1))
    with pytest.raises(CellError, match="expected the same spelling"):
        shades(frame(photo=["cafe\u0301.png"]), tmp_path, optional=True)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "sub/../../secret.png", "C:/secret.png"])
@pytest.mark.parametrize("optional", [True, False])
def test_names_that_point_outside_are_refused(name: str, optional: bool, place: Path) -> None:
    (place.parent / "secret.png").write_bytes(png(99))
    with pytest.raises(CellError, match=r"row 11 .*points outside"):
        shades(frame(photo=["a.png", name]), place, optional=optional)


def test_links_that_lead_outside_are_followed_only_if_allowed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(99))
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(png(10))
    (folder / "inside.png").symlink_to("a.png")
    (folder / "outside.png").symlink_to("../secret.png")
    rows = frame(photo=["inside.png", "outside.png"])
    with pytest.raises(CellError, match=r"row 11 .*'outside.png' is a link to a file outside .*follow_links: true"):
        shades(rows, folder)
    assert shades(rows, folder, follow_links=True)[0] == [10, 99]
    (tmp_path / "link").symlink_to(folder)
    assert shades(frame(photo=["a.png"]), tmp_path / "link")[0] == [10], "the folder itself may be a link"


def test_a_name_that_is_too_long_for_a_file_names_none(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    with pytest.raises(CellError, match=r"row 11 .*there is no file x{300}"):
        shades(frame(photo=["a.png", "x" * 300]), tmp_path)


def test_a_member_without_a_name_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("qzqz", b"nothing")
        archive.writestr("a.png", PICTURES["a.png"])
    path.write_bytes(path.read_bytes().replace(b"qzqz", b"\0qzq"))  # where a name ends for zipfile
    with files.Files(path) as found:
        assert found.read("a.png") == PICTURES["a.png"]


def test_archives_with_members_outside_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../a.png", png(1))
    with pytest.raises(StorageError, match="points outside the archive"):
        shades(frame(photo=["a.png"]), tmp_path / "evil.zip")


def test_damaged_files_name_the_row(place: Path) -> None:
    damaged = PICTURES["a.png"][:40] + bytes(len(PICTURES["a.png"]) - 40)
    file = place / "a.png" if place.is_dir() else place
    file.write_bytes(file.read_bytes().replace(PICTURES["a.png"], damaged))
    with pytest.raises(CellError, match=r"row 11 .*column photo: a.png in .*photos.*: (it cannot|broken|no picture)"):
        shades(frame(photo=["7.png", "a.png"]), place)


def test_a_file_that_grows_beyond_all_measure_is_not_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_LARGEST", 50)
    with pytest.raises(CellError, match="more than"):
        shades(frame(photo=["a.png"]), place)


def test_the_first_bad_row_is_named_whatever_the_threads_do(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number}.png").write_bytes(b"broken" if number % 20 == 15 else png(number))
    with pytest.raises(CellError, match=r"row 25 \(id id-15\)"):
        shades(frame(photo=[f"{number}.png" for number in range(60)]), tmp_path)
