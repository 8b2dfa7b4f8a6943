"""Does a search give a model worth having? Against what a user fits in a minute, M2-Mixer, and AutoGluon.

    python benchmarks/worth.py /tmp/worth                                   ten data sets, seeds 0 to 4
    python benchmarks/worth.py /tmp/worth --datasets liver vowels --seeds 0 1
    python benchmarks/worth.py /tmp/worth --autogluon /tmp/ag/bin/python    AutoGluon too, ten minutes per set and seed
    python benchmarks/worth.py /tmp/worth --table                           tables and figure of what has been measured
    python benchmarks/worth.py /tmp/worth --ablation --datasets demo liver  the recipe without each of its parts

Data sets: the demo; those of docs/custom_examples.md; stays that ``benchmarks/mimic.py`` generates; 3,509 films and, in
the demo's sizes, 5,000 training pairs of the real AV-MNIST (both from ``MIXMAS_MIRROR``). Only if they are named: all
55,000 of them (avmnist_all), and those with the search space, the budget and M2-Mixer in the published sizes
(avmnist_published; work for a GPU, see ``benchmarks/gpu``). A seed draws the split (except that of the films, which is
given), the search's samples and every initialisation.

Contenders, all scored on the test split, after every choice:

- most_frequent: the dummy baseline, fitted on the training split; its area under the ROC curve is 0.5;
- linear, trees: the pipeline ``reference``, on the rows of training and validation. Their seconds are those of one fit;
- m2_published, m2_ours: the comparison's baseline, a single model, with M2-Mixer's recipe and with ours;
- single, ensemble: the architecture of the pipeline ``search``, with both values of ``training.deploy``. Their seconds
  have the search in them;
- without_mixup and so on, of ``--ablation``: as single, without one part of the recipe;
- autogluon: ``benchmarks/worth_autogluon.py`` on the features and rows of linear and trees, in an environment of its
  own (``pip install "autogluon.tabular[lightgbm,catboost,xgboost]==1.6.3"``).

The folder keeps one JSON file per data set, seed and contender; what is there is not measured again, so a killed run
goes on where it was. Seconds depend on the machine and on what else it does. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import yaml
from rich.console import Console
from scipy import stats

if TYPE_CHECKING:
    from mixmas_pipeline.data.table import MultimodalTable
    from mixmas_pipeline.models.architecture import Architecture

ROOT = Path(__file__).parents[1]
REFERENCES = ("linear", "trees")
# Contender -> how it is named, and what of the recipe differs from the data set's.
ABLATIONS: dict[str, tuple[str, Any]] = {
    "without_variants": ("no variants", {"augmentation": {"variants": False}}),
    "without_augmentation": (
        "no other augmentation",
        {
            "augmentation": dict.fromkeys(
                ("shift", "spectrum_mask", "jitter", "scale", "time_mask", "noise", "token_dropout"), 0
            )
        },
    ),
    "without_mixup": ("no mixup", {"mixup": 0}),
    "without_average": ("no averaged weights", {"average": 0}),
    "with_decay": ("vectors decay too", {"decay_vectors": True}),
    "without_recipe": ("nothing of it", "published"),
}
SEARCHED = ("single", "ensemble", *ABLATIONS)
# Contender -> how it is named in table and figure.
CONTENDERS = {
    "most_frequent": "most frequent, or mean",
    "linear": "linear",
    "trees": "boosted trees",
    "m2_published": "M2-Mixer, published recipe",
    "m2_ours": "M2-Mixer, our recipe",
    "single": "searched, single",
    "ensemble": "searched, ensemble",
    "autogluon": "AutoGluon",
}
# M2-Mixer's recipe (docs/method.md) and rate (conf/paper), and ours; for the searched architecture the data set's own.
TRAININGS: dict[str, dict[str, Any]] = {
    "m2_published": {"deploy": "single", "refit": False, "recipe": "published", "min_steps": 0, "learning_rate": 0.001},
    "m2_ours": {"deploy": "single"},
    "single": {"deploy": "single"},
    "ensemble": {"deploy": "ensemble"},
    **{name: {"deploy": "single", "recipe": recipe} for name, (_, recipe) in ABLATIONS.items()},
}
METRICS = {"binary": "auroc", "multiclass": "accuracy", "multilabel": "f1_weighted", "regression": "r2"}
_console = Console(width=120)


# --- data sets ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class DataSet:
    """What is measured on.

    Attributes:
        section: of the parameters.
        split: the parameter in it that draws the split; empty if the split is given.
        parameters: what differs from conf/base.
        raw: folder in data/01_raw, and the script with its arguments that fills it; ``{}`` stands for the folder.
        catalog: files that stand beside those of conf/base.
        search_seeds: number of ``search.budget.seeds``.
    """

    section: str
    split: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    raw: tuple[str, ...] = ()
    catalog: tuple[Path, ...] = ()
    search_seeds: int = 3

    def local(self, seed: int, cores: int | None) -> dict[str, Any]:
        """The parameters of conf/local."""
        from mixmas_pipeline.pipelines.data.custom.defaults import merge

        first = 10 * seed  # the members of an ensemble count on from here
        seeds = {
            "search": {
                "sample": {"seed": seed},
                "selection": {"seed": seed},
                "budget": {"seeds": [first + number for number in range(self.search_seeds)]},
            },
            "training": {"seed": first},
            "reference": {"seed": seed, "each_modality": False},
        }
        drawn: Any = seed
        for key in reversed(self.split):
            drawn = {key: drawn}
        section = merge(merge(self.parameters, seeds), drawn if self.split else {})
        return {"dataset": self.section, self.section: section, **({"compute": {"cores": cores}} if cores else {})}


def data_sets() -> dict[str, DataSet]:
    """Name -> data set, in the table's order."""
    from mixmas_pipeline.pipelines.data.custom.defaults import merge

    text = (ROOT / "docs" / "custom_examples.md").read_text()
    blocks = re.findall(r"```yaml\ndataset: (\w+)\n(.*?)```", text, re.DOTALL)
    own = {
        name: DataSet(
            name,
            ("table", "split", "seed"),
            yaml.safe_load(block)[name],
            (name, "tests/samples/real_data.py", name, "{}"),
        )
        for name, block in blocks
    }
    paper = ROOT / "conf" / "paper"
    real = yaml.safe_load((paper / "parameters_avmnist.yml").read_text())["avmnist"]
    # As in docs/avmnist.md; with all pairs each recording is mixed with some fifteen noises anyway.
    few = {"pairing": {"train_size": 5000, "variants": 10}, "training": {"max_epochs": 60, "patience": 15}}
    every = {"pairing": {"variants": 2}, "training": {"max_epochs": 20, "patience": 6}}
    sizes = [
        yaml.safe_load((paper / f"parameters_{name}.yml").read_text())["avmnist"] for name in ("search", "compare")
    ]
    steps = {"max_epochs": 30, "patience": 6, "batch_size": 128, "learning_rate": 0.001}  # conf/paper's
    published = merge(merge(*sizes), {"pairing": {"variants": 2}, "training": steps})
    catalog = (paper / "catalog_avmnist.yml",)
    # The sample and the steps of conf/base are those of 56 stays; these are the defaults of one's own table.
    budget = {"steps": 200, "extended_steps": 600, "race": {"seeds": 2}, "batch_size": 32}
    stays = {
        "source": "generated tables in MIMIC-III's schema",
        "labels": {"edges": [8760]},
        "search": {"sample": {"margin": "auto", "holdout_margin": "auto"}, "budget": budget},
    }
    generate = ("benchmarks/mimic.py", "generate", "{}", "--rows", "1000000", "--stays", "2000")
    return {
        "demo": DataSet("avmnist", ("pairing", "seed")),
        **own,
        "mimic": DataSet("mimic", ("split", "seed"), stays, ("mimic-iii-demo", *generate)),
        "films": DataSet("mmimdb", search_seeds=2),
        "avmnist": DataSet("avmnist", ("pairing", "seed"), merge(real, few), catalog=catalog),
        "avmnist_all": DataSet("avmnist", ("pairing", "seed"), merge(real, every), catalog=catalog),
        "avmnist_published": DataSet("avmnist", ("pairing", "seed"), merge(real, published), catalog=catalog),
    }


def make_project(
    folder: Path, data_set: DataSet, seed: int, raw: Path, cores: int | None, changes: Path | None = None
) -> None:
    """A project folder with this checkout's configuration; a previous one keeps its data.

    Args:
        changes: see ``--changes``.
    """
    from mixmas_pipeline.pipelines.data.custom.defaults import merge

    changed = {data_set.section: yaml.safe_load(changes.read_text())} if changes else {}
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"), dirs_exist_ok=True)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("src", "data", "conf/local"):
        (folder / name).mkdir(exist_ok=True)
    local = yaml.safe_dump(merge(data_set.local(seed, cores), changed), sort_keys=False)
    (folder / "conf" / "local" / "parameters.yml").write_text(local)
    for path in data_set.catalog:
        shutil.copy(path, folder / "conf" / "local" / path.name)
    raw.mkdir(parents=True, exist_ok=True)
    if not (folder / "data" / "01_raw").is_symlink():
        (folder / "data" / "01_raw").symlink_to(raw.absolute())
    if data_set.raw and not (raw / data_set.raw[0]).exists():
        target, script, *arguments = data_set.raw
        with tempfile.TemporaryDirectory(dir=raw) as made:
            files = Path(made) / target
            files.mkdir()
            command = [argument.format(files) for argument in arguments]
            subprocess.run([sys.executable, str(ROOT / script), *command], check=True)
            files.rename(raw / target)


# --- one contender, in a process of its own -----------------------------------------------------------------------
class Project:
    """What a contender reads of a project folder."""

    def __init__(self, folder: Path, section: str) -> None:
        from kedro.framework.session import KedroSession
        from kedro.framework.startup import bootstrap_project

        bootstrap_project(folder)
        with KedroSession.create(folder) as session:
            context = cast(KedroSession, session).load_context()
        self._catalog, self._section = context.catalog, section
        self.parameters: dict[str, Any] = context.config_loader["parameters"][section]
        self.train: MultimodalTable = self.load("train")
        self.validation: MultimodalTable = self.load("validation")
        self.test: MultimodalTable = self.load("test")

    def load(self, name: str) -> Any:
        """A data set by its name without the section."""
        return self._catalog.load(f"{self._section}.{name}")


def choice(architecture: Architecture) -> dict[str, str]:
    """What a search chose: the block of each encoder and of the fusion network, and the fusion function."""
    chosen = {name: encoder.block.block for name, encoder in architecture.encoders.items()}
    if fusion := architecture.fusion:
        chosen |= {"fusion_function": fusion.function, "fusion_network": fusion.network.block.block}
    return chosen


@dataclass(frozen=True)
class Outcome:
    """A contender's (n, classes) logits of the test split (None: the dummy baseline's), and its cost.

    Attributes:
        seconds: of a fit or a training.
        parameters: None if they are not counted.
    """

    logits: np.ndarray | None
    seconds: float
    parameters: int | None


def fit(project: Project, contender: str) -> Outcome:
    """Linear model or trees, as the pipeline ``reference`` has refitted them."""
    model = project.load(f"reference.{contender}_refitted")[0]
    return Outcome(_logits(model, project.test), model.architecture.seconds, model.architecture.size)


def train(project: Project, contender: str) -> Outcome:
    """M2-Mixer or the searched architecture, by the nodes of full training, one after the other."""
    from mixmas_pipeline.models.reference import ReferenceModel
    from mixmas_pipeline.pipelines.data.custom.defaults import merge
    from mixmas_pipeline.pipelines.training import create_pipeline
    from mixmas_pipeline.training.parameters import TrainingParameters

    settings = TrainingParameters.model_validate(merge(project.parameters["training"], TRAININGS[contender]))
    architecture = project.load("architecture") if contender in SEARCHED else _m2_mixer(project)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as checkpoints:  # nothing is resumed, so that the seconds are all of them
        values: dict[str, Any] = {
            **{"d.architecture": architecture, "d.train": project.train, "d.validation": project.validation},
            **{"params:d.training": settings, "params:checkpoints": checkpoints},
            **{f"params:d.training.{name}": getattr(settings, name) for name in ("seed", "balance")},
        }
        for node in create_pipeline("d", settings).to_outputs("d.model").nodes:
            values |= node.run({name: values[name] for name in node.inputs})
    model = values["d.model"]
    seconds = time.perf_counter() - start
    sizes = [
        member.architecture.size
        if isinstance(member, ReferenceModel)
        else sum(parameter.numel() for parameter in member.parameters())
        for member in getattr(model, "members", [model])
    ]
    return Outcome(_logits(model, project.test), seconds, sum(sizes))


def _m2_mixer(project: Project) -> Architecture:
    from mixmas_pipeline.models import presets
    from mixmas_pipeline.pipelines.compare.parameters import CompareParameters
    from mixmas_pipeline.training.statistics import input_statistics, target_statistics

    train, schema = project.train, project.train.schema
    baseline = CompareParameters.model_validate(project.parameters["compare"], context={"check_blocks": True}).baseline
    inputs = {name: input_statistics(train, name) for name in schema.modalities}
    return presets.build(baseline, schema.task, schema.classes, inputs, target_statistics(train))


def _logits(model: Any, table: MultimodalTable) -> np.ndarray:
    from mixmas_pipeline.models.architecture import FUSED
    from mixmas_pipeline.training.inference import compute_logits
    from mixmas_pipeline.utils.devices import pick_device

    device = pick_device("auto")
    return compute_logits(model.to(device), table, device)[FUSED]


def fit_autogluon(project: Project, arguments: argparse.Namespace) -> Outcome:
    """AutoGluon on the rows and features that linear and trees were refitted on."""
    from mixmas_pipeline.pipelines.reference.parameters import ReferenceParameters
    from mixmas_pipeline.pipelines.reference.scoring import join
    from mixmas_pipeline.training.references import compute_features

    rows = join(project.train, project.validation, ReferenceParameters.model_validate(project.parameters["reference"]))
    features = project.load("reference.linear_refitted")[0].features
    values, wanted = (compute_features(features, table, np.arange(len(table))) for table in (rows, project.test))
    schema = project.test.schema
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "rows.npz", Path(folder) / "logits.npz"
        np.savez(source, train=values, test=wanted, labels=rows.labels, task=schema.task, classes=len(schema.classes))
        script = Path(__file__).with_name("worth_autogluon.py")
        options = [f"--seconds={arguments.seconds}", f"--presets={arguments.presets}"]
        options += [f"--cores={arguments.cores}"] if arguments.cores else []
        # This checkout's libraries are not the other environment's.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [arguments.autogluon, str(script), str(source), str(target), *options]
        subprocess.run(command, check=True, cwd=folder, env=environment)
        with np.load(target) as found:
            return Outcome(found["logits"], float(found["seconds"]), None)


def score(project: Project, outcome: Outcome) -> dict[str, float]:
    """The task's scores on the test split."""
    from mixmas_pipeline.evaluation.tasks import task_of

    test, task = project.test, task_of(project.test.schema.task)
    if outcome.logits is not None:
        return task.scores(test.labels, outcome.logits, test.schema.classes)
    found = task.dummy_scores(project.train, test.labels, test.schema.classes)
    scores = {name.partition(",")[0]: value for name, value in found.items()}
    return {**scores, "auroc": 0.5} if task.name == "binary" else scores


def measure(folder: Path, name: str, seed: int, contender: str, arguments: argparse.Namespace) -> None:
    """Fit or train a contender, score it, and write its result."""
    import torch

    data_set = data_sets()[name]
    project = Project(folder / "projects" / f"{name}-{seed}", data_set.section)
    if arguments.cores:
        torch.set_num_threads(arguments.cores)
    if contender == "most_frequent":
        outcome = Outcome(None, 0.0, 0)
    elif contender == "autogluon":
        outcome = fit_autogluon(project, arguments)
    else:
        outcome = (fit if contender in REFERENCES else train)(project, contender)
    scores, metric = score(project, outcome), METRICS[project.test.schema.task]
    searching = (
        json.loads(_path(folder, name, seed, "search").read_text()) if contender in SEARCHED else {"seconds": 0.0}
    )
    result = {
        "data_set": name,
        "seed": seed,
        "contender": contender,
        "metric": metric,
        "score": scores[metric],
        "seconds": outcome.seconds + searching["seconds"],
        "search_seconds": searching["seconds"],
        "parameters": outcome.parameters,
        "chosen": choice(project.load("architecture")) if contender in SEARCHED else None,
        "rows": [len(table) for table in (project.train, project.validation, project.test)],
        "scores": scores,
    }
    _write(_path(folder, name, seed, contender), result)


# --- all of them --------------------------------------------------------------------------------------------------
def _path(folder: Path, name: str, seed: int, contender: str) -> Path:
    return folder / "results" / name / str(seed) / f"{contender}.json"


def _write(path: Path, document: dict[str, Any]) -> None:
    """Write a file that is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, indent=1))
    part.replace(path)


def measure_missing(folder: Path, name: str, seed: int, contenders: list[str], arguments: argparse.Namespace) -> bool:
    """Measure the contenders without a result, and remove the project's folder when all have one.

    Returns:
        Whether all have one.
    """
    missing = [contender for contender in contenders if not _path(folder, name, seed, contender).exists()]
    if not missing:
        return True
    data_set, project = data_sets()[name], folder / "projects" / f"{name}-{seed}"
    log = folder / "logs" / f"{name}-{seed}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    make_project(project, data_set, seed, folder / "raw", arguments.cores, arguments.changes)
    here = [sys.executable, __file__, str(folder.absolute()), "--in-this-process", *_options(arguments)]
    complete, ended = True, set[str]()
    for contender in missing:
        _console.print(f"{time.strftime('%H:%M:%S')} {name}, seed {seed}: {contender}")
        try:
            pipeline = _pipeline(contender, data_set)
            if pipeline not in ended:
                _run_pipeline(project, pipeline, data_set.section, _path(folder, name, seed, "search"), log)
                ended.add(pipeline)
            _run([*here, f"--datasets={name}", f"--seeds={seed}", f"--contenders={contender}"], ROOT, log)
        except subprocess.CalledProcessError as error:
            complete = False
            _console.print(f"  failed: {error}; see {log}")
            continue
        result = json.loads(_path(folder, name, seed, contender).read_text())
        _console.print(f"  {result['metric']} {result['score']:.4f} in {result['seconds']:.1f} s")
    if complete:
        shutil.rmtree(project)
    return complete


def _options(arguments: argparse.Namespace) -> list[str]:
    named = ("autogluon", "seconds", "presets", "cores", "changes")
    return [f"--{name}={getattr(arguments, name)}" for name in named if getattr(arguments, name)]


def _pipeline(contender: str, data_set: DataSet) -> str:
    """The pipeline that makes what the contender needs."""
    if contender in (*REFERENCES, "autogluon"):
        return "reference"
    return "search" if contender in SEARCHED else data_set.section


def _run_pipeline(project: Path, pipeline: str, section: str, searched: Path, log: Path) -> None:
    """Valid results are reused, but not those of a killed search: its seconds are to be those of a whole one."""
    kedro = [sys.executable, "-m", "kedro", "run"]
    if pipeline != "search" or searched.exists():
        _run([*kedro, f"--pipelines={pipeline}"], project, log)
        return
    _run([*kedro, f"--pipelines={section}"], project, log)
    for results in (project / "data" / "demo").glob(f"*/{section}/search"):
        shutil.rmtree(results)
    start = time.perf_counter()
    _run([*kedro, "--pipelines=search"], project, log)
    _write(searched, {"seconds": time.perf_counter() - start})


def _run(command: list[str], folder: Path, log: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "KEDRO_ENV")}
    with log.open("a") as stream:
        subprocess.run(command, cwd=folder, env=environment, stdout=stream, stderr=stream, check=True)


# --- table and figure ---------------------------------------------------------------------------------------------
def read_results(folder: Path) -> pd.DataFrame:
    """One row per result, and ``difference``: its score minus that of the better of linear and trees, same seed."""
    paths = [path for path in folder.glob("results/*/*/*.json") if path.stem in {*CONTENDERS, *ABLATIONS}]
    frame = pd.DataFrame([json.loads(path.read_text()) for path in paths])
    if frame.empty:
        return frame
    frame["parameters"] = frame["parameters"].astype(float)
    keys = ["data_set", "seed"]
    references = frame[frame["contender"].isin(REFERENCES)].groupby(keys)["score"]
    better = references.max()[references.count() == len(REFERENCES)].rename("better")
    frame = frame.merge(better, left_on=keys, right_index=True, how="left")
    return frame.assign(difference=frame["score"] - frame["better"])


def interval(values: np.ndarray) -> tuple[float, float]:
    """Mean and half the width of its 95 % interval, Student's t over the seeds; NaN with fewer than two."""
    if len(values) < 2:
        return (float(values.mean()) if len(values) else float("nan")), float("nan")
    return float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def _cell(values: pd.Series) -> str:
    mean, half = interval(values.dropna().to_numpy())
    if np.isnan(mean):
        return ""
    return f"{mean:+.3f}" if np.isnan(half) else f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


def table_text(results: pd.DataFrame) -> str:
    """The table in Markdown, and what was not measured."""
    lines = [
        "| data set | contender | test score | minus the better of linear and trees, 95 % | seconds | parameters |",
        "|---|---|---|---|---|---|",
    ]
    for name, of_set in _by_data_set(results):
        title = f"**{name}**, {of_set['metric'].iloc[0]}, {_seeds(of_set)}"
        for contender in CONTENDERS:
            found = of_set[of_set["contender"] == contender]
            if found.empty:
                continue
            spread = f" ± {found['score'].std():.3f}" if len(found) > 1 else ""
            size = found["parameters"].mean()
            cells = [
                title,
                CONTENDERS[contender],
                f"{found['score'].mean():.3f}{spread}",
                "" if contender in REFERENCES else _cell(found["difference"]),
                f"{found['seconds'].mean():,.1f}",
                "" if np.isnan(size) else f"{size:,.0f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
            title = ""
    return "\n".join([*lines, "", *_notes(results)]) + "\n"


def ablation_text(results: pd.DataFrame) -> str:
    """What leaving out a part of the recipe changes, in Markdown; empty if nothing of it was measured."""
    named = [name for name in ABLATIONS if name in set(results["contender"])]
    sets = [
        (name, of_set)
        for name, of_set in _by_data_set(results)
        if "single" in set(of_set["contender"]) and not set(named).isdisjoint(of_set["contender"])
    ]
    if not sets:
        return ""
    title = [f"{name}, {of_set['metric'].iloc[0]}, {_seeds(of_set)}" for name, of_set in sets]
    lines = [f"| | {' | '.join(title)} |", "|---" * (1 + len(sets)) + "|"]
    scores = {name: of_set.pivot_table(index="seed", columns="contender", values="score") for name, of_set in sets}
    whole = [f"{scores[name]['single'].mean():.3f}" for name, _ in sets]
    lines.append(f"| whole recipe | {' | '.join(whole)} |")
    for contender in named:
        cells = [_cell(found[contender] - found["single"]) if contender in found else "" for found in scores.values()]
        lines.append(f"| {ABLATIONS[contender][0]} | {' | '.join(cells)} |")
    note = "Differences of the test score from the whole recipe's, paired by seed, with 95 % intervals (Student's t)."
    return "\n".join([*lines, "", note]) + "\n"


def _seeds(of_set: pd.DataFrame) -> str:
    count = of_set["seed"].nunique()
    return f"{count} seed{'s' if count > 1 else ''}"


def _by_data_set(results: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    names = [name for name in data_sets() if name in set(results["data_set"])]
    return [(name, results[results["data_set"] == name]) for name in names]


def _notes(results: pd.DataFrame) -> list[str]:
    notes = [
        "Scores: mean ± standard deviation over the seeds. Differences: paired by seed, Student's t over the seeds. "
        "The better of linear and trees is that of the seed's test split, which flatters it a little.",
    ]
    for contender, title in CONTENDERS.items():
        measured = results[results["contender"] == contender].groupby("data_set")["seed"].nunique()
        short = [
            f"{name} ({measured.get(name, 0)} of {_seeds(of_set)})"
            for name, of_set in _by_data_set(results)
            if measured.get(name, 0) < of_set["seed"].nunique()
        ]
        if short:
            notes.append(f"Not measured everywhere: {title}: {', '.join(short)}.")
    return notes


def draw(results: pd.DataFrame, path: Path) -> None:
    """A panel per data set: each contender's differences from the better of linear and trees, with their interval."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sets = _by_data_set(results)
    shown = [name for name in CONTENDERS if name not in ("most_frequent",) and name in set(results["contender"])]
    columns = min(5, len(sets))
    rows = -(-len(sets) // columns)
    figure = Figure(figsize=(2.4 + 2.2 * columns, 0.6 + 2.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    for axis, (name, of_set) in zip(axes, sets, strict=False):
        axis.axvline(0, color="0.6", linewidth=1)
        for height, contender in enumerate(reversed(shown)):
            values = of_set.loc[of_set["contender"] == contender, "difference"].dropna().to_numpy()
            mean, half = interval(values)
            colour = "C3" if contender == "ensemble" else "C0"
            axis.plot(values, np.full(len(values), height), ".", color=colour, alpha=0.35, markersize=5)
            axis.errorbar(mean, height, xerr=half, fmt="o", color=colour, markersize=4, capsize=2)
        axis.set_title(f"{name}, {of_set['metric'].iloc[0]}", fontsize=9)
        axis.set_yticks(range(len(shown)), [CONTENDERS[c] for c in reversed(shown)])
        axis.tick_params(labelsize=8)
    for axis in axes[len(sets) :]:
        axis.set_visible(False)
    figure.supxlabel("test score minus the better of linear and trees: mean, 95 % interval, each seed", fontsize=9)
    figure.savefig(path, dpi=150)


def report(folder: Path) -> None:
    """Write worth.md, ablation.md and worth.png, and print the tables."""
    results = read_results(folder)
    if results.empty:
        _console.print(f"no results in {folder}")
        return
    texts = {"worth.md": table_text(results), "ablation.md": ablation_text(results)}
    for name, text in texts.items():
        if text:
            (folder / name).write_text(text)
            _console.print(text, soft_wrap=True, markup=False, highlight=False)
    draw(results, folder / "worth.png")


def _arguments() -> argparse.Namespace:
    names = list(data_sets())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="keeps results, raw files and logs, tables and figure")
    usual = [name for name in names if name not in ("avmnist_all", "avmnist_published")]  # which take hours more
    parser.add_argument("--datasets", nargs="+", choices=names, default=usual)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--contenders", nargs="+", choices=[*CONTENDERS, *ABLATIONS], default=list(CONTENDERS))
    parser.add_argument(
        "--ablation", action="store_true", help="only single, and single without each part of its recipe"
    )
    parser.add_argument("--autogluon", help="Python of an environment with AutoGluon; without it AutoGluon is left out")
    parser.add_argument("--seconds", type=float, default=600, help="AutoGluon's time limit per data set and seed")
    parser.add_argument("--presets", default="best_quality", help="AutoGluon's")
    parser.add_argument("--cores", type=int, help="that a pipeline, a training or AutoGluon may use; default all")
    parser.add_argument("--changes", type=Path, help="YAML of parameters that differ, for every data set")
    parser.add_argument("--table", action="store_true", help="only write the tables and the figure")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Measure what is missing, then write table and figure."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it has started ends with it
    named = ["single", *ABLATIONS] if arguments.ablation else arguments.contenders
    contenders = [name for name in named if name != "autogluon" or arguments.autogluon]
    wanted = [(name, seed) for seed in arguments.seeds for name in arguments.datasets]
    if arguments.in_this_process:
        for name, seed in wanted:
            measure(arguments.folder, name, seed, contenders[0], arguments)
        return 0
    complete = True
    if not arguments.table:
        for name, seed in wanted:
            complete &= measure_missing(arguments.folder, name, seed, contenders, arguments)
    report(arguments.folder)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
