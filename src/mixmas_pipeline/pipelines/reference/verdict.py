"""The verdict: the network against the references.

The recommended model is chosen by validation scores alone: the simplest one whose score is within one standard error of
the best (Breiman et al. 1984, section 3.4.3). Of a kind's models that of all modalities is preferred to one of a single
modality in the same way. The test split only says how that choice turned out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.intervals import Interval, bootstrap_interval, difference_interval
from mixmas_pipeline.evaluation.metrics import score
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.pipelines.reference.parameters import ReferenceParameters
from mixmas_pipeline.pipelines.reference.results import NAMES, Finalist, Outcome, Verdict
from mixmas_pipeline.pipelines.reference.scoring import key

_SIMPLICITY = ("linear", "trees", "network")
# Said of a model that is recommended; and when to take one that is not.
_ADVANTAGES = {
    "linear": ("it is smaller and faster", "size or speed matter"),
    "trees": ("it trains in seconds", "the time of training matters"),
}


def conclude(
    test: MultimodalTable,
    metrics: dict[str, dict[str, float]],
    predictions: pd.DataFrame,
    references: pd.DataFrame,
    logits: dict[str, np.ndarray],
    reference: ReferenceParameters,
) -> Verdict:
    """See ``nodes.give_verdict``.

    Raises:
        ValueError: the predictions are of other rows than the test split's.
    """
    if list(predictions["id"]) != list(test.ids):
        raise ValueError("the predictions are of other rows than the test split; train again")
    metric, task, classes = references["metric"].iloc[0], task_of(test.schema.task), len(test.schema.classes)
    by_network = predicted_labels(predictions, test, metrics.get("decision_weights", {}))
    scored = bootstrap_interval(metric, test.labels, by_network, classes, reference.resamples, reference.seed)
    # "f1_micro" and "f1_samples" of tasks with one class per example are the accuracy, by which they are reported.
    # The references are scored on these rows too.
    on_validation = metrics["validation_split"]
    validation = on_validation.get(metric, on_validation[task.headline])
    network = _finalist("network", " + ".join(test.schema.modalities), validation, scored)
    number, recommends_network = choose(references, validation)
    chosen = references.loc[number]
    by_reference = task.predict(logits[key(chosen["model"], chosen["modalities"])])
    interval = Interval(chosen["test"], chosen["low"], chosen["high"], float("nan"))
    best = _finalist(chosen["model"], chosen["modalities"], chosen["validation"], interval)
    pair = (by_network, by_reference) if recommends_network else (by_reference, by_network)
    difference = difference_interval(metric, test.labels, *pair, classes, reference.resamples, reference.seed)
    recommended, other = (network, best) if recommends_network else (best, network)
    outcome: Outcome = "better" if difference.low > 0 else "worse" if difference.high < 0 else "level"
    verdict = Verdict(
        metric=metric,
        recommended=recommended,
        other=other,
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        outcome=outcome,
        rows=len(test),
        sentences=(),
    )
    return verdict.model_copy(
        update={
            "sentences": (
                *_sentences(verdict, network.modalities, _constant(test, metric, metrics)),
                *_conditions(chosen, metrics.get("weights", {})),
            )
        }
    )


def choose(references: pd.DataFrame, network: float) -> tuple[int, bool]:
    """The reference to compare the network with, by its row, and whether the network is recommended.

    Args:
        references: see ``nodes.score_references``.
        network: its validation score.
    """
    best = references.loc[references["validation"].idxmax()]
    error = best["validation_error"]
    for kind in _SIMPLICITY[:-1]:
        close = _close(references[references["model"] == kind], max(best["validation"], network) - error)
        if len(close):
            return int(close.index[0]), False
    rivals = _close(references[references["model"] == best["model"]], best["validation"] - error)
    return int(rivals.index[0]), True


def _close(references: pd.DataFrame, least: float) -> pd.DataFrame:
    """Those with at least this validation score: the one that reads the most modalities first, then the best."""
    close = references[references["validation"] >= least]
    order = {"modalities": close["modalities"].str.count(r" \+ "), "validation": close["validation"]}
    return close.loc[pd.DataFrame(order).sort_values(["modalities", "validation"], ascending=False).index]


def predicted_labels(
    predictions: pd.DataFrame, test: MultimodalTable, class_weights: Mapping[str, float]
) -> np.ndarray:
    """The labels that the network predicts, from its table of predictions, as ``metrics.score`` takes them.

    Args:
        class_weights: class -> weight by which decisions differ from the most probable classes, see
            ``EnsembleConfig``; empty if all are the same.
    """
    classes = test.schema.classes
    if test.schema.task == "regression":
        return predictions[[f"predicted_{name}" for name in classes]].to_numpy()
    probabilities = predictions[[f"probability_{name}" for name in classes]].to_numpy()
    weighted = probabilities * [class_weights.get(name, 1.0) for name in classes]
    return weighted > 1 - probabilities if test.schema.task == "multilabel" else weighted.argmax(axis=1)


def _finalist(model: str, modalities: str, validation: float, test: Interval) -> Finalist:
    scores = {"validation": validation, "test": test.value, "low": test.low, "high": test.high}
    return Finalist.model_validate({"model": model, "modalities": modalities, **scores})


def _constant(
    test: MultimodalTable, metric: str, metrics: Mapping[str, Mapping[str, float]]
) -> tuple[str, float] | None:
    """One answer for all rows, and its score: the best constant of the test split itself. None where decisions favour
    rare classes: they are not made for the accuracy, by which a constant may win."""
    task, classes = task_of(test.schema.task), len(test.schema.classes)
    if metric in ("accuracy", "f1_micro") and metrics.get("decision_weights"):
        return None
    answer = np.broadcast_to(task.dummy_prediction(test), test.labels.shape)
    return task.dummy, score(metric, test.labels, answer, classes)


def _sentences(verdict: Verdict, everything: str, constant: tuple[str, float] | None) -> list[str]:
    recommended, other = (_name(finalist, everything) for finalist in (verdict.recommended, verdict.other))
    compared = {"better": "better than", "level": "neither clearly better nor worse than", "worse": "worse than"}
    scores = f"{verdict.metric} {verdict.recommended.test:.3f} against {verdict.other.test:.3f}"
    noise = f"difference {verdict.difference:+.3f}, 95 %: {verdict.low:+.3f} to {verdict.high:+.3f}"
    first = f"{recommended[0].upper()}{recommended[1:]} is {compared[verdict.outcome]} {other} on the test split "
    first += f"({scores}; {noise})."
    if constant is not None and verdict.recommended.low <= constant[1]:
        what = f"the {constant[0]} for every row ({verdict.metric} {constant[1]:.3f})"
        if verdict.other.low <= constant[1]:
            advice = f"Neither is clearly better than {what}: use neither. More rows or other inputs may help."
        else:
            advice = f"The validation split preferred {recommended}, but only {other} is clearly better than {what}."
            advice += " Check both models on new rows before you use one."
        return [first, advice]
    return [first, _advice(verdict, recommended, other)]


def _advice(verdict: Verdict, recommended: str, other: str) -> str:
    if verdict.outcome == "worse":
        return f"The validation split preferred {recommended}. Check both models on new rows before you use one."
    if verdict.outcome == "better":
        return f"Use {recommended}."
    if verdict.recommended.model == "network":
        lead = f"{verdict.recommended.validation:.3f} against {verdict.other.validation:.3f}"
        return (
            f"The searched model is recommended because it was ahead on the validation split ({lead}); the test split "
            f"does not confirm that. If {_ADVANTAGES[verdict.other.model][1]}, take {other}."
        )
    return f"Use {recommended}: {_ADVANTAGES[verdict.recommended.model][0]}."


def _name(finalist: Finalist, everything: str) -> str:
    name = NAMES["searched" if finalist.model == "network" else finalist.model]
    return name if finalist.modalities == everything else f"{name} on {finalist.modalities} alone"


def _conditions(chosen: pd.Series, weights: dict[str, float]) -> list[str]:
    """What the searched model is; how the models were chosen and fitted.

    Args:
        weights: of an ensemble, see ``Ensemble.shares``; of a single model none.
    """
    shares = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
    ensemble = [f"The searched model is an ensemble with the weights {shares}."] if weights else []
    if weights and not any(weight for name, weight in weights.items() if name not in ("linear", "trees")):
        ensemble.append("Its networks decide nothing: held-out rows prefer the reference models.")
    return [
        *ensemble,
        "The choice is made on the validation split: the simplest model whose score is within one standard error "
        f"({chosen['validation_error']:.3f}) of the best.",
        f"For the test split the references are refitted on the training and validation rows ({chosen['rows_refitted']}"
        " rows).",
    ]
