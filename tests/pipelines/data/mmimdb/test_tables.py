"""From films to tables: every row is of its film, padding is zeros, and nothing is held in memory twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mmimdb_samples import SMALL, SPLITS, Films, small_films, write_folder

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.data.text_embedding import EncoderFiles
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.pipelines.data.mmimdb import embedding, nodes, reading
from mixmas_pipeline.pipelines.data.mmimdb.films import FilmFiles
from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES, FilmParameters, TextParameters
from mixmas_pipeline.storage.memory_maps import release

TEXT = TextParameters(max_tokens=20, precision="float32", device="cpu", batch_tokens=64)


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
        with pytest.raises(ValueError, match=rf"at most 20 a film, .* not made with mmimdb.text.max_tokens = {other}"):
            nodes.build_table(made["films"].iloc[:2], *arrays, FilmParameters(), other, tmp_path)


def test_pictures_of_other_films_are_refused(prepare: Callable[[Films], dict[str, Any]], tmp_path: Path) -> None:
    made = prepare(small_films())
    others = (made["embeddings"], made["tokens"], FilmParameters(), 20, tmp_path)
    for pictures in (made["pictures"][::-1], made["pictures"][:1]):
        with pytest.raises(ValueError, match=r"pictures are not those .*'0000001'.*read the films again"):
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
