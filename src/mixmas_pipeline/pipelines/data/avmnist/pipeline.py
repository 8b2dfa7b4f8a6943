"""The graph from raw digits, speech and noise to ``avmnist.train``, ``avmnist.validation`` and ``avmnist.test``."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.data.avmnist import nodes

NAMESPACE = "data.avmnist"


def create_pipeline() -> Pipeline:
    """Nodes of the namespace ``data.avmnist``."""
    raw = "avmnist.raw_{}".format
    sound, pairing, picture = (f"params:avmnist.{name}" for name in ("sound", "pairing", "picture"))
    reduced = "avmnist.reduced_images"
    clips = {name: f"avmnist.{name}" for name in ("speech", "noise")}
    steps = [
        Node(nodes.resample_clips, [raw(name), sound], clip, name=f"resample_{name}", namespace=NAMESPACE)
        for name, clip in clips.items()
    ]
    steps += [
        Node(
            nodes.pair_digits,
            [raw("train_labels"), raw("test_labels"), *clips.values(), pairing, sound],
            [f"avmnist.{split}_pairs" for split in nodes.SPLITS],
            name="pair_digits",
            namespace=NAMESPACE,
        ),
        Node(
            nodes.fit_energy_basis,
            [raw("train_images"), "avmnist.train_pairs", picture],
            "avmnist.energy_basis",
            name="fit_energy_basis",
            namespace=NAMESPACE,
            tags="preparation",
        ),
        Node(
            nodes.reduce_images,
            [raw("train_images"), raw("test_images"), "avmnist.energy_basis"],
            reduced,
            name="reduce_images",
            namespace=NAMESPACE,
            tags="preparation",
        ),
    ]
    steps += [
        Node(
            nodes.build_table,
            [f"avmnist.{split}_pairs", reduced, *clips.values(), sound, pairing, "params:avmnist.source"],
            f"avmnist.{split}",
            name=f"build_{split}",
            namespace=NAMESPACE,
            tags="preparation",
        )
        for split in nodes.SPLITS
    ]
    return Pipeline(steps)
