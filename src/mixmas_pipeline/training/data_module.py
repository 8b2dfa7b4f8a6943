"""Lightning data module of two aligned tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.training.batches import (
    Batches,
    Held,
    Passes,
    batch_rows,
    draw_versions,
    evaluation_rows,
    hold,
    passes_per_epoch,
)
from mixmas_pipeline.training.modality_dropout import drop_modalities
from mixmas_pipeline.training.parameters import TrainingParameters


class TableDataModule(pl.LightningDataModule):
    """Training batches in an order that depends on seed and epoch only; validation batches in order.

    Two or more processes make the same steps as one: each takes its part of every training batch, and a consecutive
    part of the validation split.

    Args:
        train, validation: the splits.
        parameters: of the training.
        class_weights: the loss's ``scale`` of a task with classes, see ``loss.task_loss``. Default: all 1.
        modalities: of the model. Default: the table's.
    """

    def __init__(
        self,
        train: MultimodalTable,
        validation: MultimodalTable,
        parameters: TrainingParameters,
        class_weights: Tensor | None = None,
        modalities: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self._modalities = list(modalities or train.schema.modalities)
        self._train, self._validation, self._parameters = train, validation, parameters
        self._held: dict[str, Held | None] = {}
        self._weights = np.ones(len(train))  # of every example in a batch's mean loss
        if class_weights is not None and train.schema.task in ("multiclass", "binary"):
            self._weights = class_weights.double().numpy()[train.labels]

    def setup(self, stage: str) -> None:
        assert self.trainer is not None
        device = self.trainer.strategy.root_device
        variants = self._parameters.recipe.augmentation.variants
        self._held = {
            "train": hold(self._train, device, variants=variants),
            "validation": hold(self._validation, device),
        }

    def train_dataloader(self) -> Passes:
        epoch = self.trainer.current_epoch if self.trainer else 0
        passes = passes_per_epoch(len(self._train), self._parameters)
        return Passes([self._one_pass(number) for number in range(epoch * passes, (epoch + 1) * passes)])

    def _one_pass(self, number: int) -> Batches:
        """The batches of a pass over the training rows; ``number`` counts from the first epoch on."""
        rank, world = self._rank_and_world()
        settings = self._parameters
        # Drawn for all rows in every process, so that the draw depends neither on the number of processes nor on
        # interruptions.
        present = drop_modalities(self._train, self._modalities, settings.modality_dropout, settings.seed, number)
        versions = draw_versions(self._train, settings.recipe.augmentation, settings.seed, number)
        rows, shares, head_shares = [], [], []
        for piece in batch_rows(len(self._train), settings.batch_size, settings.seed, number):
            whole = piece.numpy()
            weights, part = self._weights[whole], whole[rank::world]
            # DDP takes the plain mean of the processes' gradients. Each process's loss is a mean over its part, so this
            # factor makes the result the mean over the whole batch, however uneven the parts are. A process whose part
            # is empty computes an example that counts 0: every process must take part in every step.
            shares.append(world * weights[rank::world].sum() / weights.sum())
            rows.append(part if len(part) else whole[:1])
            # The mean of a modality's head is over the examples that have it, which may be unevenly distributed.
            head_shares.append({name: _share(weights, mask[whole], rank, world) for name, mask in present.items()})
        return Batches(self._train, rows, shares, self._held.get("train"), present, head_shares, versions)

    def val_dataloader(self) -> Batches:
        rank, world = self._rank_and_world()
        rows = np.array_split(np.arange(len(self._validation)), world)[rank]
        batches = [rows[batch] for batch in evaluation_rows(self._validation)]
        return Batches(self._validation, [batch for batch in batches if len(batch)], held=self._held.get("validation"))

    def _rank_and_world(self) -> tuple[int, int]:
        """This process's number, and the number of processes."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)


def _share(weights: np.ndarray, counted: np.ndarray, rank: int, world: int) -> float:
    """The factor, beside the one for all examples, that turns the mean loss over a process's counted examples into the
    process's part of the mean over the batch's counted examples: the process's share of counted weight over the batch's
    share. 1 if nothing is counted."""
    part, part_counted = weights[rank::world], counted[rank::world]
    if world == 1 or not part.sum() or not (weights * counted).sum():
        return 1.0
    return float(((part * part_counted).sum() / part.sum()) / ((weights * counted).sum() / weights.sum()))
