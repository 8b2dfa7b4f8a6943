"""One walk over every block: shape, determinism, gradients, number types, compiler, exporter, learning."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
from block_cases import BLOCKS, CASES, HIDDEN, make, noise
from torch import nn

from mixmas_pipeline.models.architecture import Architecture as Arch
from mixmas_pipeline.models.architecture import Encoder, Input, Patches
from mixmas_pipeline.models.blocks import BLOCKS as REGISTERED
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer

GRID = (2, 2)


def test_every_registered_block_is_in_the_walk() -> None:
    assert {parameters.block for parameters in BLOCKS.values()} == set(REGISTERED)


@pytest.mark.parametrize(("name", "grid"), CASES)
def test_shape_is_kept_and_gradients_reach_every_parameter(name: str, grid: tuple[int, ...]) -> None:
    block = make(name, grid)
    tokens = torch.Size(grid).numel()
    x = noise(3, tokens, HIDDEN).requires_grad_()
    y = block(x)
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert y.isfinite().all()
    (y * noise(*y.shape, seed=2)).sum().backward()
    for parameter_name, parameter in block.named_parameters():
        gradient = parameter.grad
        assert gradient is not None, parameter_name
        assert gradient.isfinite().all(), parameter_name
        assert gradient.abs().sum() > 0, parameter_name
    assert x.grad is not None
    assert (x.grad != 0).all()


@pytest.mark.parametrize(("name", "grid"), CASES)
def test_examples_do_not_see_each_other(name: str, grid: tuple[int, ...]) -> None:
    block = make(name, grid).double()
    x = noise(4, torch.Size(grid).numel(), HIDDEN, dtype=torch.float64)
    together = block(x)
    for i in range(len(x)):
        torch.testing.assert_close(block(x[i : i + 1])[0], together[i], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", BLOCKS)
def test_same_seed_same_block_same_output(name: str) -> None:
    x = noise(2, 4, HIDDEN)
    first, again, other = make(name, GRID, 5), make(name, GRID, 5), make(name, GRID, 6)
    assert torch.equal(first(x), again(x))
    assert torch.equal(first(x), first(x))
    assert not torch.equal(first(x), other(x))
    weights = zip(first.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


@pytest.mark.parametrize(("name", "grid"), [c for c in CASES if c[1] in {(7,), (3, 5)}])
def test_bfloat16_forward_and_backward(name: str, grid: tuple[int, ...]) -> None:
    exact = make(name, grid)
    block = copy.deepcopy(exact).to(torch.bfloat16)
    x = noise(3, torch.Size(grid).numel(), HIDDEN)
    y = block(x.bfloat16())
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), exact(x), rtol=0.1, atol=0.1)
    y.float().square().sum().backward()
    for parameter_name, parameter in block.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.dtype == torch.bfloat16
        assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", BLOCKS)
def test_autocast_keeps_float32_weights(name: str) -> None:
    block = make(name, GRID)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = block(noise(2, 4, HIDDEN))
    y.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in block.parameters())


@pytest.mark.parametrize("name", BLOCKS)
def test_compiled_equals_eager_without_graph_breaks(name: str) -> None:
    torch._dynamo.reset()
    grid = (3, 5)
    block = make(name, grid)
    compiled = torch.compile(copy.deepcopy(block), fullgraph=True, backend="aot_eager")
    x = noise(2, 15, HIDDEN)
    weights = noise(2, 15, HIDDEN, seed=2)
    results = []
    for module in (block, compiled):
        y = module(x)
        (y * weights).sum().backward()
        results.append([y.detach(), *(p.grad for p in module.parameters())])
    for eager, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, eager, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BLOCKS)
def test_export_is_clean_for_any_batch(name: str) -> None:
    block = make(name, (3, 5)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        program = torch.export.export(block, (noise(2, 15, HIDDEN),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    x = noise(5, 15, HIDDEN, seed=3)
    torch.testing.assert_close(program.module()(x), block(x))


@pytest.mark.parametrize("name", BLOCKS)
def test_dropout_acts_in_training_only(name: str) -> None:
    parameters = BLOCKS[name].model_copy(update={"dropout": 0.5})
    block = initialised(parameters.build, 0, HIDDEN, GRID)
    x = noise(2, 4, HIDDEN)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(block.train()(x), block(x))
    assert torch.equal(block.eval()(x), block(x))
    torch.testing.assert_close(block(x), make(name, GRID).eval()(x))


@pytest.mark.parametrize("name", BLOCKS)
def test_learns_a_tiny_batch_by_heart(name: str) -> None:
    architecture = Arch(
        task="multiclass",
        classes=("a", "b", "c", "d"),
        inputs={"image": Input(shape=(6, 6), mean=0.0, std=1.0)},
        encoders={"image": Encoder(tokeniser=Patches(patch=3), hidden_dim=12, depth=2, block=BLOCKS[name])},
    )
    model = initialised(MultimodalMixer, 0, architecture)
    images, labels = noise(8, 6, 6), torch.tensor([0, 1, 2, 3, 3, 2, 1, 0])
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    start = F.cross_entropy(model({"image": images})[FUSED], labels).item()
    for _ in range(80):
        loss = F.cross_entropy(model({"image": images})[FUSED], labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert start > 0.5
    assert loss.item() < 0.02


def test_ramlp_without_a_grid_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ramlp needs a 2-D grid of tokens; got \(16,\)"):
        make("ramlp", (16,))


@pytest.mark.parametrize("name", BLOCKS)
def test_no_module_prints(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    make(name, GRID)(noise(2, 4, HIDDEN))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_of_a_stack_do_not_share_weights(name: str) -> None:
    from mixmas_pipeline.models.encoder import MixerStack

    stack = initialised(MixerStack, 0, BLOCKS[name], 2, HIDDEN, GRID)
    assert len(stack) == 2 + BLOCKS[name].norm
    assert isinstance(stack[-1], nn.LayerNorm) == BLOCKS[name].norm
    first, second = (list(stack[i].parameters()) for i in range(2))
    assert {id(p) for p in first}.isdisjoint(id(p) for p in second)
    random = [(a, b) for a, b in zip(first, second, strict=True) if a.std() > 0]
    assert random
    assert not any(torch.equal(a, b) for a, b in random)
