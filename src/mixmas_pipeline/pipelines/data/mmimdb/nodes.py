"""MM-IMDB: films, decoded posters and embedded plots in; aligned multimodal tables out."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES, LOOK_SIDE, FilmParameters
from mixmas_pipeline.storage.memory_maps import RowFile, release
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

SPLITS = ("train", "validation", "test")
PUBLISHED = {"train": 15552, "validation": 2608, "test": 7799}
UNKNOWN_ONLY, COPY = "no known genre", "copy of a film in another split"
Pair = tuple[str, str]  # ids, the smaller one first
_EXAMPLES = 10
# Correlation of two posters' steps in brightness from field to field: of the mirror's 3,509 posters, copies saved anew
# have 0.997 and more, any others 0.77 and less.
_ALIKE = 0.95
_ALIKE_CHUNK = 512
_CHUNK = 64
_log = logging.getLogger(__name__)


def select_films(
    all_films: pd.DataFrame, parameters: FilmParameters
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Select the films to use, and count the problems of the others.

    Args:
        all_films: one row per film, from ``reading.read_raw``.
        parameters: which films are used.

    Returns:
        films: ``all_films`` with known_genres (list, in the order of the classes), same_poster and same_plot (ids in
            other splits), and left_out (the reason; "" for a film that is used).
        quality: one row per kind of problem, including those that no film has: problem, effect, films, examples (the
            first 10 ids or pairs of ids).
        train, validation, test: the films that are used, by split.

    Raises:
        ValueError: split.json names films that have no files and missing_films is "error"; a genre is unknown and
            unknown_genres is "error"; a split is left without films.
    """
    films = all_films.copy()
    films["known_genres"] = [[g for g in parameters.genres if g in names] for names in films["genres"]]
    unknown = [[g for g in names if g not in parameters.genres] for names in films["genres"]]
    no_files = ~films["record"] & (films["picture_problem"] == "no picture")
    if parameters.missing_films == "error":
        _refuse_missing(films.loc[no_files, "id"])
    if parameters.unknown_genres == "error":
        _refuse_unknown_genres(films, unknown, parameters.genres)
    reasons = _reasons(films, no_files)
    left_out = pd.Series("", index=films.index)
    for reason, applies in reasons.items():
        left_out = left_out.where((left_out != "") | ~applies, reason)
    candidates = films[left_out == ""]
    pairs = {
        "same_poster": _with_equal(candidates, "file_hash") | _with_like_posters(candidates),
        "same_plot": _with_equal(candidates, "plot"),
    }
    for column, of_column in pairs.items():
        films[column] = _partners(films["id"], of_column)
    if parameters.leaks == "drop":
        left_out = left_out.where(~films["id"].isin(_copies(films, set().union(*pairs.values()))), COPY)
    films["left_out"] = left_out
    quality = _quality(films, reasons, unknown, pairs, parameters)
    train, validation, test = (films[(films["split"] == s) & (left_out == "")].reset_index(drop=True) for s in SPLITS)
    for split, rows in zip(SPLITS, (train, validation, test), strict=True):
        if rows.empty:
            raise ValueError(f"the split {split!r} has no usable film; the reasons:\n{quality.to_string(index=False)}")
    _log_quality(quality)
    return films, quality, train, validation, test


def _refuse_missing(missing: pd.Series) -> None:
    if len(missing):
        raise ValueError(
            f"split.json names {len(missing)} films that have no files: {', '.join(missing[:_EXAMPLES])}"
            f"{', ...' if len(missing) > _EXAMPLES else ''}; expected dataset/ID.json and dataset/ID.jpeg of each (set "
            "mmimdb.films.missing_films to skip to leave them out)"
        )


def _refuse_unknown_genres(films: pd.DataFrame, unknown: list[list[str]], genres: tuple[str, ...]) -> None:
    if any(unknown):
        counts = Counter(name for names in unknown for name in names)
        rows = films.loc[[bool(names) for names in unknown], "id"]
        raise ValueError(
            f"{len(rows)} films have unknown genres, {', '.join(f'{n} ({c})' for n, c in counts.most_common())}, such "
            f"as {', '.join(rows[:_EXAMPLES])}; expected some of {', '.join(genres)} (set "
            "mmimdb.films.unknown_genres to ignore to drop them)"
        )


def _reasons(films: pd.DataFrame, no_files: pd.Series) -> dict[str, pd.Series]:
    """Reason to leave a film out -> which films it applies to. The first reason that applies counts."""
    return {
        "in no split": films["split"] == "",
        "no files": no_files,
        "no JSON file": ~films["record"],
        "no picture": films["picture_problem"] == "no picture",
        "broken picture": films["picture_problem"] != "",
        "no plot": films["plot"] == "",
        "no genres": films["genres"].map(len) == 0,
        UNKNOWN_ONLY: films["known_genres"].map(len) == 0,
    }


def _with_equal(films: pd.DataFrame, column: str) -> set[Pair]:
    """Pairs of films of two splits with the same text in a column, ignoring white space and case."""
    values = films[column].map(lambda text: " ".join(text.casefold().split()))
    repeated = values[(values != "") & values.duplicated(keep=False)]
    pairs: set[Pair] = set()
    for _, group in films.loc[repeated.index].groupby(repeated):
        both = zip(group["id"], group["split"], strict=True)
        for film, split in both:
            pairs |= {_pair(film, other) for other in group.loc[group["split"] != split, "id"]}
    return pairs


def _with_like_posters(films: pd.DataFrame) -> set[Pair]:
    """Pairs of films of two splits whose posters get lighter and darker at the same points: one poster in two files."""
    comparable = films[films["look"] != ""]
    if comparable.empty:
        return set()
    ids, splits = comparable["id"].to_numpy(), comparable["split"].to_numpy()
    fields = np.frombuffer(bytes.fromhex("".join(comparable["look"])), np.uint8).reshape(
        len(comparable), LOOK_SIDE, LOOK_SIDE + 1
    )
    steps = np.diff(fields.astype(np.float32)).reshape(len(comparable), -1)
    steps -= steps.mean(axis=1, keepdims=True)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    pairs: set[Pair] = set()
    for start in range(0, len(ids), _ALIKE_CHUNK):
        correlation = steps[start : start + _ALIKE_CHUNK] @ steps.T
        for row, other in np.argwhere(correlation >= _ALIKE):
            if splits[start + row] != splits[other]:
                pairs.add(_pair(ids[start + row], ids[other]))
    return pairs


def _pair(film: str, other: str) -> Pair:
    return (film, other) if film < other else (other, film)


def _partners(ids: pd.Series, pairs: set[Pair]) -> list[list[str]]:
    """For each film, the films that it is in a pair with."""
    partners: dict[str, list[str]] = {}
    for film, other in sorted(pairs):
        partners.setdefault(film, []).append(other)
        partners.setdefault(other, []).append(film)
    return [partners.get(film, []) for film in ids]


def _copies(films: pd.DataFrame, pairs: set[Pair]) -> set[str]:
    """The film of each pair to leave out: the one in the training split, else the one in the validation split."""
    rank = {film: SPLITS.index(split) for film, split in zip(films["id"], films["split"], strict=True) if split}
    return {min(pair, key=lambda film: rank[film]) for pair in pairs}


def _quality(
    films: pd.DataFrame,
    reasons: dict[str, pd.Series],
    unknown: list[list[str]],
    pairs: dict[str, set[Pair]],
    parameters: FilmParameters,
) -> pd.DataFrame:
    ids, left_out, split = films["id"], films["left_out"], films["split"]
    split_of = dict(zip(ids, split, strict=True))
    rows: list[tuple[str, str, int, list[str]]] = []

    def count(problem: str, effect: str, which: Any) -> None:
        matching = list(ids[which])
        rows.append((problem, effect, len(matching), matching[:_EXAMPLES]))

    count("all films", "found", ids != "")
    for reason in (*reasons, *([COPY] if parameters.leaks == "drop" else [])):
        count(reason, "left out", left_out == reason)
    for name, films_with in sorted(Counter(name for names in unknown for name in names).items()):
        count(f"unknown genre {name}", "dropped", [name in names for names in unknown])
        assert rows[-1][2] == films_with
    count("several plots", "longest taken", films["plots"] > 1)
    words = films["picture_converted"].str.split()
    for what in sorted({word for row in words for word in row}):
        count(f"picture {what}", "converted to upright RGB", [what in row for row in words])
    for name, problem in (("same_poster", "same poster in two splits"), ("same_plot", "same plot in two splits")):
        shown = [f"{a} ({split_of[a]}) = {b} ({split_of[b]})" for a, b in sorted(pairs[name])[:_EXAMPLES]]
        effect = "copy left out" if parameters.leaks == "drop" else "reported"
        rows.append((problem, effect, len({film for pair in pairs[name] for film in pair}), shown))
    for name in SPLITS:
        count(f"films of {name}", "taken", (split == name) & (left_out == ""))
    return pd.DataFrame(rows, columns=["problem", "effect", "films", "examples"])


def _log_quality(quality: pd.DataFrame) -> None:
    for row in quality.itertuples():
        if row.films and row.effect != "longest taken" and row.effect not in ("found", "taken"):
            _log.warning(
                "%s: %d films (%s), such as %s", row.problem, row.films, row.effect, "; ".join(row.examples[:3])
            )
        elif row.effect == "taken":
            _log.info("%s: %d", row.problem, row.films)


def describe_source(films: pd.DataFrame, genres: tuple[str, ...]) -> str:
    """The name of the data, shown wherever figures made from it appear.

    It is "MM-IMDB" only if the splits have the published sizes (15,552 / 2,608 / 7,799) and the genres are its 23, and
    over half of the films are of the genre Drama.
    """
    used = films[films["left_out"] == ""]
    sizes = films.loc[films["split"] != "", "split"].value_counts().to_dict()
    drama = films["known_genres"].map(lambda names: "Drama" in names).mean()
    if sizes != PUBLISHED or set(genres) != set(GENRES) or drama <= 0.5:
        return f"{len(used):,} films in MM-IMDB's layout (not MM-IMDB)"
    if len(used) == sum(PUBLISHED.values()):
        return "MM-IMDB"
    return f"MM-IMDB, {len(used):,} of {sum(PUBLISHED.values()):,} films"


def build_table(
    rows: pd.DataFrame,
    films: pd.DataFrame,
    pictures: np.ndarray,
    embeddings: np.ndarray,
    tokens: pd.DataFrame,
    parameters: FilmParameters,
    max_tokens: int,
    scratch: str,
) -> MultimodalTable:
    """Build the table of a split.

    Args:
        rows: the split's films, from ``select_films``.
        films: all films, from ``select_films``.
        pictures: uint8 (pictures, 3, height, width).
        embeddings, tokens: from ``embedding.embed_plots``.
        parameters: the classes.
        max_tokens: steps of the text.
        scratch: folder for the padded arrays, which may be larger than memory, until the table is saved.

    Returns:
        image uint8 (3, height, width); text float16 (max_tokens, hidden), zeros after the last token; labels (n,
        genres); extra columns text_mask (which steps are tokens), tokens (before the plot was cut), title, plot.

    Raises:
        ValueError: the embeddings are of other films, or were made with another max_tokens; the pictures are of
            another reading than the films.
    """
    _check_embeddings(films, embeddings, tokens, max_tokens)
    stops = tokens["tokens"].cumsum()
    spans = tokens.assign(start=stops - tokens["tokens"], stop=stops).set_index("id").loc[rows["id"]]
    arrays = _padded_arrays(rows, pictures, embeddings, spans, max_tokens, scratch)
    schema = TableSchema(
        modalities={
            "image": Modality("image", arrays["image"].shape[1:], "uint8", scale=1 / 255),
            "text": Modality("text", arrays["text"].shape[1:], "float16", padded=True),
        },
        task="multilabel",
        classes=parameters.genres,
        source=describe_source(films, parameters.genres),
    )
    labels = np.array([[name in names for name in parameters.genres] for names in rows["known_genres"]])
    return MultimodalTable(
        schema,
        arrays,
        labels.astype(np.uint8),
        rows["id"].to_numpy(),
        {
            "text_mask": np.arange(max_tokens) < spans["tokens"].to_numpy()[:, None],
            "tokens": spans["whole"].to_numpy(),
            "title": rows["title"].to_numpy(dtype=object),
            "plot": rows["plot"].to_numpy(dtype=object),
        },
        check=False,  # the data set that saves it checks it
    )


def _check_embeddings(films: pd.DataFrame, embeddings: np.ndarray, tokens: pd.DataFrame, max_tokens: int) -> None:
    if list(films.loc[films["left_out"] == "", "id"]) != list(tokens["id"]):
        raise ValueError("the embeddings are of other films than those that are used; embed the plots again")
    if (tokens["tokens"] != tokens["whole"].clip(upper=max_tokens)).any() or tokens["tokens"].sum() != len(embeddings):
        raise ValueError(
            f"the embeddings have {len(embeddings)} tokens, at most {tokens['tokens'].max()} per film, and were not "
            f"made with mmimdb.text.max_tokens = {max_tokens}; embed the plots again"
        )


def _padded_arrays(
    rows: pd.DataFrame,
    pictures: np.ndarray,
    embeddings: np.ndarray,
    spans: pd.DataFrame,
    max_tokens: int,
    scratch: str,
) -> dict[str, np.ndarray]:
    """The split's pictures and padded texts, memory-mapped from files that are written chunk by chunk.

    Args:
        spans: start and stop of each film's tokens in ``embeddings``, in the order of ``rows``.
    """
    starts, stops = spans["start"].to_numpy(), spans["stop"].to_numpy()
    shape = (max_tokens, embeddings.shape[1])
    with RowFile(scratch, pictures.shape[1:], np.uint8) as images, RowFile(scratch, shape, np.float16) as texts:
        for first in range(0, len(rows), _CHUNK):
            images.append(_pictures_of(rows.iloc[first : first + _CHUNK], pictures))
            chunk = range(first, min(first + _CHUNK, len(rows)))
            padded = np.zeros((len(chunk), *shape), np.float16)
            for i, row in enumerate(chunk):
                padded[i, : stops[row] - starts[row]] = embeddings[starts[row] : stops[row]]
            texts.append(padded)
            release(pictures, embeddings)
        return {"image": images.array(), "text": texts.array()}


def _pictures_of(rows: pd.DataFrame, pictures: np.ndarray) -> np.ndarray:
    """The films' pictures, (n, 3, height, width). Checksums tell a row number of another reading."""
    numbers = rows["picture_row"].to_numpy()
    if numbers.max(initial=-1) < len(pictures):
        selected = np.ascontiguousarray(pictures[numbers])
        if all(
            zlib.crc32(picture) == expected
            for picture, expected in zip(selected, rows["picture_checksum"], strict=True)
        ):
            return selected
    raise ValueError(
        f"the pictures are of another reading than the films, for example those of {list(rows['id'][:3])}; read the "
        "films again"
    )
