"""Folders and archives of films: the same films whatever the packing, and errors that name what is wrong."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from mmimdb_samples import SMALL, SPLITS, Films, poster, record, write_folder, write_tar, write_zip

from mixmas_pipeline.pipelines.data.mmimdb import reading
from mixmas_pipeline.pipelines.data.mmimdb.films import FilmFiles, FilmFilesDataset, classify

PACKINGS: dict[str, Callable[[Path, Films], Path]] = {
    "folder": lambda place, members: write_folder(place / "films", members),
    "inner folder": lambda place, members: write_folder(place / "films/mmimdb", members).parent,
    "zip": lambda place, members: write_zip(place / "films.zip", members),
    "zip with a folder": lambda place, members: write_zip(
        place / "films.zip", {f"mmimdb/{name}": content for name, content in members.items()}
    ),
    "tar": lambda place, members: write_tar(place / "films.tar", members, "w"),
    "tar.gz": lambda place, members: write_tar(place / "films.tar.gz", members),
    "split.json last": lambda place, members: write_tar(
        place / "films.tar.gz", dict(sorted(members.items(), key=lambda item: item[0] == "split.json"))
    ),
    "with an operating system's files": lambda place, members: write_zip(
        place / "films.zip", {**members, "__MACOSX/dataset/._0000001.jpeg": b"x", "dataset/.DS_Store": b"y"}
    ),
}


def dataset(path: Path, mirror: str = "movies/movies.zip") -> FilmFilesDataset:
    return FilmFilesDataset(filepath=str(path), mirror=mirror)


@pytest.mark.parametrize("packing", PACKINGS)
def test_same_films_whatever_the_packing(
    packing: str, members: Films, read: Callable[..., Any], tmp_path: Path
) -> None:
    films, pictures = read(members)
    (place := tmp_path / "place").mkdir()
    source = dataset(PACKINGS[packing](place, members)).load()
    others, decoded = reading.read_raw(source, SMALL, tmp_path)
    rows = ["picture_row"]
    pd.testing.assert_frame_equal(others.drop(columns=rows), films.drop(columns=rows))
    np.testing.assert_array_equal(decoded[others["picture_row"]], pictures[films["picture_row"]])
    assert list(films["id"]) == [film for split in SPLITS.values() for film in split]
    assert source.units > 0


def test_mirror_is_asked_when_the_folder_is_not_there(
    members: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mirror/movies").mkdir(parents=True)
    there = write_zip(tmp_path / "mirror/movies/movies.zip", members)
    monkeypatch.setenv("MIXMAS_MIRROR", str(tmp_path / "mirror"))
    source = dataset(tmp_path / "nothing")
    assert source.load().path == there
    before = source.fingerprint()
    write_zip(there, {**members, "dataset/0000008.json": record()})
    assert source.fingerprint() != before


def test_without_data_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIXMAS_MIRROR", raising=False)
    with pytest.raises(DatasetError, match=r"(?s)no films: .*nowhere.*archive.org/details/mmimdb.*MIXMAS_MIRROR"):
        dataset(tmp_path / "nowhere").load()
    write_zip(tmp_path / "mmimdb.zip", {})
    with pytest.raises(DatasetError, match=r"has no split.json beside a folder dataset \(it has mmimdb.zip"):
        dataset(tmp_path).load()


def damaged_tar(path: Path, members: Films) -> Path:
    whole = write_tar(path, members)
    whole.write_bytes(whole.read_bytes()[:2000])
    return whole


def linked_tar(path: Path, members: Films) -> Path:
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("dataset/0000001.jpeg")
        link.type, link.linkname = tarfile.SYMTYPE, "0000002.jpeg"
        archive.addfile(link)
    return path


def climbing_tar(path: Path, members: Films) -> Path:
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("../dataset/0000001.jpeg")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
    return path


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.tar.gz", damaged_tar, "no whole .zip, .tar or .tar.gz"),
        ("a.tar", linked_tar, "is not a plain file"),
        ("a.tar", climbing_tar, "points outside the archive; refused"),
        ("a.zip", lambda path, members: write_zip(path, {"../dataset/1.jpeg": b"x"}), "points outside the archive"),
        ("a.zip", lambda path, members: write_zip(path, {"dataset/1.json": b"{}"}), "holds no split.json"),
        ("a.rar", lambda path, members: write_folder(path.parent, {"a.rar": b"Rar!"}) / "a.rar", "no whole .zip"),
        (
            "a.zip",
            lambda path, members: write_zip(path, {**members, "other/split.json": b"{}"}),
            "holds split.json and other/split.json; expected only one",
        ),
    ],
)
def test_bad_archives_are_refused(
    name: str, make: Callable[[Path, Films], Path], message: str, members: Films, tmp_path: Path
) -> None:
    path = make(tmp_path / name, members)
    with pytest.raises(DatasetError, match=message):
        list(FilmFiles(path).read())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("split.json", b'{"train": [], "dev": [], "test": ["0000002"]}'),
        ("dataset/0000002.json", record()),
        ("dataset/0000002.jpeg", poster(50)),
    ],
)
@pytest.mark.parametrize("packing", ["zip", "tar"])
def test_a_member_that_is_there_twice_under_one_name_is_refused(
    packing: str, name: str, content: bytes, members: Films, tmp_path: Path
) -> None:
    """Otherwise the second would replace the first: a second split.json moves films between splits."""
    path = tmp_path / f"films.{packing}"
    if packing == "zip":
        write_zip(path, members, (name, content))
    else:
        write_tar(path, members, "w", [(name, content)])
    with pytest.raises(DatasetError, match=rf"holds {name} and {name}; expected only one"):
        reading.read_raw(FilmFiles(path), SMALL, tmp_path)


def test_reading_a_zip_of_many_members_takes_no_square_of_their_number(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "films.zip", {"split.json": b"{}", **{f"dataset/{i}.json": b"" for i in range(25_000)}})
    start = time.process_time()
    assert sum(1 for _ in FilmFiles(path).read()) == 25_001
    assert time.process_time() - start < 5, "seconds; looking for each name in the list of all takes over 10"


def long_name_tar(path: Path, members: Films) -> Path:
    """A header of 200 MB, of which gzip makes 200 kB."""
    with gzip.open(path, "wb") as stream:
        entry = tarfile.TarInfo("././@LongLink")
        entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 200 << 20
        stream.write(entry.tobuf(tarfile.GNU_FORMAT))
        for _ in range(200):
            stream.write(b"a" * (1 << 20))
    return path


def long_pax_tar(path: Path, members: Films) -> Path:
    with gzip.open(path, "wb") as stream:
        folder = tarfile.TarInfo("a folder that states a size")
        folder.type, folder.size = tarfile.DIRTYPE, 1 << 32
        entry = tarfile.TarInfo("header")
        entry.type, entry.size = tarfile.XHDTYPE, 200 << 20
        stream.write(folder.tobuf(tarfile.GNU_FORMAT) + entry.tobuf(tarfile.GNU_FORMAT))
        for _ in range(200):
            stream.write(b"a" * (1 << 20))
    return path


@pytest.mark.parametrize("make", [long_name_tar, long_pax_tar])
def test_a_header_of_any_size_is_refused_before_it_is_in_memory(
    make: Callable[[Path, Films], Path], members: Films, tmp_path: Path
) -> None:
    path = make(tmp_path / "a.tar.gz", members)
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match="has a header of over 1 MiB; refused"):
            list(FilmFiles(path).read())
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packing", ["zip", "tar.gz"])
def test_a_member_of_any_size_is_refused_before_it_is_in_memory(packing: str, members: Films, tmp_path: Path) -> None:
    bomb = {"dataset/0000009.json": b" " * (20 << 20)}
    path = (write_zip if packing == "zip" else write_tar)(tmp_path / f"films.{packing}", {**members, **bomb})
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match=r"dataset/0000009.json has more than 16 MiB"):
            list(FilmFiles(path).read())
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_large_files_of_no_concern_are_passed_over(members: Films, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "films.tar.xz", {"multimodal_imdb.hdf5": b"x" * (20 << 20), **members}, "w:xz")
    assert sum(1 for _ in FilmFiles(path).read()) == len(members)


def test_a_damaged_member_of_a_zip_is_named(members: Films, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", members)
    content = members["dataset/0000003.jpeg"]
    path.write_bytes(path.read_bytes().replace(content, content[:-5] + b"XXXXX"))
    with pytest.raises(DatasetError, match=r"damaged at dataset/0000003.jpeg"):
        list(FilmFiles(path).read())


def test_only_films_count() -> None:
    assert classify("mmimdb/dataset/0000001.jpeg") == ("picture", "0000001")
    assert classify("dataset/0000001.json") == ("record", "0000001")
    assert classify("x/split.json") == ("split", "")
    for other in ("dataset/", "dataset/readme.txt", "0000001.jpeg", "__MACOSX/dataset/1.jpeg", "dataset/.x.json"):
        assert classify(other) is None


def test_posters_that_are_too_large_are_refused(
    members: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mixmas_pipeline.pipelines.data.mmimdb import films

    monkeypatch.setattr(films, "_LARGEST", 1000)
    members["dataset/0000001.jpeg"] = poster(1, (400, 600))
    with pytest.raises(DatasetError, match=r"dataset/0000001.jpeg has more than"):
        list(FilmFiles(write_folder(tmp_path, members)).read())
