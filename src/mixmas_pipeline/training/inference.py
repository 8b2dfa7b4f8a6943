"""Logits of a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.reference import Reference
from mixmas_pipeline.storage.memory_maps import release
from mixmas_pipeline.training.batches import evaluation_rows


class MultimodalModel(Protocol):
    """A ``MultimodalMixer``, or a module with the same interface: a reference model."""

    training: bool

    @property
    def architecture(self) -> Any:
        """Its ``inputs`` are the modalities that it reads."""

    def __call__(self, inputs: dict[str, Tensor], present: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Logits by head."""

    def train(self, mode: bool = True) -> Any:
        """Switch to training mode or back."""


@torch.inference_mode()
def compute_logits(
    model: MultimodalModel,
    table: MultimodalTable,
    device: torch.device,
    present: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Every head's logits for every row, (n, classes) float32, in eval mode; the model's mode is restored.

    Args:
        model: on ``device``.
        present: the modalities that the model may use of each row, name -> (n,) booleans. Default: all that the table
            has.
    """
    training = model.training
    model.train(False)
    present = table.present if present is None else present
    names = list(model.architecture.inputs)
    parts: dict[str, list[np.ndarray]] = {}
    for rows in evaluation_rows(table):
        inputs = {name: torch.from_numpy(np.array(table.arrays[name][rows])).to(device) for name in names}
        masks = {name: torch.from_numpy(np.array(present[name][rows])).to(device) for name in names if name in present}
        for head, logits in model(inputs, masks).items():
            parts.setdefault(head, []).append(logits.float().cpu().numpy())
        release(*table.arrays.values())
    model.train(training)
    return {head: np.concatenate(pieces) for head, pieces in parts.items()}


def check_fits(table: MultimodalTable, architecture: Architecture | Reference) -> None:
    """Refuse a table that differs from the one that the model was trained on. A reference may read some of the
    modalities; then the others may be any.

    Raises:
        ValueError: modalities, shapes, padding, task or classes differ.
    """
    schema = table.schema
    read = architecture.inputs if isinstance(architecture, Reference) else schema.modalities
    found: dict[str, Any] = {n: (m.shape, m.padded) for n, m in schema.modalities.items() if n in read}
    expected: dict[str, Any] = {name: (i.shape, i.padded) for name, i in architecture.inputs.items()}
    for what, ours, models in (
        ("task", schema.task, architecture.task),
        ("classes", list(schema.classes), list(architecture.classes)),
        ("modalities (shape, padded)", found, expected),
    ):
        if ours != models:
            raise ValueError(
                f"the model was trained on other data than is prepared now: its {what}: {models}; now: {ours}. "
                "Have the parameters of the data changed since? kedro run --pipelines=training prepares and trains "
                "what is needed"
            )
