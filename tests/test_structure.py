"""Properties of the graph, the catalog and the modules that hold by construction and must go on holding."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from graphs import check_inputs, check_outputs, configuration, pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from project_runs import ROOT, kedro, make_project

SOURCE = ROOT / "src" / "mixmas_pipeline"
ENVIRONMENTS = ["base", "paper", "test"]


def all_pipelines(env: str) -> Pipeline:
    return sum(pipelines(env).values(), Pipeline([]))


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_no_output_is_memory_only_and_every_one_is_versioned(env: str) -> None:
    check_outputs(all_pipelines(env), configuration(env))


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_input_is_in_the_catalog(env: str) -> None:
    check_inputs(all_pipelines(env), configuration(env))


@pytest.mark.parametrize("choice", ["linear", "trees", "recommended"])
def test_every_model_that_can_be_used_is_in_the_catalog(choice: str) -> None:
    section = {"predict": {"model": choice}, "export": {"model": choice}}
    made = pipelines("base", avmnist=section)
    for name in ("predict", "export"):
        check_inputs(made[name], configuration("base", avmnist=section))
        inputs = made[name].inputs()
        assert ("avmnist.model" in inputs) == (choice == "recommended")
        assert {f"avmnist.reference.{kind}_refitted" for kind in ("linear", "trees")} & inputs
        assert not {"avmnist.search.sampling", "avmnist.leaderboard"} & inputs or choice == "recommended"


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_data_roots_differ(env: str) -> None:
    roots = [configuration(other)["globals"]["data_root"] for other in ENVIRONMENTS]
    assert len(set(roots)) == len(ENVIRONMENTS)


def test_only_evaluation_reads_the_test_split() -> None:
    """Search, tuning and training cannot be tuned on what they cannot see: not by a detour either."""
    everything = all_pipelines("base")
    readers = {n.name for n in everything.nodes if "avmnist.test" in n.inputs}
    looks = {f"describe.{name}" for name in ("measure_tables", "find_duplicates", "find_leaks")}
    scores = {"training.evaluate_model", "compare.evaluate_contenders", "reference.score_references"}
    assert readers == scores | {"reporting.give_verdict"} | looks
    after = {node.name for node in everything.from_nodes(*readers).nodes} - readers
    drawn = {f"reporting.{name}" for name in ("draw_model", "draw_mistakes", "draw_patterns", "write_report")}
    drawn |= {"reporting.draw_references"}
    used = {"predict.predict_new_rows", "predict.draw_contributions"}  # what is finished
    used |= {"export.assemble"}
    told = {f"describe.{name}" for name in ("conclude", "write_page")}  # and nothing is measured or chosen
    assert after == drawn | {"compare.draw_comparison"} | used | told
    search = pipelines("base")["search"]
    after_data = [node for node in search.nodes if node.namespace.startswith("search")]
    assert not [n.name for n in after_data if {"avmnist.test", "avmnist.validation"} & set(n.inputs)]


def test_contenders_get_the_same_data_settings_and_tuning() -> None:
    """Tuning and training have the same inputs but for the contender's own, and the test split is not one."""
    given: dict[str, set[frozenset[str]]] = {"tune": set(), "train_seeds": set()}
    for node in all_pipelines("base").nodes:
        if (step := node.name.rpartition(".")[2]) in given:
            own = f"avmnist.{node.namespace}."
            given[step].add(frozenset(name for name in node.inputs if not name.startswith(own)))
    common = {"avmnist.train", "avmnist.validation", "params:avmnist.training", "params:checkpoints"}
    rates = {f"params:avmnist.compare.{name}" for name in ("learning_rates", "tuning_seed")}
    seeds = {"params:avmnist.compare.seeds"}
    assert given == {"tune": {frozenset(common | rates)}, "train_seeds": {frozenset(common | seeds)}}


def test_reference_contenders_are_fitted_on_the_training_split_only() -> None:
    """As the weights of networks are. The linear model does not depend on the seeds; trees do."""

    def fits(env: str) -> dict[str, set[str]]:
        nodes = pipelines(env)["compare"].nodes
        return {n.name: set(n.inputs) for n in nodes if n.name.startswith("compare.") and ".fit_" in n.name}

    common = {"avmnist.train", "params:avmnist.reference", "params:avmnist.training.balance"}
    seeds = {"params:avmnist.compare.seeds"}
    assert fits("base") == {"compare.linear.fit_linear": common, "compare.trees.fit_trees": common | seeds}
    assert fits("paper") == {}


def test_validation_trains_every_combination_and_the_space_decides() -> None:
    """3 x 3 encoders, 4 functions, 2 networks; no combination twice, none left out."""
    functions, networks = ["concat", "max", "mean", "sum"], ["mlp_mixer", "hyper_mixer"]
    whole = {"validate_search": {"space": {"fusion_function": functions, "fusion_network": networks}}}

    def trained(**runtime: object) -> set[str]:
        nodes = pipelines("base", **runtime)["validate_search"].nodes
        return {n.name.removeprefix("validate_search.truth.train_") for n in nodes if ".truth.train_" in n.name}

    assert len(trained(avmnist=whole)) == 3 * 3 * 4 * 2
    assert "ramlp__mlp_mixer__max__hyper_mixer" in trained(avmnist=whole)
    assert trained() < trained(avmnist=whole)
    narrow = {"validate_search": {"space": {"image": ["ramlp"], "fusion_function": ["max", "sum"]}}}
    assert trained(avmnist=narrow) == {
        f"ramlp__{audio}__{function}__mlp_mixer"
        for audio in ("mlp_mixer", "hyper_mixer", "ramlp")
        for function in ("max", "sum")
    }


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"validate_search": {"space": {"video": ["ramlp"]}}}, r"validate_search.space: unknown stage 'video'"),
        ({"validate_search": {"space": {"image": ["rmlp"]}}}, r"unknown candidate 'rmlp': expected some of mlp_mixer"),
        ({"validate_search": {"space": {"fusion_function": ["mx"]}}}, r"unknown fusion function 'mx'"),
        ({"validate_search": {"truth": {"epoch": 3}}}, r"avmnist.validate_search.truth.epoch: Extra inputs"),
        ({"validate_search": {"proxy": {"rows": []}}}, r"avmnist.validate_search.proxy.rows"),
        ({"compare": {"baseline": "m2"}}, r"avmnist.compare.baseline: .*unknown preset 'm2'"),
        ({"compare": {"baseline": "m2_mixer_mimic"}}, r"compare.baseline has encoders of \['static', 'time_series'\]"),
        ({"compare": {"baseline": {"fusion": {"functon": "max"}}}}, r"avmnist.compare.baseline.fusion.functon: Extra"),
        ({"validate_search": {"space": {"image": []}}}, r"avmnist.validate_search.space.image"),
        ({"validate_search": {"space": {"image": ["ramlp", "ramlp"]}}}, r"repeats one"),
        ({"validate_search": {"proxy": {"seeds": [2, 2]}}}, r"avmnist.validate_search.proxy.seeds: .*repeats one"),
        ({"compare": {"seeds": [1]}}, r"avmnist.compare.seeds"),
        ({"compare": {"sead": [1, 2]}}, r"avmnist.compare.sead"),
    ],
)
def test_mistakes_in_the_parameters_are_named_at_once(section: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipelines("base", avmnist=section)


def test_one_node_a_candidate_and_the_space_decides() -> None:
    def trained(**runtime: object) -> set[str]:
        nodes = pipelines("base", **runtime)["search"].nodes
        return {n.name.removeprefix("search.") for n in nodes if ".train_" in n.name}

    base = trained()
    assert {"image.train_ramlp", "audio.train_hyper_mixer", "fusion_function.train_sum"} <= base
    space = {"encoders": {"image": {"candidates": {"ramlp": None}}}}
    assert base - trained(avmnist={"search": space}) == {"image.train_ramlp"}
    wide = {"block": "monarch_mixer", "channel_dim": 512}
    space = {"encoders": {"audio": {"candidates": {"monarch": wide}}}}
    assert trained(avmnist={"search": space}) - base == {"audio.train_monarch"}


def test_namespaces_begin_with_the_pipeline() -> None:
    """kedro-viz draws a box per first word."""
    assert {node.namespace for node in all_pipelines("base").nodes} == {
        "data.avmnist",
        "data.mimic",
        "data.mmimdb",
        "describe",
        "search",
        "search.image",
        "search.audio",
        "search.fusion_function",
        "search.fusion_network",
        "training",
        "reference",
        "reporting",
        "predict",
        "export",
        "compare",
        *(f"compare.{name}" for name in ("baseline", "searched", "image_alone", "audio_alone", "linear", "trees")),
        "validate_search",
        "validate_search.truth",
        "validate_search.search",
    }


def test_layers_have_an_order() -> None:
    """kedro-viz drops all layers when data sets of two layers depend on each other both ways."""
    import networkx

    pipeline = all_pipelines("base")
    catalog = DataCatalog.from_config(configuration("base")["catalog"])

    def layer(name: str) -> str | None:
        metadata = None if name.startswith("params:") else catalog.get(name).metadata  # type: ignore[union-attr]
        return metadata["kedro-viz"]["layer"] if metadata else None

    graph = networkx.DiGraph()
    for node in pipeline.nodes:
        for source in filter(None, map(layer, node.inputs)):
            graph.add_edges_from((source, target) for target in map(layer, node.outputs) if target != source)
    assert next(networkx.topological_sort(graph)) == "raw"
    assert None not in graph


@pytest.mark.parametrize("name", ["holdout", "Big Block", "a.b", "fusion_network"])
def test_candidate_names_that_would_clash_are_refused(name: str) -> None:
    candidates = {name: {"block": "mlp_mixer", "channel_dim": 8}}
    with pytest.raises(ValueError, match="cannot name a candidate"):
        pipelines("base", avmnist={"search": {"encoders": {"image": {"candidates": candidates}}}})


def test_pipelines_are_made_without_heavy_imports() -> None:
    code = (
        "import sys; from mixmas_pipeline.pipeline_registry import register_pipelines; register_pipelines();"
        "heavy = 'torch transformers pytorch_lightning sklearn "
        "matplotlib scipy pandas pyarrow duckdb PIL plotly'.split();"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_registry_list_and_describe(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    listed = kedro(project, "registry", "list")
    assert listed.returncode == 0
    for name in (
        "__default__",
        "avmnist",
        "search",
        "training",
        "reference",
        "reporting",
        "compare",
        "validate_search",
    ):
        assert f"- {name}" in listed.stdout


def test_no_parameter_that_becomes_a_model_is_inside_another() -> None:
    """Kedro makes models of what nodes' type hints name, of all pipelines whatever is run, and cannot set a part of
    what is a model already."""
    from kedro.validation.type_extractor import TypeExtractor

    from mixmas_pipeline.pipeline_registry import register_pipelines

    keys = TypeExtractor(register_pipelines()).extract_types_from_pipelines()
    assert keys
    assert [(outer, key) for outer in keys for key in keys if key.startswith(f"{outer}.")] == []
