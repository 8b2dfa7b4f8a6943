"""Pictures against Pillow's own decoding and against positions worked out by hand."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kind_samples import frame
from PIL import Image

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.pipelines.data.custom.cells import CellError
from mixmas_pipeline.pipelines.data.custom.kinds import image
from mixmas_pipeline.pipelines.data.custom.modalities import ImageParameters


def prepare(folder: Path, names: list[Any], **parameters: Any) -> Column:
    section = {"column": "photo", "folder": str(folder), "height": 8, "width": 8, **parameters}
    return image.prepare(ImageParameters.model_validate(section), {}, frame(photo=names), folder)


def quarters(width: int, height: int) -> Image.Image:
    """Red, green, blue and white, clockwise from the top left."""
    picture = Image.new("RGB", (width, height), "white")
    for box, colour in (
        ((0, 0, width // 2, height // 2), "red"),
        ((width // 2, 0, width, height // 2), "lime"),
        ((width // 2, height // 2, width, height), "blue"),
    ):
        picture.paste(colour, box)
    return picture


CORNERS = {(0, 0): (255, 0, 0), (0, -1): (0, 255, 0), (-1, -1): (0, 0, 255), (-1, 0): (255, 255, 255)}


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "webp"])
def test_channels_come_first_and_rows_go_down(ending: str, tmp_path: Path) -> None:
    quarters(32, 32).save(tmp_path / f"a.{ending}")
    made = prepare(tmp_path, [f"a.{ending}"])
    assert (made.array.shape, made.array.dtype, made.modality.shape) == ((1, 3, 8, 8), np.uint8, (3, 8, 8))
    assert (made.modality.kind, made.modality.scale) == ("image", 1 / 255)
    for (row, column), colour in CORNERS.items():
        assert np.abs(made.array[0, :, row, column].astype(int) - colour).max() < 25, ending


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1"])
def test_pictures_of_any_mode_are_what_pillow_says(mode: str, tmp_path: Path) -> None:
    name = "a.jpg" if mode == "CMYK" else "a.png"
    quarters(16, 16).convert(mode).save(tmp_path / name)
    made = prepare(tmp_path, [name])
    expected = Image.open(tmp_path / name).convert("RGB").resize((8, 8), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(made.array[0], np.asarray(expected).transpose(2, 0, 1))


def test_grey_is_the_luma_of_the_colours(tmp_path: Path) -> None:
    quarters(32, 32).save(tmp_path / "a.png")
    made = prepare(tmp_path, ["a.png"], colour="grey")
    assert made.array.shape == (1, 8, 8)
    for (row, column), (red, green, blue) in CORNERS.items():
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        assert abs(int(made.array[0, row, column]) - luma) < 6


def test_turned_by_exif_and_transparent(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    quarters(32, 32).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    Image.new("RGBA", (8, 8), (200, 0, 0, 0)).save(tmp_path / "clear.png")
    made = prepare(tmp_path, ["turned.png", "clear.png"])
    for (row, column), colour in CORNERS.items():
        assert np.abs(made.array[0, :, row, column].astype(int) - colour).max() < 25
    assert (made.array[1] == 255).all()


def test_three_ways_to_fit_a_wide_picture(tmp_path: Path) -> None:
    """40 x 20 in red, but for a green stripe of 8 columns on the left."""
    picture = Image.new("RGB", (40, 20), (255, 0, 0))
    picture.paste((0, 255, 0), (0, 0, 8, 20))
    picture.save(tmp_path / "a.png")

    def shown(fit: str) -> np.ndarray:
        return prepare(tmp_path, ["a.png"], height=20, width=20, fit=fit).array[0]

    stretched, padded, cropped = shown("stretch"), shown("pad"), shown("crop")
    assert (stretched[1] > 127).sum(axis=1).tolist() == [4] * 20, "8 of 40 columns are 4 of 20"
    assert padded[:, :5].max() == 0, "5 of 20 rows are black above"
    assert padded[:, 15:].max() == 0
    assert (padded[1, 5:15] > 127).sum(axis=1).tolist() == [4] * 10
    assert cropped[1].max() == 0, "the middle 20 of 40 columns have no stripe"
    assert (cropped[0] > 250).all()


def bomb() -> bytes:
    """8 kB of PNG that are decoded to 64 million pixels."""
    stream = io.BytesIO()
    Image.new("1", (8000, 8000)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", r"no picture of a known kind \(0 bytes\)"),
        (b"no picture", r"no picture of a known kind \(10 bytes\)"),
        (bomb(), "8000 x 8000 pixels; expected at most 50,000,000"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", r"no picture of a known kind \(47 bytes\)"),
    ],
)
@pytest.mark.parametrize("optional", [True, False])
def test_files_that_are_no_pictures_name_file_row_and_column(
    content: bytes, what: str, optional: bool, tmp_path: Path
) -> None:
    """Also of an optional modality: a file that is there and broken is no file that is missing."""
    quarters(8, 8).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(content)
    with pytest.raises(CellError, match=rf"row 11 \(id id-1\), column photo: b.png in .*: {what}"):
        prepare(tmp_path, ["a.png", "b.png"], optional=optional)
