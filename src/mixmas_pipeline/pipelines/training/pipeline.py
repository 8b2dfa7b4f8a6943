"""The graph from architecture and tables to ``model``, ``metrics`` and ``predictions``.

An ensemble: divide -> train_member_1, train_member_2, ... -> choose_epochs -> finish_member_1, finish_member_2, ...;
fit_linear_member, fit_trees_member -> combine_members.
A single model: train_model. Then evaluate_model.
"""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.training import evaluation, nodes
from mixmas_pipeline.training.parameters import TrainingParameters

NAMESPACE = "training"
_RESULTS = ("model", "history", "held_out")
_REFERENCES = {"linear": nodes.fit_linear_member, "trees": nodes.fit_trees_member}


def create_pipeline(dataset: str, training: TrainingParameters) -> Pipeline:
    """Nodes of the namespace ``training``.

    Args:
        training: it decides which members the ensemble has.
    """
    named = f"{dataset}.{{}}".format
    parameters = {"training": f"params:{named('training')}"}
    scored = {name: named(name) for name in ("model", "held_out", "train", "validation", "test")}
    evaluate = Node(
        evaluation.evaluate_model,
        scored | parameters,
        [named(name) for name in ("metrics", "thresholds", "predictions", "mistakes", "patterns")],
        name="evaluate_model",
        namespace=NAMESPACE,
        tags="training",
    )
    train = _ensemble(dataset, training) if training.deploy == "ensemble" else [_single_model(dataset)]
    return Pipeline([*train, evaluate])


def _single_model(dataset: str) -> Node:
    return Node(
        nodes.train_model,
        {
            **{name: f"{dataset}.{name}" for name in ("architecture", "train", "validation")},
            "training": f"params:{dataset}.training",
            "checkpoints": "params:checkpoints",
        },
        [f"{dataset}.{name}" for name in _RESULTS],
        name="train_model",
        namespace=NAMESPACE,
        tags="training",
    )


def _ensemble(dataset: str, training: TrainingParameters) -> list[Node]:
    """Members are nodes of their own."""
    root, parameters = f"{dataset}.training", {"training": f"params:{dataset}.training"}
    networks = [f"member_{number}" for number in range(1, training.members + 1)]
    tables = {name: f"{dataset}.{name}" for name in ("train", "validation")}
    rows = {"folds": f"{root}.folds", **tables}
    # A training in several processes takes the machine for itself.
    tag = "training" if training.is_distributed else "member"
    trained = [_network(root, name, rows, tag) for name in networks]
    members = [_finished_network(root, name, rows, tag) for name in networks]
    if training.references:
        members += [_reference(root, kind, rows) for kind in _REFERENCES]
    made = [f"{name}.history" for name in networks]
    made += [name.removeprefix(f"{root}.") for member in members for name in member.outputs]
    return [
        Node(
            nodes.divide,
            {"architecture": f"{dataset}.architecture", **tables, **parameters},
            {
                **{name: f"{root}.{name}" for name in ("folds", "architecture")},
                **{name: f"{root}.{name}.plan" for name in networks},
            },
            name="divide",
            namespace=NAMESPACE,
            tags="preparation",
        ),
        *trained,
        Node(
            nodes.choose_epochs,
            {f"{name}.{part}": f"{root}.{name}.{part}" for name in networks for part in ("plan", "history")},
            {name: f"{root}.{name}.epochs" for name in networks},
            name="choose_epochs",
            namespace=NAMESPACE,
        ),
        *members,
        Node(
            nodes.combine_members,
            {"architecture": f"{root}.architecture", **tables, **parameters}
            | {name: f"{root}.{name}" for name in made},
            [f"{dataset}.{name}" for name in _RESULTS],
            name="combine_members",
            namespace=NAMESPACE,
        ),
    ]


def _network(root: str, name: str, rows: dict[str, str], tag: str) -> Node:
    return Node(
        nodes.train_member,
        {"plan": f"{root}.{name}.plan", **rows, "checkpoints": "params:checkpoints"},
        [f"{root}.{name}.{kind}" for kind in ("all_epochs.model", "history", "all_epochs.held_out")],
        name=f"train_{name}",
        namespace=NAMESPACE,
        tags=tag,
    )


def _finished_network(root: str, name: str, rows: dict[str, str], tag: str) -> Node:
    made = {part: f"{root}.{name}.all_epochs.{part}" for part in ("model", "held_out")}
    return Node(
        nodes.finish_member,
        {
            **{part: f"{root}.{name}.{part}" for part in ("plan", "epochs")},
            **made,
            **rows,
            "checkpoints": "params:checkpoints",
        },
        [f"{root}.{name}.{part}" for part in made],
        name=f"finish_{name}",
        namespace=NAMESPACE,
        tags=tag,
    )


def _reference(root: str, kind: str, rows: dict[str, str]) -> Node:
    function = _REFERENCES[kind]
    return Node(
        function,
        {**rows, **{name: f"params:{root}.{name}" for name in ("seed", "balance")}},
        [f"{root}.{kind}.{part}" for part in ("reference", "held_out")],
        name=function.__name__,
        namespace=NAMESPACE,
        tags="trial",
    )
