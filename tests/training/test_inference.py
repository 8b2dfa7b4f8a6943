"""Logits of a model in eval mode."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from training_samples import lacking

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import predict
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.training import inference
from mixmas_pipeline.training.inference import compute_logits

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


@pytest.mark.parametrize("training", [True, False])
def test_logits_are_those_of_eval_mode_in_the_order_of_the_rows(
    make_table: MakeTable,
    make_architecture: MakeArchitecture,
    training: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inference, "evaluation_rows", lambda _: [slice(0, 8), slice(8, 16), slice(16, 24)])
    table = make_table(21)
    model = initialised(MultimodalMixer, 0, make_architecture(dropout=0.5)).train(training)
    logits = compute_logits(model, table, torch.device("cpu"))
    assert model.training is training
    assert {name: values.shape for name, values in logits.items()} == dict.fromkeys((FUSED, "image", "series"), (21, 3))
    model.eval()
    for row in (0, 7, 8, 20):
        inputs = {name: torch.from_numpy(array[row : row + 1].copy()) for name, array in table.arrays.items()}
        for name, expected in model(inputs).items():
            np.testing.assert_allclose(logits[name][row], expected[0].detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(predict(logits[FUSED], "multiclass"), logits[FUSED].argmax(axis=1))


def test_logits_heed_the_table_s_presence_unless_told_otherwise(
    make_table: MakeTable, make_architecture: MakeArchitecture
) -> None:
    table = lacking(make_table(30))
    model = initialised(MultimodalMixer, 0, make_architecture())
    cpu = torch.device("cpu")
    found = compute_logits(model, table, cpu)[FUSED]
    present = {name: torch.from_numpy(there) for name, there in table.present.items()}
    inputs = {name: torch.from_numpy(array) for name, array in table.arrays.items()}
    model.eval()
    np.testing.assert_allclose(found, model(inputs, present)[FUSED].detach().numpy(), rtol=1e-5, atol=1e-6)
    nothing = {"series": np.zeros(30, bool)}
    other = compute_logits(model, table, cpu, nothing)[FUSED]
    expected = model(inputs, {"series": torch.zeros(30, dtype=torch.bool)})[FUSED]
    np.testing.assert_allclose(other, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert not np.allclose(found, other)
