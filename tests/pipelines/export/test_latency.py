"""Times of a model's forms, on a clock that the test moves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.export import conversion, latency


def facts() -> tuple[MultimodalMixer, MultimodalTable]:
    """A model of a vector, and 40 rows."""
    encoder = {"tokeniser": {"type": "vector"}, "hidden_dim": 8, "depth": 1, "block": {"block": "mlp"}}
    inputs = {"facts": {"shape": (6,), "mean": 0.5, "std": 0.5}}
    architecture = Architecture.model_validate(
        {"task": "multiclass", "classes": ("a", "b"), "inputs": inputs, "encoders": {"facts": encoder}}
    )
    schema = TableSchema({"facts": Modality("tabular", (6,), "float32")}, "multiclass", ("a", "b"))
    ids = [str(i) for i in range(40)]
    table = MultimodalTable(schema, {"facts": np.ones((40, 6), np.float32)}, np.arange(40) % 2, ids)
    return initialised(MultimodalMixer, 5, architecture), table


def test_times_of_all_forms_are_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only the forms move: 1 ms and 3 ms a call, but every tenth of the second form's takes 50."""
    model, table = facts()
    clock, order = [0.0], []
    monkeypatch.setattr(latency.time, "perf_counter", lambda: clock[0])

    def form(name: str, milliseconds: float) -> conversion.Run:
        def run(inputs: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
            assert torch.get_num_threads() == 1
            order.append((name, len(inputs["facts"])))
            slow = name == "b" and len(order) % 20 == 0
            clock[0] += (50 if slow else milliseconds) / 1000
            return {}

        return run

    found = latency.measure_latency({"a": form("a", 1), "b": form("b", 3)}, model, table, (1, 32))
    calls = latency.WARM_UP + latency.CALLS
    assert order == [("a", 1), ("b", 1)] * calls + [("a", 32), ("b", 32)] * calls
    keys = [(row.form, row.examples, row.calls) for row in found]
    assert keys == [(name, size, latency.CALLS) for size in (1, 32) for name in ("a", "b")]
    assert [row.median_ms for row in found] == pytest.approx([1, 3, 1, 3])
    assert found[1].p90_ms == pytest.approx(3, abs=48)
    slow = latency.measure_latency({"a": form("a", 4000)}, model, table, (1,))
    assert slow[0].calls == latency.FEWEST_CALLS


def test_the_model_itself_answers_without_gradients() -> None:
    model, table = facts()
    inputs = {"facts": torch.from_numpy(np.array(table.arrays["facts"]))}
    answer = latency.eager(model.eval())(inputs, {})["fused"]
    assert not answer.requires_grad
    assert torch.equal(answer, model(inputs)["fused"].detach())
