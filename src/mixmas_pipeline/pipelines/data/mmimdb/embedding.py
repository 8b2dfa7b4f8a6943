"""Plots as token embeddings: the last hidden state of a frozen encoder, computed once.

Batches depend on the plots and parameters alone. They are saved part by part: a killed run resumes with its unfinished
part, and ends with the same numbers as an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.text_embedding import (
    EncoderFiles,
    as_half,
    embed_batch,
    load_encoder,
    make_batches,
    quiet,
    tokenise,
)
from mixmas_pipeline.pipelines.data.mmimdb.parameters import TextParameters
from mixmas_pipeline.storage.atomic import write_atomically
from mixmas_pipeline.storage.cache import local_copy
from mixmas_pipeline.storage.memory_maps import RowFile, release
from mixmas_pipeline.storage.paths import as_path
from mixmas_pipeline.storage.retention import mark_finished
from mixmas_pipeline.utils.code_hash import code_hash
from mixmas_pipeline.utils.durations import duration
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.progress import Progress

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_PART_TOKENS = 1 << 15
_log = logging.getLogger(__name__)


def embed_plots(
    films: pd.DataFrame, encoder: EncoderFiles, text: TextParameters, checkpoints: str
) -> tuple[np.ndarray, pd.DataFrame, dict[str, Any]]:
    """Token embeddings of every film that is used.

    Args:
        films: id, plot, left_out; films with a reason in left_out are skipped.
        encoder: the model's files.
        text: lengths, batches, device and precision.
        checkpoints: folder that keeps the parts until the run has ended.

    Returns:
        embeddings: float16 (tokens of all films, hidden); a film's tokens follow each other, without padding, and
            films are in the order of ``films``.
        tokens: one row per film: id, tokens (rows in embeddings), whole (tokens of the plot before it was cut).
        info: model and revision, how much was cut, precision, time. ``seconds`` are of this run alone, which reused
            earlier parts if ``resumed``.

    Raises:
        ValueError: max_tokens is more than the encoder takes; a film's embedding is not finite in half precision, or
            one of its tokens is all zeros, which stands for padding.
        EncoderError: transformers cannot load the encoder's files, or the encoder fails on a text of max_tokens.
    """
    from mixmas_pipeline.utils.devices import pick_device, pick_precision

    started = time.perf_counter()
    used = films[films["left_out"] == ""]
    precision = pick_precision(text.precision, device := pick_device(text.device))
    with quiet():
        tokeniser, model = load_encoder(encoder, text.max_tokens, "mmimdb.text.max_tokens")
        ids, full_lengths = tokenise(tokeniser, list(used["plot"]), text.max_tokens)
    lengths = np.array([len(film) for film in ids], dtype=np.int64)
    parts = _divide(make_batches(lengths, text.batch_tokens), lengths)
    folder: Any = as_path(checkpoints) / _identity(encoder, ids, text, precision, device.type)
    model = model.to(device=device.type, dtype=_torch_dtype(precision))
    with Progress(len(parts), f"Embedding {len(ids)} plots with {encoder.name}") as progress:
        names, padding = list(used["id"]), tokeniser.pad_token_id or 0
        computed = _compute_parts(model, padding, ids, names, lengths, parts, folder, progress)
    hidden = int(model.config.hidden_size)
    embeddings = _gather(folder, parts, lengths, hidden)
    mark_finished(folder)
    seconds = time.perf_counter() - started
    tokens = pd.DataFrame({"id": used["id"].to_numpy(), "tokens": lengths, "whole": full_lengths})
    info = {
        **_encoder_names(encoder),
        "architecture": type(model).__name__,
        "hidden": hidden,
        "max_tokens": text.max_tokens,
        **_token_counts(lengths, full_lengths),
        "dtype": "float16",
        "computed_in": precision,
        "device": device.type,
        "seconds": seconds,
        "films_per_second": len(ids) / seconds if computed == lengths.sum() else None,
        "resumed": bool(computed < lengths.sum()),
    }
    cut = f"{info['truncated']:.1%} cut at {text.max_tokens} tokens"
    _log.info("%d plots, %.0f tokens each, %s, in %s", len(ids), info["mean_tokens"], cut, duration(seconds))
    return embeddings, tokens, info


def _encoder_names(encoder: EncoderFiles) -> dict[str, Any]:
    return {"model": encoder.name, "revision": encoder.revision, "content": encoder.content}


def _token_counts(lengths: np.ndarray, full_lengths: np.ndarray) -> dict[str, Any]:
    """Films and tokens; the mean number before texts are cut; the share of films that are cut."""
    return {
        "films": len(lengths),
        "tokens": int(lengths.sum()),
        "mean_tokens": float(full_lengths.mean()),
        "truncated": float((full_lengths > lengths).mean()),
    }


def _compute_parts(
    model: Any,
    padding: int,
    ids: list[np.ndarray],
    names: list[str],
    lengths: np.ndarray,
    parts: list[list[list[int]]],
    folder: Path,
    progress: Progress,
) -> int:
    """Compute and save every part that is not complete.

    Args:
        padding: the tokeniser's id of padding.
        ids: tokens of each film.
        names: the films' ids, for messages.

    Returns:
        How many tokens were computed.
    """
    computed = 0
    for number, part in enumerate(parts):
        path = folder / f"{number:05d}.npy"
        if not _is_complete(path, int(sum(lengths[batch].sum() for batch in part)), model.config.hidden_size):
            values = []
            for batch in part:
                states = embed_batch(model, [ids[i] for i in batch], padding)
                values.append(as_half(states, [names[i] for i in batch], lengths[batch]))
            _save(path, np.concatenate(values))
            computed += sum(map(len, values))
        progress.advance(note=f"{computed:,} tokens")
    return computed


def _divide(batches: list[list[int]], lengths: np.ndarray) -> list[list[list[int]]]:
    """Consecutive batches in parts of about ``_PART_TOKENS`` tokens."""
    parts: list[list[list[int]]] = []
    size = _PART_TOKENS
    for batch in batches:
        if size >= _PART_TOKENS:
            parts.append([])
            size = 0
        parts[-1].append(batch)
        size += int(lengths[batch].sum())
    return parts


def _gather(folder: Path, parts: list[list[list[int]]], lengths: np.ndarray, hidden: int) -> np.ndarray:
    """The embeddings of the parts in the order of the films."""
    location: dict[int, tuple[int, int]] = {}
    for number, part in enumerate(parts):
        first = 0
        for i in (i for batch in part for i in batch):
            location[i] = (number, first)
            first += int(lengths[i])
    opened = [np.load(local_copy(folder / f"{number:05d}.npy"), mmap_mode="r") for number in range(len(parts))]
    with RowFile(folder, (hidden,), np.float16) as rows:
        for i, length in enumerate(lengths):
            number, first = location[i]
            rows.append(opened[number][first : first + length])
            if i % 1024 == 0:
                release(*opened)
        return rows.array()


def _save(path: Path, values: np.ndarray) -> None:
    """Save an array atomically."""

    def write(partial: Path) -> None:
        with partial.open("wb") as sink:  # np.save would add an ending to a name
            np.save(sink, values)

    write_atomically(path, write)


def _is_complete(path: Path, tokens: int, hidden: int) -> bool:
    """Whether the file has all of the part's content."""
    try:
        part = np.load(local_copy(path), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return bool(part.shape == (tokens, hidden) and part.dtype == np.float16)


def _identity(encoder: EncoderFiles, ids: list[np.ndarray], text: TextParameters, precision: str, device: str) -> str:
    """Identifies the parts that a run may resume: by code, weights, tokens, and how they are computed."""
    import torch
    import transformers

    digest = hashlib.blake2b(digest_size=12)
    settings = [
        encoder.content,
        text.max_tokens,
        text.batch_tokens,
        precision,
        device,
        code_hash(__name__, "embed_plots"),
    ]
    digest.update(json.dumps([*settings, torch.__version__, transformers.__version__]).encode())
    for tokens in ids:
        digest.update(len(tokens).to_bytes(4, "little") + tokens.tobytes())
    return digest.hexdigest()


def _torch_dtype(precision: str) -> Any:
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
