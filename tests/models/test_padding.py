"""Padded texts: padding changes nothing that is read off a model's pooled tokens, and counts in no statistic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from block_cases import noise
from pydantic import ValidationError

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.fusion import FusionFunction
from mixmas_pipeline.models.multimodal import FUSED, Head, MultimodalMixer
from mixmas_pipeline.training.statistics import input_statistics

STEPS, FEATURES = 6, 5


def architecture(
    function: str = "concat", text_block: dict | None = None, tokeniser: str = "projection"
) -> Architecture:
    mixer = {"block": "mlp_mixer", "token_dim": 4, "channel_dim": 8}
    return Architecture.model_validate(
        {
            "task": "multilabel",
            "classes": ["a", "b", "c"],
            "inputs": {
                "image": {"shape": (3, 4, 4), "mean": (1.0, 2.0, 3.0), "std": (1.0, 0.5, 2.0)},
                "text": {"shape": (STEPS, FEATURES), "mean": 0.3, "std": 1.5, "padded": True},
            },
            "encoders": {
                "image": {"tokeniser": {"type": "patches", "patch": 2}, "hidden_dim": 8, "depth": 1, "block": mixer},
                "text": {"tokeniser": {"type": tokeniser}, "hidden_dim": 8, "depth": 2, "block": text_block or mixer},
            },
            "fusion": {"function": function, "network": {"depth": 1, "block": {"block": "mlp"}}},
        }
    )


def text(*lengths: int) -> torch.Tensor:
    x = noise(len(lengths), STEPS, FEATURES)
    for row, length in enumerate(lengths):
        x[row, length:] = 0
    return x


def test_head_is_the_mean_over_what_is_not_padding() -> None:
    head = initialised(Head, 0, 5, 2)
    x, lengths = noise(4, STEPS, 5), (1, 3, STEPS, 0)
    mask = torch.arange(STEPS) < torch.tensor(lengths)[:, None]
    for row, length in enumerate(lengths):
        mean = x[row, :length].mean(dim=0) if length else torch.zeros(5)
        torch.testing.assert_close(head(x, mask)[row], head.linear(mean))
    torch.testing.assert_close(head(x), head(x, torch.ones(4, STEPS, dtype=torch.bool)))


@pytest.mark.parametrize("function", ["concat", "max", "mean", "sum", "gated"])
def test_without_token_mixing_padding_has_no_effect(function: str) -> None:
    """The block "mlp" treats every token alike, so a text's own head sees no difference between a text of 6 steps that
    is padded from 3 and one of 3 steps: by hand from the parts."""
    model = initialised(MultimodalMixer, 0, architecture(function, {"block": "mlp"})).eval()
    inputs = {"image": noise(2, 3, 4, 4), "text": text(3, 5)}
    logits = model(inputs)
    for row, length in enumerate((3, 5)):
        steps = (inputs["text"][row, :length] - 0.3) / 1.5
        encoder = model.encoders["text"]
        tokens = encoder.blocks(encoder.tokeniser(steps[None]))
        torch.testing.assert_close(logits["text"][row], model.heads["text"].linear(tokens.mean(dim=1))[0])
        image = model.encoders["image"](model.standardise["image"](inputs["image"][row : row + 1]))
        if function == "concat":
            both = torch.cat([image, tokens], dim=1)
        else:  # the image's 4 tokens become 6, so that all 6 count; the text's are 0 after its end
            longer = model.fusion.token_alignment[0](image.transpose(1, 2)).transpose(1, 2)
            text_tokens = torch.cat([tokens, torch.zeros(1, STEPS - length, 8)], dim=1)
            stack = torch.stack([longer, text_tokens])
            pooled = torch.stack([image.mean(dim=1), tokens.mean(dim=1)])[:, :, None]
            gates = model.fusion.gates(pooled) if function == "gated" else torch.ones(())
            combined = {"max": stack.amax(dim=0), "mean": stack.mean(dim=0)}
            both = combined.get(function, (gates * stack).sum(dim=0))
        fused = model.fusion_network(both).mean(dim=1)
        torch.testing.assert_close(logits[FUSED][row], model.fused_head.linear(fused)[0])


@pytest.mark.parametrize("block", ["mlp_mixer", "hyper_mixer", "monarch_mixer"])
def test_padding_is_zero_before_every_block_and_after_the_last(block: str) -> None:
    sizes = {"mlp_mixer": {"token_dim": 4}, "hyper_mixer": {"token_dim": 4}, "monarch_mixer": {"blocks": 2}}[block]
    model = initialised(MultimodalMixer, 0, architecture("max", {"block": block, "channel_dim": 8, **sizes}))
    encoder, mask = model.encoders["text"], torch.arange(STEPS) < torch.tensor([2, 5])[:, None]
    seen = []
    for module in encoder.blocks:
        module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    seen.append(encoder(text(2, 5), mask))
    assert len(seen) == 4  # two blocks, the norm, the result
    for tokens in seen:
        assert not tokens[~mask].any()
        assert tokens[mask].any(dim=-1).all()


@pytest.mark.parametrize("block", ["mlp_mixer", "hyper_mixer", "monarch_mixer"])
def test_text_without_any_word_gives_numbers(block: str) -> None:
    sizes = {"mlp_mixer": {"token_dim": 4}, "hyper_mixer": {"token_dim": 4}, "monarch_mixer": {"blocks": 2}}[block]
    model = initialised(MultimodalMixer, 0, architecture("max", {"block": block, "channel_dim": 8, **sizes}))
    for logits in model({"image": noise(2, 3, 4, 4), "text": text(0, 4)}).values():
        assert logits.isfinite().all()


def test_mask_of_fused_tokens() -> None:
    x, y, mask = noise(2, 4, 3), noise(2, 6, 3), torch.rand(2, 6, generator=torch.Generator().manual_seed(0)) > 0.5
    joined = FusionFunction("concat", [(4, 3), (6, 3)]).mask([x, y], [None, mask])
    assert joined is not None
    assert joined[:, :4].all()
    assert torch.equal(joined[:, 4:], mask)
    assert FusionFunction("concat", [(4, 3), (6, 3)]).mask([x, y], [None, None]) is None
    assert FusionFunction("max", [(4, 3), (6, 3)]).mask([x, y], [None, mask]) is None
    other = ~mask & (torch.arange(6) < 3)
    either = FusionFunction("sum", [(6, 3), (6, 3)]).mask([y, y], [mask, other])
    assert either is not None
    assert either.tolist() == [[a or b for a, b in zip(*rows)] for rows in zip(mask.tolist(), other.tolist())]  # noqa: B905
    assert FusionFunction("sum", [(6, 3), (6, 3)]).mask([y, y], [mask, None]) is None
    # The shorter one's tokens are combined to be as many as the longer one's: none of them is padding.
    assert FusionFunction("sum", [(4, 3), (6, 3)]).mask([x, y], [mask[:, :4], mask]) is None


def test_model_exports_for_any_batch() -> None:
    model = initialised(MultimodalMixer, 0, architecture()).eval()
    few, many = ({"image": noise(n, 3, 4, 4), "text": text(*range(1, n + 1))} for n in (2, 5))
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (few,), dynamic_shapes=({name: {0: batch} for name in few},))
    for name, logits in program.module()(many).items():
        torch.testing.assert_close(logits, model(many)[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: architecture(tokeniser="values"), "is padded; expected the tokeniser projection, found values"),
        (
            lambda: architecture().inputs["image"].__class__(shape=(3, 4, 4), mean=(1.0, 2.0), std=1.0),
            "2 means or standard deviations for shape",
        ),
        (
            lambda: architecture().inputs["image"].__class__(shape=(4,), mean=1.0, std=1.0, padded=True),
            r"padded examples have shape \(4,\); expected \(steps, features\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change: Callable[[], object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        change()


def table() -> MultimodalTable:
    rng = np.random.default_rng(0)
    posters = rng.integers(0, 255, (9, 3, 4, 4), dtype=np.uint8)
    posters[:, 2] = 7  # a channel without variation
    plots = rng.normal(3, 2, (9, STEPS, FEATURES)).astype(np.float16)
    for row in range(9):
        plots[row, row % STEPS + 1 :] = 0
    schema = TableSchema(
        {
            "poster": Modality("image", (3, 4, 4), "uint8"),
            "plot": Modality("text", (STEPS, FEATURES), "float16", padded=True),
        },
        "multilabel",
        ("a", "b"),
    )
    return MultimodalTable(
        schema, {"poster": posters, "plot": plots}, np.ones((9, 2), np.uint8), np.arange(9).astype(str)
    )


def test_zeros_before_the_end_are_refused() -> None:
    data = table()
    data.check()
    data.arrays["plot"][5, 2] = 0
    with pytest.raises(
        ValueError, match=r"column 'plot', row 5 \(id 5\): a step of zeros, which is padding, comes before"
    ):
        data.check()


def test_statistics_are_by_channel_and_without_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixmas_pipeline.data.table.CHUNK_BYTES", 150)  # several chunks
    data = table()
    poster, plot = (input_statistics(data, name) for name in ("poster", "plot"))
    pixels = data.arrays["poster"].astype(float)
    np.testing.assert_allclose(poster.mean, pixels.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(poster.std, [pixels[:, 0].std(), pixels[:, 1].std(), 1.0])
    words = np.concatenate([data.arrays["plot"][row, : row % STEPS + 1].astype(float) for row in range(9)])
    assert plot.padded
    assert plot.mean == pytest.approx(words.mean())
    assert plot.std == pytest.approx(words.std())
