"""Mistakes in the parameters: what is reported when the graph is made, and what when the blocks are checked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from graphs import configuration, pipelines
from kedro.framework.session import KedroSession
from kedro.runner import SequentialRunner, ThreadRunner
from kedro.validation import ParameterValidator, type_extractor
from project_runs import ROOT

from mixmas_pipeline import pipeline_registry
from mixmas_pipeline import session as sessions
from mixmas_pipeline.runners.reusing import ReusingRunner
from mixmas_pipeline.session import ReusingSession


def candidate(**block: Any) -> dict[str, Any]:
    return {"search": {"encoders": {"image": {"candidates": {"ramlp": block}}}}}


@contextmanager
def parameters(**avmnist: Any) -> Iterator[None]:
    pipeline_registry.use_parameters(configuration("base", avmnist=avmnist)["parameters"])
    try:
        yield
    finally:
        pipeline_registry.use_parameters(None)


IMAGE = "avmnist.search.encoders.image.candidates.ramlp"
BLOCK = "avmnist.compare.baseline.encoders.audio.block"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (candidate(regons=3), f"{IMAGE}.regons: Extra inputs are not permitted; expected one of dropout, channel_dim"),
        (candidate(regons=3), "did you mean regions? (found: 3)"),
        (candidate(kernel=4), f"{IMAGE}.kernel: Input should be 1, 3, 5 or 7 (found: 4)"),
        (candidate(channel_dim=None), f"{IMAGE}.channel_dim: Input should be a valid integer (found: None)"),
        (
            {"compare": {"baseline": {"encoders": {"audio": {"block": {"tokn_dim": 3}}}}}},
            f"{BLOCK}.tokn_dim: Extra inputs are not permitted; expected one of dropout",
        ),
        (
            {"search": {"fusion_network": {"candidates": {"grid": {"block": "ramlp", "channel_dim": 8}}}}},
            "the fusion network 'grid': ramlp needs a grid; fused tokens have none",
        ),
    ],
)
def test_hyperparameters_of_blocks_are_checked_late(section: dict[str, Any], message: str) -> None:
    assert pipelines("base", avmnist=section)
    with parameters(**section), pytest.raises(ValueError, match="parameters have 1 error") as error:
        pipeline_registry.check_remaining_parameters()
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["predict", "export"])
@pytest.mark.parametrize(
    ("choice", "kinds", "why"),
    [
        ("linear", [], "no reference model 'linear' is fitted (avmnist.reference.kinds is [])"),
        ("trees", ["linear"], "no reference model 'trees' is fitted (avmnist.reference.kinds is ['linear'])"),
        ("recommended", [], "the references are switched off, so there is no verdict that recommends a model"),
    ],
)
def test_a_model_that_is_not_fitted_is_no_pipeline_and_the_reason_is_kept(
    name: str, choice: str, kinds: list[str], why: str
) -> None:
    """Other pipelines run all the same."""
    made = pipelines("base", avmnist={name: {"model": choice}, "reference": {"kinds": kinds}})
    assert name not in made
    assert {"__default__", "predict", "export", "compare"} - {name} < set(made)
    reason = pipeline_registry.why_left_out(name)
    assert reason is not None
    assert f"There is no pipeline {name!r}, since avmnist.{name}.model is {choice!r} and {why}" in reason


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"metric": "r2"}}, "pets.training.metric is 'r2'; the task is multiclass: expected accuracy"),
        ({"search": {"selection": {"metric": "mae"}}}, "mae"),
    ],
)
def test_a_score_of_another_task_is_refused_before_anything_is_prepared(changes: dict[str, Any], message: str) -> None:
    table = {
        "file": "pets.csv",
        "label": "kind",
        "task": "multiclass",
        "split": {"fractions": {"validation": 0.2, "test": 0.2}},
        "modalities": {"facts": {"kind": "tabular", "columns": ["age"]}},
    }
    pipeline_registry.use_parameters(
        configuration("base", dataset="pets", pets={"table": table, **changes})["parameters"]
    )
    try:
        with pytest.raises(ValueError, match=message):
            pipeline_registry.check_remaining_parameters()
    finally:
        pipeline_registry.use_parameters(None)


def test_the_shipped_blocks_are_right() -> None:
    for env in ("base", "paper", "test"):
        for dataset in ("avmnist", "mimic", "mmimdb"):
            pipeline_registry.use_parameters(configuration(env, dataset=dataset)["parameters"])
            try:
                pipeline_registry.check_remaining_parameters()
            finally:
                pipeline_registry.use_parameters(None)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            candidate(block="rmlp"),
            r"candidates\.ramlp\.block: Value error, unknown block 'rmlp'",
        ),
        ({"compare": {"baseline": {"encoders": {"audio": {"block": {"block": "mixer"}}}}}}, "unknown block 'mixer'"),
        ({"search": {"budget": {"stepz": 3}}}, r"search\.budget\.stepz: .*did you mean steps\?"),
        ({"training": {"patience": 0}}, r"avmnist\.training\.patience: .*\(found: 0\)"),
        ({"sound": {"binz": 3}}, r"avmnist\.sound\.binz: .*did you mean bins\?"),
        ({"pairing": {"validation_size": "many"}}, r"avmnist\.pairing\.validation_size"),
        ({"serch": {}}, r"unknown parameter avmnist\.serch: .*did you mean avmnist\.search\?"),
    ],
)
def test_everything_else_is_checked_when_the_graph_is_made(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipelines("base", avmnist=section)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "avmnits"}, r"the parameter 'dataset' is 'avmnits'; .*did you mean avmnist\?"),
        ({"dataset": 3}, "the parameter 'dataset' is 3; expected one of"),
        ({"tracking": "perhaps"}, "the parameter 'tracking' is 'perhaps'; expected true or false"),
        ({"compute": {"core": 2}}, r"compute\.core: .*did you mean cores\?"),
        ({"datset": "mimic"}, r"unknown parameter datset: .*did you mean dataset\?"),
        ({"avmnist": 3}, "the parameters have no section 'avmnist'"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipelines("base", **settings)


def test_a_session_checks_blocks_before_another_runner_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bool] = []
    monkeypatch.setattr(sessions, "check_remaining_parameters", lambda: checked.append(True))
    monkeypatch.setattr(KedroSession, "load_context", lambda self: None)
    monkeypatch.setattr(KedroSession, "run", lambda self, **arguments: self.load_context())
    session = ReusingSession.__new__(ReusingSession)
    for runner in (None, SequentialRunner(), ReusingRunner()):
        session.run(runner=runner)
    assert not checked, "ReusingRunner checks when a node has to run"
    session.run(runner=ThreadRunner())
    assert checked


def test_kedros_own_validation_of_parameters_imports_no_torch() -> None:
    """Kedro makes models of what nodes' type hints name at the start of every run."""
    code = (
        "import sys; from kedro.validation import ParameterValidator;"
        "from mixmas_pipeline import pipeline_registry as registry;"
        "made = ParameterValidator(registry.register_pipelines()).validate_raw_params(registry._parameters());"
        "print(type(made['avmnist']['search']['fusion_network']).__name__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.strip().endswith("FusionNetworkStage False"), done.stdout + done.stderr


def test_kedros_own_validation_of_parameters_warns_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It warns of a union of types at the start of every run, whichever pipeline runs."""
    warnings: list[Any] = []
    monkeypatch.setattr(type_extractor.logger, "warning", lambda *arguments: warnings.append(arguments))
    parameters = configuration("base")["parameters"]
    assert ParameterValidator(pipelines("base")).validate_raw_params(parameters)
    assert not warnings
