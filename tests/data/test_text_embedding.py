"""Embeddings against plain transformers calls; batches; what is refused."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmimdb_samples import films, plot
from text_encoder import reference

from mixmas_pipeline.data import text_embedding as encoding
from mixmas_pipeline.data.text_embedding import EncoderError, EncoderFiles
from mixmas_pipeline.datasets.text_encoder import EncoderDataset


def test_unrounded_embeddings_agree_to_a_millionth(encoder: EncoderFiles) -> None:
    texts = list(films()["plot"])
    tokeniser, model = encoding.load_encoder(encoder, 20)
    ids, _ = encoding.tokenise(tokeniser, texts, 20)
    wanted = reference(encoder, texts, 20)
    for batch in encoding.make_batches(np.array([len(i) for i in ids]), 64):
        mine = encoding.embed_batch(model, [ids[i] for i in batch], tokeniser.pad_token_id)
        np.testing.assert_allclose(mine, np.concatenate([wanted[i] for i in batch]), atol=1e-5)


@given(st.lists(st.integers(1, 60), max_size=80), st.integers(1, 200))
@settings(max_examples=150, deadline=None)
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = encoding.make_batches(np.array(lengths, dtype=np.int64), budget)
    order = [i for batch in batches for i in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[i] for i in order] == sorted(lengths)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * lengths[following[0]] > budget, "no batch is smaller than it has to be"


def test_long_texts_are_cut_but_keep_their_last_special_token(encoder: EncoderFiles) -> None:
    tokeniser, _ = encoding.load_encoder(encoder, 20)
    texts = [plot(1, words) for words in (3, 18, 19, 300)]
    ids, whole = encoding.tokenise(tokeniser, texts, 20)
    assert [len(i) for i in ids] == [5, 20, 20, 20]
    assert whole.tolist() == [5, 20, 21, 302]
    assert all((i[0], i[-1]) == (tokeniser.cls_token_id, tokeniser.sep_token_id) for i in ids)


def test_models_that_take_less_than_they_say_or_more_than_tokens_are_named(
    encoder: EncoderFiles, tmp_path: Path
) -> None:
    from transformers import RobertaConfig, RobertaModel, T5Config, T5Model

    words = len((encoder.folder / "vocab.txt").read_text().splitlines())
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    # Its positions begin at 2, so that it takes 30 tokens.
    roberta = RobertaModel(RobertaConfig(vocab_size=words, max_position_embeddings=32, **shape))
    t5 = T5Model(T5Config(vocab_size=words, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2))
    files = {}
    for name, model in (("roberta", roberta), ("t5", t5)):
        shutil.copytree(encoder.folder, tmp_path / name)
        model.save_pretrained(tmp_path / name)
        files[name] = EncoderDataset(encoder=str(tmp_path / name)).load()
    encoding.load_encoder(files["roberta"], 30)
    with pytest.raises(EncoderError, match=r"roberta fails on a text of max_tokens = 31 tokens .*out of bounds"):
        encoding.load_encoder(files["roberta"], 31)
    with pytest.raises(EncoderError, match=r"t5 fails on a text of .* 20 tokens .*state from the tokens alone"):
        encoding.load_encoder(files["t5"], 20)


def test_a_folder_that_is_no_model(encoder: EncoderFiles, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    files = EncoderDataset(encoder=str(tmp_path)).load()
    with pytest.raises(EncoderError, match="cannot be loaded from"):
        encoding.load_encoder(files, 20)


@pytest.mark.parametrize(
    ("value", "message"), [(np.inf, "not finite"), (1e6, "not finite"), (0.0, "all zeros"), (1e-9, "all zeros")]
)
def test_what_half_precision_cannot_hold_names_the_film(value: float, message: str) -> None:
    values = np.ones((5, 4), np.float32)
    values[3] = value
    with pytest.raises(ValueError, match=rf"{message} in half precision, for 1 texts, such as \['b'\]"):
        encoding.as_half(values, ["a", "b"], np.array([2, 3]))
