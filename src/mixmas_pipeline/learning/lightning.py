"""Full training with PyTorch Lightning: module, data module, exact resume."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from mixmas_pipeline.datasets.arrays import release
from mixmas_pipeline.datasets.places import is_whole, local, place, write_whole
from mixmas_pipeline.datasets.table import MultimodalTable
from mixmas_pipeline.learning.metrics import predict, score
from mixmas_pipeline.learning.microbenchmark import batch_rows, class_weights_of, evaluation_rows, make_optimiser
from mixmas_pipeline.learning.parameters import TrainingParameters
from mixmas_pipeline.mixers.architecture import Architecture
from mixmas_pipeline.mixers.encoder import initialised
from mixmas_pipeline.mixers.loss import fusion_weight, multi_head_loss, task_loss
from mixmas_pipeline.mixers.model import FUSED, MultimodalMixer
from mixmas_pipeline.progress import duration

Batch = tuple[dict[str, Tensor], Tensor]
_RELEASE_BYTES = 1 << 28
_log = logging.getLogger(__name__)


class Batches:
    """Batches of a (memory-mapped) table, gathered as whole arrays: no loop over examples.

    Args:
        table: the data.
        rows: of each batch, for this process.
    """

    def __init__(self, table: MultimodalTable, rows: list[np.ndarray]) -> None:
        self._table, self._rows = table, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Batch]:
        arrays, read = self._table.arrays, 0
        for rows in self._rows:
            inputs = {name: torch.from_numpy(array[rows]) for name, array in arrays.items()}
            yield inputs, torch.from_numpy(self._table.labels[rows])
            read += sum(tensor.nbytes for tensor in inputs.values())
            if read > _RELEASE_BYTES:
                release(*arrays.values())
                read = 0


class TableModule(pl.LightningDataModule):
    """Training batches in an order that depends on seed and epoch only; validation batches in order.

    With several processes each takes its share of every training batch, and all see the whole validation split.
    """

    def __init__(self, train: MultimodalTable, validation: MultimodalTable, parameters: TrainingParameters) -> None:
        super().__init__()
        self._train, self._validation, self._parameters = train, validation, parameters

    def train_dataloader(self) -> Batches:
        trainer = self.trainer
        epoch = trainer.current_epoch if trainer else 0
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        pieces = batch_rows(len(self._train), self._parameters.batch_size, self._parameters.seed, epoch)
        return Batches(self._train, [piece.numpy()[rank::world] for piece in pieces if len(piece) >= world])

    def val_dataloader(self) -> Batches:
        rows = np.arange(len(self._validation))
        return Batches(self._validation, [rows[batch] for batch in evaluation_rows(self._validation)])


class MixerModule(pl.LightningModule):
    """Multi-head training of a ``MultimodalMixer``; keeps its history, one row an epoch, in the checkpoint."""

    def __init__(
        self, architecture: Architecture, parameters: TrainingParameters, steps: int, labels: np.ndarray
    ) -> None:
        super().__init__()
        self.model = initialised(MultimodalMixer, parameters.seed, architecture)
        self.history: list[dict[str, float]] = []
        self._architecture, self._training, self._steps = architecture, parameters, steps
        self._losses: list[Tensor] = []
        self._logits: list[dict[str, Tensor]] = []
        self._labels: list[Tensor] = []
        self._start = 0.0
        weights = class_weights_of(parameters, torch.from_numpy(np.array(labels)), architecture)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.model(inputs)

    def configure_optimizers(self) -> Any:
        # Lightning's mixed precision cannot clip gradients of a fused optimiser.
        fused = not self._training.precision.endswith("-mixed")
        optimiser, schedule = make_optimiser(self._training, self.model, self._steps, fused)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        # Dropout draws from the global generator; a fresh seed an epoch makes a resumed run equal an unbroken one.
        torch.manual_seed(self._training.seed * 1_000_003 + self.current_epoch)
        self._losses.clear()
        self._start = time.perf_counter()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        inputs, labels = batch
        weight = fusion_weight(len(inputs), self.current_epoch, self._training.fusion_weight_step)
        loss = multi_head_loss(self.model(inputs), labels, self._architecture.task, weight, self.class_weights)
        self._losses.append(loss.detach())
        return loss

    def on_validation_epoch_start(self) -> None:
        self._logits.clear()
        self._labels.clear()

    def validation_step(self, batch: Batch, index: int) -> None:
        inputs, labels = batch
        self._logits.append({name: logits.float() for name, logits in self.model(inputs).items()})
        self._labels.append(labels)

    def on_validation_epoch_end(self) -> None:
        labels = torch.cat(self._labels)
        task, classes, metric = self._architecture.task, len(self._architecture.classes), self._training.metric
        row = {"epoch": self.current_epoch, "train_loss": torch.stack(self._losses).mean().item()}
        for head in self._logits[0]:
            logits = torch.cat([part[head] for part in self._logits])
            predicted = predict(logits.cpu().numpy(), task)
            value = score(metric, labels.cpu().numpy(), predicted, classes)
            row[f"validation_{metric}_{head}"] = value
            if head == FUSED:
                row["validation_loss"] = task_loss(logits, labels, task).item()
                self.log("monitor", value, prog_bar=True)
        if not np.isfinite(row["train_loss"]):
            raise FloatingPointError(
                f"the training loss is {row['train_loss']} in epoch {self.current_epoch}; lower training.learning_rate "
                f"({self._training.learning_rate})"
            )
        row["learning_rate"] = self.optimizers().param_groups[0]["lr"]
        row["seconds"] = time.perf_counter() - self._start
        self.history.append(row)
        left = row["seconds"] * (self._training.max_epochs - self.current_epoch - 1)
        _log.info(
            "epoch %d of at most %d: train loss %.4f, validation loss %.4f, %s %.4f; at most %s left",
            self.current_epoch + 1,
            self._training.max_epochs,
            row["train_loss"],
            row["validation_loss"],
            metric,
            row[f"validation_{metric}_{FUSED}"],
            duration(left),
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = checkpoint["history"]


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that appear under their name only when they are whole, on any file system and in object stores."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        def write(partial: Path) -> None:
            with partial.open("wb") as stream:
                torch.save(checkpoint, stream)

        write_whole(place(path), write)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return super().load_checkpoint(local(place(path)), *args, **kwargs)


class ResumableEarlyStopping(EarlyStopping):
    """Stops at once when it is resumed from a checkpoint of a training that had already stopped."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def train(
    architecture: Architecture,
    train_table: MultimodalTable,
    validation: MultimodalTable,
    parameters: TrainingParameters,
    checkpoints: Path,
) -> tuple[MultimodalMixer, pd.DataFrame]:
    """Train until the validation score has not improved for ``patience`` epochs; return the best epoch's model.

    Args:
        checkpoints: folder of this very training; where it holds a last checkpoint, training goes on from there and
            ends exactly as it would have without the interruption.

    Returns:
        The model in eval mode, on the CPU; the history, one row an epoch.
    """
    for noisy in ("pytorch_lightning", "lightning.pytorch", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    batches = len(batch_rows(len(train_table), parameters.batch_size, 0, 0))
    module = MixerModule(architecture, parameters, steps=batches * parameters.max_epochs, labels=train_table.labels)
    best = ModelCheckpoint(
        str(checkpoints),
        "best",
        monitor="monitor",
        mode="max",
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    stop = ResumableEarlyStopping(
        "monitor", mode="max", patience=parameters.patience, check_on_train_epoch_end=True, check_finite=True
    )
    last = checkpoints / "last.ckpt"
    resumes = is_whole(last)
    if resumes:
        _log.info("Going on from the checkpoint %s", last)
    with torch.random.fork_rng(), warnings.catch_warnings():
        # Of Lightning's own making: it is told to go on in the folder of its last checkpoint.
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        trainer = pl.Trainer(
            accelerator=parameters.accelerator,
            devices=parameters.devices,
            num_nodes=parameters.num_nodes,
            strategy=parameters.strategy,
            precision=parameters.precision,  # type: ignore[arg-type]
            max_epochs=parameters.max_epochs,
            gradient_clip_val=parameters.clip_norm,
            callbacks=[stop, best],
            plugins=[AtomicCheckpoints()],
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            logger=False,
            enable_progress_bar=sys.stderr.isatty(),
            enable_model_summary=False,
            default_root_dir=str(checkpoints),
        )
        data = TableModule(train_table, validation, parameters)
        trainer.fit(module, data, ckpt_path=str(last) if resumes else None, weights_only=True)
    weights = torch.load(local(checkpoints / "best.ckpt"), map_location="cpu", weights_only=True)["state_dict"]
    module.cpu().load_state_dict(weights)
    return module.model.eval(), pd.DataFrame(module.history)
