"""Texts as the embeddings that a pretrained encoder gives their tokens."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.data.text_embedding import (
    EncoderFiles,
    as_half,
    embed_batch,
    load_encoder,
    load_tokeniser,
    make_batches,
    quiet,
    tokenise,
)
from mixmas_pipeline.pipelines.data.custom.cells import ID, words
from mixmas_pipeline.pipelines.data.custom.modalities import TextParameters
from mixmas_pipeline.utils.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

_BATCH_TOKENS = 2048
_FEWEST, _MOST = 3, 128  # tokens that are taken if no number is given
_NO_LONGER = 0.95  # share of the training texts
_MEASURED = 2000  # training texts whose tokens are counted, at most
_log = logging.getLogger(__name__)


def learn(parameters: TextParameters, rows: pd.DataFrame, source: EncoderFiles) -> dict[str, Any]:
    """How many tokens are taken. The encoder stays as it is.

    Raises:
        ValueError: no training row has a text.
        EncoderError: the encoder's tokeniser cannot be loaded.
    """
    texts = [text for text in words(rows, parameters.column) if text]
    if not texts:
        raise ValueError(f"no training row has a text in the column {parameters.column!r}; expected some")
    if parameters.max_tokens != "auto":
        return {"max_tokens": parameters.max_tokens}
    with quiet():
        tokeniser, most = load_tokeniser(source)
        _, lengths = tokenise(tokeniser, texts[:: -(-len(texts) // _MEASURED)], most)
    enough = math.ceil(np.quantile(lengths, 1.0 if parameters.pooled else _NO_LONGER, method="inverted_cdf"))
    taken = max(_FEWEST, min(enough, _MOST, most))
    _log.info(
        "%s: %d tokens of a text are taken (training texts have %d to %d; %.0f %% are cut). The key max_tokens sets "
        "how many",
        parameters.column, taken, lengths.min(), lengths.max(), 100 * float(np.mean(lengths > taken)),
    )  # fmt: skip
    return {"max_tokens": taken}


def prepare(parameters: TextParameters, learnt: dict[str, Any], rows: pd.DataFrame, source: EncoderFiles) -> Column:
    """(n, max_tokens, width) float16, padded with zeros at the end; ``pooled`` (n, width) float32, the mean over the
    tokens. A row whose cell is empty, or has only blanks, lacks the text.

    Raises:
        ValueError: the encoder takes fewer tokens, or gives some that float16 cannot hold.
        EncoderError: the encoder cannot be loaded, or fails.
    """
    from mixmas_pipeline.utils.devices import pick_device

    texts, max_tokens = words(rows, parameters.column), learnt["max_tokens"]
    present = np.array([bool(text) for text in texts])
    taken = np.flatnonzero(present)
    with quiet():
        tokeniser, model = load_encoder(source, max_tokens)
        ids, _ = tokenise(tokeniser, [texts[row] or "" for row in taken], max_tokens)
    model = model.to(pick_device("auto"))
    width = int(model.config.hidden_size)
    shape, dtype = ((width,), np.float32) if parameters.pooled else ((max_tokens, width), np.float16)
    array = np.zeros((len(rows), *shape), dtype)
    lengths = np.array([len(tokens) for tokens in ids], dtype=np.int64)
    with Progress(len(ids), f"Embedding {parameters.column} with {source.name}") as progress:
        for batch in make_batches(lengths, _BATCH_TOKENS):
            states = embed_batch(model, [ids[i] for i in batch], tokeniser.pad_token_id or 0)
            as_half(states, [str(rows[ID].iloc[taken[i]]) for i in batch], lengths[batch])
            for i, tokens in zip(batch, np.split(states, np.cumsum(lengths[batch])[:-1]), strict=True):
                if parameters.pooled:
                    array[taken[i]] = tokens.mean(axis=0)
                else:
                    array[taken[i], : len(tokens)] = tokens
            progress.advance(len(batch))
    kind = "embedding" if parameters.pooled else "text"
    return Column(array, present, Modality(kind, shape, np.dtype(dtype).name, padded=not parameters.pooled))
