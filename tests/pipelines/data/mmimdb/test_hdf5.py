"""The authors' HDF5 file, written as they did, against the raw films that it was made from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import AbstractDataset, DatasetError
from mmimdb_samples import Films, posters, record, write_folder, write_hdf5, write_zip

from mixmas_pipeline.pipelines.data.mmimdb import reading
from mixmas_pipeline.pipelines.data.mmimdb.films import FilmArraysDataset, read_vocabulary
from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES, PictureParameters
from mixmas_pipeline.settings import CONFIG_LOADER_ARGS

h5py = pytest.importorskip("h5py", reason="needs the extra hdf5")
ROOT = Path(__file__).parents[4]
SIZE = PictureParameters(height=256, width=160)


def dataset(path: Path, **options: str) -> FilmArraysDataset:
    return FilmArraysDataset(filepath=str(path), mirror="none", **options)


@pytest.mark.parametrize("vgg", [True, False])
def test_the_same_films_as_from_the_raw_files(
    vgg: bool, members: Films, read: Callable[..., Any], tmp_path: Path
) -> None:
    members = posters(members)
    raw, wanted = read(members, SIZE)
    path, _ = write_hdf5(tmp_path / "films.hdf5", members, vgg)
    source = dataset(path, plots=str(tmp_path / "films")).load()
    found, pictures = reading.read_hdf5(source, SIZE, tmp_path)
    for column in ("id", "split", "title", "plot"):
        assert list(found[column]) == list(raw[column])
    assert [set(names) for names in found["genres"]] == [set(names) for names in raw["genres"]]
    difference = np.abs(pictures[found["picture_row"]].astype(int) - wanted[raw["picture_row"]])
    assert difference.max() <= (1 if vgg else 0)
    assert (pictures.dtype, pictures.shape) == (np.uint8, (7, 3, 256, 160))


@pytest.mark.parametrize("way", ["link", "storage"])
def test_arrays_that_lie_in_other_files_are_refused(way: str, members: Films, tmp_path: Path) -> None:
    path, words = write_hdf5(tmp_path / "films.hdf5", posters(members))
    (tmp_path / "words.json").write_text(json.dumps(words))
    with h5py.File(path, "r+") as file:
        genres = file["genres"][()]
        del file["genres"]
        if way == "link":
            with h5py.File(tmp_path / "other.hdf5", "w") as other:
                other["genres"] = genres
            file["genres"] = h5py.ExternalLink(str(tmp_path / "other.hdf5"), "genres")
        else:
            (tmp_path / "secret").write_bytes(genres.tobytes())
            there = [(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
            file.create_dataset("genres", genres.shape, genres.dtype, external=there)
    source = dataset(path, vocabulary=str(tmp_path / "words.json"), plots=str(tmp_path / "nothing")).load()
    with pytest.raises(DatasetError, match=r"films.hdf5: the array 'genres' lies in another file"):
        source.open()


@pytest.mark.parametrize("form", ["text", "list", "object"])
def test_plots_from_a_vocabulary(form: str, members: Films, tmp_path: Path) -> None:
    members = posters(members)
    path, words = write_hdf5(tmp_path / "films.hdf5", members)
    vocabulary = tmp_path / ("words.txt" if form == "text" else "words.json")
    forms = {"list": words, "object": dict(enumerate(words))}
    vocabulary.write_text("\n".join(words) if form == "text" else json.dumps(forms[form]))
    source = dataset(path, vocabulary=str(vocabulary), plots=str(tmp_path / "nothing")).load()
    found, pictures = reading.read_hdf5(source, PictureParameters(height=64, width=48), tmp_path)
    assert pictures.shape[1:] == (3, 64, 48)
    for row in found.itertuples():
        assert row.plot == json.loads(members[f"dataset/{row.id}.json"])["plot"][0]
    (tmp_path / "few.txt").write_text("\n".join(words[:3]))
    with pytest.raises(ValueError, match=r"the plot of the film 000000\d has the word \d+; the vocabulary has 3 words"):
        reading.read_hdf5(dataset(path, vocabulary=str(tmp_path / "few.txt")).load(), SIZE, tmp_path)


def test_the_vocabulary_is_read_in_the_folder_that_the_catalog_names(members: Films, tmp_path: Path) -> None:
    """The same folder may hold the plots: it is there also when it holds the HDF5 file and the words alone."""
    config = OmegaConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)
    entry = config["catalog"]["mmimdb.raw_hdf5"]
    folder = tmp_path / "mmimdb"
    folder.mkdir()
    for option in ("filepath", "plots", "vocabulary"):
        entry[option] = re.sub(r".*/mmimdb(?=/|$)", str(folder), entry[option])
    members = posters(members)
    _, words = write_hdf5(folder / "multimodal_imdb.hdf5", members)
    source = AbstractDataset.from_config("raw_hdf5", entry)
    with pytest.raises(DatasetError, match=r"without their words.*split.json beside dataset") as raised:
        source.load()
    assert "MIXMAS_MIRROR" not in str(raised.value)
    (folder / "words.json").write_text(json.dumps(words))
    assert source.load().vocabulary == tuple(words)
    write_folder(folder, members)
    assert source.load().records.path == folder, "whole plots win"


def test_words_end_at_the_end_of_a_line_only(tmp_path: Path) -> None:
    words = ("_UNK_", "caf\x85e", "a\u2028b", "", "last")
    for ending in ("", "\n"):
        (tmp_path / "words.txt").write_text("\n".join(words) + ending, encoding="utf-8")
        assert read_vocabulary(tmp_path / "words.txt") == words


def test_without_words_the_message_says_what_is_needed(members: Films, tmp_path: Path) -> None:
    path, _ = write_hdf5(tmp_path / "films.hdf5", posters(members))
    np.save(tmp_path / "metadata.npy", np.array({"ix_to_word": {}}, dtype=object))
    with pytest.raises(DatasetError, match=r"(?s)word indices.*option plots.*vocabulary.*metadata.npy, a pickle"):
        dataset(path, plots=str(tmp_path / "no"), vocabulary=str(tmp_path / "no.json")).load()
    with pytest.raises(DatasetError, match=r"archive.org/details/mmimdb.*mmimdb.input to raw"):
        dataset(tmp_path / "nowhere.hdf5").load()
    (tmp_path / "bad.json").write_text('{"0": "a", "2": "b"}')
    with pytest.raises(DatasetError, match="is no vocabulary"):
        read_vocabulary(tmp_path / "bad.json")


def test_damaged_files_and_missing_arrays_are_named(members: Films, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a")
    path = tmp_path / "films.hdf5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(DatasetError, match="is no whole HDF5 file"):
        dataset(path, vocabulary=str(tmp_path / "words.txt")).load().open()
    write_hdf5(path, posters(members))
    with h5py.File(path, "a") as file:
        del file["sequences"]
    with pytest.raises(DatasetError, match=r"has no array 'sequences' with 1 axes"):
        dataset(path, vocabulary=str(tmp_path / "words.txt")).load().open()


@pytest.mark.parametrize("array", ["images", "genres"])
def test_damage_within_an_array_names_it(array: str, members: Films, tmp_path: Path) -> None:
    path, words = write_hdf5(tmp_path / "films.hdf5", posters(members))
    (tmp_path / "words.txt").write_text("\n".join(words))
    with h5py.File(path, "a") as file:
        values, attributes = file[array][:], dict(file[array].attrs)
        del file[array]
        damaged = file.create_dataset(array, data=values, chunks=values.shape, compression="gzip", fletcher32=True)
        damaged.attrs.update(attributes)
        place = damaged.id.get_chunk_info(0).byte_offset
    with path.open("r+b") as stream:
        stream.seek(place + 20)
        stream.write(b"damaged")
    source = dataset(path, vocabulary=str(tmp_path / "words.txt")).load()
    with pytest.raises(DatasetError, match=rf"films.hdf5 is damaged in its array {array}: "):
        reading.read_hdf5(source, SIZE, tmp_path)


def test_genres_without_names_have_to_be_in_the_order_of_their_frequency(members: Films, tmp_path: Path) -> None:
    path, words = write_hdf5(tmp_path / "films.hdf5", posters(members))
    (tmp_path / "words.txt").write_text("\n".join(words))
    source = dataset(path, vocabulary=str(tmp_path / "words.txt")).load()
    with h5py.File(path, "a") as file:
        del file["genres"].attrs["target_names"]
    with pytest.raises(ValueError, match=r"does not say which genres it has.*they have \[5, 2, 0, 0"):
        reading.read_hdf5(source, SIZE, tmp_path)
    matrix = np.zeros((7, 23), dtype="int32")
    matrix[:, 0], matrix[:3, 1] = 1, 1
    with h5py.File(path, "a") as file:
        file["genres"][:] = matrix
    found, _ = reading.read_hdf5(source, SIZE, tmp_path)
    assert list(found["genres"].iloc[0]) == list(GENRES[:2])


def test_films_whose_splits_are_not_said(members: Films, tmp_path: Path) -> None:
    path, words = write_hdf5(tmp_path / "films.hdf5", posters(members), attributes=False)
    (tmp_path / "words.txt").write_text("\n".join(words))
    with pytest.raises(ValueError, match=r"has 7 films and no attribute 'split'.*25959 films of MM-IMDB"):
        reading.read_hdf5(dataset(path, vocabulary=str(tmp_path / "words.txt")).load(), SIZE, tmp_path)


def test_published_sizes_give_the_splits() -> None:
    ids = [f"{i:07d}" for i in range(25959)]
    found = reading._hdf5_splits(SimpleNamespace(attrs={}), Path("x"), ids)
    assert [found[f"{i:07d}"] for i in (0, 15551, 15552, 18159, 18160, 25958)] == [
        *(("train", 0), ("train", 15551), ("validation", 0), ("validation", 2607), ("test", 0), ("test", 7798))
    ]


def test_genres_in_another_order_are_noticed(members: Films, tmp_path: Path) -> None:
    members = posters(members)
    path, _ = write_hdf5(tmp_path / "films.hdf5", members)
    members["dataset/0000001.json"] = record(genres=["Comedy"])
    source = dataset(path, plots=str(write_folder(tmp_path / "raw", members))).load()
    with pytest.raises(ValueError, match=r"film 0000001 has the genres \['Drama'\].*\['Comedy'\]"):
        reading.read_hdf5(source, SIZE, tmp_path)
    del members["dataset/0000001.json"]
    source = dataset(path, plots=str(write_zip(tmp_path / "raw.zip", members))).load()
    with pytest.raises(ValueError, match=r"has no JSON file of 1 films, such as \['0000001'\]"):
        reading.read_hdf5(source, SIZE, tmp_path)
