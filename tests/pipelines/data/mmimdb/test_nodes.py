"""Which films are used, and their tables: every problem is counted and named, every row is of its film."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mmimdb_samples import SMALL, SPLITS, Films, Select, giant, poster, record, small_films, write_folder
from PIL import Image

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.data.text_embedding import EncoderFiles
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.pipelines.data.mmimdb import embedding, nodes, reading
from mixmas_pipeline.pipelines.data.mmimdb.films import FilmFiles
from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES, FilmParameters, TextParameters
from mixmas_pipeline.storage.memory_maps import release

TEXT = TextParameters(max_tokens=20, precision="float32", device="cpu", batch_tokens=64)


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


# --- tables --------------------------------------------------------------------------------------------------------


@pytest.fixture
def prepare(encoder: EncoderFiles, tmp_path: Path) -> Callable[[Films], dict[str, Any]]:
    def run(members: Films) -> dict[str, Any]:
        (tmp_path / "scratch").mkdir()
        (tmp_path / "parts").mkdir()
        parameters = FilmParameters()
        source = FilmFiles(write_folder(tmp_path / "films", members))
        found, pictures = reading.read_raw(source, SMALL, tmp_path / "scratch")
        films, _, *splits = nodes.select_films(found, parameters)
        embeddings, tokens, _ = embedding.embed_plots(films, encoder, TEXT, tmp_path / "parts")
        made = (films, pictures, embeddings, tokens, parameters, TEXT.max_tokens, tmp_path / "scratch")
        tables = {name: nodes.build_table(rows, *made) for name, rows in zip(nodes.SPLITS, splits, strict=True)}
        return {"films": films, "pictures": pictures, "embeddings": embeddings, "tokens": tokens, **tables}

    return run


def test_every_row_is_of_its_film(prepare: Callable[[Films], dict[str, Any]], tmp_path: Path) -> None:
    members = small_films()
    members["dataset/0000002.jpeg"] = b"broken"  # so that rows of films, pictures and embeddings differ
    made = prepare(members)
    start = np.concatenate([[0], made["tokens"]["tokens"].cumsum()])
    where = {film: i for i, film in enumerate(made["tokens"]["id"])}
    for key, split in (("train", "train"), ("dev", "validation"), ("test", "test")):
        dataset = TableDataset(filepath=str(tmp_path / f"{split}.arrow"))
        dataset.save(made[split])
        table = dataset.load()
        assert list(table.ids) == [film for film in SPLITS[key] if film != "0000002"]
        assert table.schema.classes == GENRES
        assert table.schema.source == "6 films in MM-IMDB's layout (not MM-IMDB)"
        for row, film in enumerate(table.ids):
            known = made["films"].set_index("id").loc[film]
            picture, _ = reading.decode_picture(members[f"dataset/{film}.jpeg"], 24, 16)
            np.testing.assert_array_equal(table.arrays["image"][row], picture)
            tokens = made["embeddings"][start[where[film]] : start[where[film] + 1]]
            text = table.arrays["text"][row]
            np.testing.assert_array_equal(text[: len(tokens)], tokens)
            assert not text[len(tokens) :].any()
            np.testing.assert_array_equal(table.extra["text_mask"][row].astype(bool), text.any(axis=1))
            assert {GENRES[c] for c in np.flatnonzero(table.labels[row])} == set(known["genres"])
            assert table.extra["title"][row] == known["title"]
            assert table.extra["plot"][row] == known["plot"]
    modality = table.schema.modalities["text"]
    assert (modality.padded, modality.dtype, modality.shape) == (True, "float16", (20, 16))
    image = table.schema.modalities["image"]
    assert (image.kind, image.scale * 255, image.shape) == ("image", 1, (3, 24, 16))


def test_embeddings_of_other_films_are_refused(prepare: Callable[[Films], dict[str, Any]], tmp_path: Path) -> None:
    made = prepare(small_films())
    arrays = (made["films"], made["pictures"], made["embeddings"], made["tokens"].iloc[1:])
    with pytest.raises(ValueError, match="embeddings are of other films"):
        nodes.build_table(made["films"].iloc[:2], *arrays, FilmParameters(), 20, tmp_path)


def test_embeddings_of_another_length_are_refused(prepare: Callable[[Films], dict[str, Any]], tmp_path: Path) -> None:
    made = prepare(small_films())
    arrays = (made["films"], made["pictures"], made["embeddings"], made["tokens"])
    for other in (15, 30):
        with pytest.raises(
            ValueError, match=rf"at most 20 per film, .* not made with mmimdb.text.max_tokens = {other}"
        ):
            nodes.build_table(made["films"].iloc[:2], *arrays, FilmParameters(), other, tmp_path)


def test_pictures_of_other_films_are_refused(prepare: Callable[[Films], dict[str, Any]], tmp_path: Path) -> None:
    made = prepare(small_films())
    others = (made["embeddings"], made["tokens"], FilmParameters(), 20, tmp_path)
    for pictures in (made["pictures"][::-1], made["pictures"][:1]):
        with pytest.raises(ValueError, match=r"pictures are of another reading .*'0000001'.*read the films again"):
            nodes.build_table(made["films"].iloc[:2], made["films"], pictures, *others)


def test_a_loaded_table_is_held_by_its_file(prepare: Callable[[Films], dict[str, Any]], tmp_path: Path) -> None:
    table: MultimodalTable = prepare(small_films())["train"]
    dataset = TableDataset(filepath=str(tmp_path / "t.arrow"))
    dataset.save(table)
    loaded = dataset.load()
    release(*loaded.arrays.values())
    np.testing.assert_array_equal(loaded.arrays["image"], table.arrays["image"])
    frame = pd.read_feather(tmp_path / "t.arrow", columns=["id"])
    assert list(frame["id"]) == list(table.ids)
    with pytest.raises(ValueError, match="read-only"):
        loaded.arrays["text"][0] = 0
