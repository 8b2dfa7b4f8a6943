"""Every block type in a small size, and numpy float64 pieces that slow references are made of.

``BLOCKS`` is checked against the registered block types (test_blocks.py): a new block without a case here is
a failing test, so every block goes through the same walk.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from mixmas_pipeline.models.blocks.base import BlockParameters
from mixmas_pipeline.models.blocks.hyper_mixer import HyperMixerParameters
from mixmas_pipeline.models.blocks.linear import LinearParameters
from mixmas_pipeline.models.blocks.mlp import MLPParameters
from mixmas_pipeline.models.blocks.mlp_mixer import MLPMixerParameters
from mixmas_pipeline.models.blocks.monarch_mixer import MonarchMixerParameters
from mixmas_pipeline.models.blocks.ramlp import RaMLPParameters
from mixmas_pipeline.models.blocks.real_mlp import RealMLPParameters
from mixmas_pipeline.models.encoder import initialised

HIDDEN = 12
SEQUENCES: list[tuple[int, ...]] = [(1,), (7,), (13,), (16,)]
GRIDS: list[tuple[int, ...]] = [(2, 2), (3, 5), (7, 7)]

BLOCKS: dict[str, BlockParameters] = {
    "mlp_mixer": MLPMixerParameters(channel_dim=20, token_dim=9),
    "hyper_mixer": HyperMixerParameters(channel_dim=20, token_dim=5),
    "hyper_mixer_tied": HyperMixerParameters(channel_dim=20, token_dim=5, tied=True),
    "ramlp": RaMLPParameters(channel_dim=20, regions=2, kernel=3, expansion=2),
    "monarch_mixer": MonarchMixerParameters(channel_dim=21, blocks=4),
    "linear": LinearParameters(),
    "real_mlp": RealMLPParameters(),
    "mlp": MLPParameters(),
}
# These mix tokens, then channels by an MLP of channel_dim.
MIXING = [name for name in BLOCKS if name not in ("linear", "real_mlp", "mlp")]
ON_GRIDS = [(name, grid) for name in BLOCKS for grid in GRIDS]
ON_SEQUENCES = [(name, grid) for name, block in BLOCKS.items() if not block.needs_grid for grid in SEQUENCES]
CASES = ON_SEQUENCES + ON_GRIDS

Array = np.ndarray


def make(name: str, grid: tuple[int, ...], seed: int = 0) -> nn.Module:
    """The block as a model would start with it."""
    return initialised(BLOCKS[name].build, seed, HIDDEN, grid)


def randomised(module: nn.Module, seed: int = 0, std: float = 0.5) -> nn.Module:
    """The module in float64 with every parameter drawn at random: also biases, norms and kernels."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * std)
    return module


def noise(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal numbers that leave the global random state alone."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def array(tensor: Tensor | None) -> Array:
    """A tensor as float64 numpy."""
    assert tensor is not None
    return tensor.detach().double().numpy()


def gelu(x: Array) -> Array:
    """x * Phi(x), with the exact error function."""
    flat = [v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in np.ravel(x)]
    return np.array(flat).reshape(np.shape(x))


def layer_norm(vector: Array, norm: nn.LayerNorm) -> Array:
    """LayerNorm of one token."""
    mean = sum(vector) / len(vector)
    variance = sum((v - mean) ** 2 for v in vector) / len(vector)
    return (vector - mean) / math.sqrt(variance + norm.eps) * array(norm.weight) + array(norm.bias)


def affine(vector: Array, layer: nn.Linear) -> Array:
    """A linear layer on one vector."""
    result = array(layer.weight) @ vector
    return result if layer.bias is None else result + array(layer.bias)


def mlp(vector: Array, layers: nn.Sequential) -> Array:
    """W2 gelu(W1 v + b1) + b2 on one vector; the layers are Linear, GELU, ..., Linear."""
    return affine(gelu(affine(vector, layers[0])), layers[-1])
