"""The graph of the comparison: each contender is tuned, then trained from each seed; then all are evaluated.

propose_contenders -> [contender]: tune -> train_seeds -> evaluate_contenders -> draw_comparison
                      [linear, trees]: fit_… -> evaluate_contenders
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.compare import nodes
from mixmas_pipeline.pipelines.compare.results import BASELINE, SEARCHED, alone

NAMESPACE = "compare"


_FITS: dict[str, Callable[..., Any]] = {"linear": nodes.fit_linear, "trees": nodes.fit_trees}


def create_pipeline(
    dataset: str, modalities: Sequence[str], seeds: Sequence[int], references: Sequence[str] = ()
) -> Pipeline:
    """Nodes of the namespace ``compare``.

    Args:
        dataset: its tables are ``{dataset}.train`` and so on.
        modalities: of the data set; with more than one, each is a contender by itself.
        seeds: of the trainings; each leaves a model.
        references: kinds of reference models that are contenders too. Default none.
    """
    space = f"{dataset}.compare"
    singles = [alone(name) for name in modalities] if len(modalities) > 1 else []
    contenders = [BASELINE, SEARCHED, *singles]
    models = {f"seed_{seed}": f"seed_{seed}_model" for seed in seeds}
    propose = Node(
        nodes.propose_contenders,
        [f"{dataset}.train", f"{dataset}.architecture", f"params:{space}.baseline"],
        {name: f"{space}.{name}.contender" for name in contenders},
        name="propose_contenders",
        namespace=NAMESPACE,
    )
    trainings = [node for name in contenders for node in _training(dataset, name, models)]
    fits = [_fit(dataset, kind) for kind in references]
    return Pipeline([propose, *trainings, *fits, *_evaluation(dataset, contenders, models, references)])


def _training(dataset: str, contender: str, models: dict[str, str]) -> list[Node]:
    parameters, space = f"params:{dataset}.compare", f"{dataset}.compare.{contender}"
    common = {
        "contender": f"{space}.contender",
        "train": f"{dataset}.train",
        "validation": f"{dataset}.validation",
        "training": f"params:{dataset}.training",
        "checkpoints": "params:checkpoints",
    }
    tune = {"learning_rates": f"{parameters}.learning_rates", "tuning_seed": f"{parameters}.tuning_seed"}
    train = {"tuned": f"{space}.tuned", "seeds": f"{parameters}.seeds"}
    namespace = f"{NAMESPACE}.{contender}"
    return [
        Node(nodes.tune, common | tune, f"{space}.tuned", name="tune", namespace=namespace, tags="training"),
        Node(
            nodes.train_seeds,
            common | train,
            {"history": f"{space}.history", **{kind: f"{space}.{model}" for kind, model in models.items()}},
            name="train_seeds",
            namespace=namespace,
            tags="training",
        ),
    ]


def _fit(dataset: str, kind: str) -> Node:
    inputs = {
        "train": f"{dataset}.train",
        "reference": f"params:{dataset}.reference",
        "balance": f"params:{dataset}.training.balance",
    }
    if kind != "linear":
        inputs["seeds"] = f"params:{dataset}.compare.seeds"
    function, namespace = _FITS[kind], f"{NAMESPACE}.{kind}"
    output = f"{dataset}.compare.{kind}.models"
    return Node(function, inputs, output, name=function.__name__, namespace=namespace, tags="trial")


def _evaluation(
    dataset: str, contenders: Sequence[str], models: dict[str, str], references: Sequence[str]
) -> list[Node]:
    space = f"{dataset}.compare"
    kept = {kind: kind for kind in ("contender", "tuned", "history")} | models
    fitted = {f"{kind}/models": f"{space}.{kind}.models" for kind in references}
    return [
        Node(
            nodes.evaluate_contenders,
            {
                **{split: f"{dataset}.{split}" for split in ("train", "validation", "test")},
                "compare": f"params:{space}",
                "metric": f"params:{dataset}.training.metric",
                **{f"{name}/{kind}": f"{space}.{name}.{file}" for name in contenders for kind, file in kept.items()},
                **fitted,
            },
            [f"{dataset}.comparison", f"{space}.predictions"],
            name="evaluate_contenders",
            namespace=NAMESPACE,
            tags="training",
        ),
        Node(
            nodes.draw_comparison,
            f"{dataset}.comparison",
            f"{dataset}.comparison_figure",
            name="draw_comparison",
            namespace=NAMESPACE,
        ),
    ]
