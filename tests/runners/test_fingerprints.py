"""Fingerprints follow meaning: an edit makes exactly those nodes run again whose numbers it can change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import probes
import pytest
from code_edits import AUDIO, IMAGE, NETWORK, Demo, Edit, blocks_of, function_of
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node
from planted import planted
from tracing import traced

from mixmas_pipeline.models.blocks import BLOCKS
from mixmas_pipeline.runners import fingerprints
from mixmas_pipeline.runners.fingerprints import Fingerprint, code_references, fingerprint
from mixmas_pipeline.utils.code_hash import PACKAGE, SILENT, package_code
from mixmas_pipeline.utils.resources import ComputeParameters

# What trains candidates, and what trains whole models. The estimate of a search's cost times both.
TRIALS = {"search.train_candidate", "search.finish_candidate"}
TRIALS |= {"validate_search.train_combination", "validate_search.search_within_budget", "describe.estimate_cost"}
MEMBERS = {"training.train_member", "training.finish_member"}
TRAININGS = MEMBERS | {"compare.tune", "compare.train_seeds", "describe.estimate_cost"}
TRAINS = TRIALS | TRAININGS
# What makes architectures. All but the last two match candidates in parameters.
MATCHES = {"search.propose_encoders", "search.propose_fusion_networks", "describe.plan_search"}
MATCHES |= {"validate_search.enumerate_combinations", "validate_search.search_within_budget"}
PROPOSES = MATCHES | {"search.propose_fusion_functions", "compare.propose_contenders"}
ANSWERS = {"training.evaluate_model", "compare.evaluate_contenders", "predict.predict_new_rows"}
EXPORTS = {"export.convert", "export.assemble"}
DRAWS_ARCHITECTURE = {"reporting.draw_architecture", "export.assemble"}
BUILDS = TRAINS | PROPOSES | ANSWERS | EXPORTS | DRAWS_ARCHITECTURE | {"training.combine_members"}
SELECTS = {"search.decide", "search.choose", "validate_search.search_within_budget"}
SCORES = TRAINS | SELECTS | {"training.evaluate_model", "compare.evaluate_contenders", "export.assemble"}
SAMPLES = {"search.sample_for_search", "describe.plan_search", "describe.estimate_cost"}
SPLITS = SAMPLES | {"validate_search.draw_truth_rows", "validate_search.search_within_budget", "mimic.split_patients"}
CHECKS = {"search.check_parameters", "describe.plan_search"}
# The reference models: fitted, scored, compared with the network.
FITS = {f"reference.{name}" for name in ("fit_linear", "fit_trees", "refit_linear", "refit_trees")}
FITS |= {"compare.fit_linear", "compare.fit_trees"}
SCORES_THEM = "reference.score_references"
# What divides the rows of an ensemble's members, fits its references, and weighs all of them.
DIVIDES, WEIGHS = "training.divide", "training.combine_members"
FITS |= {f"training.fit_{kind}_member" for kind in ("linear", "trees")}
# An ensemble may have references: what saves or loads a model can load them.
MODELS = ANSWERS | EXPORTS | MEMBERS | {"compare.train_seeds", WEIGHS}
JUDGES = {SCORES_THEM, "reference.give_verdict"}
# They use the class of a task, some methods of which score.
USE_TASKS = {"search.check_parameters", "describe.plan_search", "reporting.draw_examples", "reporting.draw_mistakes"}
USE_TASKS |= {"predict.predict_new_rows"}
DRAWS = {"reporting.draw_search", "reporting.draw_model", "reporting.draw_patterns", "compare.draw_comparison"}
DRAWS |= {"reporting.draw_references"}
DRAWS |= {"predict.draw_contributions", "validate_search.draw_agreement", "describe.conclude"}
DRAWS_EXAMPLES = {"reporting.draw_examples", "reporting.draw_mistakes"}
PICTURES = {"reporting.draw_architecture", "reporting.write_report"} | DRAWS_EXAMPLES

# No node runs again.
NEVER = [
    Edit("log text", "training/lightning_module.py", '"trained for %d epochs, %s"', '"trained %d epochs, %s"'),
    Edit("log text of a trial", "pipelines/search/trials.py", "%.1f s per seed", "%.1f s a seed"),
    Edit("log level", "pipelines/search/nodes.py", '_log.info("%s is dropped', '_log.warning("%s is dropped'),
    Edit("docstring", "training/loss.py", '"""The loss above.', '"""The loss.'),
    Edit("comment", "training/trial.py", "# Dropout draws", "# It draws"),
    Edit("layout", "training/batches.py", "    return pieces\n", "\n    return (pieces)\n"),
    Edit("preview of a document", "datasets/contents.py", "PREVIEW_ROWS = 40", "PREVIEW_ROWS = 50"),
    Edit("preview of a table", "datasets/previews.py", 'if getattr(value, "ndim", 0):', "if value:"),
    Edit("preview of a model", "datasets/model.py", "b64encode(load_obj(self._drawing)", "b64encode(bytes()"),
    Edit("preview of a file", "datasets/atomic_file.py", "return show(path) if", "return None if"),
    Edit("help text", "cli/prune.py", "Environment whose data root is pruned.", "The environment."),
    Edit("progress text of a trial", "training/trial.py", "step {done} of {steps}", "step {done} / {steps}"),
    Edit(
        "progress text of a training", "training/lightning_module.py", "of at most {epochs}, step", "of {epochs}, step"
    ),
    Edit("progress text of a node", "pipelines/compare/evaluation.py", '"Scoring models"', '"Scoring"'),
    Edit("progress event", "training/ensembling.py", 'PartStarted("training", 1, 1)', 'PartStarted("all", 1, 1)'),
    Edit("progress", "utils/progress.py", "_EVENT_INTERVAL = 0.5", "_EVENT_INTERVAL = 0.25"),
    Edit("summary table", "hooks/summary.py", "_WIDTH = 130", "_WIDTH = 120"),
    Edit("tracking", "hooks/tracking.py", '"leaderboard", "patterns", "comp', '"patterns", "comp'),
    Edit("runner's loop", "runners/reusing.py", "RERUNS = 2", "RERUNS = 3"),
    Edit("retention", "storage/retention.py", "version.version, reverse=True)", "version.version, reverse=False)"),
    Edit("save", "storage/paths.py", "return path.read_bytes() if", "return path.open('rb').read() if"),
    Edit("atomic save", "datasets/atomic.py", "self._write(partial, data))", "self._write(partial, data), 1)"),
    Edit("repr", "data/table.py", "def __repr__(self) -> str:", "def __repr__(self) -> str:\n        print(1)"),
    Edit("extra_repr", "models/blocks/layers.py", 'return f"p={self.p}"', 'return f"probability={self.p}"'),
    Edit("wiring", "pipelines/search/pipeline.py", 'name="conclude"', 'name="end"'),
    Edit(
        "another block", "models/blocks/__init__.py", '    "mlp":', '    "new": "mixmas_pipeline.new:New",\n    "mlp":'
    ),
    Edit("resume of embeddings", "storage/retention.py", '_FINISHED = "finished"', '_FINISHED = "done"'),
]
# Nodes that draw, write or export run again. None trains.
SHOWN = [
    Edit("box colour", "plots/style.py", '"data": "#f1f1f1"', '"data": "#f2f2f2"', DRAWS_ARCHITECTURE),
    Edit("arrow of the drawing", "plots/architecture.py", "0.19 * len", "0.2 * len", DRAWS_ARCHITECTURE),
    Edit("palette of figures", "plots/style.py", '"#2f6db5"', '"#2f6db6"', DRAWS),
    Edit("look of figures", "plots/style.py", '"plotly_white"', '"plotly_dark"', DRAWS),
    Edit("confusion figure", "plots/training.py", '"found", "missed"', '"hit", "missed"', {"reporting.draw_model"}),
    Edit("report page", "pipelines/reporting/page.py", "max-width: 1180px", "x: 1px", {"reporting.write_report"}),
    Edit("description page", "pipelines/describe/page.py", "<h2>Findings", "<h2>Found", {"describe.write_page"}),
    Edit("card text", "pipelines/export/card.py", "## Intended use", "## Use", {"export.assemble"}),
    Edit("card of a reference", "pipelines/export/reference_card.py", "## How it was", "## How", {"export.assemble"}),
    Edit("export default", "pipelines/export/parameters.py", "Positive = 1e-4", "Positive = 1e-3", EXPORTS),
    Edit("durations in words", "utils/durations.py", "{whole} s", "{whole} sec", {"describe.write_page"}),
    Edit("caption of an example", "plots/examples.py", 'f"no {name}"', 'f"without {name}"', DRAWS_EXAMPLES),
    Edit("file of a picture", "datasets/png.py", "path.write_bytes(data)", "path.write_bytes(data + data)", PICTURES),
]
# What can change a number.
MEANT = [
    Edit(
        "layer shared by blocks",
        "models/blocks/layers.py",
        "(dim, hidden), nn.GELU()",
        "(dim, hidden), nn.ReLU()",
        BUILDS,
    ),
    Edit("tokeniser", "models/tokenisers.py", "x.permute(0, 2, 4, 1, 3, 5)", "x.permute(0, 4, 2, 1, 3, 5)", BUILDS),
    Edit("fusion rule", "models/fusion.py", "else union | mask", "else union & mask", BUILDS),
    Edit(
        "mean of a head",
        "models/encoder.py",
        "weights.sum(dim=1).clamp(min=1)",
        "weights.sum(dim=1).clamp(min=2)",
        BUILDS,
    ),
    Edit("weights of an ensemble", "training/ensembling.py", "_WEIGHTS = 0.1", "_WEIGHTS = 0.2", {WEIGHS}),
    Edit(
        "size of a small table",
        "training/ensembling.py",
        "SMALL_ROWS, SMALL_BYTES = 5000",
        "SMALL_ROWS, SMALL_BYTES = 9000",
        {DIVIDES, "describe.estimate_cost"},
    ),
    Edit(
        "rows of a member",
        "training/ensembling.py",
        "_rows_where(~inside, train",
        "_rows_where(inside, train",
        MEMBERS,
    ),
    Edit(
        "folds",
        "training/folds.py",
        "stratified_split(strata, sizes[1:], seed)",
        "stratified_split(strata, sizes[1:], 0)",
        FITS | {DIVIDES},
    ),
    Edit("loss", "training/loss.py", "(1 - weight) / len(auxiliary)", "(2 - weight) / len(auxiliary)", TRAINS),
    Edit("optimiser", "training/optimiser.py", "torch.optim.AdamW(", "torch.optim.Adam(", TRAINS),
    Edit("schedule", "training/optimiser.py", "0.5 * (1 + math.cos", "0.4 * (1 + math.cos", TRAINS),
    Edit(
        "batch order",
        "training/batches.py",
        "seed * 1_000_003",
        "seed * 1_000_033",
        TRAINS | {"validate_search.lay_out_budgets"},  # it counts the batches of an epoch
    ),
    Edit("loss curve", "training/loss_curve.py", "_POINTS = 40", "_POINTS = 50", TRIALS),
    Edit("early stopping", "training/checkpoints.py", "self.wait_count >= self", "self.wait_count > self", TRAININGS),
    Edit("modality dropout", "training/modality_dropout.py", "draws >= dropout", "draws > dropout", TRAINS),
    Edit("augmentation", "training/augmentation.py", "- shifts).clamp", "+ shifts).clamp", TRAINS),
    Edit("mixup", "training/mixup.py", "(x != 0).any(dim=-1, keepdim=True) & (", "(", TRAINS),
    Edit("smoothed labels", "training/mixup.py", "+ smoothing / 2", "+ smoothing / 3", TRAINS),
    Edit("averaged weights", "training/averaging.py", "return min(decay", "return max(decay", TRAINS),
    Edit("share of a blend", "training/recipe.py", "draws.beta(recipe", "draws.gamma(recipe", TRAINS),
    Edit("weight decay of vectors", "training/optimiser.py", "(vectors, 0.0)", "(vectors, 0.1)", TRAINS),
    Edit(
        "least number of steps",
        "training/batches.py",
        "max(1, math.ceil(parameters.min_steps",
        "max(2, math.ceil(parameters.min_steps",
        TRAININGS,
    ),
    Edit(
        "present mask",
        "evaluation/presence.py",
        "mask |= table.present",
        "mask &= table.present",
        TRAINS | SELECTS | {"compare.evaluate_contenders"},
    ),
    Edit("restriction to rows", "evaluation/presence.py", "if rows.all():", "if rows.any():", TRAINS | SELECTS),
    Edit(
        "metric",
        "evaluation/metrics.py",
        "f1 = 2 * hits / np.maximum(support",
        "f1 = hits / np.maximum(support",
        SCORES | USE_TASKS | JUDGES,
    ),
    Edit("chance", "evaluation/significance.py", "float(np.std(shuffled))", "float(np.var(shuffled))", SELECTS),
    Edit(
        "noise of a difference",
        "evaluation/significance.py",
        "np.std(by_seed, ddof=1)",
        "np.std(by_seed, ddof=0)",
        SELECTS | {"compare.evaluate_contenders"},
    ),
    Edit(
        "thresholds",
        "evaluation/metrics.py",
        "f1 >= f1.max() - 1e-12",
        "f1 >= f1.max()",
        {"training.evaluate_model"},
    ),
    Edit(
        "input statistics",
        "training/statistics.py",
        "max(count, 1) - mean**2",
        "max(count - 1, 1) - mean**2",
        MATCHES - {"search.propose_fusion_networks"} | {"compare.propose_contenders", DIVIDES},
    ),
    Edit(
        "sampling",
        "data/sampling.py",
        "rng.permutation(rows)",
        "rng.permutation(rows)[::-1]",
        SPLITS | FITS | {DIVIDES},
    ),
    Edit(
        "strata",
        "evaluation/strata.py",
        "_RANGES = 10",
        "_RANGES = 20",
        SPLITS - {"mimic.split_patients"}
        | {"describe.measure_tables", "describe.find_leaks", "reporting.draw_examples"}
        | {"export.assemble"}  # the card counts the rows of each
        | FITS
        | {DIVIDES},
    ),
    Edit(
        "sample size",
        "data/sampling.py",
        "n = z**2 * p",
        "n = z * p",
        SAMPLES | {"validate_search.lay_out_budgets"},
    ),
    Edit(
        "tie rule",
        "pipelines/search/selection.py",
        "<= tie * errors",
        "< tie * errors",
        {"search.choose", "validate_search.search_within_budget"},
    ),
    Edit(
        "price of a candidate",
        "pipelines/search/selection.py",
        "return result.flops, result.para",
        "return result.para",
        {"search.choose", "validate_search.search_within_budget"},
    ),
    Edit("elimination", "pipelines/search/selection.py", "> behind * error", ">= behind * error", {"search.decide"}),
    Edit(
        "end of a stage",
        "pipelines/search/nodes.py",
        "len(left) > 1 else ()",
        "len(left) > 2 else ()",
        {"search.decide"},
    ),
    Edit("leaderboard", "pipelines/search/tables.py", "ascending=[False,", "ascending=[True,", {"search.choose"}),
    Edit(
        "features of a reference",
        "models/reference.py",
        "4 if side >= 32",
        "4 if side >= 40",
        FITS | MODELS | {SCORES_THEM},
    ),
    Edit("fit of a reference", "training/references.py", "_STEPS = 200", "_STEPS = 100", FITS),
    Edit(
        "interval of a score",
        "evaluation/intervals.py",
        "CONFIDENCE = 0.95",
        "CONFIDENCE = 0.9",
        JUDGES | {"training.evaluate_model"},
    ),
    Edit(
        "verdict",
        "pipelines/reference/verdict.py",
        '"level": "neither clearly',
        '"level": "neither',
        {"reference.give_verdict"},
    ),
    Edit(
        "reference contender",
        "pipelines/compare/contenders.py",
        "reference, balance, seed))",
        "reference, balance, 0))",
        {"compare.fit_linear", "compare.fit_trees"},
    ),
    Edit(
        "choice of a model",
        "pipelines/reference/chosen.py",
        "if verdict is None:",
        "if not verdict:",
        EXPORTS | {"predict.predict_new_rows"},
    ),
    Edit("matching", "models/cost.py", "_WIDEST = 1 << 17", "_WIDEST = 1 << 16", MATCHES),
    Edit(
        "cost",
        "models/cost.py",
        "counter.get_total_flops()",
        "2 * counter.get_total_flops()",
        PROPOSES | EXPORTS | DRAWS_ARCHITECTURE,
    ),
    Edit(
        "preset",
        "models/presets.py",
        "Patches(patch=14), 128",
        "Patches(patch=14), 64",
        {"compare.propose_contenders", "compare.evaluate_contenders"},  # the latter checks the baseline's name
    ),
    Edit("mistakes", "pipelines/training/evaluation.py", "MISTAKES = 12", "MISTAKES = 20", {"training.evaluate_model"}),
    Edit(
        "interval",
        "pipelines/compare/evaluation.py",
        "(1 + compare.conf",
        "(2 + compare.conf",
        {"compare.evaluate_contenders"},
    ),
    Edit(
        "agreement",
        "pipelines/validate_search/agreement.py",
        '"spread": float(np.std(result.scores, ddof=1))',
        '"spread": float(np.std(result.scores, ddof=0))',
        {"validate_search.measure_agreement"},
    ),
    Edit("spectrogram", "data/sound.py", "torch.hann_window", "torch.hamming_window", {"avmnist.build_table"}),
    Edit(
        "pairing",
        "pipelines/data/avmnist/nodes.py",
        "default_rng(pairing.seed)",
        "default_rng(1)",
        {"avmnist.pair_digits"},
    ),
    Edit(
        "check of the alignment",
        "pipelines/data/avmnist/nodes.py",
        "counts[least] < 0.5 *",
        "counts[least] < 0.4 *",
        {"avmnist.build_table"},
    ),
    Edit("silence", "pipelines/data/avmnist/sound.py", "float = 0.01", "float = 0.02", {"avmnist.resample_clips"}),
    Edit(
        "text embedding",
        "data/text_embedding.py",
        "states[keep].float()",
        "states[keep].half()",
        {"mmimdb.embed_plots"},
    ),
    Edit(
        "rows in a file",
        "storage/memory_maps.py",
        "np.ascontiguousarray(rows, dtype=self._dtype).data",
        "np.ascontiguousarray(rows, dtype=self._dtype)[::-1].data",
        {"mmimdb.read_raw", "mmimdb.embed_plots", "mmimdb.build_table"},
    ),
    Edit(
        "default of training",
        "training/parameters.py",
        "patience: int = Field(ge=1)",
        "patience: int = Field(3, ge=1)",
        TRAININGS | CHECKS | {DIVIDES, WEIGHS, "training.choose_epochs", "training.evaluate_model"},
    ),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return Demo(tmp_path_factory.mktemp("demo"))


@pytest.mark.parametrize("edit", [*NEVER, *SHOWN, *MEANT], ids=lambda edit: edit.name)
def test_an_edit_runs_exactly_these_nodes_again(edit: Edit, demo: Demo) -> None:
    assert demo.functions(demo.changed(edit)) == edit.changed


def test_what_shows_results_trains_nothing_again() -> None:
    assert not {name for edit in (*NEVER, *SHOWN) for name in edit.changed} & TRAINS


@pytest.mark.parametrize(
    ("block", "old", "new"),
    [
        ("ramlp", "x + self.channel_mixing", "x - self.channel_mixing"),
        ("hyper_mixer", "second @ summary", "second @ -summary"),
        ("mlp_mixer", "x + self.channel_mixing", "x - self.channel_mixing"),
    ],
)
def test_a_blocks_formula_trains_again_what_has_the_block(block: str, old: str, new: str, demo: Demo) -> None:
    changed = demo.changed(Edit(block, f"models/blocks/{block}.py", old, new))
    trained = {node.name: node for node in demo.nodes if function_of(node) in TRAINS | ANSWERS}
    expected = {name for name, node in trained.items() if block in {b for i in node.inputs for b in blocks_of(i)}}
    expected |= {name for name in trained if name.endswith("describe.estimate_cost")}  # all of the search space
    assert changed & set(trained) == expected
    assert set() < expected < set(trained)


def test_the_samples_of_the_edits_are_as_they_say() -> None:
    assert blocks_of("avmnist.search.image.ramlp_architecture") == ["ramlp"]
    assert blocks_of("avmnist.model") == [IMAGE, AUDIO, NETWORK]
    combination = "avmnist.validate_search.truth.ramlp__hyper_mixer__max__mlp_mixer_architecture"
    assert blocks_of(combination) == ["ramlp", "hyper_mixer", "mlp_mixer"]
    assert blocks_of("avmnist.train") == []


def test_names_that_the_rules_give_exist() -> None:
    code = package_code()
    for target in (fingerprints.BUILDS_BLOCKS, fingerprints.BUILDS_PRESETS, fingerprints.USES_SCIKIT_LEARN):
        code.refers([], target)
    root = Path(fingerprints.__file__).parents[1]
    missing = [
        n for n in SILENT if not ((f := root.joinpath(*n.split("."))).is_dir() or f.with_suffix(".py").is_file())
    ]
    assert missing == []


def executed(function: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[Any, set[tuple[str, str]]]:
    """What a node's function returns, and the definitions that its second call executes, when all is imported."""
    function(*arguments, **named)
    with traced() as trace:
        result = function(*arguments, **named)
    return result, trace.executed


def test_all_that_nodes_execute_is_in_their_fingerprints(tmp_path: Path) -> None:
    """Of a small search and training. The closure is read from the source; here the nodes run.

    ``tests/e2e/test_traced_run.py`` does the same for all pipelines, with their data sets.
    """
    from mixmas_pipeline.pipelines.search import nodes as search
    from mixmas_pipeline.pipelines.search.parameters import (
        FusionNetworkStage,
        MatchParameters,
        SampleParameters,
        SelectionParameters,
    )
    from mixmas_pipeline.pipelines.training import nodes as training
    from mixmas_pipeline.pipelines.training.evaluation import evaluate_model
    from mixmas_pipeline.training.parameters import BudgetParameters, TrainingParameters

    def run(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        result, found = executed(function, *arguments, **named)
        reference = f"{function.__module__}:{function.__qualname__}"
        closure = package_code().closure([reference, *BLOCKS.values()])
        silent = tuple(f"{name}." for name in SILENT)
        counted = {entry for entry in found if not f"{entry[0]}.".startswith(silent)}
        assert counted - {tuple(definition) for definition in closure} == set(), function.__name__
        assert (reference.removeprefix(f"{PACKAGE}.").split(":")[0], function.__name__) in counted
        return result

    train = planted("multiclass", ("photo", "facts"), 300, 0, missing={"facts": 0.2})
    samples = SampleParameters(seed=0, margin=0.1, holdout_margin=0.1, balance=0.5)
    sample, holdout, _ = run(search.sample_for_search, train, samples)
    blocks = {name: {"block": name, "channel_dim": 16} for name in ("mlp_mixer", "ramlp")}
    patches = {"type": "patches", "patch": 4}
    stage = {"reference": "mlp_mixer", "candidates": blocks, "tokeniser": patches, "hidden_dim": 8, "depth": 1}
    encoders = {"photo": stage, "facts": {**stage, "tokeniser": {"type": "values"}}}
    encoders["facts"]["candidates"] = dict.fromkeys(("mlp_mixer", "other"), blocks["mlp_mixer"])
    selection = SelectionParameters(metric="accuracy", resamples=50)
    budget = BudgetParameters(learning_rate=0.01, steps=4, extended_steps=4, seeds=(0, 1), device="cpu")
    proposals = run(search.propose_encoders, sample, encoders, MatchParameters(tolerance=0.5))
    choices = {}
    for modality, space in encoders.items():
        names = space["candidates"]
        results = {
            name: run(search.train_candidate, proposals[f"{modality}.{name}"], sample, holdout, budget, selection)
            for name in names
        }
        decision = run(search.decide, selection, budget, holdout, **results)
        results = {
            name: run(search.finish_candidate, result, decision, sample, holdout, budget, selection)
            for name, result in results.items()
        }
        choices[modality], *tables = run(search.choose, selection, holdout, decision, **results)
    network = FusionNetworkStage(reference="mlp_mixer", candidates={"mlp_mixer": blocks["mlp_mixer"]}, depth=1)
    fused = run(search.propose_fusion_functions, sample, ["max"], network, **choices)["max"]
    result = run(search.train_candidate, fused, sample, holdout, budget, selection)
    decision = run(search.decide, selection, budget, holdout, max=result)
    choice, *tables = run(search.choose, selection, holdout, decision, max=result)
    architecture, *_ = run(search.conclude, choice, *tables)
    settings = TrainingParameters(
        seed=0,
        max_epochs=2,
        patience=2,
        metric="accuracy",
        learning_rate=0.01,
        modality_dropout=0.2,
        device="cpu",
        members=2,
    )
    model, _, held_out = run(training.train_model, architecture, train, holdout, settings, str(tmp_path))
    divided = run(training.divide, architecture, train, holdout, settings)
    folds, members = divided["folds"], {}
    kinds = ("model", "history", "held_out")
    for name in ("member_1", "member_2"):
        found = run(training.train_member, divided[name], folds, train, holdout, str(tmp_path))
        members |= {f"{name}.{kind}": part for kind, part in zip(kinds, found, strict=True)}
    planned = {f"{name}.plan": divided[name] for name in ("member_1", "member_2")}
    histories = {name: part for name, part in members.items() if name.endswith(".history")}
    run(training.choose_epochs, **planned, **histories)
    for name in ("member_1", "member_2"):
        made = (members[f"{name}.{part}"] for part in ("model", "held_out"))
        chosen = {"epochs": 1, "of": 2}
        finished = run(training.finish_member, divided[name], chosen, *made, folds, train, holdout, str(tmp_path))
        members |= {f"{name}.{part}": value for part, value in zip(("model", "held_out"), finished, strict=True)}
    for kind, fit in (("linear", training.fit_linear_member), ("trees", training.fit_trees_member)):
        found = run(fit, folds, train, holdout, 0, "none")
        members |= {f"{kind}.{part}": value for part, value in zip(("reference", "held_out"), found, strict=True)}
    model, _, held_out = run(training.combine_members, divided["architecture"], train, holdout, settings, **members)
    run(evaluate_model, model, held_out, train, holdout, sample, settings)


def test_the_version_of_scikit_learn_counts_where_a_reference_is_fitted(demo: Demo) -> None:
    code = package_code()
    using = {
        n.name for n in demo.nodes if code.refers(code_references(n, demo.catalog), fingerprints.USES_SCIKIT_LEARN)
    }
    assert demo.functions(using) == FITS


PARTS: dict[str, dict[str, str]] = {
    "code": {"training.trial": "1", "training.loss": "2"},
    "libraries": {"torch": "2.13"},
    "parameters": {"params:a": "{}"},
    "inputs": {"train": "abc"},
    "node": {"name": "n"},
}


def test_a_fingerprint_is_kept_as_json() -> None:
    kept = Fingerprint(**PARTS)
    assert kept.to_json() == PARTS
    assert Fingerprint.from_json(json.loads(json.dumps(kept.to_json()))) == kept
    old = {**PARTS, "code": {"mixmas_pipeline.training": "0"}, "more": {}}  # of another version of this package
    assert Fingerprint.from_json(old).code == {"mixmas_pipeline.training": "0"}
    assert Fingerprint.from_json({}) == Fingerprint({}, {}, {}, {}, {})


@pytest.mark.parametrize(
    ("part", "new", "expected"),
    [
        ("code", {"training.trial": "other", "training.loss": "2"}, ["code of training.trial"]),
        ("code", {"training.loss": "2", "models.fusion": "3"}, ["code of models.fusion", "code of training.trial"]),
        ("libraries", {"torch": "2.14"}, ["version of torch"]),
        ("parameters", {"params:a": "[]"}, ["params:a"]),
        ("inputs", {"train": "def"}, ["train"]),
        ("node", {"name": "n", "cpus": "2"}, ["the node's cpus"]),
        ("node", {"name": "n"}, []),
    ],
)
def test_differences_are_named(part: str, new: dict[str, str], expected: list[str]) -> None:
    other = Fingerprint(**{**PARTS, part: new})
    assert Fingerprint(**PARTS).differences(other) == expected
    assert sorted(other.differences(Fingerprint(**PARTS))) == sorted(expected)


def test_the_code_of_a_node_that_is_not_of_the_package_is_its_whole_file() -> None:
    catalog = DataCatalog({"seconds": MemoryDataset(0.0), "x": MemoryDataset()})
    references = code_references(Node(probes.stay, "seconds", "x", name="node"), catalog)
    assert references == [f"{probes.stay.__module__}:stay"]
    assert set(package_code().hashes(references)) == {probes.stay.__module__}


CHECK = "mixmas_pipeline.pipelines.data.avmnist.nodes.check_alignment"
JSON = {"type": "json.JSONDataset", "save_args": {"indent": 1}}


def catalog_of(folder: Path, changes: dict[str, Any] | None = None) -> DataCatalog:
    """A document, which is loaded, and a table, which is saved and checked.

    Args:
        changes: keys of the table's entry.
    """
    table = {
        "type": "mixmas_pipeline.datasets.AtomicFile",
        "filepath": str(folder / "table.json"),
        "dataset": JSON,
        "validator": {"class": CHECK, "on": ["save"]},
        **(changes or {}),
    }
    document = {
        "type": "mixmas_pipeline.datasets.DocumentDataset",
        "filepath": str(folder / "choice.json"),
        "model": "mixmas_pipeline.pipelines.search.results.Choice",
        "versioned": True,
    }
    return DataCatalog.from_config({"choice": document, "table": table})


def test_what_the_catalog_names_is_code_of_the_nodes_that_use_it(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path)
    saves = code_references(Node(probes.stay, "choice", "table", name="saves"), catalog)
    assert {"mixmas_pipeline.pipelines.search.results.Choice", CHECK} < set(saves)
    assert "mixmas_pipeline.datasets.atomic_file:AtomicFile" in saves
    loads = code_references(Node(probes.stay, "table", "other", name="loads"), catalog)
    assert CHECK not in loads, "the table is checked when it is saved"


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"filepath": "elsewhere.json", "metadata": {"layer": "raw"}, "preview": CHECK}, True),
        ({"dataset": {**JSON, "save_args": {"indent": 2}}}, False),
        ({"dataset": {"type": "yaml.YAMLDataset"}}, False),
        ({"validator": {"class": CHECK, "on": ["save"], "options": {"share": 0.4}}}, False),
        ({"validator": {"class": CHECK, "on": ["load"]}}, False),
    ],
    ids=["same", "place and preview", "options", "type", "options of the check", "no check"],
)
def test_how_the_catalog_reads_and_writes_is_part_of_the_fingerprint(
    changes: dict[str, Any], same: bool, tmp_path: Path
) -> None:
    def made(catalog: DataCatalog) -> Fingerprint:
        catalog["params:seconds"] = MemoryDataset(0.0)
        result = fingerprint(Node(probes.stay, "params:seconds", "table", name="node"), catalog, ComputeParameters())
        assert result is not None
        return result

    differences = made(catalog_of(tmp_path)).differences(made(catalog_of(tmp_path, changes)))
    assert (differences == []) is same
    assert same or "the node's data set table" in differences
