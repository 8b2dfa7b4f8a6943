"""On what is computed, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def pick_device(device: str) -> torch.device:
    """The device to compute on; "auto" is cuda where there is one.

    Raises:
        ValueError: cuda is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError('device is "cuda" but torch sees no CUDA device; use "auto" or "cpu"')
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def pick_precision(precision: str, device: torch.device) -> str:
    """What "auto" stands for: "bfloat16" on a GPU that has it and on a CPU with AMX, "float32" elsewhere. (A CPU with
    AVX512-BF16 alone multiplies matrices more slowly in bfloat16 than in float32: ``benchmarks/run.py`` measures it.)
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return "bfloat16" if amx() else "float32"


@contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[None]:
    """Forward passes inside compute in this precision; weights, gradients and the optimiser stay float32.

    Args:
        precision: "float32"; "tf32", matrix products with a mantissa of 10 bits on GPUs that have it (elsewhere it is
            float32); "bfloat16", by autocast.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        # Without autocast's cache of weights: inside one context it would go on with those of the first step.
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
