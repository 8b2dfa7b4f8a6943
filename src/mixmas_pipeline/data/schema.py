"""The words of the aligned table's schema: what a column may be, and what may be predicted."""

from __future__ import annotations

from typing import Literal, get_args

KINDS = ("image", "audio", "text", "time_series", "tabular", "embedding")
Task = Literal["multiclass", "binary", "multilabel", "regression"]
TASKS: tuple[Task, ...] = get_args(Task)
