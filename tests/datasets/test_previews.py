"""Previews show what is there: read back from their pixels."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from artefact_samples import small_table
from kedro.io import DatasetError
from PIL import Image

from mixmas_pipeline.datasets import previews
from mixmas_pipeline.datasets.array import ArrayDataset
from mixmas_pipeline.datasets.arrays import ArraysDataset
from mixmas_pipeline.datasets.text_encoder import EncoderDataset
from mixmas_pipeline.pipelines.data.avmnist.clips import ClipArchiveDataset, DemoNoiseDataset
from mixmas_pipeline.pipelines.data.avmnist.digits import DemoDigitsDataset, IDXDataset


def opened(preview: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(preview, validate=True))).convert("RGB")


def grey(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("L"), int)


@pytest.mark.parametrize("shape", [(3, 40, 30), (40, 30, 3)])
def test_colours_come_back(shape: tuple[int, ...]) -> None:
    """Channels first or last: the upper half is red, the lower blue."""
    pixels = np.zeros((40, 30, 3), np.uint8)
    pixels[:20, :, 0], pixels[20:, :, 2] = 255, 255
    picture = previews.draw(pixels if shape[2] == 3 else np.moveaxis(pixels, -1, 0))
    assert picture.size == (72, 96)
    assert picture.getpixel((10, 10)) == (255, 0, 0)
    assert picture.getpixel((10, 90)) == (0, 0, 255)


def test_bytes_are_drawn_as_they_are_and_others_from_least_to_greatest() -> None:
    levels = np.array([[100, 150]], np.uint8)
    assert abs(grey(previews.draw(levels))[0, [0, -1]] - [100, 150]).max() <= 2
    assert list(grey(previews.draw(levels.astype(float)))[0, [0, -1]]) == [0, 255]


def test_time_series_lie_with_time_along_the_width() -> None:
    series = np.zeros((24, 2))
    series[:12, 0], series[12:, 1] = 1, -1
    picture = np.asarray(previews.draw(series, "time_series"), int)
    assert picture.shape == (96, 96, 3)
    first, second = picture[10, 10], picture[90, 90]
    assert first[0] > first[2], "red: above zero"
    assert second[2] > second[0], "blue: below zero"
    assert np.ptp(picture[90, 10]) < 10, "neither: zero"


def test_tone_is_a_line_at_its_frequency() -> None:
    rate = 8000
    tone = (10_000 * np.sin(2 * np.pi * 1000 * np.arange(2 * rate) / rate)).astype(np.int16)
    rows = grey(previews.spectrogram(tone, rate)).mean(axis=1)
    assert rows.argmax() == pytest.approx(96 * (1 - 1000 / 4000), abs=2)
    assert rows.max() > 3 * np.median(rows)


@pytest.mark.parametrize("wave", [np.zeros(0, np.int16), np.ones(5, np.int16), np.zeros(9000, np.int16)])
def test_short_and_silent_sounds_are_drawn(wave: np.ndarray) -> None:
    assert previews.spectrogram(wave, 8000).size == (96, 96)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (1,), (2000,), (5, 5000), (7, 2, 9, 4), ()])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "int64", "bool"])
def test_arrays_of_any_shape_and_type_are_drawn(shape: tuple[int, ...], dtype: str) -> None:
    for kind in ("image", "audio", "text"):
        assert max(previews.draw(np.ones(shape, dtype), kind).size) == 96


def test_table_shows_ids_labels_pictures_and_provenance() -> None:
    table = small_table(rows=40)
    page = previews.examples(table)
    assert page.count("<tr>") == 13
    assert page.count("<img ") == 24
    assert "40 rows, multiclass of cat, dog, cow" in page
    assert "<td>row-1</td><td>dog</td>" in page
    assert "<td>file 11</td>" in page
    first = opened(page.partition("base64,")[2].partition('"')[0])
    expected = table.arrays["image"][0]
    assert abs(grey(first)[5, 5] - int(expected[0, 0])) <= 3


def test_text_of_the_data_is_never_markup() -> None:
    """kedro-viz makes HTML safe, and then takes it for Markdown."""
    table = small_table(rows=2)
    table.extra["origin"] = np.array(["<b>bold</b> a_b_c *x* [y](javascript:1)", "`z`"], dtype=object)
    page = previews.examples(table)
    assert "<b>" not in page
    assert not {"_", "*", "`"} & set(page)
    assert "](" not in page


def test_arrays(tmp_path: Path) -> None:
    arrays = ArraysDataset(filepath=str(tmp_path / "arrays.safetensors"))
    arrays.save({"faces": np.zeros((50, 8, 8), np.uint8), "mean": np.arange(5.0)})
    several = opened(arrays.preview())
    array = ArrayDataset(filepath=str(tmp_path / "array.npy"))
    array.save(np.zeros((50, 3, 8, 6), np.uint8))
    assert several.width > 6 * 96
    assert opened(array.preview()).width > 6 * 72


def test_sources_show_themselves_without_being_fetched(tmp_path: Path) -> None:
    assert opened(DemoDigitsDataset(part="test", content="labels").preview()).size == (632, 480)
    assert opened(DemoNoiseDataset().preview()).size == (632, 480)
    source = {"filepath": str(tmp_path / "a.gz"), "mirror": "a.gz", "url": "http://127.0.0.1:9/a.gz"}
    with pytest.raises(DatasetError, match="not been fetched yet"):
        IDXDataset(**source).preview()
    with pytest.raises(DatasetError, match="not been fetched yet"):
        ClipArchiveDataset(**source, pattern=r"(?P<digit>\d).wav$", sample_rate=8000).preview()
    assert "not on this machine yet" in EncoderDataset(encoder="nobody/nothing").preview()
