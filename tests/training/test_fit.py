"""Full training: resumes exactly, stops early, keeps the best epoch, leaves global state alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from object_store import ObjectStore
from training_samples import CPU, architecture, lacking, parameters, settings_of, table

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import predict, score
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.storage.cache import cache_folder
from mixmas_pipeline.storage.paths import as_path
from mixmas_pipeline.training import fit as fitting
from mixmas_pipeline.training.batches import batch_rows
from mixmas_pipeline.training.data_module import TableDataModule
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.lightning_module import MixerModule
from mixmas_pipeline.training.modality_dropout import drop_modalities
from mixmas_pipeline.training.parameters import TrainingParameters

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXMAS_CACHE", str(tmp_path / "cache"))


def fit(folder: Path, settings: TrainingParameters) -> tuple[dict[str, torch.Tensor], pd.DataFrame]:
    model, history = fitting.train(architecture(), table(80, 0), table(40, 1), settings, folder)
    return model.state_dict(), history.drop(columns="seconds")


@pytest.mark.parametrize("crash_in_epoch", [1, 3])
@pytest.mark.parametrize("recipe", ["published", {"label_smoothing": 0.1}], ids=["published", "ours"])
def test_resumed_training_ends_as_the_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Any, crash_in_epoch: int
) -> None:
    check_resumed(tmp_path / "broken", tmp_path, monkeypatch, crash_in_epoch, recipe)


def test_training_is_resumed_on_another_machine(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints lie in an object store; what the first machine had on its disk is lost."""
    folder: Any = as_path(f"{object_store.url}/checkpoints")
    check_resumed(folder, tmp_path, monkeypatch, crash_in_epoch=3)
    assert object_store.objects() == ["checkpoints/best.ckpt", "checkpoints/last.ckpt"]


def check_resumed(
    broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_in_epoch: int, recipe: Any = "published"
) -> None:
    settings = parameters(recipe=recipe)
    weights, history = fit(tmp_path / "unbroken", settings)
    original, steps = MixerModule.training_step, []

    def crashing(self: MixerModule, batch: Any, index: int) -> torch.Tensor:
        if self.current_epoch == crash_in_epoch and index == 2:
            raise RuntimeError("power cut")
        return original(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(MixerModule, "training_step", crashing)
        with pytest.raises(RuntimeError, match="power cut"):
            fit(broken, settings)
    torch.manual_seed(99)  # what the process did in between does not matter
    shutil.rmtree(cache_folder(), ignore_errors=True)

    def counted(self: MixerModule, batch: Any, index: int) -> torch.Tensor:
        steps.append(self.current_epoch)
        return original(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(MixerModule, "training_step", counted)
        resumed, resumed_history = fit(broken, settings)
    assert sorted(set(steps)) == list(range(crash_in_epoch, 5)), "no more than the epoch of the crash is done again"
    pd.testing.assert_frame_equal(resumed_history, history)
    for name, weight in weights.items():
        assert torch.equal(weight, resumed[name]), name


def test_only_the_epoch_that_was_cut_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when none of the epochs before it was the best: each leaves a checkpoint."""
    settings = parameters(learning_rate=1e-8)
    _, history = fit(tmp_path / "unbroken", settings)
    assert history["validation_accuracy_fused"].idxmax() < 2, "else the test proves nothing"
    epochs: list[int] = []
    original = MixerModule.training_step

    def crashing(self: MixerModule, batch: Any, index: int) -> torch.Tensor:
        if index == 0:
            epochs.append(self.current_epoch)
            if epochs.count(4) == 1 and self.current_epoch == 4:
                raise RuntimeError("power cut")
        return original(self, batch, index)

    monkeypatch.setattr(MixerModule, "training_step", crashing)
    with pytest.raises(RuntimeError, match="power cut"):
        fit(tmp_path / "broken", settings)
    fit(tmp_path / "broken", settings)
    assert epochs == [0, 1, 2, 3, 4, 4]


def test_finished_training_is_not_gone_on_with(tmp_path: Path) -> None:
    """Neither after its last epoch nor after an early stop: the second call returns what the first did."""
    for folder, settings in (
        ("full", parameters(max_epochs=3)),
        ("stopped", parameters(max_epochs=40, patience=1, learning_rate=1e-8)),
    ):
        weights, history = fit(tmp_path / folder, settings)
        again, again_history = fit(tmp_path / folder, settings)
        pd.testing.assert_frame_equal(again_history, history)
        assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_early_stopping_counts_epochs_without_improvement(tmp_path: Path) -> None:
    _, history = fit(tmp_path, parameters(max_epochs=30, patience=3))
    scores = history["validation_accuracy_fused"].to_numpy()
    best = int(scores.argmax())
    assert len(history) == min(30, best + 1 + 3)


@pytest.mark.parametrize("recipe", ["published", {}], ids=["published", "ours"])
def test_best_epoch_is_returned_in_eval_mode(tmp_path: Path, recipe: Any) -> None:
    """With an average its weights are: their score is the history's."""
    settings = parameters(max_epochs=8, patience=8, recipe=recipe)
    model, history = fitting.train(architecture(), table(80, 0), table(40, 1), settings, tmp_path)
    assert not model.training
    validation = table(40, 1)
    predicted = predict(compute_logits(model, validation, CPU)["fused"], "multiclass")
    assert score("accuracy", validation.labels, predicted, 3) == pytest.approx(
        history["validation_accuracy_fused"].max()
    )


def test_metrics_of_an_epoch_are_of_that_epoch_alone(tmp_path: Path) -> None:
    """Validation outputs are cleared between epochs: the score counts each example once."""
    _, history = fit(tmp_path, parameters())
    shares = history["validation_accuracy_fused"] * 40
    np.testing.assert_allclose(shares, shares.round(), atol=1e-6)


def test_global_random_state_is_left_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    fit(tmp_path, parameters(max_epochs=1))
    assert torch.equal(before, torch.random.get_rng_state())


def test_infinite_loss_says_what_to_change(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match=r"training.learning_rate"):
        fit(tmp_path, parameters(learning_rate=1e30, clip_norm=1e30))


def test_bfloat16(tmp_path: Path) -> None:
    _, history = fit(tmp_path, parameters(precision="bfloat16", max_epochs=2))
    assert np.isfinite(history["validation_loss"]).all()


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
    whole, history = fitting.train(plan, *tables, given_, tmp_path / "whole")
    original = MixerModule.training_step

    def crashing(self: MixerModule, batch: Any, index: int) -> torch.Tensor:
        if self.current_epoch == 1 and index == 2:
            raise RuntimeError("power cut")
        return original(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(MixerModule, "training_step", crashing)
        with pytest.raises(RuntimeError, match="power cut"):
            fitting.train(plan, *tables, given_, tmp_path / "broken")
    resumed, again = fitting.train(plan, *tables, given_, tmp_path / "broken")
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
    assert history.drop(columns="seconds").equals(again.drop(columns="seconds"))
    other, _ = fitting.train(plan, *tables, settings_of(), tmp_path / "without")
    assert not torch.equal(other.fused_head.linear.weight, whole.fused_head.linear.weight)


def test_average_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the weights after every step, with the steps of all epochs counted; the kept model has it."""
    seen: list[dict[str, torch.Tensor]] = []
    original = MixerModule.on_train_batch_end

    def record(self: MixerModule, *arguments: Any) -> None:
        seen.append({name: weight.detach().clone() for name, weight in self.model.named_parameters()})
        original(self, *arguments)

    def start(self: MixerModule) -> None:
        if not seen:
            seen.append({name: weight.detach().clone() for name, weight in self.model.named_parameters()})

    monkeypatch.setattr(MixerModule, "on_train_batch_end", record)
    monkeypatch.setattr(MixerModule, "on_fit_start", start)
    settings = parameters(max_epochs=2, patience=2, recipe={"average": 0.4})
    train_loop = fitting.train(architecture(), table(80, 0), table(40, 1), settings, tmp_path)
    model, history = train_loop
    average = seen[0]
    averages = []
    for step, weights in enumerate(seen[1:], start=1):
        decay = min(0.4, (1 + step) / (10 + step))
        average = {name: decay * average[name] + (1 - decay) * weight for name, weight in weights.items()}
        averages.append(average)
    assert len(averages) == 10
    best = averages[5 * (int(history["validation_accuracy_fused"].argmax()) + 1) - 1]
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight, best[name])


@pytest.mark.parametrize(("rows", "passes"), [(80, 4), (16, 20), (48, 7), (1600, 1)])
def test_epochs_of_few_rows_go_over_them_several_times(rows: int, passes: int) -> None:
    """Batches of 16, five epochs of at least 100 steps in all. Each pass has its own order, dropped modalities and
    versions."""
    made = table(rows, 0)
    made.variants["picture"] = np.stack([made.arrays["picture"]] * 3, axis=1)
    settings = parameters(max_epochs=5, min_steps=100, modality_dropout=0.3, recipe={})
    loaded = TableDataModule(made, made, settings).train_dataloader()
    batches = list(loaded)
    assert len(loaded) == len(batches) == passes * len(batch_rows(rows, 16, 0, 0))
    per_pass = [batches[n : n + len(batches) // passes] for n in range(0, len(batches), len(batches) // passes)]
    for number, part in enumerate(per_pass):
        order = torch.cat(batch_rows(rows, 16, settings.seed, number)).numpy()
        np.testing.assert_array_equal(torch.cat([batch.labels for batch in part]), made.labels[order])
        kept = drop_modalities(made, ["picture", "series"], 0.3, settings.seed, number)["series"][order]
        np.testing.assert_array_equal(torch.cat([batch.present["series"] for batch in part]), kept)


def test_min_steps_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    original = MixerModule.on_train_batch_end

    def count(self: MixerModule, *arguments: Any) -> None:
        taken.append(self.current_epoch)
        original(self, *arguments)

    monkeypatch.setattr(MixerModule, "on_train_batch_end", count)
    _, history = fit(tmp_path, parameters(max_epochs=2, patience=2, min_steps=23))
    assert len(history) == 2
    assert len(taken) == 30, "three passes of five steps in each of two epochs"
    assert history["learning_rate"].iloc[-1] < 1e-3


def test_last_epoch_is_kept_and_nothing_stops_early(tmp_path: Path) -> None:
    """Other labels to validate on change neither the number of epochs nor the weights."""
    settings = parameters(max_epochs=4, patience=1, keep="last")
    other = table(40, 1)
    other.labels[:] = (other.labels + 1) % 3
    ends = [
        fitting.train(architecture(), table(80, 0), validation, settings, tmp_path / str(number))
        for number, validation in enumerate((table(40, 1), other))
    ]
    assert [len(history) for _, history in ends] == [4, 4]
    first, second = (model.state_dict() for model, _ in ends)
    assert all(torch.equal(first[name], second[name]) for name in first)
    best = fitting.train(architecture(), table(80, 0), other, parameters(max_epochs=4, patience=1), tmp_path / "best")
    assert len(best[1]) < 4


def test_the_validation_loss_weighs_classes_in_any_precision(tmp_path: Path) -> None:
    """It is the loss that is trained: against a weighted cross-entropy by hand."""
    train, validation = table(50, 0), table(20, 1)
    settings = parameters(max_epochs=1, balance="classes", precision="float64", keep="last")
    model, history = fitting.train(architecture(0.0), train, validation, settings, tmp_path)
    logits = compute_logits(model, validation, CPU)["fused"]
    weights = len(train.labels) / (3 * np.bincount(train.labels, minlength=3))
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    each = weights[validation.labels]
    expected = -(each * log_p[np.arange(20), validation.labels]).sum() / each.sum()
    assert history["validation_loss"][0] == pytest.approx(expected, rel=1e-5)
