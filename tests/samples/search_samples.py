"""Candidates with planted accuracies, and a small table to train real ones on."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import Architecture, Encoder, Input, Vector
from mixmas_pipeline.models.blocks.mlp import MLPParameters
from mixmas_pipeline.pipelines.search import nodes
from mixmas_pipeline.pipelines.search.parameters import MatchParameters, SelectionParameters
from mixmas_pipeline.pipelines.search.results import CandidateResult, Proposal, StageDecision, TrialResult
from mixmas_pipeline.training.parameters import BudgetParameters

SELECTION = SelectionParameters(metric="accuracy", resamples=200)
LABELS = np.random.default_rng(0).integers(0, 4, 600)
# Two of four seeds come first.
ELIMINATING = BudgetParameters.model_validate(
    {"steps": 3, "extended_steps": 6, "seeds": (5, 6, 7, 8), "learning_rate": 0.01, "device": "cpu"}
    | {"race": {"seeds": 2}}
)


def architecture(classes: int = 4) -> Architecture:
    """The smallest one: a vector of two features, one layer."""
    return Architecture(
        task="multiclass",
        classes=tuple("abcdefgh"[:classes]),
        inputs={"image": Input(shape=(2,), mean=0.0, std=1.0)},
        encoders={"image": Encoder(tokeniser=Vector(), hidden_dim=1, depth=1, block=MLPParameters())},
    )


def with_predictions(
    name: str, predictions: list[np.ndarray], flops: int, labels: np.ndarray = LABELS, classes: int = 4
) -> CandidateResult:
    """A candidate with one trial per prediction, scored by accuracy."""
    trials = tuple(
        TrialResult(
            seed=seed,
            steps=10,
            score=float((predicted == labels).mean()),
            predicted=predicted.tolist(),
            losses=((1, 1.0),),
            seconds=1.0,
        )
        for seed, predicted in enumerate(predictions)
    )
    return CandidateResult(
        stage="image",
        modality="image",
        candidate=name,
        parameters=flops,
        flops=flops,
        architecture=architecture(classes),
        trials=trials,
    )


def result(name: str, accuracy: float, flops: int, seeds: int = 3, spread: float = 0.0) -> CandidateResult:
    """A candidate whose predictions are right with the given probability; from seed to seed it varies by ``spread``."""
    rng = np.random.default_rng(sum(map(ord, name)))
    predictions = []
    for seed in range(seeds):
        rate = accuracy + spread * (seed - (seeds - 1) / 2)
        right = rng.random(len(LABELS)) < rate
        predictions.append(np.where(right, LABELS, (LABELS + 1 + rng.integers(0, 3, len(LABELS))) % 4))
    return with_predictions(name, predictions, flops)


def decision(**changes: Any) -> StageDecision:
    """A decision that asks for nothing, but for the changes."""
    return StageDecision(**{"extend": False, "at_chance": (), "dropped": {}, "finish": ()} | changes)


def brightness_table(
    rows: int, classes: int = 4, shape: tuple[int, ...] = (8, 8), seed: int = 0, labels: np.ndarray | None = None
) -> MultimodalTable:
    """One modality, "x", whose mean brightness gives the class away."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes if labels is None else labels
    x = rng.normal(size=(rows, *shape)).astype(np.float32) + 3 * labels.reshape(-1, *[1] * len(shape))
    schema = TableSchema({"x": Modality("image", shape, "float32")}, "multiclass", tuple(map(str, range(classes))))
    return MultimodalTable(schema, {"x": x.astype(np.float32)}, labels, [f"r{i}" for i in range(rows)])


def proposal(sample: MultimodalTable, block: dict[str, Any], name: str = "c") -> Proposal:
    """The only encoder candidate for "x" of a table."""
    stage = {"tokeniser": {"type": "patches", "patch": 4}, "hidden_dim": 8, "depth": 1}
    stage |= {"reference": name, "candidates": {name: block}}
    return nodes.propose_encoders(sample, {"x": stage}, MatchParameters())[f"x.{name}"]
