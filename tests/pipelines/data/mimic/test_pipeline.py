"""The graph of MIMIC-III from either source, and its parameters."""

from __future__ import annotations

from typing import Any

import graphs
import pytest
from kedro.pipeline import Pipeline

from mixmas_pipeline import pipeline_registry
from mixmas_pipeline.config_loader import ProjectConfigLoader
from mixmas_pipeline.utils.code_hash import package_code


def runtime(section: dict[str, Any]) -> dict[str, Any]:
    return {"dataset": "mimic", **({"mimic": section} if section else {})}


def configuration(env: str, **section: Any) -> ProjectConfigLoader:
    return graphs.configuration(env, **runtime(section))


def pipelines(env: str, **section: Any) -> dict[str, Pipeline]:
    return graphs.pipelines(env, **runtime(section))


@pytest.mark.parametrize(("env", "source"), [("base", "tables"), ("paper", "tables"), ("test", "im_pk")])
def test_everything_is_in_the_catalog_and_versioned(env: str, source: str) -> None:
    made = pipelines(env, input=source)
    config = configuration(env, input=source)
    whole = made["__default__"] + made["compare"] + made["validate_search"]
    graphs.check_outputs(whole, config)
    graphs.check_inputs(whole, config)
    assert f"mimic.raw_{'tables' if source == 'tables' else 'pickle'}" in whole.inputs()
    assert {node.namespace for node in made["mimic"].nodes} == {"data.mimic"}


def with_active(dataset: str, **sections: Any) -> dict[str, Pipeline]:
    """The pipelines while this data set is the active one."""
    runtime = {"dataset": dataset, **sections}
    pipeline_registry.use_parameters(graphs.configuration("base", **runtime)["parameters"])
    try:
        return pipeline_registry.register_pipelines()
    finally:
        pipeline_registry.use_parameters(None)


def test_misspelt_keys_are_named_whatever_the_active_data_set() -> None:
    with pytest.raises(ValueError, match=r"unknown parameter mimic.maks_as_input.*did you mean mimic.mask_as_input"):
        with_active("avmnist", mimic={"maks_as_input": True})
    with pytest.raises(ValueError, match=r"unknown parameter avmnist.sond.*did you mean avmnist.sound"):
        with_active("mimic", avmnist={"sond": {}})
    assert "mimic" in with_active("avmnist", mimic={"input": "im_pk"})


def test_an_error_in_another_section_does_not_stop_the_active_data_set(caplog: pytest.LogCaptureFixture) -> None:
    made = with_active("avmnist", mimic={"input": "csv"})
    assert "avmnist" in made
    assert "mimic" not in made
    assert "There is no pipeline 'mimic', since its parameters have an error" in caplog.text
    assert "mimic.input: Input should be 'tables' or 'im_pk' (found: 'csv')" in caplog.text


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"input": "csv"}, r"mimic.input: Input should be 'tables' or 'im_pk' \(found: 'csv'\)"),
        ({"cohrt": {}}, r"unknown parameter mimic.cohrt.*did you mean mimic.cohort"),
        ({"input": "im_pk", "maks_as_input": True}, r"did you mean mimic.mask_as_input"),
    ],
)
def test_mistakes_are_named(mistake: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipelines("base", **mistake)


@pytest.mark.parametrize(("env", "metric"), [("base", "accuracy"), ("paper", "f1_macro")])
def test_rare_classes_count(env: str, metric: str) -> None:
    mimic = configuration(env)["parameters"]["mimic"]
    assert mimic["search"]["budget"]["balance"] == mimic["training"]["balance"] == "classes"
    assert mimic["search"]["selection"]["metric"] == mimic["training"]["metric"] == metric


def test_only_evaluation_reads_the_test_split() -> None:
    made = pipelines("base")
    whole = made["__default__"] + made["compare"]
    readers = {node.name for node in whole.nodes if "mimic.test" in node.inputs}
    scores = {"training.evaluate_model", "compare.evaluate_contenders", "reference.score_references"}
    assert readers == scores | {"reporting.give_verdict"}
    fitted = next(node for node in whole.nodes if node.name == "data.mimic.fit_statistics")
    assert set(fitted.inputs) == {"mimic.train_stays", "mimic.events"}


def test_a_change_of_other_nodes_does_not_stream_the_tables_again() -> None:
    (node,) = (node for node in pipelines("base")["mimic"].nodes if node.name.endswith("extract_events"))
    reached = set(package_code().hashes([f"{node.func.__module__}:{node.func.__name__}"]))
    mimic = {name.rpartition(".")[2] for name in reached if ".mimic." in name}
    assert mimic == {"extraction", "parameters", "sources", "variables"}
    assert not [name for name in reached if name.startswith(("data.table", "training", "models"))]
