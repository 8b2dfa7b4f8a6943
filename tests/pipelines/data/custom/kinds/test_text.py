"""Texts against plain transformers calls, one text at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kind_samples import frame
from text_encoder import WORDS, write_encoder

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.text_embedding import EncoderFiles
from mixmas_pipeline.datasets.text_encoder import EncoderDataset
from mixmas_pipeline.pipelines.data.custom.kinds import text
from mixmas_pipeline.pipelines.data.custom.modalities import TextParameters

TEXTS = [" ".join(WORDS[i % len(WORDS)] for i in range(start, start + 1 + start % 14)) for start in range(40)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> EncoderFiles:
    return EncoderDataset(encoder=str(write_encoder(tmp_path_factory.mktemp("encoder") / "tiny"))).load()


def prepare(encoder: EncoderFiles, texts: list[Any], **parameters: Any) -> Column:
    section = {"column": "plot", "encoder": encoder.name, "max_tokens": 10, **parameters}
    given = TextParameters.model_validate(section)
    return text.prepare(given, {"max_tokens": given.max_tokens}, frame(plot=texts), encoder)


def plainly(encoder: EncoderFiles, words: str, max_tokens: int) -> np.ndarray:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokeniser = AutoTokenizer.from_pretrained(encoder.folder)
    model = AutoModel.from_pretrained(encoder.folder).eval()
    with torch.no_grad():
        cut = tokeniser(words, truncation=True, max_length=max_tokens, return_tensors="pt")
        states: np.ndarray = model(**cut).last_hidden_state[0].numpy()
    return states


def test_tokens_are_those_of_plain_calls_and_the_rest_is_zeros(encoder: EncoderFiles) -> None:
    made = prepare(encoder, TEXTS)
    assert (made.array.shape, made.array.dtype) == ((40, 10, 16), np.float16)
    assert (made.modality.kind, made.modality.padded) == ("text", True)
    for row, words in enumerate(TEXTS):
        states = plainly(encoder, words, 10)
        assert len(states) == min(10, len(words.split()) + 2)
        np.testing.assert_allclose(made.array[row, : len(states)], states, atol=2e-3)
        assert not made.array[row, len(states) :].any()


def test_pooled_is_the_mean_over_a_texts_own_tokens(encoder: EncoderFiles) -> None:
    made = prepare(encoder, TEXTS, pooled=True)
    assert (made.array.shape, made.array.dtype) == ((40, 16), np.float32)
    assert (made.modality.kind, made.modality.padded) == ("embedding", False)
    for row, words in enumerate(TEXTS):
        np.testing.assert_allclose(made.array[row], plainly(encoder, words, 10).mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("pooled", [True, False])
def test_empty_cells_and_blanks_lack_the_text_and_change_no_other(pooled: bool, encoder: EncoderFiles) -> None:
    made = prepare(encoder, ["the ship", None, "  ", "a lost boy", np.nan], pooled=pooled)
    assert made.present.tolist() == [True, False, False, True, False]
    assert not made.array[~made.present].any()
    whole = prepare(encoder, ["the ship", "a lost boy"], pooled=pooled)
    np.testing.assert_array_equal(made.array[made.present], whole.array)
    assert not prepare(encoder, [None, None], pooled=pooled).array.any()


@pytest.mark.parametrize(
    ("words", "pooled", "tokens"),
    [
        ([*range(1, 20), 30], False, 21),  # nineteen of twenty have at most 19 words and two special tokens
        ([*range(1, 20), 25], True, 27),  # nothing is padded, so the longest counts
        ([40] * 3, False, 32),  # the encoder takes no more
        ([1, 1], False, 3),
    ],
)
def test_as_many_tokens_as_most_training_texts_have(
    words: list[int], pooled: bool, tokens: int, encoder: EncoderFiles
) -> None:
    texts = [" ".join(["ship"] * count) for count in words]
    given = TextParameters(column="plot", encoder=encoder.name, pooled=pooled)
    learnt = text.learn(given, frame(plot=[*texts, None]), encoder)
    assert learnt == {"max_tokens": tokens}
    if not pooled:
        assert text.prepare(given, learnt, frame(plot=texts), encoder).array.shape[1] == tokens


def test_more_tokens_than_the_encoder_takes(encoder: EncoderFiles) -> None:
    with pytest.raises(ValueError, match=r"max_tokens is 40; the encoder .* takes at most 32"):
        prepare(encoder, TEXTS, max_tokens=40)
