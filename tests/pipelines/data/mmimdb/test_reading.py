"""Splits, records and pictures of films: what is wrong is named, pictures are those that Pillow decodes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmimdb_samples import SPLITS, Films, Select, giant, poster, record
from PIL import Image, ImageFile

from mixmas_pipeline.pipelines.data.mmimdb import nodes
from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES
from mixmas_pipeline.pipelines.data.mmimdb.reading import decode_picture, look_of, parse_record, parse_splits


# --- bad JSON and splits ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"plot": ["x"', r"dataset/0000003.json is no JSON"),
        (b"\xff\xfe{}", r"dataset/0000003.json is no JSON in UTF-8"),
        (b"[]", r"dataset/0000003.json holds a list; expected an object"),
        (record(plot="a text"), r"dataset/0000003.json: plot is 'a text'; expected a list of texts"),
        (record(genres=[1]), r"dataset/0000003.json: genres is '\[1\]'; expected a list of texts"),
        (b"[" * 100_000, r"dataset/0000003.json is no JSON"),
        (rb'{"plot": ["a \ud800 b"], "genres": ["Drama"]}', r"dataset/0000003.json: .* cannot be encoded as UTF-8"),
        (rb'{"title": "\udfff", "plot": ["a"]}', r"dataset/0000003.json: .* cannot be encoded as UTF-8"),
    ],
)
def test_malformed_json_is_named(content: bytes, message: str, members: Films, select: Select) -> None:
    with pytest.raises(ValueError, match=message):
        select({**members, "dataset/0000003.json": content})


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({**SPLITS, "test": ["0000001"]}, r"film 0000001 is in two splits, train and test"),
        ({**SPLITS, "test": ["0000007", "0000007"]}, r"film 0000007 is twice in test"),
        ({"train": [], "test": []}, r"expected the lists train, dev, test of film ids \(found: \['test', 'train'\]\)"),
        ({**SPLITS, "dev": "0000005"}, r"dev is a str; expected a list"),
        ({**SPLITS, "dev": [5]}, r"dev has 5; expected the id of a film as text"),
        ([1], r"found: list"),
        ({**SPLITS, "dev": ["\ud800"]}, r"split.json: .* cannot be encoded as UTF-8"),
    ],
)
def test_bad_splits_are_named(splits: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_splits("split.json", json.dumps(splits).encode())


@given(st.lists(st.text(max_size=20), max_size=5), st.lists(st.sampled_from([*GENRES, "News", " Drama "]), max_size=6))
@settings(max_examples=60, deadline=None)
def test_any_record_gives_its_longest_plot(plots: list[str], genres: list[str]) -> None:
    found = parse_record("x.json", json.dumps({"plot": plots, "genres": genres}).encode())
    stripped = [text.strip() for text in plots if text.strip()]
    assert found["plots"] == len(stripped)
    assert len(found["plot"]) == max(map(len, stripped), default=0)
    assert found["plot"] in [*stripped, ""]
    assert set(found["genres"]) == {genre.strip() for genre in genres}
    assert len(set(found["genres"])) == len(found["genres"])


# --- pictures -----------------------------------------------------------------------------------------------------
def as_pillow(content: bytes, height: int, width: int) -> np.ndarray:
    """The plain way: decode wholly, convert, resize."""
    picture = Image.open(io.BytesIO(content)).convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture).transpose(2, 0, 1)


@pytest.mark.parametrize(
    ("save", "converted"),
    [
        ({}, ""),
        ({"mode": "L"}, "L"),
        ({"mode": "CMYK"}, "CMYK"),
        ({"mode": "P", "format": "PNG"}, "PNG P"),
        ({"mode": "P", "format": "GIF"}, "GIF P"),
        ({"format": "PNG"}, "PNG"),
    ],
)
def test_pictures_of_every_mode_look_as_pillow_decodes_them(save: dict[str, Any], converted: str) -> None:
    content = poster(3, **save)
    array, found = decode_picture(content, 30, 20)
    assert array is not None
    assert (array.shape, array.dtype) == ((3, 30, 20), np.uint8)
    np.testing.assert_array_equal(array, as_pillow(content, 30, 20))
    assert (found.problem, found.converted, found.width, found.height) == ("", converted, 40, 60)


def test_a_rotated_picture_is_turned_upright() -> None:
    upright = Image.open(io.BytesIO(poster(4, (40, 60))))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the file has to be turned by 90 degrees clockwise
    lying = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(lying, "JPEG", exif=exif, quality=95)
    array, found = decode_picture(lying.getvalue(), 60, 40)
    assert array is not None
    assert found.converted == "rotated"
    assert np.abs(array.astype(int) - as_pillow(poster(4, (40, 60)), 60, 40)).mean() < 3


@pytest.mark.parametrize("orientation", [0, 1, 9, 700])
def test_orientations_that_turn_nothing_are_not_counted(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = poster(4, exif=exif)
    array, found = decode_picture(content, 60, 40)
    assert found.converted == ""
    np.testing.assert_array_equal(array, as_pillow(content, 60, 40))


def test_a_giant_picture_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    array, found = decode_picture(giant(), 24, 16)
    assert array is None
    assert found.problem == "8000 x 8000 pixels; expected at most 50,000,000"
    assert (found.width, found.height) == (8000, 8000)


def test_too_little_memory_is_no_problem_of_the_poster(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(MemoryError):
        decode_picture(poster(1), 24, 16)


def test_transparency_becomes_white() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    stream = io.BytesIO()
    clear.save(stream, "PNG")
    array, found = decode_picture(stream.getvalue(), 8, 8)
    assert array is not None
    assert (array == 255).all()
    assert found.converted == "PNG RGBA transparency"


def test_sixteen_bits_are_refused_rather_than_cut() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(stream, "PNG")
    array, found = decode_picture(stream.getvalue(), 8, 8)
    assert array is None
    assert found.problem.startswith("16 or more bits")


def test_large_pictures_are_decoded_smaller_with_the_same_look() -> None:
    content = poster(6, (1600, 2400))
    array, found = decode_picture(content, 256, 160)
    assert array is not None
    assert np.abs(array.astype(int) - as_pillow(content, 256, 160)).mean() < 1.5
    assert (found.width, found.height) == (1600, 2400)


@given(st.integers(0, 10_000), st.integers(60, 95))
@settings(max_examples=25, deadline=None)
def test_pictures_saved_anew_look_alike_and_others_not(seed: int, quality: int) -> None:
    def look(content: bytes) -> str:
        return look_of(np.asarray(Image.open(io.BytesIO(content)).convert("RGB").resize((160, 256))))

    def alike(*looks: str) -> bool:
        films = {"id": list("ab"), "split": ["train", "test"], "look": looks}
        return nodes._with_like_posters(pd.DataFrame(films)) == {("a", "b")}

    first, again = (look(poster(seed, (160, 256), quality=q)) for q in (quality, 95))
    assert alike(first, again)
    assert not alike(first, look(poster(seed + 1, (160, 256))))


def test_a_picture_of_one_colour_has_no_look() -> None:
    assert look_of(np.full((20, 20, 3), 7, np.uint8)) == ""


def test_scratch_is_left_empty(members: Films, select: Select, tmp_path: Path) -> None:
    select(members)
    assert not list((tmp_path / "scratch").iterdir())
