"""The graph of the comparison: every contender is tuned, then trained from every seed; then all are evaluated.

line_up -> [contender]: tune -> train_seeds -> evaluate_contenders -> draw_comparison
"""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.compare import judging, nodes

NAMESPACE = "compare"


def create_pipeline(dataset: str, modalities: Sequence[str], seeds: Sequence[int]) -> Pipeline:
    """Nodes of the namespace ``compare``.

    Args:
        modalities: of the data set; with more than one, each is a contender by itself.
        seeds: of the trainings; each leaves a model.
    """
    space = f"{dataset}.compare"
    parameters, training = f"params:{space}", f"params:{dataset}.training"
    train, validation, test = (f"{dataset}.{split}" for split in ("train", "validation", "test"))
    singles = [nodes.alone(name) for name in modalities] if len(modalities) > 1 else []
    contenders = [nodes.BASELINE, nodes.SEARCHED, *singles]
    graph = [
        Node(
            nodes.line_up,
            [train, f"{dataset}.architecture", f"{parameters}.baseline"],
            {name: f"{space}.{name}.contender" for name in contenders},
            name="line_up",
            namespace=NAMESPACE,
        )
    ]
    results: dict[str, str] = {}
    for name in contenders:
        own = f"{space}.{name}"
        models = {f"seed_{seed}": f"{own}.seed_{seed}_model" for seed in seeds}
        common = {
            "contender": f"{own}.contender",
            "train": train,
            "validation": validation,
            "training": training,
        }
        graph += [
            Node(
                nodes.tune,
                common
                | {
                    "learning_rates": f"{parameters}.learning_rates",
                    "tuning_seed": f"{parameters}.tuning_seed",
                    "scratch": f"{own}.tune_scratch",
                },
                f"{own}.tuned",
                name="tune",
                namespace=f"{NAMESPACE}.{name}",
                tags="training",
            ),
            Node(
                nodes.train_seeds,
                common
                | {
                    "tuned": f"{own}.tuned",
                    "seeds": f"{parameters}.seeds",
                    "scratch": f"{own}.train_scratch",
                },
                {"history": f"{own}.history", **models},
                name="train_seeds",
                namespace=f"{NAMESPACE}.{name}",
                tags="training",
            ),
        ]
        results |= {f"{name}/{kind}": f"{own}.{kind}" for kind in ("contender", "tuned", "history")}
        results |= {f"{name}/{seed}": model for seed, model in models.items()}
    graph += [
        Node(
            judging.evaluate_contenders,
            {
                "train": train,
                "validation": validation,
                "test": test,
                "compare": parameters,
                "metric": f"{training}.metric",
                **results,
            },
            [f"{dataset}.comparison", f"{space}.predictions"],
            name="evaluate_contenders",
            namespace=NAMESPACE,
            tags="training",
        ),
        Node(
            judging.draw_comparison,
            f"{dataset}.comparison",
            f"{dataset}.comparison_figure",
            name="draw_comparison",
            namespace=NAMESPACE,
        ),
    ]
    return Pipeline(graph)
