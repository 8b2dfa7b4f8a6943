"""A tiny text encoder, and the plain calls that embeddings are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mixmas_pipeline.data.text_embedding import EncoderFiles

WORDS = [
    "the",
    "a",
    "ship",
    "sails",
    "lost",
    "boy",
    "finds",
    "war",
    "love",
    "over",
    "sea",
    "night",
    "town",
    "and",
    "old",
]


def write_encoder(folder: Path, hidden: int = 16, layers: int = 2, positions: int = 32, seed: int = 0) -> Path:
    """A BERT of random weights that knows WORDS."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    folder.mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "##s", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=positions).save_pretrained(folder)
    torch.manual_seed(seed)
    shape = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=positions, initializer_range=0.5, **shape)
    BertModel(config).save_pretrained(folder)
    return folder


def reference(encoder: EncoderFiles, texts: list[str], max_tokens: int) -> list[np.ndarray]:
    """One text at a time, padded to the whole length as published code does."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokeniser = AutoTokenizer.from_pretrained(encoder.folder)
    model = AutoModel.from_pretrained(encoder.folder).eval()
    states = []
    for text in texts:
        padded = tokeniser(text, truncation=True, max_length=max_tokens, padding="max_length", return_tensors="pt")
        with torch.no_grad():
            hidden = model(**padded).last_hidden_state[0]
        states.append(hidden[padded["attention_mask"][0].bool()].numpy())
    return states
