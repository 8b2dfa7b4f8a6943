"""Modalities that rows lack, or that training leaves out: who takes part, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.evaluation.presence import known, training_presence
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.training import lightning, processes
from mixmas_pipeline.training.loss import multi_head_loss
from mixmas_pipeline.training.parameters import BudgetParameters, TrainingParameters
from mixmas_pipeline.training.statistics import input_statistics
from mixmas_pipeline.training.trial import compute_logits, run_trials

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]
BUDGET = BudgetParameters(learning_rate=1e-2, batch_size=16, steps=9, extended_steps=9, seeds=(0, 1), device="cpu")


def lacking(table: MultimodalTable, image: float = 0.4, series: float = 0.3, seed: int = 5) -> MultimodalTable:
    """The table, some of whose rows lack a modality, but none both."""
    rng = np.random.default_rng(seed)
    present = {"image": rng.random(len(table)) >= image, "series": rng.random(len(table)) >= series}
    present["image"] |= ~present["series"]
    arrays = {name: array.copy() for name, array in table.arrays.items()}
    for name, there in present.items():
        arrays[name][~there] = 0
    modalities = {n: Modality(m.kind, m.shape, m.dtype, optional=True) for n, m in table.schema.modalities.items()}
    schema = TableSchema(modalities, table.schema.task, table.schema.classes)
    return MultimodalTable(schema, arrays, table.labels, table.ids, present=present)


def settings_of(**changes: Any) -> TrainingParameters:
    given_ = {"seed": 3, "max_epochs": 3, "patience": 3, "metric": "accuracy", "batch_size": 16, "learning_rate": 0.01}
    return TrainingParameters.model_validate({**given_, "accelerator": "cpu", **changes})


# --- Who takes part


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), epoch=st.integers(0, 50), dropout=st.floats(0.0, 0.99), rows=st.integers(1, 40))
def test_something_of_every_row_stays_and_nothing_is_made_up(seed: int, epoch: int, dropout: float, rows: int) -> None:
    rng = np.random.default_rng(seed)
    names = ("a", "b", "c")
    present = {"a": rng.random(rows) < 0.5, "b": rng.random(rows) < 0.5}
    schema = TableSchema(
        {n: Modality("tabular", (1,), "float32", optional=n in present) for n in names}, "multiclass", ("x", "y")
    )
    arrays = {n: np.zeros((rows, 1), np.float32) for n in names}
    table = MultimodalTable(schema, arrays, np.zeros(rows, int), [str(i) for i in range(rows)], present=present)
    found = training_presence(table, names, dropout, seed, epoch)
    if dropout == 0:
        assert set(found) == set(present)
        assert all((found[n] == present[n]).all() for n in present)
        return
    stays = np.stack([found[n] for n in names])
    assert stays.any(axis=0).all()
    assert not (found["a"] & ~present["a"]).any()
    assert not (found["b"] & ~present["b"]).any()
    again = training_presence(table, names, dropout, seed, epoch)
    assert all((found[n] == again[n]).all() for n in names)


@pytest.mark.parametrize("dropout", [0.2, 0.7])
def test_modalities_are_dropped_as_often_as_said_and_independently(make_table: MakeTable, dropout: float) -> None:
    """Of two, both are dropped with probability p^2: then one of them stays, each as likely."""
    table = make_table(20000)
    found = training_presence(table, ("image", "series"), dropout, 0, 0)
    both = found["image"] & found["series"]
    assert both.mean() == pytest.approx((1 - dropout) ** 2, abs=0.015)
    for name in found:
        assert found[name].mean() == pytest.approx(1 - dropout + dropout**2 / 2, abs=0.015)
    others = [training_presence(table, ("image", "series"), dropout, *other)["image"] for other in ((0, 1), (1, 0))]
    for other in others:
        agree = found["image"].mean() ** 2 + (1 - found["image"].mean()) ** 2
        assert (found["image"] == other).mean() == pytest.approx(agree, abs=0.02)


def test_the_only_modality_is_never_dropped(make_table: MakeTable) -> None:
    assert training_presence(make_table(20), ("image",), 0.9, 0, 0) == {}


def test_known_rows(make_table: MakeTable) -> None:
    table = lacking(make_table(40))
    assert known(table, ("image", "series")) is table
    kept = known(table, ("series",))
    assert list(kept.ids) == list(table.ids[table.present["series"]])
    assert list(kept.arrays) == ["series"]
    np.testing.assert_array_equal(kept.arrays["series"], table.arrays["series"][table.present["series"]])
    kept.check()
    nobody = table.take(np.flatnonzero(~table.present["series"]))
    with pytest.raises(ValueError, match=r"rows lack series; expected some that have it"):
        known(nobody, ("series",))


@pytest.mark.parametrize("modality", ["image", "series"])
def test_statistics_are_of_the_rows_that_have_it(make_table: MakeTable, modality: str) -> None:
    table = lacking(make_table(60))
    there = table.arrays[modality][table.present[modality]].astype(float)
    found = input_statistics(table, modality)
    assert found.optional
    assert found.mean == pytest.approx(there.mean())
    assert found.std == pytest.approx(there.std())
    table.present[modality][:] = False
    with pytest.raises(ValueError, match=f"modality '{modality}' is missing in all 60 rows"):
        input_statistics(table, modality)


# --- Trials


@pytest.mark.parametrize("function", ["concat", "max", "mean"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("missing", [False, True])
def test_trials_by_a_loop_over_torch(
    make_table: MakeTable, make_architecture: MakeArchitecture, missing: bool, dropout: float, function: str
) -> None:
    """The trial's first loss is the batch's, with the presence of epoch 0; stacked seeds are the separate ones."""
    table, holdout = make_table(50), make_table(30, seed=1)
    if missing:
        table, holdout = lacking(table), lacking(holdout)
    plan = make_architecture(function=function)
    budget = BUDGET.model_copy(update={"modality_dropout": dropout, "balance": "classes"})
    runs = [
        run_trials(plan, table, holdout, budget.model_copy(update={"batched": b}), 9, (0, 4), "accuracy", "test")
        for b in (False, True)
    ]
    for alone, stacked in zip(*runs, strict=True):
        np.testing.assert_allclose([v for _, v in stacked.losses], [v for _, v in alone.losses], rtol=1e-3)
    from mixmas_pipeline.training.trial import batch_rows, loss_scale

    rows = batch_rows(50, 16, 4, 0)[0]
    model = initialised(MultimodalMixer, 4, plan).train()
    present = {n: torch.from_numpy(t)[rows] for n, t in training_presence(table, plan.inputs, dropout, 4, 0).items()}
    assert bool(present) == (missing or dropout > 0)
    inputs = {name: torch.from_numpy(array[rows.numpy()]) for name, array in table.arrays.items()}
    scale = loss_scale(budget, torch.from_numpy(table.labels), plan)
    labels = torch.from_numpy(table.labels)[rows]
    expected = multi_head_loss(model(inputs, present), labels, "multiclass", 1 / 3, scale, present)
    assert runs[0][1].losses[0][1] == pytest.approx(expected.item(), rel=1e-5)


def test_a_single_modality_is_trained_and_scored_on_the_rows_that_have_it(
    make_table: MakeTable, make_architecture: MakeArchitecture
) -> None:
    """The same as on tables of those rows alone, whatever the budget drops."""
    plan = make_architecture(modalities=("series",))
    tables = [lacking(make_table(60)), lacking(make_table(40, seed=1))]
    rows = [np.flatnonzero(t.present["series"]) for t in tables]
    only = [make_table(60).take(rows[0]), make_table(40, seed=1).take(rows[1])]
    budget = BUDGET.model_copy(update={"modality_dropout": 0.4})
    first = run_trials(plan, *tables, budget, 9, (0,), "accuracy", "test")[0]
    second = run_trials(plan, *only, BUDGET, 9, (0,), "accuracy", "test")[0]
    np.testing.assert_allclose(first.losses, second.losses, rtol=1e-5)
    np.testing.assert_array_equal(first.predicted, second.predicted)
    assert len(first.predicted) == len(rows[1]) < 40


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


# --- Full training


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
    module = lightning.MixerModule(plan, settings_, 10, table.labels)
    module.model.double()
    scale = None if module.scale is None else module.scale.double()
    parts = []
    for rank in range(world):
        data = lightning.TableModule(table, table, settings_, module.scale)
        data.trainer = SimpleNamespace(current_epoch=2, global_rank=rank, world_size=world)
        parts.append(list(data.train_dataloader()))
    (whole,) = [[*data] for data in [one_process(table, settings_, module.scale)]]
    assert [len(part) for part in parts] == [len(whole)] * world

    def gradients(batches: list[lightning.Batch]) -> dict[str, torch.Tensor]:
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


def one_process(table: MultimodalTable, given_: TrainingParameters, scale: torch.Tensor | None) -> lightning.Batches:
    data = lightning.TableModule(table, table, given_, scale)
    data.trainer = SimpleNamespace(current_epoch=2, global_rank=0, world_size=1)
    return data.train_dataloader()


@pytest.mark.parametrize("missing", [False, True])
def test_resumed_training_with_dropped_modalities_ends_as_the_unbroken_one(
    make_table: MakeTable,
    make_architecture: MakeArchitecture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    missing: bool,
) -> None:
    tables = [make_table(50), make_table(30, seed=1)]
    tables = [lacking(table) for table in tables] if missing else tables
    plan, given_ = make_architecture(function="max", dropout=0.2), settings_of(modality_dropout=0.3)
    whole, history = lightning.train(plan, *tables, given_, tmp_path / "whole")
    original = lightning.MixerModule.training_step

    def crashing(self: lightning.MixerModule, batch: Any, index: int) -> torch.Tensor:
        if self.current_epoch == 1 and index == 2:
            raise RuntimeError("power cut")
        return original(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(lightning.MixerModule, "training_step", crashing)
        with pytest.raises(RuntimeError, match="power cut"):
            lightning.train(plan, *tables, given_, tmp_path / "broken")
    resumed, again = lightning.train(plan, *tables, given_, tmp_path / "broken")
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
    assert history.drop(columns="seconds").equals(again.drop(columns="seconds"))
    other, _ = lightning.train(plan, *tables, settings_of(), tmp_path / "without")
    assert not torch.equal(other.fused_head.linear.weight, whole.fused_head.linear.weight)


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one(
    make_table: MakeTable, make_architecture: MakeArchitecture, tmp_path: Path
) -> None:
    """Missing modalities and dropped ones, up to rounding; a validation score of a head is of those that have it."""
    train, validation = lacking(make_table(50)), lacking(make_table(31, seed=1))
    plan = make_architecture(function="mean")
    found = []
    for devices in (1, 2):
        given_ = settings_of(modality_dropout=0.3, devices=devices, max_epochs=2, patience=2)
        model, history = processes.train(plan, train, validation, given_, tmp_path / str(devices))
        found.append((model, history))
    (one, history), (two, same) = found
    cpu = torch.device("cpu")
    logits = compute_logits(one, validation, cpu)
    for head, values in compute_logits(two, validation, cpu).items():
        np.testing.assert_allclose(values, logits[head], atol=1e-3)
    columns = ["train_loss", "validation_loss", "validation_accuracy_series"]
    np.testing.assert_allclose(history[columns], same[columns], rtol=1e-3)
    best = history["validation_accuracy_fused"].idxmax()
    there = validation.present["series"]
    by_hand = (logits["series"].argmax(axis=1) == validation.labels)[there].mean()
    assert history["validation_accuracy_series"][best] == pytest.approx(by_hand)
