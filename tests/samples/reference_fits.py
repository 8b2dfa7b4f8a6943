"""Tables of one vector per row for tests of reference models, and what fitted models make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.reference import ReferenceModel
from mixmas_pipeline.training.inference import compute_logits

CPU = torch.device("cpu")


def table(values: Any, labels: Any, task: Any = "multiclass", classes: Sequence[str] = "abc") -> MultimodalTable:
    """A vector per row."""
    values = np.asarray(values, dtype=np.float32)
    schema = TableSchema({"facts": Modality("tabular", values.shape[1:], "float32")}, task, tuple(classes))
    return MultimodalTable(schema, {"facts": values}, np.asarray(labels), [str(i) for i in range(len(values))])


def noise(rows: int, features: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, features))


def logits_of(model: ReferenceModel, rows: MultimodalTable) -> np.ndarray:
    return compute_logits(model, rows, CPU)["fused"]


def features_of(model: ReferenceModel, rows: MultimodalTable) -> np.ndarray:
    inputs = {name: torch.from_numpy(rows.arrays[name]) for name in model.architecture.inputs}
    return model.features(inputs, {n: torch.from_numpy(m) for n, m in rows.present.items()}).numpy()
