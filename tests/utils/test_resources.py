"""The section ``compute``, the nodes' shares, and the cores of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import probes
import pytest
from graphs import pipelines
from kedro.pipeline import Node

from mixmas_pipeline.utils import resources
from mixmas_pipeline.utils.resources import ComputeParameters, Shares


@pytest.mark.parametrize(
    ("section", "message"),
    [
        pytest.param({"core": 2}, r"compute.core: Extra inputs.*\(found: 2\); did you mean cores\?", id="unknown key"),
        pytest.param({"cores": 0}, r"compute.cores.*found: 0", id="no cores"),
        pytest.param({"cores": "many"}, r"compute.cores.*'many'", id="cores in words"),
        pytest.param({"shares": {"trail": {"cpus": 1}}}, r"compute.shares.trail: Extra inputs", id="unknown tag"),
        pytest.param({"shares": {"trial": {"cpus": "most"}}}, r"compute.shares.trial.cpus.*'most'", id="cpus in words"),
        pytest.param(
            {"shares": {"trial": {"cpus": 1, "gpus": 1.5}}},
            r"gpus is 1.5; expected a share below 1 or a whole number",
            id="one and a half gpus",
        ),
    ],
)
def test_errors_name_the_key_and_the_value(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipelines("base", compute=section)


def test_a_node_has_one_share() -> None:
    node = Node(probes.same, "params:a", "b", name="n", tags=["trial", "training"])
    with pytest.raises(ValueError, match="n has the tags training, trial; expected one of them"):
        ComputeParameters().share(node)


def test_nodes_that_take_long_have_a_tag() -> None:
    """By the function: what trains, scores whole splits, or measures times."""
    trains = {"train_candidate", "finish_candidate", "search_within_budget"}
    fully = {"tune", "train_seeds", "train_combination", "estimate_cost"}
    scores = {"evaluate_model", "evaluate_contenders", "predict_new_rows", "convert", "assemble"}
    functions: dict[str, set[str]] = {}
    for graph in pipelines("base").values():
        for node in graph.nodes:
            functions.setdefault(ComputeParameters().tag(node) or "", set()).add(node.func.__name__)
    references = {"fit_linear", "fit_trees", "refit_linear", "refit_trees", "score_references"}
    assert functions["trial"] == trains | references | {"fit_linear_member", "fit_trees_member"}
    assert functions["member"] == {"train_member", "finish_member"}
    assert functions["training"] == fully | scores
    assert {"decide", "choose", "combine_members"} <= functions[""]


@pytest.mark.parametrize(
    ("training", "tag"),
    [
        pytest.param({}, "member", id="one device"),
        pytest.param({"devices": 2}, "training", id="two processes"),
        pytest.param({"device": "cuda", "devices": "auto"}, "training", id="all GPUs"),
        pytest.param({"num_nodes": 2, "address": "a:1"}, "training", id="two hosts"),
        pytest.param({"deploy": "single"}, "training", id="single model"),
    ],
)
def test_a_training_in_several_processes_takes_the_machine(training: dict[str, Any], tag: str) -> None:
    nodes = pipelines("base", avmnist={"training": training})["training"].nodes
    trains = {"train_model", "train_member", "finish_member"}
    assert {ComputeParameters().tag(node) for node in nodes if node.func.__name__ in trains} == {tag}


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        pytest.param({"cpu.max": "max 100000"}, 1e6, id="version 2 without a limit"),
        pytest.param({"cpu.max": "250000 100000"}, 2.5, id="version 2 with a limit"),
        pytest.param({"own/cpu.max": "max 100000", "cpu.max": "150000 100000"}, 1.5, id="limit of a parent group"),
        pytest.param({"own/group/cpu.max": "50000 100000", "own/cpu.max": "300000 100000"}, 0.5, id="smallest limit"),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4, id="version 1 with a limit"
        ),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1e6, id="version 1 without a limit"
        ),
        pytest.param({}, 1e6, id="no control groups"),
    ],
)
def test_limits_of_control_groups_are_read(tmp_path: Path, files: dict[str, str], cores: float) -> None:
    own = tmp_path / "self"
    own.write_text("1:name=systemd:/x\n0::/own/group\n")
    for name, text in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    assert resources._quota(own, tmp_path / "root") == cores


def test_a_share_keeps_the_default_of_what_it_does_not_say() -> None:
    shares = Shares.model_validate({"training": {"gpus": 0}, "trial": {"gpus": 0.5}})
    assert (shares.training.cpus, shares.training.gpus) == ("all", 0)
    assert (shares.trial.cpus, shares.trial.gpus) == (1, 0.5)
    assert shares.preparation == Shares().preparation
    assert (shares.member.cpus, shares.member.gpus) == (1, "auto")
