"""The aligned table's schema: what a column may be, and what may be predicted. No numpy is imported here."""

from __future__ import annotations

from typing import Literal, get_args

from mixmas_pipeline.utils.parameters import Count, Parameters

KINDS = ("image", "audio", "text", "time_series", "tabular", "embedding")
Task = Literal["multiclass", "binary", "multilabel", "regression"]
TASKS: tuple[Task, ...] = get_args(Task)


class StoredInput(Parameters):
    """A ``data.table.Modality`` as JSON. A stored value v stands for the quantity ``v * scale + offset`` in ``unit``;
    models take the stored values.

    Attributes:
        kind: for people, for example "image".
        shape: of one example.
        dtype: numpy's name of the stored type, for example "uint8".
        scale: quantity per stored unit. Default 1.
        offset: quantity at a stored 0. Default 0.
        unit: of the quantity. Default none.
        padded: the last steps of (steps, features) may be padding, which is all zeros. Default false.
        optional: examples may lack the modality. Default false.
        features: names of the values along the last axis. Default none.
    """

    kind: str
    shape: tuple[Count, ...]
    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    padded: bool = False
    optional: bool = False
    features: tuple[str, ...] = ()
