"""Checkpoints in a folder that was moved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from training_samples import architecture, parameters, table

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training import fit as fitting
from mixmas_pipeline.training.lightning_module import MixerModule
from mixmas_pipeline.training.parameters import TrainingParameters

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


def fit(folder: Path, settings: TrainingParameters) -> tuple[dict[str, torch.Tensor], pd.DataFrame]:
    model, history = fitting.train(architecture(), table(80, 0), table(40, 1), settings, folder)
    return model.state_dict(), history.drop(columns="seconds")


def test_training_whose_folder_was_moved_still_knows_its_best_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning forgets the best score when the folder of its checkpoint is another: a later, worse epoch then wins."""
    settings = parameters(learning_rate=0.5, clip_norm=100.0, weight_decay=0.01)
    weights, history = fit(tmp_path / "unbroken", settings)
    best = int(history["validation_accuracy_fused"].idxmax())
    assert 0 <= best < 3, "the best epoch is before the crash; else the test proves nothing"
    original = MixerModule.training_step

    def crashing(self: MixerModule, batch: Any, index: int) -> torch.Tensor:
        if self.current_epoch == 3:
            raise RuntimeError("power cut")
        return original(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(MixerModule, "training_step", crashing)
        with pytest.raises(RuntimeError, match="power cut"):
            fit(tmp_path / "here" / "broken", settings)
    (tmp_path / "here").rename(tmp_path / "there")
    resumed, resumed_history = fit(tmp_path / "there" / "broken", settings)
    pd.testing.assert_frame_equal(resumed_history, history)
    for name, weight in weights.items():
        assert torch.equal(weight, resumed[name]), name
    assert not (tmp_path / "here").exists()
