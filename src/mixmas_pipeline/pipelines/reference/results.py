"""What the verdict says: frozen models, which the catalog keeps as JSON documents."""

from __future__ import annotations

from typing import Literal

from mixmas_pipeline.utils.parameters import Parameters

Outcome = Literal["better", "level", "worse"]
ModelKind = Literal["searched", "linear", "trees"]
NAMES: dict[ModelKind, str] = {
    "searched": "the searched model",
    "linear": "the linear model",
    "trees": "the tree ensemble",
}


class Finalist(Parameters):
    """A model that the verdict compares.

    Attributes:
        model: "network", "linear" or "trees".
        modalities: that it reads, joined by " + ".
        validation: its score on the validation split.
        test: its score on the test split.
        low, high: the 95 % interval of ``test``.
    """

    model: Literal["network", "linear", "trees"]
    modalities: str
    validation: float
    test: float
    low: float
    high: float


class Verdict(Parameters):
    """Which model to use.

    Attributes:
        metric: of all scores.
        recommended: chosen by validation scores alone.
        other: the network if a reference is recommended; else the best reference on the validation split.
        difference: test score of the recommended model less that of the other.
        low, high: the paired 95 % interval of the difference.
        outcome: on the test split the recommended model is "better" or "worse" beyond noise, or "level".
        rows: of the test split.
        sentences: all of it in words; the first two say which model is better, and what to do.
    """

    metric: str
    recommended: Finalist
    other: Finalist
    difference: float
    low: float
    high: float
    outcome: Outcome
    rows: int
    sentences: tuple[str, ...]
