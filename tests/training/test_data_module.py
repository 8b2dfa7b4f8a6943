"""What each process computes of a step."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from training_samples import lacking, parameters, settings_of

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.batches import Batch, Batches
from mixmas_pipeline.training.data_module import TableDataModule
from mixmas_pipeline.training.lightning_module import MixerModule
from mixmas_pipeline.training.loss import balancing_weights, multi_head_loss, task_loss
from mixmas_pipeline.training.parameters import TrainingParameters

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


def modules(data: MultimodalTable, settings: TrainingParameters, world: int, **arguments: Any) -> list[Any]:
    """The data module of every process."""
    made = [TableDataModule(data, data, settings, **arguments) for _ in range(world)]
    for rank, module in enumerate(made):
        module.trainer = SimpleNamespace(current_epoch=0, global_rank=rank, world_size=world)
    return made


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("balance", ["none", "classes"])
def test_mean_of_the_processes_gradients_is_that_of_a_linear_model_on_the_batch(
    make_table: Callable[..., MultimodalTable], world: int, task: str, balance: str
) -> None:
    """Against the gradient of the loss of the whole batch, as torch defines it. The last batch has 3 examples: too few
    for 5 processes, uneven for 2."""
    data = make_table(rows=13, task=task)
    labels = torch.from_numpy(data.labels.astype(np.int64))
    weights = balancing_weights(labels, 3, task).double() if balance == "classes" else None
    settings = parameters(batch_size=10, balance=balance)
    inputs = torch.from_numpy(data.arrays["series"].reshape(13, -1)).double()
    row_of = {row.tobytes(): number for number, row in enumerate(data.arrays["series"])}
    parts = [list(m.train_dataloader()) for m in modules(data, settings, world, class_weights=weights)]
    seen = []
    for batch in range(2):
        matrix = torch.randn(15, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        gradients, rows = [], []
        for rank in range(world):
            part, truth, share, *_ = parts[rank][batch]
            mine = [row_of[row.numpy().tobytes()] for row in part["series"]]
            leaf = matrix.clone().requires_grad_()
            (share * task_loss(inputs[mine] @ leaf, truth, task, weights)).backward()
            gradients.append(leaf.grad)
            rows += mine if share else []
        leaf = matrix.clone().requires_grad_()
        if task == "multilabel":
            whole = F.binary_cross_entropy_with_logits(inputs[rows] @ leaf, labels[rows].double(), pos_weight=weights)
        else:
            whole = F.cross_entropy(inputs[rows] @ leaf, labels[rows], weight=weights)
        whole.backward()
        torch.testing.assert_close(torch.stack(gradients).mean(0), leaf.grad, rtol=1e-12, atol=1e-14)
        seen += rows
    assert sorted(seen) == list(range(13))


@pytest.mark.parametrize("world", [1, 2, 4])
def test_every_validation_row_is_seen_once_and_in_order(make_table: Callable[..., MultimodalTable], world: int) -> None:
    data = make_table(rows=1030)
    loaders = [module.val_dataloader() for module in modules(data, parameters(), world)]
    labels = np.concatenate([batch[1] for loader in loaders for batch in loader])
    assert (labels == data.labels).all()


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("balance", ["none", "classes"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_mean_of_the_processes_gradients_is_that_of_the_batch(
    make_table: MakeTable, make_architecture: MakeArchitecture, world: int, task: str, balance: str, dropout: float
) -> None:
    """Every parameter's, heads included, though the parts have unequal numbers of examples with a modality."""
    table = lacking(make_table(19, task), 0.5, 0.5)
    plan, settings_ = make_architecture(task=task), settings_of(balance=balance, modality_dropout=dropout, batch_size=8)
    module = MixerModule(plan, settings_, 10, table)
    module.model.double()
    scale = None if module.scale is None else module.scale.double()
    parts = []
    for rank in range(world):
        data = TableDataModule(table, table, settings_, module.scale)
        data.trainer = SimpleNamespace(current_epoch=2, global_rank=rank, world_size=world)
        parts.append(list(data.train_dataloader()))
    (whole,) = [[*data] for data in [one_process(table, settings_, module.scale)]]
    assert [len(part) for part in parts] == [len(whole)] * world

    def gradients(batches: list[Batch]) -> dict[str, torch.Tensor]:
        total: dict[str, torch.Tensor] = {}
        for batch in batches:
            module.model.zero_grad()
            logits = module.model(batch.inputs, batch.present)
            loss = multi_head_loss(logits, batch.labels, task, 0.3, scale, batch.present, batch.shares)
            (batch.share * loss).backward()
            for name, p in module.model.named_parameters():
                total[name] = total.get(name, 0) + p.grad / len(batches)
        return total

    for step, batch in enumerate(whole):
        assert batch.share == 1.0
        assert set(batch.shares.values()) == {1.0}
        expected, found = gradients([batch]), gradients([part[step] for part in parts])
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=1e-9)


def one_process(table: MultimodalTable, given_: TrainingParameters, scale: torch.Tensor | None) -> Batches:
    data = TableDataModule(table, table, given_, scale)
    data.trainer = SimpleNamespace(current_epoch=2, global_rank=0, world_size=1)
    return data.train_dataloader()
