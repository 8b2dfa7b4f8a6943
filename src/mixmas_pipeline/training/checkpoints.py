"""Checkpoints that are whole, may be moved, and may be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from mixmas_pipeline.storage.atomic import write_atomically
from mixmas_pipeline.storage.cache import local_copy
from mixmas_pipeline.storage.paths import as_path


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that get their name only once they are whole, on any file system and in object stores."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        def write(partial: Path) -> None:
            with partial.open("wb") as stream:
                torch.save(checkpoint, stream)

        write_atomically(as_path(path), write)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return super().load_checkpoint(local_copy(as_path(path)), *args, **kwargs)


class MovableCheckpoints(ModelCheckpoint):
    """Keeps the best epoch when the folder is moved. Lightning stores absolute paths and forgets the best score when
    they differ, so that a later, worse epoch would replace the best."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        folder = self.dirpath
        assert folder is not None

        def moved(path: str) -> str:
            return f"{folder}/{Path(path).name}" if path else path

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        state = {**state_dict, "dirpath": folder, **{name: moved(state_dict[name]) for name in paths}}
        state["best_k_models"] = {moved(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(state)


class ResumableEarlyStopping(EarlyStopping):
    """Stops at once when the resumed training had already stopped."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True
