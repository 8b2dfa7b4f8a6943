"""MM-IMDB as it is published: a folder or an archive of posters and plots; and its authors' HDF5 file.

Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion" (arXiv 1702.01992);
https://archive.org/details/mmimdb.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal

from kedro.io import DatasetError
from kedro_datasets._typing import ImagePreview

from mixmas_pipeline.datasets.errors import as_dataset_error
from mixmas_pipeline.datasets.user_files import UserFilesDataset
from mixmas_pipeline.storage.archives import open_archive, refuse_outside
from mixmas_pipeline.storage.downloads import MIRROR_VARIABLE
from mixmas_pipeline.utils.packages import package_version

SPLIT_FILE = "split.json"
# split.json and the HDF5 file say "dev"; everything here says "validation".
SPLITS = {"train": "train", "dev": "validation", "test": "test"}
_FOLDER = "dataset"
_KINDS: dict[str, Literal["record", "picture"]] = {".json": "record", ".jpeg": "picture"}
# Bytes. A poster has about 50 kB, split.json 300 kB; a few kB of an archive may stand for any number of them.
_LARGEST = 16 << 20
_LARGEST_HEADERS = 1 << 20
_DECOMPRESS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
_HOW_TO_GET = (
    "Get MM-IMDB from https://archive.org/details/mmimdb and put it into {folder}, so that {folder}/split.json and "
    "{folder}/dataset/*.jpeg are there; or name the folder or archive (.zip, .tar, .tar.gz) as the filepath of this "
    "data set in the configuration; or put it at {mirror} in the folder that the environment variable "
    + MIRROR_VARIABLE
    + " names"
)


@dataclass(frozen=True)
class FilmFile:
    """One file of the source.

    Attributes:
        kind: "split" for split.json, "record" for a film's JSON file, "picture" for its poster.
        name: its path in the source, for messages.
        film: id of the film; "" for split.json.
        content: its bytes.
        units: of progress, out of ``FilmFiles.units``, once it has been read.
    """

    kind: Literal["split", "record", "picture"]
    name: str
    film: str
    content: bytes
    units: int


@dataclass(frozen=True)
class FilmFiles:
    """A folder or archive in the layout of MM-IMDB: ``split.json``, ``dataset/{id}.json``, ``dataset/{id}.jpeg``."""

    path: Path

    @property
    def _is_tar(self) -> bool:
        return self.path.is_file() and not zipfile.is_zipfile(self.path)

    @property
    def units(self) -> int:
        """Units of progress: files; bytes of a tar archive, which has no list of its files."""
        if self._is_tar:
            return self.path.stat().st_size
        if self.path.is_dir():
            return sum(1 for _ in self._paths())
        with as_dataset_error(), open_archive(self.path) as archive:
            return sum(classify(name) is not None for name in archive.namelist())

    def read(self) -> Iterator[FilmFile]:
        """All files once, in the source's own order; nothing is extracted to the disk.

        Raises:
            DatasetError: the archive is damaged or truncated; it names files outside itself; a film's file or
                split.json is there twice, or there is no split.json; a file has over 16 MiB, or the headers between
                two files of a tar archive over 1 MiB.
        """
        seen: dict[tuple[str, str], str] = {}
        reader = self._read_folder if self.path.is_dir() else self._read_tar if self._is_tar else self._read_zip
        with as_dataset_error():
            for file in reader():
                # Also under one name: an archive may hold that twice, and the second would replace the first.
                if other := seen.get((file.kind, file.film)):
                    raise DatasetError(f"{self.path} holds {other} and {file.name}; expected only one")
                seen[file.kind, file.film] = file.name
                yield file
        if ("split", "") not in seen:
            raise DatasetError(f"{self.path} holds no {SPLIT_FILE}; expected the lists train, dev and test of film ids")

    def _paths(self) -> Iterator[Path]:
        split = self.path / SPLIT_FILE
        if split.is_file():
            yield split
        with os.scandir(self.path / _FOLDER) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            if classify(f"{_FOLDER}/{name}"):
                yield self.path / _FOLDER / name

    def _read_folder(self) -> Iterator[FilmFile]:
        for path in self._paths():
            name = path.relative_to(self.path).as_posix()
            with path.open("rb") as stream:
                yield self._file(name, stream.read(_LARGEST + 1), 1)

    def _read_zip(self) -> Iterator[FilmFile]:
        with open_archive(self.path) as archive:
            for member in archive.infolist():
                if classify(name := member.filename):
                    self._check_size(name, member.file_size)
                    yield self._file(name, self._member(archive, member), 1)

    def _member(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
        """A member's bytes, at most one more than the limit."""
        try:
            with archive.open(member) as stream:
                return stream.read(_LARGEST + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise DatasetError(f"{self.path} is damaged at {member.filename}: {error}") from error

    def _read_tar(self) -> Iterator[FilmFile]:
        with self.path.open("rb") as raw:
            opener = _DECOMPRESS.get(raw.read(2))
            raw.seek(0)
            try:
                yield from self._tar_files(raw, _LimitedStream(opener(raw) if opener else raw, self.path))
            except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, RecursionError) as error:
                raise DatasetError(f"{self.path} is no whole .zip, .tar or .tar.gz (truncated?): {error}") from error

    def _tar_files(self, raw: BinaryIO, plain: _LimitedStream) -> Iterator[FilmFile]:
        """Read once from beginning to end: a compressed archive has no random access.

        Args:
            raw: the archive on the disk.
            plain: its decompressed bytes.
        """
        start = 0
        with tarfile.open(fileobj=plain, mode="r|") as archive:
            for member in archive:
                refuse_outside(self.path, member.name)  # tarfile's own filters are newer than Python 3.11.0
                # Only a plain file's size is that of its bytes: a folder or a sparse file may state any.
                plain.allow(member.size if (is_plain := member.isreg() and not member.issparse()) else 0)
                if not classify(member.name):
                    continue
                stream = archive.extractfile(member) if is_plain else None
                if stream is None:
                    raise DatasetError(
                        f"{self.path}: {member.name} is not a plain file; expected no links, devices or sparse files"
                    )
                self._check_size(member.name, member.size)
                yield self._file(member.name, stream.read(), raw.tell() - start)
                start = raw.tell()

    def _check_size(self, name: str, size: int) -> None:
        if size > _LARGEST:
            raise DatasetError(f"{self.path}: {name} has more than {_LARGEST >> 20} MiB; expected a poster or a plot")

    def _file(self, name: str, content: bytes, units: int) -> FilmFile:
        self._check_size(name, len(content))
        classified = classify(name)
        assert classified is not None
        kind, film = classified
        return FilmFile(kind, name, film, content, units)


class _LimitedStream(io.RawIOBase):
    """A tar archive's decompressed bytes, limited to the size of the members and a little for headers.

    tarfile loads any header into memory, and a header of gigabytes may be compressed into a megabyte.
    """

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._path = stream, path
        self._left = _LARGEST_HEADERS

    def allow(self, size: int) -> None:
        """Allow a member of this many bytes and the headers after it."""
        self._left = size + _LARGEST_HEADERS

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise DatasetError(f"{self._path} has a header of over {_LARGEST_HEADERS >> 20} MiB; refused")
        return content


def classify(name: str) -> tuple[Literal["split", "record", "picture"], str] | None:
    """Kind and film id of a member's path; None for other members (folders, files that an operating system adds)."""
    path = PurePosixPath(name)
    if path.name.startswith(".") or "__MACOSX" in path.parts:
        return None
    if path.name == SPLIT_FILE:
        return "split", ""
    if path.parent.name == _FOLDER and (kind := _KINDS.get(path.suffix)):
        return kind, path.stem
    return None


def find_films(path: Path) -> FilmFiles | None:
    """The films at a path: an archive (any file), or a folder in the layout of MM-IMDB or with such a folder in it."""
    if path.is_file():
        return FilmFiles(path)
    folders = [path, *sorted(p for p in path.iterdir() if p.is_dir())] if path.is_dir() else []
    complete = [folder for folder in folders if (folder / SPLIT_FILE).is_file() and (folder / _FOLDER).is_dir()]
    return FilmFiles(complete[0]) if complete else None


class FilmFilesDataset(UserFilesDataset):
    """Films in the layout of MM-IMDB, read where they are: a folder, a .zip, a .tar or a .tar.gz.

    Args:
        filepath: the folder (or one that holds it alone), or the archive.
        mirror: its path below ``MIXMAS_MIRROR``, where it is looked for when ``filepath`` is not there.

    Raises:
        DatasetError: there is neither a folder nor an archive, or the folder lacks split.json or dataset.
    """

    def load(self) -> FilmFiles:
        path = self.locate()
        how = _HOW_TO_GET.format(folder=self._filepath, mirror=self._mirror)
        if path is None:
            raise DatasetError(f"There are no films: neither {self.locations()} is there. {how}")
        if films := find_films(path):
            return films
        archives = sorted(p.name for p in path.iterdir() if p.name.endswith((".zip", ".tar", ".tar.gz", ".tgz")))
        hint = f" (it has {archives[0]}: name that as the filepath, or unpack it)" if archives else ""
        raise DatasetError(f"{path} has no {SPLIT_FILE} beside a folder {_FOLDER}{hint}. {how}")

    def fingerprint(self) -> str:
        """Names, sizes and times of the files, and what decodes them."""
        return f"{_stat_hash(self.locate())} {package_version('pillow')}"

    def preview(self) -> ImagePreview:
        """The first posters, above the films' ids. The rest of the source is not read."""
        from PIL import Image

        from mixmas_pipeline.datasets.previews import EXAMPLES, scaled, sheet

        posters = list(islice((file for file in self.load().read() if file.kind == "picture"), EXAMPLES))
        pictures = [scaled(Image.open(io.BytesIO(file.content)).convert("RGB")) for file in posters]
        return sheet(pictures, [file.film for file in posters], columns=8)


@dataclass(frozen=True)
class FilmArrays:
    """The authors' HDF5 file, and the source of the plots' words.

    Attributes:
        path: of the HDF5 file.
        vocabulary: position -> word, for its word indices; None if plots come from ``records``.
        records: the published folder or archive, whose JSON files hold the plots; None if there is a vocabulary.
    """

    path: Path
    vocabulary: tuple[str, ...] | None
    records: FilmFiles | None

    def open(self) -> Any:
        """Open the file with h5py.

        Raises:
            DatasetError: h5py is not installed; the file is damaged; an array is missing or has another shape.
        """
        try:
            import h5py
        except ImportError as error:
            raise DatasetError("h5py is not installed: pip install 'mixmas_pipeline[hdf5]'") from error
        try:
            file = h5py.File(self.path, "r")
        except OSError as error:
            raise DatasetError(f"{self.path} is no whole HDF5 file: {error}") from error
        needed = {"images": 4, "genres": 2, "sequences": 1, "imdb_ids": 1}
        for name in needed:
            link = file.get(name, getlink=True)
            outside = link is not None and not isinstance(link, h5py.HardLink)
            array = None if outside else file.get(name)
            if outside or (isinstance(array, h5py.Dataset) and (array.external or array.is_virtual)):
                file.close()
                raise DatasetError(f"{self.path}: the array {name!r} lies in another file, which is not read; refused")
        rows = file["imdb_ids"].shape[:1] if "imdb_ids" in file else ()
        for name, axes in needed.items():
            if name not in file or len(file[name].shape) != axes or file[name].shape[:1] != rows:
                found = {key: value.shape for key, value in file.items() if hasattr(value, "shape")}
                file.close()
                raise DatasetError(
                    f"{self.path} has no array {name!r} with {axes} axes and one row per film; expected images "
                    f"(n, 3, 256, 160), genres (n, 23), sequences (n,) and imdb_ids (n,) (found: {found})"
                )
        return file


class FilmArraysDataset(UserFilesDataset):
    """The authors' ``multimodal_imdb.hdf5``. Its plots are word indices, and the words are in another file.

    Those words are published in ``metadata.npy``, a pickle, which is a program: it is not loaded here. Either give
    the published JSON files as ``plots``, or the words as ``vocabulary``.

    Args:
        filepath: the HDF5 file.
        mirror: its path below ``MIXMAS_MIRROR``.
        vocabulary: a text file with one word per line, a JSON list of words, or a JSON object from index to word.
            Default none.
        plots: folder or archive with ``split.json`` and ``dataset/{id}.json``. If they exist, they take
            precedence over ``vocabulary``, whose words are lower case and without numbers. Default none.

    Raises:
        DatasetError: there is no such file, or neither JSON files nor a vocabulary.
    """

    def __init__(
        self,
        *,
        filepath: str,
        mirror: str,
        vocabulary: str | None = None,
        plots: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, mirror=mirror, metadata=metadata)
        self._vocabulary, self._plots = (Path(path) if path else None for path in (vocabulary, plots))

    def load(self) -> FilmArrays:
        path = self.locate()
        if path is None:
            raise DatasetError(
                f"There is no HDF5 file of films: neither {self.locations()} is there. Get "
                "multimodal_imdb.hdf5 from https://archive.org/details/mmimdb; or, to start from posters and JSON "
                "files, set the parameter mmimdb.input to raw"
            )
        # The folder of plots may hold something else, such as the HDF5 file and its vocabulary.
        if self._plots and (records := find_films(self._plots)):
            return FilmArrays(path, None, records)
        if self._vocabulary and self._vocabulary.is_file():
            return FilmArrays(path, read_vocabulary(self._vocabulary), None)
        raise DatasetError(
            f"{path} holds plots as word indices without their words: expected the published JSON files "
            f"at {self._plots} (option plots of this data set: an archive, or a folder with {SPLIT_FILE} beside "
            f"{_FOLDER}/*.json), or a vocabulary at {self._vocabulary} (option vocabulary: one word per line, or "
            "JSON). The published vocabulary is metadata.npy, a pickle, which is not loaded since it can run anything. "
            "Convert it where you trust it: json.dump(numpy.load('metadata.npy', allow_pickle=True, encoding='latin1')"
            ".item()['ix_to_word'], open('words.json', 'w'))"
        )

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "plots": str(self._plots)}

    def fingerprint(self) -> str:
        """Sizes and times of the files."""
        return " ".join(map(_stat_hash, (self.locate(), self._vocabulary, self._plots)))

    def preview(self) -> ImagePreview:
        """The first posters, above the films' ids."""
        from mixmas_pipeline.datasets.previews import EXAMPLES, draw, sheet

        with self.load().open() as file:
            pictures, films = file["images"][:EXAMPLES], file["imdb_ids"][:EXAMPLES]
        names = [film.decode() if isinstance(film, bytes) else str(film) for film in films]
        return sheet([draw(picture) for picture in pictures], names, columns=8)


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """The words in the order of their indices, from a JSON list, a JSON object (index to word), or one word per line.

    Raises:
        DatasetError: it is none of these, or indices are missing.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            # Not splitlines(): a word may hold a character at which that splits, such as U+0085.
            return tuple(text.removesuffix("\n").split("\n"))
        words = json.loads(text)
        if isinstance(words, dict):
            words = [words[str(index)] for index in range(len(words))]
        if not all(isinstance(word, str) for word in words):
            raise ValueError("a word is not text")
        return tuple(words)
    except (ValueError, TypeError, KeyError) as error:
        raise DatasetError(
            f"{path} is no vocabulary ({type(error).__name__}: {error}); expected one word per line, a JSON list of "
            "words, or a JSON object of words by index from 0"
        ) from error


def _stat_hash(path: Path | None) -> str:
    """Hash of the names, sizes and times of a source's files, whose content is too large to be hashed."""
    if path is None or not path.exists():
        return "absent"
    digest = hashlib.blake2b(digest_size=20)
    for root, folders, names in os.walk(path) if path.is_dir() else [(str(path.parent), [], [path.name])]:
        folders.sort()
        for name in sorted(names):
            status = (Path(root) / name).stat()
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
