"""Sections of one's own: what is refused, what is completed, and the graph that follows."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset

from mixmas_pipeline import pipeline_registry
from mixmas_pipeline.config_loader import ProjectConfigLoader
from mixmas_pipeline.settings import CONFIG_LOADER_ARGS

ROOT = Path(__file__).parents[4]
TABLE = {
    "file": "pets.csv",
    "label": "outcome",
    "task": "binary",
    "split": {"fractions": {"validation": 0.15, "test": 0.15}},
    "modalities": {
        "pulse": {"kind": "time_series", "columns": ["hr_*"]},
        "facts": {"kind": "tabular", "columns": ["age", "breed"], "categories": ["breed"]},
        "vector": {"kind": "embedding", "file": "vectors.npy"},
    },
}


def configuration(section: dict[str, Any], name: str = "pets", **others: Any) -> ProjectConfigLoader:
    changes = {"dataset": name, name: section, **others}
    return ProjectConfigLoader(str(ROOT / "conf"), env="base", runtime_params=changes, **CONFIG_LOADER_ARGS)


@cache
def shipped() -> dict[str, Any]:
    loader = ProjectConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)
    return loader["parameters"]


def registered(section: dict[str, Any], name: str = "pets", **others: Any) -> dict[str, Any]:
    pipeline_registry.use_parameters({**shipped(), "dataset": name, name: section, **others})
    try:
        return pipeline_registry.register_pipelines()
    finally:
        pipeline_registry.use_parameters(None)


def test_the_graph_is_in_the_catalog_and_nothing_stays_in_memory() -> None:
    loader = configuration({"table": TABLE, "predict": {"rows": "new.csv", "sources": {"vector": "new.npy"}}})
    catalog, parameters = DataCatalog.from_config(loader["catalog"]), loader["parameters"]
    pipelines = registered({"table": TABLE})
    assert {"pets", "search", "predict"} <= set(pipelines)
    for pipeline in pipelines.values():
        for name in pipeline.all_outputs():
            dataset: Any = catalog.get(name)
            assert not isinstance(dataset, MemoryDataset | None), name
            assert dataset._version is not None, name
        for name in pipeline.inputs():
            if name.startswith("params:"):
                value: Any = parameters
                for key in name.removeprefix("params:").split("."):
                    value = value[key]
            else:
                assert catalog.get(name) is not None, name
    assert "pets.predict.new_rows" in pipelines["predict"].all_outputs()
    assert "vectors.npy" in str(catalog.get("pets.raw_vector"))
    assert "new.npy" in str(catalog.get("pets.predict.raw_vector"))


def test_only_evaluation_reads_the_test_split() -> None:
    """And what looks for copies and leaks, from which nothing but a report of warnings follows."""
    graph = registered({"table": TABLE})["compare"]
    readers = {n.name for n in graph.nodes if "pets.test" in n.inputs}
    checks = {"describe.find_duplicates", "describe.find_leaks"}
    assert readers == {"compare.evaluate_contenders"} | checks
    after = graph.from_nodes(*checks)
    assert {n.name for n in after.nodes} == checks | {"describe.report_checks"}
    nodes = registered({"table": TABLE})["__default__"].nodes
    learning = [n for n in nodes if n.name.endswith(".learn")]
    assert len(learning) == 3
    assert all("pets.data.train_rows" in n.inputs for n in learning)
    assert not [n.name for n in learning if {"pets.data.rows", "pets.data.test_rows"} & set(n.inputs)]


def test_what_is_written_stays_and_the_rest_is_completed() -> None:
    written = {
        "table": TABLE,
        "search": {
            "budget": {"steps": 7},
            "encoders": {"facts": {"hidden_dim": 8, "candidates": {"hyper_mixer": None}}},
        },
        "training": {"max_epochs": 3},
    }
    section = configuration(written)["parameters"]["pets"]
    assert section["search"]["budget"]["steps"] == 7
    assert section["search"]["budget"]["balance"] == "classes"
    assert section["search"]["encoders"]["facts"]["hidden_dim"] == 8
    assert section["training"] | {"max_epochs": 3, "metric": "f1_macro"} == section["training"]
    assert section["table"]["source"] == "pets"
    baseline = section["compare"]["baseline"]
    assert baseline["encoders"]["facts"]["hidden_dim"] == 8, "the baseline follows the search"
    assert baseline["fusion"]["function"] == "concat"
    names = {node.name for node in registered(written)["search"].nodes}
    assert "search.facts.train_mlp_mixer" in names
    assert "search.facts.train_hyper_mixer" not in names
    again = configuration(section)["parameters"]["pets"]
    assert again == section, "what is complete stays as it is"


def test_every_section_may_have_defaults_and_a_misspelt_one_is_named() -> None:
    defaults = {"predict": {"rows": "new.csv"}, "export": {"tolerance": 0.5}, "compare": {"confidence": 0.9}}
    section = configuration({"table": TABLE, "compare": {"confidence": 0.8}}, custom=defaults)["parameters"]["pets"]
    assert section["predict"]["rows"] == "new.csv"
    assert section["export"]["tolerance"] == 0.5
    assert section["compare"]["confidence"] == 0.8, "the data set's own section takes precedence"
    with pytest.raises(ValueError, match=r"unknown parameter custom\.comapre: .*did you mean custom\.compare\?"):
        _ = configuration({"table": TABLE}, custom={"comapre": {}})["parameters"]


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel", "regression"])
def test_metrics_follow_the_task(task: str) -> None:
    label = {"label": ["a", "b"]} if task in ("multilabel", "regression") else {}
    section = configuration({"table": {**TABLE, "task": task, **label}})["parameters"]["pets"]
    metric = {"multiclass": "accuracy", "binary": "f1_macro", "multilabel": "f1_weighted", "regression": "r2"}[task]
    assert section["search"]["selection"]["metric"] == section["training"]["metric"] == metric
    assert registered({"table": {**TABLE, "task": task, **label}})["compare"]


def test_one_modality_has_no_fusion() -> None:
    one = {**TABLE, "modalities": {"facts": {"kind": "tabular", "columns": "*"}}}
    pipelines = registered({"table": one})
    assert not [n.name for n in pipelines["compare"].nodes if "fusion" in n.name]


def changed(**changes: Any) -> dict[str, Any]:
    return {**TABLE, **changes}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (changed(lable="x"), r"pets.table.lable: Extra inputs are not permitted .*did you mean label"),
        (changed(modalities={"facts": {"kind": "tabula", "columns": "*"}}), "pets.table.modalities.facts"),
        (
            changed(modalities={"facts": {"kind": "tabular", "colums": ["a"]}}),
            "pets.table.modalities.facts.colums: Extra inputs",
        ),
        (changed(sheet="a"), "sheet is only used where the file ends in .xlsx, .xlsm; found pets.csv"),
        (
            changed(file="https://ann:pw@example.org/a.xlsx?key=S3CRET", query="select 1"),
            "query is only used where the file ends in .sqlite, .*; found https://example.org/a.xlsx ",
        ),
        (changed(split={}), "expected exactly one of column, fractions; found none"),
        (changed(split={"fractions": {"validation": 0.5, "test": 0.5}}), "leave nothing to train on"),
        (changed(split={"column": "a", "values": {"train": ["x"]}}), "expected train, validation and test"),
        (changed(label=["a", "b"]), "label names 2 columns; a binary task has one"),
        (changed(task="multilabel"), "labels_separator is for a multilabel task whose labels are in one column"),
        (changed(task="multiclass", positive="x"), "positive is only used with task: binary"),
        (changed(classes=["a", "b", "c"]), "a binary task has 2 classes"),
        (changed(classes=["a", "a"]), "repeats one"),
        (
            changed(modalities={"v": {"kind": "time_series", "array": "v"}}),
            "array is only used where the table's file is a .npz",
        ),
        (changed(modalities={"v": {"kind": "time_series"}}), "exactly one of columns, groups, array, file; found none"),
        (
            changed(modalities={"v": {"kind": "time_series", "file": "v.csv", "columns": ["a"]}}),
            "id is needed with file",
        ),
        (
            changed(
                modalities={
                    "v": {"kind": "time_series", "file": "v.csv", "columns": ["a"], "id": "i", "time": "t", "steps": 3}
                }
            ),
            "joined by id; expected table.id",
        ),
        (changed(modalities={"v": {"kind": "embedding", "file": "a", "array": "b"}}), "found array and file"),
    ],
)
def test_tables_that_are_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        registered({"table": table})


def test_sections_that_are_refused() -> None:
    with pytest.raises(ValueError, match="'Pets' cannot name a data set: expected small letters"):
        registered({"table": TABLE}, "Pets")
    with pytest.raises(ValueError, match="'search' cannot name a data set: it is taken"):
        registered({"table": TABLE}, "search")
    with pytest.raises(ValueError, match="the parameter 'dataset' is 'pets'; its section has no table, but 'tabel'"):
        registered({"tabel": TABLE})
    with pytest.raises(ValueError, match="did you mean pets"):
        registered({"table": TABLE}, dataset="pet")
    with pytest.raises(ValueError, match=r"unknown parameter pets.serch: .*did you mean pets.search"):
        registered({"table": TABLE, "serch": {}})
    with pytest.raises(ValueError, match=r"pets\.search\.budget\.step: Extra inputs"):
        registered({"table": TABLE, "search": {"budget": {"step": 3}}})
    with pytest.raises(ValueError, match=r"pets.predict.sources names 'facts'; .*\['vector'\]"):
        registered({"table": TABLE, "predict": {"sources": {"facts": "x"}}})


def test_a_mistake_in_another_section_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert "pets" not in registered({"table": {**TABLE, "task": "what"}}, dataset="avmnist")
    assert "There is no pipeline 'pets'" in caplog.text


def test_new_rows_may_come_as_arrays() -> None:
    for rows, own in (("x.csv", True), ("x.parquet", True), ("x.npz", False), ("x.arrow", False)):
        predict = {"rows": rows, "sources": {"vector": "new.npy"}}
        outputs = registered({"table": TABLE, "predict": predict})["predict"].all_outputs()
        assert ("pets.predict.new_rows" in outputs) == own
    predict = {"rows": "x.npz", "sources": {"vector": "new.npy"}}
    arrays = registered({"table": {**TABLE, "file": "pets.npz"}, "predict": predict})
    assert "pets.predict.new_rows" in arrays["predict"].all_outputs()
    own = registered({"table": {**TABLE, "file": "pets.ARROW"}, "predict": {**predict, "rows": "x.arrow"}})
    assert "pets.predict.new_rows" in own["predict"].all_outputs()
    with pytest.raises(ValueError, match=r"pets.predict.sources has no 'vector': the rows of vectors.npy are those of"):
        registered({"table": TABLE, "predict": {"rows": "x.csv"}})


def test_more_combinations_than_can_be_listed_make_no_pipeline() -> None:
    """Six modalities have 4^6 encoders times 5 functions times 3 networks."""
    modalities = {f"view{i}": {"kind": "tabular", "columns": [f"v{i}_*"]} for i in range(6)}
    section = {"table": {**TABLE, "modalities": modalities}}
    assert "validate_search" not in registered(section)
    reason = pipeline_registry.why_left_out("validate_search")
    assert reason is not None
    assert "61,440 combinations fully; name candidates in pets.validate_search.space" in reason
    few = {f"view{i}": ["linear"] for i in range(5)}
    assert "validate_search" in registered({**section, "validate_search": {"space": few}})
    assert pipeline_registry.why_left_out("validate_search") is None


def test_a_run_says_why_there_is_no_such_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    from kedro.framework.session import KedroSession

    from mixmas_pipeline.session import ReusingSession

    def run(self: KedroSession, *args: Any, **kwargs: Any) -> None:
        raise ValueError("Failed to find the pipeline")

    monkeypatch.setattr(KedroSession, "run", run)
    monkeypatch.setattr("mixmas_pipeline.session.why_left_out", {"validate_search": "too many"}.get)
    session = ReusingSession.__new__(ReusingSession)
    with pytest.raises(ValueError, match="too many"):
        session.run(pipeline_names=["validate_search"])
    with pytest.raises(ValueError, match="Failed to find"):
        session.run(pipeline_names=["serach"])
