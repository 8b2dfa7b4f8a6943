"""Texts as the last hidden states of a pretrained encoder, which is not trained.

Texts are sorted by length, so that those of a batch need hardly any padding, and a batch has about the same number of
tokens whatever their length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixmas_pipeline.utils.errors import InputError

_TOKENISE_AT_ONCE = 1024


@dataclass(frozen=True)
class EncoderFiles:
    """A folder that transformers can load.

    Attributes:
        name: as the configuration names it.
        folder: with config.json, the tokeniser's files and safetensors.
        revision: commit on the hub; "" for a folder.
        content: sha256 over names and contents of all its JSON, text and safetensors files.
    """

    name: str
    folder: Path
    revision: str
    content: str


class EncoderError(InputError):
    """transformers cannot load an encoder, or the encoder cannot embed texts."""


def load_encoder(encoder: EncoderFiles, max_tokens: int, key: str = "max_tokens") -> tuple[Any, Any]:
    """Tokeniser and model, from safetensors; no code that comes with a model is run.

    Args:
        encoder: the model's files.
        max_tokens: that the model must be able to take.
        key: of the parameters that says ``max_tokens``, for messages.

    Raises:
        EncoderError: transformers cannot load them, or the model fails on a text of ``max_tokens``.
        ValueError: the model takes fewer tokens than ``max_tokens``.
    """
    from transformers import AutoModel

    tokeniser, most = load_tokeniser(encoder)
    try:
        model = AutoModel.from_pretrained(
            encoder.folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype="float32"
        )
    except Exception as error:  # a damaged or incomplete folder makes it fail in any way
        raise _cannot_be_loaded(encoder, error) from error
    if max_tokens > most:
        raise ValueError(f"{key} is {max_tokens}; the encoder {encoder.name} takes at most {most}")
    model = model.eval()
    try:
        # The stated length may be too much: RoBERTa counts its positions from 2. And some models want more than tokens.
        (ids,), _ = tokenise(tokeniser, ["a " * max_tokens], max_tokens)
        shape = embed_batch(model, [ids], tokeniser.pad_token_id or 0).shape
        if shape != (expected := (len(ids), model.config.hidden_size)):
            raise ValueError(f"it gives embeddings {shape} instead of {expected}")
    except Exception as error:  # of any kind, by the model
        raise EncoderError(
            f"the encoder {encoder.name} fails on a text of {key} = {max_tokens} tokens "
            f"({type(error).__name__}: {str(error)[:200]}); expected a model that gives each token a state from the "
            "tokens alone, as BERT does, and takes so many"
        ) from error
    return tokeniser, model


def load_tokeniser(encoder: EncoderFiles) -> tuple[Any, int]:
    """The tokeniser, and the largest number of tokens of the model.

    Raises:
        EncoderError: transformers cannot load it.
    """
    from transformers import AutoConfig, AutoTokenizer

    try:
        tokeniser = AutoTokenizer.from_pretrained(encoder.folder, local_files_only=True, trust_remote_code=False)
        config = AutoConfig.from_pretrained(encoder.folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a damaged or incomplete folder makes it fail in any way
        raise _cannot_be_loaded(encoder, error) from error
    limits = [getattr(config, "max_position_embeddings", None), tokeniser.model_max_length]
    return tokeniser, min(limit for limit in limits if limit)


def _cannot_be_loaded(encoder: EncoderFiles, error: Exception) -> EncoderError:
    return EncoderError(
        f"the encoder {encoder.name} cannot be loaded from {encoder.folder} ({type(error).__name__}): {error}"
    )


def tokenise(tokeniser: Any, texts: Sequence[str], max_tokens: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Token ids of each text, cut to ``max_tokens`` with the special tokens kept, and the lengths before cutting."""
    ids: list[np.ndarray] = []
    whole: list[int] = []
    for start in range(0, len(texts), _TOKENISE_AT_ONCE):
        some = list(texts[start : start + _TOKENISE_AT_ONCE])
        encoded = tokeniser(some, truncation=False, padding=False, verbose=False)["input_ids"]
        long = [i for i, tokens in enumerate(encoded) if len(tokens) > max_tokens]
        whole += [len(tokens) for tokens in encoded]
        if long:
            cut = tokeniser([some[i] for i in long], truncation=True, max_length=max_tokens, padding=False)["input_ids"]
            for i, tokens in zip(long, cut, strict=True):
                encoded[i] = tokens
        ids += [np.asarray(tokens, dtype=np.int32) for tokens in encoded]
    return ids, np.asarray(whole, dtype=np.int64)


def make_batches(lengths: np.ndarray, batch_tokens: int) -> list[list[int]]:
    """Positions of the texts, from short to long, in batches of at most ``batch_tokens`` with padding, or of one text.

    Args:
        lengths: (n,) tokens of each text.
        batch_tokens: the longest text of a batch times the number of its texts is at most this.
    """
    batches: list[list[int]] = []
    for i in np.argsort(lengths, kind="stable"):
        if batches and (len(batches[-1]) + 1) * lengths[i] <= batch_tokens:
            batches[-1].append(int(i))
        else:
            batches.append([int(i)])
    return batches


def embed_batch(model: Any, ids: Sequence[np.ndarray], pad: int) -> np.ndarray:
    """The last hidden state of several texts, float32 (tokens of all of them, hidden), without padding."""
    import torch

    longest = max(map(len, ids))
    tokens = np.full((len(ids), longest), pad, dtype=np.int64)
    mask = np.zeros((len(ids), longest), dtype=bool)
    for row, text in enumerate(ids):
        tokens[row, : len(text)] = text
        mask[row, : len(text)] = True
    keep = torch.from_numpy(mask).to(model.device)
    with torch.inference_mode():
        states = model(
            input_ids=torch.from_numpy(tokens).to(model.device), attention_mask=keep.long()
        ).last_hidden_state  # (texts, longest, hidden)
        return states[keep].float().cpu().numpy()


def as_half(values: np.ndarray, ids: Sequence[str], lengths: np.ndarray) -> np.ndarray:
    """Tokens of several texts as float16.

    Args:
        values: (tokens of all texts, hidden) float32.
        ids: of the texts, for messages.
        lengths: (texts,) tokens of each.

    Raises:
        ValueError: numbers are not finite in float16, or all numbers of a token are 0, which stands for padding.
    """
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    owner = np.repeat(np.arange(len(ids)), lengths)
    for bad, what in ((~np.isfinite(half).all(axis=1), "not finite"), (~half.any(axis=1), "all zeros")):
        if bad.any():
            names = sorted({ids[i] for i in owner[bad]})
            raise ValueError(
                f"the encoder gives tokens that are {what} in half precision, for {len(names)} texts, such as "
                f"{names[:5]}; expected finite numbers that are not all 0"
            )
    return half


class quiet:
    """Without transformers' progress bars and advice; its errors are raised all the same."""

    def __enter__(self) -> None:
        from transformers.utils import logging as messages

        self._before = messages.get_verbosity(), messages.is_progress_bar_enabled()
        messages.set_verbosity_error()
        messages.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging as messages

        messages.set_verbosity(self._before[0])
        if self._before[1]:
            messages.enable_progress_bar()
