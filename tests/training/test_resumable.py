"""The trainings of a node: whose checkpoints they resume from, and when those may go."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from training_samples import architecture, parameters, table

from mixmas_pipeline.storage.retention import checkpoint_folder, sweep_checkpoints
from mixmas_pipeline.training import resumable
from mixmas_pipeline.training.lightning_module import MixerModule
from mixmas_pipeline.training.resumable import ResumableTrainings

SHORT = {"max_epochs": 1, "patience": 1}


def trained(root: Path, seed: int) -> ResumableTrainings:
    trainings = ResumableTrainings(str(checkpoint_folder(root)))
    trainings.fit(architecture(), table(40, 0), table(20, 1), parameters(seed=seed, **SHORT))
    return trainings


def test_only_checkpoints_of_finished_nodes_are_removed(tmp_path: Path) -> None:
    """Those of a node that was killed stay; so do those of a node that is still at work."""
    finished = trained(tmp_path, 0)
    (first,) = checkpoint_folder(tmp_path).iterdir()
    trained(tmp_path, 1)
    sweep_checkpoints(tmp_path)
    assert len(list(checkpoint_folder(tmp_path).iterdir())) == 2
    finished.finish()
    sweep_checkpoints(tmp_path)
    (left,) = checkpoint_folder(tmp_path).iterdir()
    assert left != first


def test_finished_training_that_was_not_saved_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between the end of a node and the save of its results costs no epoch."""
    trained(tmp_path, 0).finish()

    def step(*arguments: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(MixerModule, "training_step", step)
    trained(tmp_path, 0).finish()


def test_a_training_of_many_rows_has_large_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixmas_pipeline.training.parameters._EPOCH_STEPS", 5)
    given = parameters(batch_size=4, max_batch_size=16, max_epochs=1, patience=1)
    _, history = ResumableTrainings(tmp_path).fit(architecture(), table(30, 0), table(10, 1), given)
    large = given.model_copy(update={"batch_size": 8, "learning_rate": given.learning_rate * 2**0.75})
    _, wanted = ResumableTrainings(tmp_path / "b").fit(
        architecture(), table(30, 0), table(10, 1), large.model_copy(update={"max_batch_size": None})
    )
    columns = ["train_loss", "validation_loss", "learning_rate"]
    assert history[columns].equals(wanted[columns])


def test_name_of_a_training_depends_on_code_settings_and_data(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, train, validation, given = architecture(), table(20, 0), table(10, 1), parameters()
    names = [
        resumable._identity(plan, train, validation, given),
        resumable._identity(architecture(0.3), train, validation, given),
        resumable._identity(plan, table(20, 2), validation, given),
        resumable._identity(plan, train, table(10, 3), given),
        resumable._identity(plan, train, validation, parameters(batch_size=8)),
    ]
    assert resumable._identity(architecture(), table(20, 0), table(10, 1), parameters()) == names[0]
    monkeypatch.setattr(resumable, "training_code", lambda document: "other code")
    names.append(resumable._identity(plan, train, validation, given))
    monkeypatch.undo()
    monkeypatch.setattr(torch, "__version__", "0.1")
    names.append(resumable._identity(plan, train, validation, given))
    assert len(set(names)) == len(names)
