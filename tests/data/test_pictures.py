"""Image files as arrays, against rotations by numpy and pixels set by hand."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mixmas_pipeline.data.pictures import PictureFile, read_picture

# What a viewer does to the stored pixels, per EXIF orientation (Exif 2.3, tag 0x0112).
UPRIGHT: dict[int, Any] = {
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).transpose(1, 0, 2),
    8: np.rot90,
}


def encoded(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_orientation_is_turned_upright(orientation: int) -> None:
    stored, exif = noise(6, 9), Image.Exif()
    exif[0x0112] = orientation
    expected = UPRIGHT[orientation](stored)
    picture, file = read_picture(encoded(Image.fromarray(stored), exif=exif), *expected.shape[:2])
    np.testing.assert_array_equal(picture, expected)
    assert (file.width, file.height) == (9, 6), "the size is the file's"
    assert ("rotated" in file.converted) == (orientation > 1)


def test_the_first_frame_of_an_animation_is_read() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    picture, file = read_picture(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), 2, 3)
    assert picture is not None
    np.testing.assert_array_equal(picture, np.tile(np.uint8([255, 0, 0]), (2, 3, 1)))
    assert file.converted.startswith("GIF")


def test_grey_has_no_channel_and_padding_is_black() -> None:
    picture, _ = read_picture(encoded(Image.new("RGB", (8, 8), "white")), 8, 12, fit="pad", colour="grey")
    assert picture is not None
    assert (picture.shape, picture.dtype) == ((8, 12), np.uint8)
    assert picture[:, 2:10].min() == 255
    assert picture[:, [0, 1, 10, 11]].max() == 0


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_file_that_breaks_off_is_broken(format: str) -> None:
    content = encoded(Image.fromarray(noise(40, 40)), format)
    assert read_picture(content, 8, 8)[0] is not None
    picture, file = read_picture(content[: len(content) // 2], 8, 8)
    assert picture is None
    assert file.problem.startswith("broken: ")


def test_formats_that_are_not_listed_are_not_tried() -> None:
    """Pillow would read a TIFF file."""
    content = encoded(Image.new("RGB", (4, 4)), "TIFF")
    assert Image.open(io.BytesIO(content)).size == (4, 4)
    picture, file = read_picture(content, 4, 4)
    assert picture is None
    assert file == PictureFile(file.problem)
    assert file.problem.startswith("no picture of a known kind (")
