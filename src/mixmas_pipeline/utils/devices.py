"""The device to compute on, and the precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def pick_device(device: str) -> torch.device:
    """The device to compute on; "auto" is cuda if available, else the CPU.

    Raises:
        ValueError: ``device`` is "cuda" and torch sees no CUDA device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError('device is "cuda" but torch sees no CUDA device; use "auto" or "cpu"')
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def pick_precision(precision: str, device: torch.device) -> str:
    """The precision that "auto" stands for: "bfloat16" on a GPU that has it and on a CPU with AMX, else "float32". (A
    CPU with AVX512-BF16 alone multiplies matrices more slowly in bfloat16 than in float32: ``benchmarks/run.py``
    measures it.) Any other precision is returned as it is."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return "bfloat16" if amx() else "float32"


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Inside, GPUs that have TF32 multiply float32 matrices with a mantissa of 10 bits if ``precision`` is "tf32"."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[None]:
    """Inside, forward passes compute in this precision; weights, gradients and the optimiser stay float32.

    Args:
        precision: "float32"; "tf32", see ``matmul_precision``; "bfloat16", by autocast.
    """
    # Autocast's cache of weights is off: within one context it would keep those of the first step.
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False)
    with matmul_precision(precision), autocast:
        yield
