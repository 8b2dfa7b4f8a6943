"""A dozen films made by hand in MM-IMDB's layout, in any packing."""

from __future__ import annotations

import io
import json
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from text_encoder import WORDS

from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES as ALL_GENRES
from mixmas_pipeline.pipelines.data.mmimdb.parameters import PictureParameters

Films = dict[str, bytes]
Select = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]

SMALL = PictureParameters(height=24, width=16, threads=2)

SPLITS = {"train": ["0000001", "0000002", "0000003", "0000004"], "dev": ["0000005", "0000006"], "test": ["0000007"]}
GENRES = [["Drama"], ["Drama", "Comedy"], ["Horror"], ["War", "Drama"], ["Comedy"], ["Drama"], ["Sci-Fi", "Drama"]]

MEAN = np.array([103.939, 116.779, 123.68])  # blue, green, red


def poster(seed: int, size: tuple[int, int] = (40, 60), mode: str = "RGB", **save: Any) -> bytes:
    """A JPEG of random coloured fields (another format with ``format``), that Pillow enlarges smoothly."""
    fields = np.random.default_rng(seed).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(fields).resize(size, Image.Resampling.BICUBIC).convert(mode).save(
        stream, **{"format": "JPEG", **save}
    )
    return stream.getvalue()


def plot(seed: int, words: int = 0) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(rng.choice(WORDS, words or int(rng.integers(4, 40))))


def small_films() -> Films:
    """Seven good films: path -> content."""
    ids = [film for films in SPLITS.values() for film in films]
    members = {"split.json": json.dumps(SPLITS).encode()}
    for number, (film, genres) in enumerate(zip(ids, GENRES, strict=True)):
        record = {"title": f"Film {number}", "year": "1999", "plot": [plot(number), "short"], "genres": genres}
        members[f"dataset/{film}.json"] = json.dumps(record).encode()
        members[f"dataset/{film}.jpeg"] = poster(number)
    return members


def record(**changes: Any) -> bytes:
    """A film's JSON with some of its keys changed; None takes one out."""
    whole = {"title": "Another", "plot": [plot(99)], "genres": ["Drama"], **changes}
    return json.dumps({key: value for key, value in whole.items() if value is not None}).encode()


def write_folder(folder: Path, members: Films) -> Path:
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: Path, members: Films, *more: tuple[str, bytes]) -> Path:
    """``more`` may have names that are there already."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # a name is there twice
        for name, content in (*members.items(), *more):
            archive.writestr(name, content)
    return path


def write_tar(path: Path, members: Films, mode: str = "w:gz", more: Sequence[tuple[str, bytes]] = ()) -> Path:
    """``more`` may have names that are there already."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in (*members.items(), *more):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def write_few_films(archive: Path, folder: Path) -> None:
    """Unpacks every fourth film of the mirror's archive, and all films of its rarest genre."""

    def is_short(films: zipfile.ZipFile, film: str) -> bool:
        return "Short" in json.loads(films.read(f"dataset/{film}.json"))["genres"]

    with zipfile.ZipFile(archive) as films:
        splits = {
            split: [film for number, film in enumerate(ids) if number % 4 == 0 or is_short(films, film)]
            for split, ids in json.loads(films.read("split.json")).items()
        }
        folder.mkdir(parents=True)
        (folder / "split.json").write_text(json.dumps(splits))
        names = {f"dataset/{film}" for ids in splits.values() for film in ids}
        films.extractall(folder, [name for name in films.namelist() if name.rpartition(".")[0] in names])


def films(count: int = 30) -> pd.DataFrame:
    """Every seventh film is left out."""
    frame = pd.DataFrame({"id": [f"{i:07d}" for i in range(count)], "plot": [plot(i) for i in range(count)]})
    return frame.assign(left_out=["no picture" if i % 7 == 3 else "" for i in range(count)])


def giant() -> bytes:
    """A PNG of 8 kB that is decoded to 64 million pixels."""
    stream = io.BytesIO()
    Image.new("1", (8000, 8000)).save(stream, "PNG")
    return stream.getvalue()


def posters(members: Films) -> Films:
    """With posters of 160 x 256, so that neither side resizes."""
    return {
        name: poster(number, (160, 256)) if name.endswith(".jpeg") else content
        for number, (name, content) in enumerate(members.items())
    }


def write_hdf5(path: Path, members: Films, vgg: bool = True, attributes: bool = True) -> tuple[Path, list[str]]:
    """Pictures as blue, green, red less their means, as whole numbers; words by their index; Fuel's splits."""
    import h5py

    ids = [film for films in SPLITS.values() for film in films]
    films = [json.loads(members[f"dataset/{film}.json"]) for film in ids]
    words = ["_UNK_", *sorted({word for film in films for word in film["plot"][0].split()})]
    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (len(ids), 3, 256, 160), dtype="int32")
        sequences = file.create_dataset("sequences", (len(ids),), dtype=h5py.special_dtype(vlen=np.dtype("int32")))
        for row, (film, content) in enumerate(zip(ids, films, strict=True)):
            rgb = np.asarray(Image.open(io.BytesIO(members[f"dataset/{film}.jpeg"])).convert("RGB"), np.float32)
            images[row] = ((rgb[..., ::-1] - MEAN) if vgg else rgb).transpose(2, 0, 1)
            sequences[row] = [words.index(word) for word in content["plot"][0].split()]
        matrix = np.array([[name in film["genres"] for name in ALL_GENRES] for film in films], dtype="int32")
        genres = file.create_dataset("genres", data=matrix)
        file.create_dataset("imdb_ids", data=np.array(ids, dtype="S7"))
        if attributes:
            genres.attrs["target_names"] = json.dumps(ALL_GENRES)
            kind = np.dtype([("split", "S5"), ("source", "S9"), ("start", "i8"), ("stop", "i8")])
            spans, first = [], 0
            for name, some in SPLITS.items():
                spans += [(name, source, first, first + len(some)) for source in ("images", "imdb_ids")]
                first += len(some)
            file.attrs["split"] = np.array(spans, dtype=kind)
    return path, words
