"""Fusion of one to five token sequences, equal and unequal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from block_cases import Array, affine, array, noise, randomised
from torch import Tensor

from mixmas_pipeline.models.architecture import FUSION_FUNCTIONS
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.fusion import FusionFunction

UNEQUAL = [(4, 6), (2, 3), (7, 6), (7, 2), (1, 5)]


def sequences(shapes: list[tuple[int, int]]) -> list[Tensor]:
    return [
        noise(3, tokens, width, seed=i, dtype=torch.float64).requires_grad_()
        for i, (tokens, width) in enumerate(shapes)
    ]


def combine(function: str, arrays: list[Array]) -> Array:
    """Token by token, in python loops; concat joins the lists of tokens."""
    if function == "concat":
        examples = range(len(arrays[0]))
        return np.array([[token for a in arrays for token in a[example]] for example in examples])
    result = np.zeros_like(arrays[0])
    for place in np.ndindex(*result.shape):
        values = [float(a[place]) for a in arrays]
        mean = sum(values) / len(values)
        result[place] = {"max": max(values), "sum": sum(values), "mean": mean}[function]
    return result


@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
@pytest.mark.parametrize("modalities", [1, 2, 3, 4, 5])
def test_equal_sequences_need_no_weights(function: str, modalities: int) -> None:
    shapes = [(4, 6)] * modalities
    fusion = FusionFunction(function, shapes)
    inputs = sequences(shapes)
    result = fusion(inputs)
    assert not list(fusion.parameters())
    assert result.shape == (3, fusion.tokens, fusion.width)
    assert fusion.tokens == (4 * modalities if function == "concat" else 4)
    assert fusion.width == 6
    expected = combine(function, [array(x) for x in inputs])
    np.testing.assert_allclose(result.detach().numpy(), expected, atol=1e-15)


@pytest.mark.parametrize(
    ("function", "expected"),
    [("concat", [[1, -2], [3, 5]]), ("max", [[3, 5]]), ("mean", [[2, 1.5]]), ("sum", [[4, 3]])],
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
    aligned = []
    for i, (tokens, own_width) in enumerate(shapes):
        x = array(inputs[i])
        if own_width < width:
            layer = fusion.width_alignment[i]
            x = np.array([[affine(token, layer) for token in example] for example in x])
        if function != "concat" and tokens < longest:
            layer = fusion.token_alignment[i]
            channels = [[affine(example[:, c], layer) for c in range(width)] for example in x]
            x = np.array(channels).transpose(0, 2, 1)
        aligned.append(x)
    result = fusion(inputs)
    np.testing.assert_allclose(result.detach().numpy(), combine(function, aligned), atol=1e-12)
    assert result.shape == (3, fusion.tokens, fusion.width)
    assert fusion.tokens == (sum(t for t, _ in shapes) if function == "concat" else longest)
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
