"""Dropout's random numbers per process and epoch."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import torch
from training_samples import architecture, parameters, table

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.lightning_module import MixerModule

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


def test_dropout_differs_between_processes_and_epochs() -> None:
    module = MixerModule(architecture(), parameters(), 1, table(2, 0))
    drawn = []
    with torch.random.fork_rng():
        for rank, epoch in ((0, 0), (1, 0), (0, 1), (1, 1)):
            module._trainer = SimpleNamespace(global_rank=rank, current_epoch=epoch)
            module.on_train_epoch_start()
            drawn.append(torch.rand(8))
    assert not any(torch.equal(drawn[i], drawn[j]) for i in range(4) for j in range(i))
