"""The model that ``predict`` and ``export`` take: the searched one, a reference, or the recommended one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from mixmas_pipeline.datasets.record import Provenance
from mixmas_pipeline.pipelines.reference.parameters import ModelChoice
from mixmas_pipeline.pipelines.reference.results import ModelKind, Verdict

KINDS: tuple[ModelKind, ...] = ("searched", "linear", "trees")
_REMEDY = "expected the results of one run: kedro run (with the same --env)"


class Chosen(NamedTuple):
    """A model to use.

    Attributes:
        kind: what it is.
        model: the trained model, or the refitted reference.
        verdict: that recommends it; None if the parameters name the kind.
    """

    kind: ModelKind
    model: Any
    verdict: Verdict | None


def why_not(choice: ModelChoice, kinds: Sequence[str]) -> str | None:
    """Why there is no such model; None if there is one.

    Args:
        kinds: of the references that are fitted.
    """
    if choice == "searched" or choice in kinds or (choice == "recommended" and kinds):
        return None
    if choice == "recommended":
        return "the references are switched off, so there is no verdict that recommends a model"
    return f"no reference model {choice!r} is fitted"


def model_inputs(dataset: str, choice: ModelChoice, kinds: Sequence[str]) -> dict[str, str]:
    """The inputs of a node that calls ``choose``: argument -> data set.

    Args:
        kinds: of the references that are fitted.
    """
    named = f"{dataset}.{{}}".format
    references = {kind: named(f"reference.{kind}_refitted") for kind in kinds}
    if choice == "searched":
        return {"searched": named("model")}
    if choice != "recommended":
        return {choice: references[choice]}
    return {
        "searched": named("model"),
        **references,
        "verdict": named("verdict"),
        "verdict_record": named("verdict.record"),
        "record": named("training.record"),
        "metrics_record": named("training.record.metrics.json"),
        **reference_records(dataset, kinds),
    }


def reference_records(dataset: str, kinds: Sequence[str]) -> dict[str, str]:
    """The records of the references' scores and of the refitted references: argument -> data set."""
    records = {f"{kind}_record": f"{dataset}.reference.record.{kind}_refitted" for kind in kinds}
    return {"references_record": f"{dataset}.training.record.references.parquet", **records}


def choose(inputs: Mapping[str, Any]) -> Chosen:
    """The model, from what a node with ``model_inputs`` gets.

    Raises:
        ValueError: the verdict recommends a model that is no longer fitted, or it is of other models than the newest.
    """
    models: dict[ModelKind, Any] = {kind: inputs[kind] for kind in KINDS if kind in inputs}
    verdict: Verdict | None = inputs.get("verdict")
    if verdict is None:
        ((kind, model),) = models.items()
        return Chosen(kind, model if kind == "searched" else model[0], None)
    recommended = verdict.recommended
    if recommended.model == "network":
        check_chain(inputs["verdict_record"], inputs["metrics_record"], inputs["record"])
        return Chosen("searched", models["searched"], verdict)
    kind = recommended.model
    if kind not in models:
        raise ValueError(f"the newest verdict recommends the model {kind!r}, which is no longer fitted; {_REMEDY}")
    check_chain(inputs["verdict_record"], inputs["references_record"], inputs[f"{kind}_record"])
    found = [model for model in models[kind] if " + ".join(model.architecture.inputs) == recommended.modalities]
    if not found:
        raise ValueError(f"no newest {kind} model reads {recommended.modalities}, as the verdict says; {_REMEDY}")
    return Chosen(kind, found[0], verdict)


def check_chain(*records: Provenance | None) -> None:
    """Check that each result was made from the next one. A result without a record is not checked.

    Raises:
        ValueError: one was made from another version than the newest.
    """
    for later, earlier in pairwise(records):
        if later and earlier and not later.uses(earlier):
            found = f"the newest {later.dataset} was made from another version of {earlier.dataset} than the newest"
            raise ValueError(f"{found} (run {earlier.run}); {_REMEDY}")
