"""Full training: resumes exactly, stops early, keeps the best epoch, leaves global state alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from object_store import ObjectStore
from training_samples import architecture, parameters, table

from mixmas_pipeline.evaluation.metrics import predict, score
from mixmas_pipeline.storage.paths import cache_folder, place
from mixmas_pipeline.training import lightning
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.training.trial import compute_logits, to_tensors

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXMAS_CACHE", str(tmp_path / "cache"))


def fit(folder: Path, settings: TrainingParameters) -> tuple[dict[str, torch.Tensor], pd.DataFrame]:
    model, history = lightning.train(architecture(), table(80, 0), table(40, 1), settings, folder)
    return model.state_dict(), history.drop(columns="seconds")


@pytest.mark.parametrize("crash_in_epoch", [1, 3])
def test_resumed_training_ends_as_the_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_in_epoch: int
) -> None:
    check_resumed(tmp_path / "broken", tmp_path, monkeypatch, crash_in_epoch)


def test_training_is_resumed_on_another_machine(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints lie in an object store; what the first machine had on its disk is lost."""
    folder: Any = place(f"{object_store.url}/checkpoints")
    check_resumed(folder, tmp_path, monkeypatch, crash_in_epoch=3)
    assert object_store.objects() == ["checkpoints/best.ckpt", "checkpoints/last.ckpt"]


def check_resumed(broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_in_epoch: int) -> None:
    weights, history = fit(tmp_path / "unbroken", parameters())
    original, steps = lightning.MixerModule.training_step, []

    def crashing(self: lightning.MixerModule, batch: Any, index: int) -> torch.Tensor:
        if self.current_epoch == crash_in_epoch and index == 2:
            raise RuntimeError("power cut")
        return original(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(lightning.MixerModule, "training_step", crashing)
        with pytest.raises(RuntimeError, match="power cut"):
            fit(broken, parameters())
    torch.manual_seed(99)  # what the process did in between does not matter
    shutil.rmtree(cache_folder(), ignore_errors=True)

    def counted(self: lightning.MixerModule, batch: Any, index: int) -> torch.Tensor:
        steps.append(self.current_epoch)
        return original(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(lightning.MixerModule, "training_step", counted)
        resumed, resumed_history = fit(broken, parameters())
    assert sorted(set(steps)) == list(range(crash_in_epoch, 5)), "no more than the epoch of the crash is done again"
    pd.testing.assert_frame_equal(resumed_history, history)
    for name, weight in weights.items():
        assert torch.equal(weight, resumed[name]), name


def test_training_whose_folder_was_moved_still_knows_its_best_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning forgets the best score when the folder of its checkpoint is another: a later, worse epoch then wins."""
    settings = parameters(learning_rate=0.5, clip_norm=100.0)
    weights, history = fit(tmp_path / "unbroken", settings)
    best = int(history["validation_accuracy_fused"].idxmax())
    assert 0 <= best < 3, "the best epoch is before the crash; else the test proves nothing"
    original = lightning.MixerModule.training_step

    def crashing(self: lightning.MixerModule, batch: Any, index: int) -> torch.Tensor:
        if self.current_epoch == 3:
            raise RuntimeError("power cut")
        return original(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(lightning.MixerModule, "training_step", crashing)
        with pytest.raises(RuntimeError, match="power cut"):
            fit(tmp_path / "here" / "broken", settings)
    (tmp_path / "here").rename(tmp_path / "there")
    resumed, resumed_history = fit(tmp_path / "there" / "broken", settings)
    pd.testing.assert_frame_equal(resumed_history, history)
    for name, weight in weights.items():
        assert torch.equal(weight, resumed[name]), name
    assert not (tmp_path / "here").exists()


def test_only_the_epoch_that_was_cut_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when none of the epochs before it was the best: each leaves a checkpoint."""
    settings = parameters(learning_rate=1e-8)
    _, history = fit(tmp_path / "unbroken", settings)
    assert history["validation_accuracy_fused"].idxmax() < 2, "else the test proves nothing"
    epochs: list[int] = []
    original = lightning.MixerModule.training_step

    def crashing(self: lightning.MixerModule, batch: Any, index: int) -> torch.Tensor:
        if index == 0:
            epochs.append(self.current_epoch)
            if epochs.count(4) == 1 and self.current_epoch == 4:
                raise RuntimeError("power cut")
        return original(self, batch, index)

    monkeypatch.setattr(lightning.MixerModule, "training_step", crashing)
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


def test_best_epoch_is_returned_in_eval_mode(tmp_path: Path) -> None:
    settings = parameters(max_epochs=8, patience=8)
    model, history = lightning.train(architecture(), table(80, 0), table(40, 1), settings, tmp_path)
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


@pytest.mark.parametrize("wrong", [{"accelerator": "gppu"}, {"precision": "bf61"}, {"strategy": "dpp"}])
def test_misspelt_trainer_settings_are_refused_at_once(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        parameters(**wrong)


def test_bfloat16(tmp_path: Path) -> None:
    _, history = fit(tmp_path, parameters(precision="bf16-mixed", max_epochs=2))
    assert np.isfinite(history["validation_loss"]).all()


def test_batches_of_tensors_that_are_on_the_device_are_the_mapped_ones() -> None:
    made = table(23, 0)
    rows = [np.array([5, 2, 9]), np.array([0, 22]), np.array([7])]
    shares = [1.0, 0.5, 2.0]
    held = to_tensors(made, torch.device("cpu"))
    for mapped, resident in zip(
        lightning.Batches(made, rows, shares), lightning.Batches(made, rows, shares, held), strict=True
    ):
        assert mapped[2] == resident[2]
        assert torch.equal(mapped[1], resident[1])
        for name, values in mapped[0].items():
            assert torch.equal(values, resident[0][name])


@pytest.mark.parametrize(("free", "fits"), [(8960, True), (8959, False)])
def test_a_table_is_held_where_it_takes_a_quarter_of_the_free_memory_at_most(
    monkeypatch: pytest.MonkeyPatch, free: int, fits: bool
) -> None:
    made = table(20, 0)  # 20 examples of 16 + 10 values of 4 bytes, and a label of 8: 2,240 bytes
    asked: list[torch.device] = []

    def record(table: Any, device: torch.device) -> str:
        asked.append(device)
        return "held"

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, free))
    monkeypatch.setattr(lightning, "to_tensors", record)
    gpu = torch.device("cuda", 1)
    assert lightning.hold(made, gpu) == ("held" if fits else None)
    assert asked == ([gpu] if fits else [])
    assert lightning.hold(made, torch.device("cpu")) is None
