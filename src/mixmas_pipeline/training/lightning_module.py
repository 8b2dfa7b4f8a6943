"""Lightning module: multi-head training of a model, and its history."""

from __future__ import annotations

import copy
import logging
import math
import time
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed
from torch import Tensor

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import predict, score
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.training.averaging import AveragedWeights
from mixmas_pipeline.training.batches import Batch
from mixmas_pipeline.training.loss import fusion_weight, loss_scale, multi_head_loss, task_loss
from mixmas_pipeline.training.optimiser import make_optimiser
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.training.recipe import BatchRecipe
from mixmas_pipeline.utils.progress import Progress

# Between the dropout seeds of two processes: larger than any number of epochs, and odd, since on the CPU torch uses
# only the lower 32 bits of a seed.
_RANK_STRIDE = 15_485_863
_log = logging.getLogger(__name__)


class MixerModule(pl.LightningModule):
    """Multi-head training of a ``MultimodalMixer``.

    Args:
        architecture: of the model.
        parameters: of the training.
        steps: length of the learning-rate schedule.
        train: the training split, of which labels and kinds are read.

    Attributes:
        averaged: the model with the averaged weights, which is validated and kept; None if the recipe has no average.
        history: one row per epoch; it is part of the checkpoint.
        scale: of the loss, see ``loss.loss_scale``.
    """

    scale: Tensor | None

    def __init__(
        self, architecture: Architecture, parameters: TrainingParameters, steps: int, train: MultimodalTable
    ) -> None:
        super().__init__()
        self.model = initialised(MultimodalMixer, parameters.seed, architecture)
        self.averaged = copy.deepcopy(self.model).requires_grad_(False) if parameters.recipe.average else None
        self.history: list[dict[str, float]] = []
        self._architecture, self._training, self._steps = architecture, parameters, steps
        self._change = BatchRecipe(parameters.recipe, train.schema, architecture)
        self._losses: list[Tensor] = []
        self._logits: list[dict[str, Tensor]] = []
        self._labels: list[Tensor] = []
        self._present: list[dict[str, Tensor]] = []
        self._start, self._best = 0.0, ""
        task_of(architecture.task).check_metric(parameters.metric, "training.metric")
        scale = loss_scale(parameters, torch.from_numpy(np.array(train.labels)), architecture)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, inputs: dict[str, Tensor], present: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        return self.model(inputs, present)

    def configure_optimizers(self) -> Any:
        fused = self._training.precision != "float16"  # whose gradients are scaled until the step
        optimiser, schedule = make_optimiser(self._training, self.model.parameters(), self._steps, fused)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        if self._training.precision == "float16":
            super().configure_gradient_clipping(optimizer, *args, **kwargs)
        else:  # Lightning refuses to clip for a fused optimiser in any mixed precision; only scaling is in the way
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._training.clip_norm)

    def on_train_start(self) -> None:
        averages = None if self.averaged is None else self.averaged.parameters()
        self._averages = AveragedWeights(self.model.parameters(), self._training.recipe.average, averages)
        self._best = self._best_so_far()
        batches = self._steps // self._training.max_epochs
        epochs = self._training.most_epochs

        def describe(done: int) -> str:
            epoch, step = divmod(done, batches)
            return f"epoch {min(epoch + 1, epochs)} of at most {epochs}, step {step} of {batches}"

        before = self.current_epoch * batches
        self._progress = Progress(epochs * batches, "training", describe=describe, at_most=True, done=before)

    def on_train_end(self) -> None:
        kept = self._best if self._training.keep == "best" else "the last is kept"
        _log.info("trained for %d epochs, %s", len(self.history), kept)

    def on_train_epoch_start(self) -> None:
        # Dropout draws from the global generator; a fresh seed per epoch makes a resumed run equal an unbroken one.
        torch.manual_seed(self._training.seed * 1_000_003 + self.current_epoch + self.global_rank * _RANK_STRIDE)
        self._losses.clear()
        self._start = time.perf_counter()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        batch = self._change(batch, self._training.seed, self.current_epoch, index, self.global_rank)
        weight = fusion_weight(len(batch.inputs), self.current_epoch, self._training.fusion_weight_step)
        logits, task = self.model(batch.inputs, batch.present), self._architecture.task
        loss = batch.share * multi_head_loss(
            logits, batch.labels, task, weight, self.scale, batch.present, batch.shares
        )
        self._losses.append(loss.detach())
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, index: int) -> None:
        self._averages.update(self.global_step)
        self._progress.advance(note=self._best)

    def on_validation_epoch_start(self) -> None:
        for gathered in (self._logits, self._labels, self._present):
            gathered.clear()

    def validation_step(self, batch: Batch, index: int) -> None:
        logits = (self.averaged or self.model)(batch.inputs, batch.present)
        self._logits.append({name: values.float() for name, values in logits.items()})
        self._labels.append(batch.labels)
        self._present.append(batch.present)

    def on_validation_epoch_end(self) -> None:
        loss, labels, heads, present = self._gathered()
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the training loss is {loss} in epoch {self.current_epoch}; lower training.learning_rate "
                f"({self._training.learning_rate})"
            )
        row = {"epoch": self.current_epoch, "train_loss": loss, **self._validation_scores(labels, heads, present)}
        row["learning_rate"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        row["seconds"] = time.perf_counter() - self._start
        self.history.append(row)
        self._best = self._best_so_far()
        metric = self._training.metric
        _log.debug(
            "epoch %d of at most %d: train loss %.4f, validation loss %.4f, %s %.4f",
            self.current_epoch + 1,
            self._training.most_epochs,
            row["train_loss"],
            row["validation_loss"],
            metric,
            row[f"validation_{metric}_{FUSED}"],
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = checkpoint["history"]

    def _best_so_far(self) -> str:
        metric = self._training.metric
        scores = [row[f"validation_{metric}_{FUSED}"] for row in self.history]
        return f"best {metric} {max(scores):.4f} in epoch {scores.index(max(scores)) + 1}" if scores else ""

    def _validation_scores(
        self, labels: Tensor, heads: dict[str, Tensor], present: dict[str, Tensor]
    ) -> dict[str, float]:
        """Every head's score, on the examples that have its modality, and the fused head's loss. The fused score is
        also what early stopping watches."""
        task, classes, metric = self._architecture.task, len(self._architecture.classes), self._training.metric
        row: dict[str, float] = {}
        for head, logits in heads.items():
            truth, predicted = labels.cpu().numpy(), predict(logits.cpu().numpy(), task)
            if head in present:
                mask = present[head].cpu().numpy()
                truth, predicted = truth[mask], predicted[mask]
            value = score(metric, truth, predicted, classes) if len(truth) else math.nan
            row[f"validation_{metric}_{head}"] = value
            if head == FUSED:
                # Logits are float32 in any precision; those of several processes are on the CPU.
                scale = None if self.scale is None else self.scale.to(logits)
                row["validation_loss"] = task_loss(logits, labels, task, scale).item()
                self.log("monitor", value)
        return row

    def _gathered(self) -> tuple[float, Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """The epoch's training loss, and of the whole validation split labels, every head's logits and the present
        modalities. Every process gets the same, so that all of them decide the same."""
        loss = torch.stack(self._losses).mean().item()
        labels = torch.cat(self._labels)
        heads = {head: torch.cat([part[head] for part in self._logits]) for head in self._logits[0]}
        present = {name: torch.cat([part[name] for part in self._present]) for name in self._present[0]}
        if (world := self.trainer.world_size) == 1:
            return loss, labels, heads, present
        parts: list[Any] = [None] * world
        part = (loss, labels.cpu(), *({n: v.cpu() for n, v in values.items()} for values in (heads, present)))
        torch.distributed.all_gather_object(parts, part)
        return (
            sum(part[0] for part in parts) / world,
            torch.cat([part[1] for part in parts]),
            {head: torch.cat([part[2][head] for part in parts]) for head in heads},
            {name: torch.cat([part[3][name] for part in parts]) for name in present},
        )
