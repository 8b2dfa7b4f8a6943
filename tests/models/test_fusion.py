"""Fusion of one to five token sequences, equal and unequal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from block_cases import Array, affine, array, noise, randomised
from torch import Tensor

from mixmas_pipeline.models.architecture import FUSION_FUNCTIONS
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.fusion import FusionFunction, late_decision

JOINING = ("concat", "late")
UNEQUAL = [(4, 6), (2, 3), (7, 6), (7, 2), (1, 5)]


def sequences(shapes: list[tuple[int, int]]) -> list[Tensor]:
    return [
        noise(3, tokens, width, seed=i, dtype=torch.float64).requires_grad_()
        for i, (tokens, width) in enumerate(shapes)
    ]


def combine(fusion: FusionFunction, arrays: list[Array], wide: list[Array] | None = None) -> Array:
    """Token by token, in python loops; joining functions join the lists of tokens.

    Args:
        arrays: of equal width and, unless they are joined, of equal length.
        wide: of equal width only, for the gates. Default: ``arrays``.
    """
    function = fusion.function
    if function in JOINING:
        examples = range(len(arrays[0]))
        return np.array([[token for a in arrays for token in a[example]] for example in examples])
    result = np.zeros_like(arrays[0])
    if function == "gated":
        gates = gates_of(fusion, arrays if wide is None else wide)
        return sum((gates[:, m, None] * a for m, a in enumerate(arrays)), result)
    for place in np.ndindex(*result.shape):
        values = [float(a[place]) for a in arrays]
        mean = sum(values) / len(values)
        result[place] = {"max": max(values), "sum": sum(values), "mean": mean}[function]
    return result


def gates_of(fusion: FusionFunction, wide: list[Array]) -> Array:
    """(batch, modalities, width): a softmax over the modalities of a linear layer of all their mean tokens."""
    gates = []
    for example in zip(*wide, strict=True):
        pooled = np.concatenate([tokens.mean(axis=0) for tokens in example])
        scores = np.exp(affine(pooled, fusion.gates.linear)).reshape(len(wide), -1)
        gates.append(scores / scores.sum(axis=0))
    return np.array(gates)


@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
@pytest.mark.parametrize("modalities", [1, 2, 3, 4, 5])
def test_equal_sequences_need_no_weights(function: str, modalities: int) -> None:
    shapes = [(4, 6)] * modalities
    fusion = initialised(FusionFunction, 0, function, shapes).double()
    inputs = sequences(shapes)
    result = fusion(inputs)
    assert bool(list(fusion.parameters())) == (function == "gated")
    assert result.shape == (3, fusion.tokens, fusion.width)
    assert fusion.tokens == (4 * modalities if function in JOINING else 4)
    assert fusion.width == 6
    expected = combine(fusion, [array(x) for x in inputs])
    np.testing.assert_allclose(result.detach().numpy(), expected, atol=1e-14)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("concat", [[1, -2], [3, 5]]),
        ("late", [[1, -2], [3, 5]]),
        ("max", [[3, 5]]),
        ("mean", [[2, 1.5]]),
        ("sum", [[4, 3]]),
    ],
)
def test_two_tokens_by_hand(function: str, expected: list[list[float]]) -> None:
    fusion = FusionFunction(function, [(1, 2), (1, 2)])
    result = fusion([torch.tensor([[[1.0, -2.0]]]), torch.tensor([[[3.0, 5.0]]])])
    assert result.tolist() == [expected]


@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
@pytest.mark.parametrize("modalities", [1, 2, 3, 4, 5])
def test_unequal_sequences_are_aligned_by_linear_layers(function: str, modalities: int) -> None:
    shapes = UNEQUAL[:modalities]
    fusion = randomised(initialised(FusionFunction, 0, function, shapes))
    inputs = sequences(shapes)
    width, longest = max(w for _, w in shapes), max(t for t, _ in shapes)
    aligned, wide = [], []
    for i, (tokens, own_width) in enumerate(shapes):
        x = array(inputs[i])
        if own_width < width:
            layer = fusion.width_alignment[i]
            x = np.array([[affine(token, layer) for token in example] for example in x])
        wide.append(x)
        if function not in JOINING and tokens < longest:
            layer = fusion.token_alignment[i]
            channels = [[affine(example[:, c], layer) for c in range(width)] for example in x]
            x = np.array(channels).transpose(0, 2, 1)
        aligned.append(x)
    result = fusion(inputs)
    np.testing.assert_allclose(result.detach().numpy(), combine(fusion, aligned, wide), atol=1e-12)
    assert result.shape == (3, fusion.tokens, fusion.width)
    assert fusion.tokens == (sum(t for t, _ in shapes) if function in JOINING else longest)
    assert fusion.width == width


@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
@pytest.mark.parametrize("shapes", [[(4, 6)] * 3, UNEQUAL[:2], UNEQUAL])
def test_gradients_reach_every_modality_and_weight(function: str, shapes: list[tuple[int, int]]) -> None:
    fusion = initialised(FusionFunction, 0, function, shapes).double()
    inputs = sequences(shapes)
    result = fusion(inputs)
    (result * noise(*result.shape, seed=9, dtype=torch.float64)).sum().backward()
    for x in inputs:
        assert x.grad is not None
        assert x.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in fusion.parameters())


@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
def test_every_token_of_every_modality_counts(function: str) -> None:
    """Nothing is cropped to the shortest sequence."""
    fusion = randomised(initialised(FusionFunction, 0, function, UNEQUAL))
    inputs = sequences(UNEQUAL)
    before = fusion(inputs)
    for i, (tokens, _) in enumerate(UNEQUAL):
        for j in range(tokens):
            disturbed = [x.detach().clone() for x in inputs]
            disturbed[i][:, j] += 100.0  # so large that it is the largest
            disturbed[i][:, j, 0] -= 300.0
            assert not torch.equal(fusion(disturbed), before), f"token {j} of modality {i} has no effect"


def test_unknown_function_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown fusion function 'median'.*concat.*max.*mean.*sum"):
        FusionFunction("median", [(1, 2), (1, 2)])


@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
def test_a_missing_modality_is_an_error(function: str) -> None:
    with pytest.raises(ValueError, match="zip"):
        FusionFunction(function, [(1, 2), (1, 2)])([torch.zeros(1, 1, 2)])


# --- Gates


def test_gates_weigh_each_channel_by_hand() -> None:
    """Weights 1/4 and 3/4 in channel 0, all in the second modality in channel 1."""
    fusion = FusionFunction("gated", [(1, 2), (1, 2)])
    with torch.no_grad():
        fusion.gates.linear.weight.zero_()
        fusion.gates.linear.bias.copy_(torch.tensor([0.0, -100.0, np.log(3), 0.0]))
    result = fusion([torch.tensor([[[4.0, 7.0]]]), torch.tensor([[[8.0, 5.0]]])])
    torch.testing.assert_close(result, torch.tensor([[[7.0, 5.0]]]))


def test_gates_of_two_modalities_are_a_sigmoid_and_the_rest() -> None:
    """Arevalo et al. 2017: z = sigmoid(W [x_1, x_2]), h = z x_1 + (1 - z) x_2."""
    fusion = randomised(FusionFunction("gated", [(1, 3), (1, 3)]))
    x, y = (noise(4, 1, 3, seed=i, dtype=torch.float64) for i in (0, 1))
    both, linear = torch.cat([x, y], dim=2), fusion.gates.linear
    weight, bias = linear.weight[:3] - linear.weight[3:], linear.bias[:3] - linear.bias[3:]
    z = (both @ weight.T + bias).sigmoid()
    torch.testing.assert_close(fusion([x, y]), z * x + (1 - z) * y)


def test_gates_do_not_see_padding_or_what_is_missing() -> None:
    shapes = [(4, 6), (4, 6)]
    fusion = randomised(FusionFunction("gated", shapes))
    x, y = sequences(shapes)
    mask = torch.tensor([[True, True, False, False]] * 3)
    cut = x * mask[..., None]
    gates = fusion.gates(torch.stack([x[:, :2].mean(dim=1), y.mean(dim=1)])[:, :, None])
    torch.testing.assert_close(fusion([cut, y], None, [mask, None]), gates[0] * cut + gates[1] * y)
    has = torch.tensor([True, False, False])
    alone = fusion([x, y], [has, None])
    torch.testing.assert_close(alone[0], fusion([x, y])[0])
    assert torch.equal(alone[1:], y[1:])
    assert torch.equal(fusion([x * 7, y], [has, None])[1:], y[1:])
    assert not fusion([x, y], [has, has])[1:].any(), "an example without any modality"


# --- Late


def test_late_decision_is_the_normalised_product_of_probabilities() -> None:
    fused, left, right = (noise(3, 4, seed=i, dtype=torch.float64) for i in range(3))
    has = torch.tensor([True, False, True])
    decision = late_decision(fused, [left, right], [has, None]).softmax(dim=1)
    for row in range(3):
        heads = [fused, left, right] if has[row] else [fused, right]
        product = torch.stack([head[row].softmax(dim=0) for head in heads]).prod(dim=0) ** (1 / len(heads))
        torch.testing.assert_close(decision[row], product / product.sum())


def test_late_decision_by_hand() -> None:
    fused, left, right = torch.tensor([[3.0], [3.0]]), torch.tensor([[0.0], [9.0]]), torch.tensor([[6.0], [1e9]])
    has = torch.tensor([True, False])
    assert late_decision(fused, [left, right], [None, has]).tolist() == [[3.0], [6.0]]
    assert late_decision(fused, [left, right], [~has, has]).tolist() == [[4.5], [6.0]]
