"""On what is computed, and in which precision."""

from __future__ import annotations

import pytest
import torch

from mixmas_pipeline.utils.devices import computing_in, pick_device, pick_precision


@pytest.mark.parametrize(
    ("precision", "device", "fast", "expected"),
    [
        ("float32", "cuda", True, "float32"),
        ("bfloat16", "cpu", False, "bfloat16"),
        ("auto", "cpu", True, "bfloat16"),
        ("auto", "cpu", False, "float32"),
        ("auto", "cuda", True, "bfloat16"),
        ("auto", "cuda", False, "float32"),
    ],
)
def test_auto_precision_is_bfloat16_where_that_is_fast(
    precision: str, device: str, fast: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = (fast, not fast) if device == "cuda" else (not fast, fast)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: here)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: elsewhere, raising=False)
    assert pick_precision(precision, torch.device(device)) == expected


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [pick_device(device).type for device in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [pick_device(device).type for device in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(ValueError, match='device is "cuda" but torch sees no CUDA device'):
        pick_device("cuda")


def test_computing_in_restores_what_was_there() -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        with computing_in("tf32", torch.device("cpu")):
            assert torch.get_float32_matmul_precision() == "high"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_bfloat16_computes_products_in_it_and_keeps_weights() -> None:
    layer = torch.nn.Linear(4, 4)
    with computing_in("bfloat16", torch.device("cpu")):
        assert layer(torch.ones(2, 4)).dtype == torch.bfloat16
    assert layer(torch.ones(2, 4)).dtype == layer.weight.dtype == torch.float32
