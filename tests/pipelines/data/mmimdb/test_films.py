"""Good and bad films: every problem is counted, named, or stops the run with a message that names it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmimdb_samples import SPLITS, Films, poster, record
from PIL import Image, ImageFile

from mixmas_pipeline.pipelines.data.mmimdb import nodes
from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES, FilmParameters
from mixmas_pipeline.pipelines.data.mmimdb.reading import decode_picture, look_of, parse_record, parse_splits

Select = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]


def giant() -> bytes:
    """A PNG of 8 kB that is decoded to 64 million pixels."""
    stream = io.BytesIO()
    Image.new("1", (8000, 8000)).save(stream, "PNG")
    return stream.getvalue()


# --- what is left out ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset/0000002.jpeg": None}, "no picture"),
        ({"dataset/0000002.json": None}, "no JSON file"),
        ({"dataset/0000002.jpeg": b"no picture at all"}, "broken picture"),
        ({"dataset/0000002.jpeg": poster(5)[:-200]}, "broken picture"),
        ({"dataset/0000002.jpeg": b""}, "broken picture"),
        ({"dataset/0000002.jpeg": giant()}, "broken picture"),
        ({"dataset/0000002.json": record(plot=None)}, "no plot"),
        ({"dataset/0000002.json": record(plot=[])}, "no plot"),
        ({"dataset/0000002.json": record(plot=["", "  "])}, "no plot"),
        ({"dataset/0000002.json": record(genres=None)}, "no genres"),
        ({"dataset/0000002.json": record(genres=[])}, "no genres"),
        ({"dataset/0000002.json": record(genres=["News", "Adult"])}, "no known genre"),
    ],
)
def test_a_film_that_lacks_something_is_left_out_and_counted(
    changes: dict[str, bytes | None], reason: str, members: Films, select: Select
) -> None:
    changed = {name: content for name, content in {**members, **changes}.items() if content is not None}
    films, quality = select(changed)
    assert films.loc["0000002", "left_out"] == reason
    assert quality.loc[reason, "films"] == 1
    assert quality.loc[reason, "examples"] == ["0000002"]
    assert (films["left_out"] == "").sum() == 6
    assert quality.loc[[f"films of {split}" for split in nodes.SPLITS], "films"].sum() == 6
    assert quality.loc["all films", "films"] == 7


def test_good_films_have_nothing_to_report(members: Films, select: Select) -> None:
    films, quality = select(members)
    assert (films["left_out"] == "").all()
    problems = quality[quality["effect"].isin(["left out", "dropped", "reported", "converted to upright RGB"])]
    assert (problems["films"] == 0).all()
    assert {"no plot", "no picture", "broken picture", "in no split", "same poster in two splits"} <= set(
        problems.index
    )
    assert quality.loc["several plots", "films"] == 7
    for film, row in films.iterrows():
        plots = json.loads(members[f"dataset/{film}.json"])["plot"]
        assert row["plot"] == sorted(plots, key=len)[-1]
        assert set(row["known_genres"]) == set(json.loads(members[f"dataset/{film}.json"])["genres"])


def test_a_film_in_no_split_is_counted(members: Films, select: Select) -> None:
    members |= {"dataset/0000009.json": record(), "dataset/0000009.jpeg": poster(9)}
    films, quality = select(members)
    assert films.loc["0000009", "left_out"] == "in no split"
    assert quality.loc["in no split", "examples"] == ["0000009"]


def test_a_split_that_names_absent_films(members: Films, select: Select) -> None:
    members["split.json"] = json.dumps({**SPLITS, "train": [*SPLITS["train"], "0000077", "0000078"]}).encode()
    with pytest.raises(ValueError, match=r"names 2 films that have no files: 0000077, 0000078.*missing_films to skip"):
        select(members)
    films, quality = select(members, missing_films="skip")
    assert list(films.index[films["left_out"] == "no files"]) == ["0000077", "0000078"]
    assert quality.loc["no files", "films"] == 2


def test_unknown_genres(members: Films, select: Select) -> None:
    members["dataset/0000001.json"] = record(genres=["News", "Drama", "Reality-TV"])
    films, quality = select(members)
    assert list(films.loc["0000001", "known_genres"]) == ["Drama"]
    assert films.loc["0000001", "left_out"] == ""
    assert quality.loc["unknown genre News", ["effect", "films"]].tolist() == ["dropped", 1]
    with pytest.raises(ValueError, match=r"1 films have unknown genres, News \(1\), Reality-TV \(1\), such as 0000001"):
        select(members, unknown_genres="error")
    films, _ = select(members, genres=("News", "Drama"))
    assert list(films.loc["0000001", "known_genres"]) == ["News", "Drama"], "in the order of the classes"


def test_a_split_without_films_stops_the_run(members: Films, select: Select) -> None:
    members["dataset/0000007.jpeg"] = b"broken"
    with pytest.raises(ValueError, match=r"(?s)the split 'test' has no usable film.*broken picture"):
        select(members)


# --- leaks --------------------------------------------------------------------------------------------------------
def leaking(members: Films) -> Films:
    """1 (train) has 7's (test) poster saved anew; 2 (train) has 5's (validation) very file; 3 (train) and 4 (train)
    share a poster, which is no leak; 6 (validation) has 7's plot in other letters and spaces."""
    again = io.BytesIO()
    Image.open(io.BytesIO(members["dataset/0000007.jpeg"])).save(again, "JPEG", quality=95)
    members["dataset/0000001.jpeg"] = again.getvalue()
    members["dataset/0000002.jpeg"] = members["dataset/0000005.jpeg"]
    members["dataset/0000003.jpeg"] = members["dataset/0000004.jpeg"]
    text = json.loads(members["dataset/0000007.json"])["plot"][0]
    members["dataset/0000006.json"] = record(plot=[text.upper().replace(" ", "  ")])
    return members


def test_copies_in_two_splits_are_reported(members: Films, select: Select, caplog: pytest.LogCaptureFixture) -> None:
    films, quality = select(leaking(members))
    assert quality.loc["same poster in two splits", "films"] == 4
    assert quality.loc["same poster in two splits", "examples"] == [
        "0000001 (train) = 0000007 (test)",
        "0000002 (train) = 0000005 (validation)",
    ]
    assert quality.loc["same plot in two splits", "examples"] == ["0000006 (validation) = 0000007 (test)"]
    assert (films["left_out"] == "").all()
    assert films.loc["0000007", "same_poster"] == ["0000001"]
    assert "same poster in two splits: 4 films (reported)" in caplog.text


def test_copies_are_dropped_but_never_from_the_test_split(members: Films, select: Select) -> None:
    films, quality = select(leaking(members), leaks="drop")
    gone = films[films["left_out"] == nodes.COPY]
    assert sorted(gone.index) == ["0000001", "0000002", "0000006"]
    assert quality.loc[nodes.COPY, "films"] == 3
    assert (films.loc["0000007", "left_out"], films.loc["0000003", "left_out"]) == ("", "")


def sparse(column: int, row: int, quality: int = 90) -> bytes:
    """A black poster with one white box."""
    picture = np.zeros((256, 160, 3), np.uint8)
    picture[row : row + 150, column : column + 40] = 255
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def test_sparse_posters_with_little_in_common_are_no_copies(members: Films, select: Select) -> None:
    """Most of their fields are as bright as the ones beside them, in all of them; that says nothing."""
    members |= {
        "dataset/0000001.jpeg": sparse(20, 20),
        "dataset/0000002.jpeg": sparse(70, 60),
        "dataset/0000005.jpeg": sparse(70, 20),
        "dataset/0000007.jpeg": sparse(20, 20, quality=70),
    }
    _, quality = select(members, leaks="drop")
    assert quality.loc["same poster in two splits", "examples"] == ["0000001 (train) = 0000007 (test)"]


def test_posters_that_are_nearly_of_one_colour_are_no_copies(members: Films, select: Select) -> None:
    for film, column in (("0000001", 10), ("0000007", 12)):
        picture = np.zeros((256, 160, 3), np.uint8)
        picture[30:60, column : column + 30] = 255
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "PNG")
        members[f"dataset/{film}.jpeg"] = stream.getvalue()
    films, quality = select(members)
    assert quality.loc["same poster in two splits", "films"] == 0
    assert films.loc["0000001", "look"] == ""


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
        (rb'{"plot": ["a \ud800 b"], "genres": ["Drama"]}', r"dataset/0000003.json: .* is no text that UTF-8 can hold"),
        (rb'{"title": "\udfff", "plot": ["a"]}', r"dataset/0000003.json: .* is no text that UTF-8 can hold"),
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
        ({**SPLITS, "dev": ["\ud800"]}, r"split.json: .* is no text that UTF-8 can hold"),
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
        return nodes._alike(pd.DataFrame(films)) == {("a", "b")}

    first, again = (look(poster(seed, (160, 256), quality=q)) for q in (quality, 95))
    assert alike(first, again)
    assert not alike(first, look(poster(seed + 1, (160, 256))))


def test_a_picture_of_one_colour_has_no_look() -> None:
    assert look_of(np.full((20, 20, 3), 7, np.uint8)) == ""


# --- the name of the data -----------------------------------------------------------------------------------------
def named(sizes: dict[str, int], drama: float = 0.6, left_out: int = 0, genres: tuple[str, ...] = GENRES) -> str:
    split = np.repeat(list(sizes), list(sizes.values()))
    films = pd.DataFrame({"split": split, "left_out": np.where(split == "", "in no split", "")})
    films.loc[: left_out - 1, "left_out"] = "no plot"
    films["known_genres"] = [["Drama"] if i < drama * len(films) else ["Comedy"] for i in range(len(films))]
    return nodes.describe_source(films, genres)


def test_only_mmimdb_is_called_so() -> None:
    published = nodes.PUBLISHED
    assert named(published) == "MM-IMDB"
    assert named(published, left_out=9) == "MM-IMDB, 25,950 of 25,959 films"
    other = r"films in MM-IMDB's layout (not MM-IMDB)"
    assert named({"train": 2105, "validation": 351, "test": 1053}) == f"3,509 {other}"
    assert named({**published, "train": 15553}) == f"25,960 {other}"
    assert named({**published, "": 5}) == "MM-IMDB", "films in no split do not count"
    assert named(published, drama=0.1) == f"25,959 {other}", "made-up films"
    assert named(published, genres=("Drama",)) == f"25,959 {other}"


def test_genres_are_those_of_the_paper() -> None:
    assert len(GENRES) == len(set(GENRES)) == 23
    with pytest.raises(ValueError, match="repeats one"):
        FilmParameters(genres=("Drama", "Drama"))


def test_scratch_is_left_empty(members: Films, select: Select, tmp_path: Path) -> None:
    select(members)
    assert not list((tmp_path / "scratch").iterdir())
