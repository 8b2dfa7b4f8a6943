"""Read and decode posters and plots from either source. No film is left out here."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from kedro.io import DatasetError

from mixmas_pipeline.data.pictures import PictureFile, read_picture
from mixmas_pipeline.pipelines.data.mmimdb.films import SPLITS, FilmArrays, FilmFile, FilmFiles
from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES, LOOK_SIDE, PictureParameters
from mixmas_pipeline.storage.memory_maps import RowFile
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.progress import Progress

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

# The splits of the HDF5 file, one after the other.
HDF5_SPLITS = {"train": 15552, "validation": 2608, "test": 7799}
# What VGG's authors subtract from blue, green and red.
_VGG_MEAN = np.array([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)
# A poster with fewer edges is too plain to be compared. An edge is a step of more than 2 of 255 between two of the 16 x
# 17 fields. Among the mirror's 3,509 posters the plainest one has 50.
_LEAST_EDGES = 16
_HDF5_CHUNK = 64


@dataclass(frozen=True)
class Poster(PictureFile):
    """Facts about a poster.

    Attributes:
        file_hash: of the file's bytes.
        look: coarse brightness, see ``look_of``; nearly the same for copies that were saved anew. "" for a picture that
            is too plain to be compared.
        checksum: crc32 of the decoded picture, which identifies its row; 0 if there is none.
    """

    file_hash: str = ""
    look: str = ""
    checksum: int = 0


def read_raw(files: FilmFiles, pictures: PictureParameters, scratch: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Every film that has a file or is in a split.

    Returns:
        films: one row per film, by split and position in it: id, split ("" for none), title, year, plot (the longest of
            its plots, "" if there is none), plots (their number), genres (list), record (has a JSON file),
            picture_row (in the pictures, -1 for none), picture_problem, picture_width, picture_height,
            picture_converted, picture_checksum, file_hash, look.
        pictures: uint8 (pictures, 3, height, width), RGB, in the order of the source.

    Raises:
        DatasetError: the source is damaged.
        ValueError: a JSON file is malformed or holds text that UTF-8 cannot encode (names it); split.json has
            other lists than train, dev and test, or a film is in them twice (names it).
    """
    splits: dict[str, tuple[str, int]] = {}
    records: dict[str, dict[str, Any]] = {}
    posters: dict[str, dict[str, Any]] = {}
    with RowFile(scratch, (3, pictures.height, pictures.width), np.uint8) as rows:

        def keep(film: str, decoded: tuple[np.ndarray | None, Poster]) -> None:
            row = -1 if decoded[0] is None else len(rows)
            posters[film] = {"row": row, **asdict(decoded[1])}
            if decoded[0] is not None:
                rows.append(decoded[0][None])

        def decode(file: FilmFile) -> tuple[np.ndarray | None, Poster]:
            return decode_picture(file.content, pictures.height, pictures.width)

        def pictures_only() -> Iterator[FilmFile]:
            with Progress(files.units, f"Reading {files.path.name}") as progress:
                for file in files.read():
                    progress.advance(file.units)
                    if file.kind == "picture":
                        yield file
                    elif file.kind == "record":
                        records[file.film] = parse_record(file.name, file.content)
                    else:
                        splits.update(parse_splits(file.name, file.content))

        for file, decoded in _in_threads(decode, pictures_only(), pictures.threads):
            keep(file.film, decoded)
        return _film_frame(splits, records, posters), rows.array()


def _in_threads(
    function: Callable[[FilmFile], Any], items: Iterator[FilmFile], threads: int | None
) -> Iterator[tuple[FilmFile, Any]]:
    """Each item with the function's result, in the order of the items; at most 8 per thread are pending."""
    threads = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[FilmFile, Future[Any]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) > 8 * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


def parse_splits(name: str, content: bytes) -> dict[str, tuple[str, int]]:
    """Film id -> (split, position in it), of split.json.

    Raises:
        ValueError: it is not three lists of ids, or a film is in them twice.
    """
    lists = _parse_json(name, content)
    if not isinstance(lists, dict) or set(lists) != set(SPLITS):
        found = sorted(lists) if isinstance(lists, dict) else type(lists).__name__
        raise ValueError(f"{name}: expected the lists {', '.join(SPLITS)} of film ids (found: {found})")
    positions: dict[str, tuple[str, int]] = {}
    for key, split in SPLITS.items():
        if not isinstance(lists[key], list):
            raise ValueError(f"{name}: {key} is a {type(lists[key]).__name__}; expected a list of film ids")
        for position, film in enumerate(lists[key]):
            if not isinstance(film, str):
                raise ValueError(f"{name}: {key} has {film!r}; expected the id of a film as text")
            _check_text(name, film)
            if film in positions:
                other = positions[film][0]
                where = f"twice in {split}" if other == split else f"in two splits, {other} and {split}"
                raise ValueError(f"{name}: the film {film} is {where}; expected it once")
            positions[film] = (split, position)
    return positions


def parse_record(name: str, content: bytes) -> dict[str, Any]:
    """Title, year, plot (the longest), number of plots and genres, of a film's JSON file.

    Raises:
        ValueError: it is no JSON object; plot or genres are no lists of texts; a text has half of a surrogate pair.
    """
    film = _parse_json(name, content)
    if not isinstance(film, dict):
        raise ValueError(f"{name} holds a {type(film).__name__}; expected an object with plot and genres")
    lists = {}
    for key in ("plot", "genres"):
        value = [] if film.get(key) is None else film[key]
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise ValueError(f"{name}: {key} is {str(film[key])[:60]!r}; expected a list of texts")
        lists[key] = [text.strip() for text in value if text.strip()]
    title, year = (str(film.get(key) or "") for key in ("title", "year"))
    for text in (title, year, *lists["plot"], *lists["genres"]):
        _check_text(name, text)
    return {
        "title": title,
        "year": year,
        "plot": max(lists["plot"], key=len, default=""),
        "plots": len(lists["plot"]),
        "genres": list(dict.fromkeys(lists["genres"])),
    }


def _parse_json(name: str, content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is no JSON in UTF-8: {error}") from None


def _check_text(name: str, text: str) -> None:
    """Refuse half of a surrogate pair, which JSON's escapes can write and UTF-8 cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: {text[:60]!r} cannot be encoded as UTF-8: {error}") from None


def decode_picture(content: bytes, height: int, width: int) -> tuple[np.ndarray | None, Poster]:
    """An image file's bytes as uint8 (3, height, width), RGB, upright; None if it cannot be decoded or has over 50
    million pixels."""
    file_hash = hashlib.blake2b(content, digest_size=16).hexdigest()
    picture, facts = read_picture(content, height, width)
    poster = Poster(**asdict(facts), file_hash=file_hash)
    return (None, poster) if picture is None else _with_channels_first(picture, poster)


def _with_channels_first(picture: np.ndarray, poster: Poster) -> tuple[np.ndarray, Poster]:
    """A decoded picture (height, width, 3) as (3, height, width), and its facts with look and checksum."""
    channels_first = np.ascontiguousarray(picture.transpose(2, 0, 1))
    return channels_first, replace(poster, look=look_of(picture), checksum=zlib.crc32(channels_first.data))


def look_of(picture: np.ndarray) -> str:
    """The coarse brightness of a picture: the mean of each of 16 x 17 fields.

    Args:
        picture: uint8 (height, width, 3).

    Returns:
        one byte per field, row by row, as 544 hexadecimal digits; "" if nearly all neighbouring fields are equally
            bright.
    """
    from PIL import Image

    small = Image.fromarray(picture).convert("L").resize((LOOK_SIDE + 1, LOOK_SIDE), Image.Resampling.BOX)
    fields = np.asarray(small)
    edges = np.abs(np.diff(fields.astype(np.int16))) > 2
    return fields.tobytes().hex() if edges.sum() >= _LEAST_EDGES else ""


_OF_PICTURE = ("row", "problem", "width", "height", "converted", "checksum")


def _film_frame(
    splits: dict[str, tuple[str, int]], records: dict[str, dict[str, Any]], posters: dict[str, dict[str, Any]]
) -> pd.DataFrame:
    order = {name: i for i, name in enumerate((*SPLITS.values(), ""))}
    no_split = ("", -1)
    films = sorted(
        {*splits, *records, *posters}, key=lambda film: (order[splits.get(film, no_split)[0]], splits.get(film), film)
    )
    no_record: dict[str, Any] = {"title": "", "year": "", "plot": "", "plots": 0, "genres": []}
    no_poster = {"row": -1, **asdict(Poster(problem="no picture"))}
    rows = []
    for film in films:
        record, poster = records.get(film, no_record), posters.get(film, no_poster)
        rows.append(
            {
                "id": film,
                "split": splits.get(film, no_split)[0],
                **record,
                "record": film in records,
                **{f"picture_{key}": poster[key] for key in _OF_PICTURE},
                **{key: poster[key] for key in ("file_hash", "look")},
            }
        )
    return pd.DataFrame(rows)


def read_hdf5(source: FilmArrays, pictures: PictureParameters, scratch: str) -> tuple[pd.DataFrame, np.ndarray]:
    """The results of ``read_raw`` from the authors' HDF5 file.

    Its pictures are blue, green, red minus VGG's means (103.939, 116.779, 123.68), truncated to whole numbers. This is
    undone to within 1 of 255. Pictures without a negative number are taken as RGB. The attribute ``target_names`` of
    ``genres`` names the genres. Without it they are the 23 of MM-IMDB, if the columns are in the order of frequency.

    Raises:
        DatasetError: the file is damaged (names the array) or lacks an array.
        ValueError: the genres are not named; the rows are not 25,959 films and no attribute ``split`` names their
            splits; a film occurs twice or its plot is not in the JSON files; a word is not in the vocabulary; JSON
            files name other genres.
    """
    try:
        return _read_hdf5(source, pictures, scratch)
    except (DatasetError, ValueError):
        raise
    except Exception as error:  # a damaged file makes h5py fail in any way
        if isinstance(error, OSError) and error.errno is not None:  # the system's, as of a full disk
            raise
        raise DatasetError(f"{source.path} cannot be read, or is damaged: {type(error).__name__}: {error}") from error


def _read_hdf5(source: FilmArrays, pictures: PictureParameters, scratch: str) -> tuple[pd.DataFrame, np.ndarray]:
    with source.open() as file, RowFile(scratch, (3, pictures.height, pictures.width), np.uint8) as rows:
        ids = [value.decode() if isinstance(value, bytes) else str(value) for value in _read_rows(file, "imdb_ids")]
        splits = _hdf5_splits(file, source.path, ids)
        genres = _genre_lists(file, source.path)
        if len(set(ids)) != len(ids):
            twice = Counter(ids).most_common(1)[0][0]
            raise ValueError(f"{source.path}: the film {twice} occurs twice")
        posters: dict[str, dict[str, Any]] = {}
        subtracted = _has_mean_subtracted(_read_rows(file, "images", slice(256)))
        with Progress(len(ids), f"Reading {source.path.name}") as progress:
            for start in range(0, len(ids), _HDF5_CHUNK):
                block = _read_rows(file, "images", slice(start, start + _HDF5_CHUNK))
                for film, picture in zip(ids[start:], _as_rgb(block, subtracted), strict=False):
                    resized, poster = _resized(picture, pictures)
                    posters[film] = {"row": len(rows), **asdict(poster)}
                    rows.append(resized[None])
                progress.advance(len(block))
        records = _hdf5_records(source, file, ids, genres)
        return _film_frame(splits, records, posters), rows.array()


def _resized(picture: np.ndarray, pictures: PictureParameters) -> tuple[np.ndarray, Poster]:
    """A picture (3, height, width) of the HDF5 file at the wanted size, and its facts."""
    from PIL import Image

    image = np.ascontiguousarray(picture.transpose(1, 2, 0))
    height, width = image.shape[:2]
    resized = image
    if (height, width) != (pictures.height, pictures.width):
        size = (pictures.width, pictures.height)
        resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    digest = hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest()
    return _with_channels_first(resized, Poster("", width, height, file_hash=digest))


def _read_rows(file: Any, name: str, rows: slice = slice(None)) -> np.ndarray:
    """Rows of one of the file's arrays."""
    try:
        return file[name][rows]
    except (OSError, RuntimeError) as error:  # h5py's errors about unreadable chunks
        raise DatasetError(f"{file.filename} is damaged in its array {name}: {error}") from error


def _genre_lists(file: Any, path: Path) -> list[list[str]]:
    matrix = _read_rows(file, "genres")
    if "target_names" in file["genres"].attrs:
        names = tuple(json.loads(file["genres"].attrs["target_names"]))
    else:
        names = GENRES
    if matrix.shape[1] != len(names) or not np.isin(matrix, (0, 1)).all():
        raise ValueError(
            f"genres are {matrix.shape} with values to {matrix.max()}; expected 0 and 1, {len(names)} wide"
        )
    counts = matrix.sum(axis=0)
    if "target_names" not in file["genres"].attrs and (np.diff(counts) > 0).any():
        raise ValueError(
            f"{path} does not say which genres it has (attribute target_names of genres), and its columns are not in "
            f"the order of their frequency, as MM-IMDB's are: they have {counts.tolist()} films"
        )
    return [[names[c] for c in np.flatnonzero(row)] for row in matrix]


def _hdf5_splits(file: Any, path: Path, ids: list[str]) -> dict[str, tuple[str, int]]:
    """By the attribute ``split`` (of Fuel: rows with split, source, start, stop), else by MM-IMDB's sizes."""
    spans: list[tuple[str, int, int]] = []
    films = len(ids)
    if "split" in file.attrs:
        for row in file.attrs["split"]:
            name, array = (value.decode() if isinstance(value, bytes) else str(value) for value in (row[0], row[1]))
            if array == "imdb_ids":
                spans.append((SPLITS.get(name, name), int(row[2]), int(row[3])))
    elif films == sum(HDF5_SPLITS.values()):
        first = 0
        for split, size in HDF5_SPLITS.items():
            spans.append((split, first, first + size))
            first += size
    inside = all(0 <= start <= stop <= films for _, start, stop in spans)
    covered = sorted(position for _, start, stop in spans for position in range(start, stop)) if inside else []
    if covered != list(range(films)) or not {name for name, _, _ in spans} <= set(HDF5_SPLITS):
        raise ValueError(
            f"{path} has {films} films and no attribute 'split' that puts each into train, dev or test; expected that, "
            f"or the {sum(HDF5_SPLITS.values())} films of MM-IMDB in the order of their splits"
        )
    return {ids[row]: (split, row - start) for split, start, stop in spans for row in range(start, stop)}


def _has_mean_subtracted(images: Any) -> bool:
    """Whether VGG's means were subtracted: then dark pixels are negative, and some of 256 posters have one."""
    return bool((np.asarray(images[:256]) < 0).any())


def _as_rgb(block: np.ndarray, subtracted: bool) -> np.ndarray:
    """uint8 (n, 3, height, width), RGB."""
    values = np.asarray(block, dtype=np.float64)
    if subtracted:
        values = (values + _VGG_MEAN)[:, ::-1]
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _hdf5_records(source: FilmArrays, file: Any, ids: list[str], genres: list[list[str]]) -> dict[str, dict[str, Any]]:
    if source.records is None:
        assert source.vocabulary is not None
        return {
            film: {"title": "", "year": "", "plot": plot, "plots": int(plot != ""), "genres": names}
            for film, plot, names in zip(
                ids, _plots(source.vocabulary, _read_rows(file, "sequences"), ids), genres, strict=True
            )
        }
    genres_of = dict(zip(ids, genres, strict=True))
    records = {
        member.film: parse_record(member.name, member.content)
        for member in source.records.read()
        if member.kind == "record" and member.film in genres_of
    }
    if missing := [film for film in ids if film not in records]:
        raise ValueError(f"{source.records.path} has no JSON file of {len(missing)} films, such as {missing[:5]}")
    classes = {name for names in genres for name in names}
    for film, names in genres_of.items():
        if set(names) != set(records[film]["genres"]) & classes:
            raise ValueError(
                f"the film {film} has the genres {names} in {source.path} and {records[film]['genres']} in "
                f"{source.records.path}; expected the same (is the order of the genres another one?)"
            )
    return records


def _plots(vocabulary: tuple[str, ...], sequences: Any, ids: list[str]) -> Iterator[str]:
    for film, indices in zip(ids, sequences, strict=True):
        if len(indices) and not 0 <= min(indices) <= max(indices) < len(vocabulary):
            raise ValueError(
                f"the plot of the film {film} has the word {max(indices)}; the vocabulary has {len(vocabulary)} words"
            )
        yield " ".join(vocabulary[index] for index in indices)
