"""The graph of MM-IMDB from either source, its parameters, and what a change of code runs again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import graphs
import pytest
from kedro.pipeline import Pipeline

from mixmas_pipeline.config_loader import ProjectConfigLoader
from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES, FilmParameters, PictureParameters, TextParameters
from mixmas_pipeline.utils.code_hash import package_code

ROOT = Path(__file__).parents[4]


def runtime(section: dict[str, Any]) -> dict[str, Any]:
    return {"dataset": "mmimdb", **({"mmimdb": section} if section else {})}


def configuration(env: str, **section: Any) -> ProjectConfigLoader:
    return graphs.configuration(env, **runtime(section))


def pipelines(env: str, **section: Any) -> dict[str, Pipeline]:
    return graphs.pipelines(env, **runtime(section))


@pytest.mark.parametrize(("env", "source"), [("base", "raw"), ("paper", "hdf5")])
def test_everything_is_in_the_catalog_and_versioned(env: str, source: str) -> None:
    made = pipelines(env, input=source)
    config = configuration(env, input=source)
    whole = made["__default__"] + made["compare"] + made["validate_search"]
    graphs.check_outputs(whole, config)
    graphs.check_inputs(whole, config)
    assert f"mmimdb.raw_{'films' if source == 'raw' else 'hdf5'}" in whole.inputs()
    assert {node.namespace for node in made["mmimdb"].nodes} == {"data.mmimdb"}


@pytest.mark.parametrize("env", ["base", "paper", "test"])
def test_parameters_are_valid(env: str) -> None:
    section = configuration(env)["parameters"]["mmimdb"]
    PictureParameters.model_validate(section["pictures"])
    TextParameters.model_validate(section["text"])
    assert FilmParameters.model_validate(section["films"]).genres == GENRES
    assert section["search"]["selection"]["metric"] == section["training"]["metric"] == "f1_weighted"


def test_the_paper_has_a_pinned_encoder_and_never_the_demos_films() -> None:
    catalog = configuration("paper")["catalog"]
    assert len(catalog["mmimdb.encoder"]["revision"]) == 40
    assert catalog["mmimdb.raw_films"]["mirror"] == "mmimdb"
    assert configuration("paper")["parameters"]["mmimdb"]["text"]["max_tokens"] == 512


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"input": "csv"}, r"mmimdb.input: Input should be 'raw' or 'hdf5' \(found: 'csv'\)"),
        ({"film": {}}, r"unknown parameter mmimdb.film:.*did you mean mmimdb.films"),
    ],
)
def test_mistakes_are_named(mistake: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipelines("base", **mistake)


def test_only_evaluation_reads_the_test_split() -> None:
    made = pipelines("base")
    whole = made["__default__"] + made["compare"]
    readers = {node.name for node in whole.nodes if "mmimdb.test" in node.inputs}
    scores = {"training.evaluate_model", "compare.evaluate_contenders", "reference.score_references"}
    assert readers == scores | {"reporting.give_verdict"}


def test_a_change_of_other_nodes_embeds_and_decodes_nothing_again() -> None:
    for name, modules in (
        ("read_raw", {"films", "reading", "parameters"}),  # the class of the files is in films
        ("embed_plots", {"embedding", "parameters"}),
    ):
        (node,) = (node for node in pipelines("base")["mmimdb"].nodes if node.name.endswith(name))
        reached = set(package_code().hashes([f"{node.func.__module__}:{node.func.__name__}"]))
        assert {module.rpartition(".")[2] for module in reached if ".mmimdb." in module} == modules
        assert not [module for module in reached if module.startswith(("data.table", "training", "models"))]
