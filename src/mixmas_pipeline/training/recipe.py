"""The recipe's part in every training batch: augmentation, label smoothing, mixup. Search trials and full training
share it. What is only scored never passes here."""

from __future__ import annotations

import numpy as np
import torch

from mixmas_pipeline.data.table import TableSchema
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training.augmentation import augment
from mixmas_pipeline.training.batches import Batch
from mixmas_pipeline.training.mixup import blend, soft_targets
from mixmas_pipeline.training.parameters import NO_AUGMENTATION, RecipeParameters

_STREAM = 21  # sets these random numbers apart from others of the same seed


class BatchRecipe:
    """Changes training batches as a recipe says.

    Args:
        recipe: what is done.
        schema: of the training table; gives the kinds of the modalities.
        architecture: gives statistics, padding and the task.
    """

    def __init__(self, recipe: RecipeParameters, schema: TableSchema, architecture: Architecture) -> None:
        self._recipe, self._architecture = recipe, architecture
        # Versions are drawn before, by the batches.
        self._augments = recipe.augmentation.model_copy(update={"variants": False}) != NO_AUGMENTATION
        self._kinds = {name: schema.modalities[name].kind for name in architecture.inputs}

    def __call__(self, batch: Batch, seed: int, epoch: int, step: int, rank: int = 0) -> Batch:
        """The changed batch. Random numbers depend on these four numbers only, and on the type of the device.

        Args:
            step: of the epoch, from 0.
            rank: of the process.
        """
        recipe, architecture = self._recipe, self._architecture
        draws = np.random.default_rng((seed, epoch, step, rank, _STREAM))
        inputs, labels = {name: batch.inputs[name] for name in architecture.inputs}, batch.labels
        if self._augments:
            generator = torch.Generator(labels.device).manual_seed(int(draws.integers(2**63)))
            for name, given in architecture.inputs.items():
                inputs[name] = augment(inputs[name], self._kinds[name], given, recipe.augmentation, generator)
        if recipe.label_smoothing or recipe.mixup:
            labels = soft_targets(labels, architecture.task, len(architecture.classes), recipe.label_smoothing)
        if recipe.mixup:
            share, partners = draws.beta(recipe.mixup, recipe.mixup), torch.from_numpy(draws.permutation(len(labels)))
            partners = partners.to(labels.device, non_blocking=True)
            inputs, labels = blend(inputs, labels, batch.present, architecture.inputs, share, partners)
        return batch._replace(inputs=inputs, labels=labels)
