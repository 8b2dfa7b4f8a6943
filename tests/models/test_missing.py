"""Missing modalities: what an example lacks has no effect, and the rest gives what it gives without it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from block_cases import noise
from hypothesis import given, settings
from hypothesis import strategies as st

from mixmas_pipeline.models.architecture import FUSION_FUNCTIONS, Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.training.loss import multi_head_loss, task_loss

JOINING = ("concat", "late")
NAMES = ("image", "text", "facts")
SHAPES: dict[str, tuple[int, ...]] = {"image": (4, 6), "text": (5, 3), "facts": (5,)}
BLOCKS: dict[str, dict[str, Any]] = {
    "mlp_mixer": {"block": "mlp_mixer", "token_dim": 4, "channel_dim": 8},
    "hyper_mixer": {"block": "hyper_mixer", "token_dim": 4, "channel_dim": 8},
    "monarch_mixer": {"block": "monarch_mixer", "blocks": 2, "channel_dim": 8},
    "mlp": {"block": "mlp"},
}
Inputs = dict[str, torch.Tensor]


def architecture(function: str, network: str = "mlp_mixer", task: str = "multiclass", patch: int = 2) -> Architecture:
    """With patches of 2 the image has 6 tokens and the others' are aligned to that; with patches of (4, 3) the text has
    the most tokens, and its padding counts."""
    tokenisers: dict[str, dict[str, Any]] = {
        "image": {"type": "patches", "patch": patch if patch == 2 else [4, 3]},
        "text": {"type": "projection"},
        "facts": {"type": "values"},
    }
    widths = {"image": 8, "text": 6, "facts": 8}
    statistics = {"regression": {"targets": {"mean": [10.0, -3.0], "std": [2.0, 0.5]}}}
    return Architecture.model_validate(
        {
            "task": task,
            "classes": ("a", "b"),
            "inputs": {
                n: {"shape": SHAPES[n], "mean": 0.4, "std": 1.5, "padded": n == "text", "optional": True} for n in NAMES
            },
            "encoders": {
                n: {"tokeniser": tokenisers[n], "hidden_dim": widths[n], "depth": 1, "block": BLOCKS["mlp_mixer"]}
                for n in NAMES
            },
            "fusion": {"function": function, "network": {"depth": 2, "block": BLOCKS[network]}},
            **statistics.get(task, {}),
        }
    )


def model_of(*arguments: Any) -> MultimodalMixer:
    return initialised(MultimodalMixer, 0, architecture(*arguments)).double().eval()


def examples(rows: int) -> Inputs:
    inputs = {name: noise(rows, *shape, seed=i).double() for i, (name, shape) in enumerate(SHAPES.items())}
    for row in range(rows):
        inputs["text"][row, 2 + row % 4 :] = 0
    return inputs


def every_pattern() -> tuple[Inputs, Inputs]:
    """Seven examples, each of which lacks something else (the first nothing)."""
    patterns = torch.tensor([p for p in product([True, False], repeat=3) if any(p)])
    return examples(len(patterns)), dict(zip(NAMES, patterns.T, strict=True))


def slow_reference(model: MultimodalMixer, inputs: Inputs, present: Inputs, row: int) -> torch.Tensor:
    """The fused logits of one example, from the tokens of the modalities that it has, one by one."""
    fusion, function = model.fusion, model.fusion.function
    aligned, real, pooled, heads = [], [], [], []
    for i, name in enumerate(NAMES):
        x = inputs[name][row : row + 1]
        length = int((x != 0).any(dim=-1).sum()) if name == "text" else None
        if not present[name][row]:
            aligned.append(None)
            real.append(None)
            pooled.append(torch.zeros(fusion.width).double())
            continue
        mask = None if length is None else (torch.arange(x.shape[1]) < length)[None]
        tokens = fusion.width_alignment[i](model.encoders[name](model.standardise[name](x), mask))
        if mask is not None:  # the tokens after the end are padding, which the alignment's bias has filled
            mask = mask[0]
        pooled.append(tokens[0, :length].mean(dim=0))
        heads.append(model(inputs)[name][row])
        if function not in JOINING:
            align = fusion.token_alignment[i]
            mask = mask if isinstance(align, torch.nn.Identity) else None
            tokens = align(tokens.transpose(1, 2)).transpose(1, 2)
        aligned.append(tokens[0])
        real.append(torch.ones(len(tokens[0]), dtype=torch.bool) if mask is None else mask)
    if function in JOINING:
        sizes = [e.tokens for e in model.encoders.values()]
        parts = [torch.zeros(s, fusion.width).double() if a is None else a for a, s in zip(aligned, sizes, strict=True)]
        masks = [torch.zeros(s, dtype=torch.bool) if r is None else r for r, s in zip(real, sizes, strict=True)]
        tokens, taken = torch.cat(parts), torch.cat(masks)
    else:
        there = torch.stack([a for a in aligned if a is not None])
        tokens = {"max": there.amax(dim=0), "mean": there.mean(dim=0), "sum": there.sum(dim=0)}.get(function)
        if function == "gated":
            scores = fusion.gates.linear(torch.cat(pooled)).unflatten(0, (3, -1))
            scores = scores[[a is not None for a in aligned]]
            tokens = (scores.softmax(dim=0)[:, None] * there).sum(dim=0)
        taken = torch.stack([r for r in real if r is not None]).any(dim=0)
    for module in model.fusion_network:
        tokens = module((tokens * taken[:, None])[None])[0]
    decision = model.fused_head.linear(tokens[taken].mean(dim=0))
    return torch.stack([decision, *heads]).mean(dim=0) if function == "late" else decision


@pytest.mark.parametrize("patch", [2, 4])
@pytest.mark.parametrize("network", BLOCKS)
@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
def test_fused_logits_are_those_of_what_is_there(function: str, network: str, patch: int) -> None:
    model = model_of(function, network, "multiclass", patch)
    inputs, present = every_pattern()
    fused = model(inputs, present)[FUSED]
    for row in range(len(fused)):
        torch.testing.assert_close(fused[row], slow_reference(model, inputs, present, row))


@pytest.mark.parametrize("function", ["max", "mean", "sum"])
def test_combined_tokens_are_those_of_a_model_without_the_modality(function: str) -> None:
    """A model of two modalities with the same weights: no layer of theirs depends on the third."""
    whole = model_of(function)
    plan = architecture(function).model_dump()
    for part in ("inputs", "encoders"):
        plan[part].pop("facts")
    two = initialised(MultimodalMixer, 1, Architecture.model_validate(plan)).double().eval()
    kept = {name: w for name, w in whole.state_dict().items() if "facts" not in name and "alignment.2" not in name}
    two.load_state_dict(kept)
    inputs = examples(4)
    without = whole(inputs, {"facts": torch.zeros(4, dtype=torch.bool)})
    alone = two({name: inputs[name] for name in ("image", "text")})
    for name in (FUSED, "image", "text"):
        torch.testing.assert_close(without[name], alone[name])


@settings(max_examples=60)
@given(
    function=st.sampled_from(FUSION_FUNCTIONS),
    garbage=st.sampled_from([1e4, -3.0, float("nan"), float("inf")]),
    missing=st.lists(st.tuples(*[st.booleans()] * 3).filter(any), min_size=1, max_size=5),
)
def test_what_the_arrays_hold_where_a_modality_is_missing_has_no_effect(
    function: str, garbage: float, missing: list[tuple[bool, ...]]
) -> None:
    model = model_of(function)
    inputs = examples(len(missing))
    present = dict(zip(NAMES, torch.tensor(missing).T, strict=True))
    dirty = {name: x.clone() for name, x in inputs.items()}
    for name, x in dirty.items():
        x[~present[name]] = garbage
    clean, other = model(inputs, present), model(dirty, present)
    for name in clean:
        assert torch.equal(clean[name], other[name])
    # Nor do the gradients know of it.
    labels = torch.zeros(len(missing), dtype=torch.long)
    gradients = []
    for given_ in (inputs, dirty):
        model.zero_grad()
        multi_head_loss(model(given_, present), labels, "multiclass", 0.3, None, present).backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert all(g.isfinite().all() for g in gradients[0])


@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
def test_an_example_is_not_affected_by_what_others_lack(function: str) -> None:
    model = model_of(function)
    inputs, present = every_pattern()
    together = model(inputs, present)[FUSED]
    for row in range(len(together)):
        own = slice(row, row + 1)
        alone = model({n: x[own] for n, x in inputs.items()}, {n: p[own] for n, p in present.items()})[FUSED]
        torch.testing.assert_close(alone[0], together[row])


@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
def test_presence_of_all_is_no_presence(function: str) -> None:
    model = model_of(function)
    inputs = examples(5)
    plain, all_there = model(inputs), model(inputs, {name: torch.ones(5, dtype=torch.bool) for name in NAMES})
    some = model(inputs, {"text": torch.ones(5, dtype=torch.bool)})
    for name, logits in plain.items():
        torch.testing.assert_close(all_there[name], logits)
        torch.testing.assert_close(some[name], logits)
        assert torch.equal(model(inputs, {})[name], logits)


@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
def test_a_model_with_presence_exports_for_any_batch(function: str) -> None:
    model = model_of(function)
    batch = torch.export.Dim("batch")
    inputs, present = every_pattern()
    few = ({n: x[:3] for n, x in inputs.items()}, {n: p[:3] for n, p in present.items()})
    shapes = ({name: {0: batch} for name in NAMES}, {name: {0: batch} for name in NAMES})
    program = torch.export.export(model, few, dynamic_shapes=shapes)
    for name, logits in program.module()(inputs, present).items():
        torch.testing.assert_close(logits, model(inputs, present)[name])


# --- The loss


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel", "regression"])
def test_a_head_s_loss_is_the_mean_over_the_examples_that_have_its_modality(task: str, weighted: bool) -> None:
    """Against the loss of those examples alone."""
    rows, classes = 9, 2 if task == "binary" else 3
    logits = {name: noise(rows, classes, seed=i).double() for i, name in enumerate([FUSED, "a", "b", "c"])}
    labels = torch.from_numpy(np.random.default_rng(0).integers(2, size=rows))
    if task in ("multilabel", "regression"):
        labels = (noise(rows, classes, seed=9) > 0).to(torch.uint8) if task == "multilabel" else noise(rows, classes)
    scale = torch.linspace(0.5, 2, classes).double() if weighted else None
    present = {"a": torch.arange(rows) % 3 > 0, "b": torch.zeros(rows, dtype=torch.bool)}
    has = present["a"]
    parts = {
        FUSED: task_loss(logits[FUSED], labels, task, scale),
        "a": task_loss(logits["a"][has], labels[has], task, scale),
        "c": task_loss(logits["c"], labels, task, scale),
    }
    expected = 0.4 * parts[FUSED] + 0.2 * (0.5 * parts["a"] + parts["c"])
    found = multi_head_loss(logits, labels, task, 0.4, scale, present, {"a": 0.5, "b": 3.0})
    torch.testing.assert_close(found, expected)


def test_who_lacks_a_modality_has_no_part_in_its_head() -> None:
    model = model_of("concat").train()
    inputs = examples(4)
    present = {"facts": torch.tensor([True, False, False, True])}
    labels = torch.tensor([0, 1, 1, 0])
    multi_head_loss(model(inputs, present), labels, "multiclass", 0.0, None, present).backward()
    found = model.heads["facts"].linear.weight.grad.clone()
    model.zero_grad()
    own = torch.tensor([0, 3])
    some = {name: x[own] for name, x in inputs.items()}
    (task_loss(model(some)["facts"], labels[own], "multiclass") / 3).backward()
    torch.testing.assert_close(found, model.heads["facts"].linear.weight.grad)
