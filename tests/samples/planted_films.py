"""Films with three modalities and many labels, and a search space for them."""

from __future__ import annotations

import numpy as np

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.pipelines.search.parameters import SearchParameters, SelectionParameters

CLASSES = ("drama", "comedy", "war", "music")
SELECTION = SelectionParameters(metric="f1_weighted", resamples=60)


def table(rows: int, seed: int) -> MultimodalTable:
    """Each modality tells of some labels only; together they tell of all. A label is on 50, 40, 30 or 15 %."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, 4)) < np.array([0.5, 0.4, 0.3, 0.15])).astype(np.int64)

    def carry(columns: list[int], shape: tuple[int, ...]) -> np.ndarray:
        pattern = np.random.default_rng(7).normal(size=(len(columns), *shape))
        signal = np.tensordot(labels[:, columns] - 0.5, pattern, axes=1)
        return (2 * signal + rng.normal(size=(rows, *shape))).astype(np.float32)

    arrays = {"poster": carry([0, 1], (3, 8, 8)), "plot": carry([2], (7, 6)), "sound": carry([3], (8, 8))}
    kinds = {"poster": "image", "plot": "text", "sound": "audio"}
    modalities = {name: Modality(kinds[name], array.shape[1:], "float32") for name, array in arrays.items()}
    schema = TableSchema(modalities, "multilabel", CLASSES, source="planted films")
    return MultimodalTable(schema, arrays, labels, [f"{seed}-{i}" for i in range(rows)])


def space() -> SearchParameters:
    def stage(tokeniser: dict[str, object], *blocks: str) -> dict[str, object]:
        candidates = {block: {"block": block, "channel_dim": 24} for block in blocks}
        return {
            "tokeniser": tokeniser,
            "hidden_dim": 8,
            "depth": 1,
            "reference": blocks[0],
            "candidates": candidates,
        }

    patches = {"type": "patches", "patch": 4}
    return SearchParameters.model_validate(
        {
            "sample": {"seed": 0, "margin": 0.06},
            "budget": {
                "steps": 60,
                "extended_steps": 120,
                "seeds": [0, 1],
                "learning_rate": 0.02,
                "device": "cpu",
            },
            "selection": SELECTION.model_dump(),
            "encoders": {
                "poster": stage(patches, "mlp_mixer", "ramlp"),
                "plot": stage({"type": "projection"}, "mlp_mixer", "hyper_mixer", "monarch_mixer"),
                "sound": stage({"type": "patches", "patch": [2, 8]}, "mlp_mixer"),
            },
            "fusion_functions": ["concat", "max"],
            "fusion_network": {
                "depth": 1,
                "reference": "mlp_mixer",
                "candidates": {"mlp_mixer": {"block": "mlp_mixer", "channel_dim": 24}},
            },
        }
    )
