"""What the documentation shows is what works: commands are run, YAML is validated, artefacts are loaded."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from draft_samples import drafted_block, lay_out_pets
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from omegaconf import OmegaConf
from project_runs import ROOT, newest
from shared_runs import Run, SharedRuns

from mixmas_pipeline import pipeline_registry
from mixmas_pipeline.cli.viz_build import viz_build_command
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.settings import CONFIG_LOADER_ARGS
from mixmas_pipeline.storage.paths import as_path, is_remote
from mixmas_pipeline.training import distributed
from mixmas_pipeline.training.parameters import TrainingParameters

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL):
            yield page.name, block


def commands() -> list[str]:
    lines = [line.split("#")[0].strip() for _, block in blocks("bash") for line in block.splitlines()]
    return sorted({line for line in lines if line})


VIZ_COMMANDS = [c for c in commands() if c.startswith("kedro viz")]
KEDRO_COMMANDS = [c for c in commands() if "kedro " in c and c not in VIZ_COMMANDS]
JOIN = "torchrun "
PREDICT = ("run", "--env=test", "--pipelines=predict", "--params=avmnist.predict.rows=rows.npz")
# These take long, or start processes of their own.
SLOW = ("RayRunner", "mmimdb", "--env=paper")
TENSORBOARD = "tensorboard --logdir="


def test_every_command_is_of_a_kind_that_is_tried() -> None:
    # Run in tests/e2e/test_wheel.py and, as a server of the same kind, in tests/e2e/test_viz.py.
    known = (JOIN, TENSORBOARD, "mixmas_pipeline new ", "python -m http.server ")
    others = [c for c in commands() if c not in KEDRO_COMMANDS + VIZ_COMMANDS and not c.startswith(known)]
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert others, "the README shows the make targets"
    for command in others:
        program, target = command.split()[:2]
        assert program == "make", command
        assert target in targets, command


def test_command_for_other_hosts_fits_the_parameters() -> None:
    """It is run in tests/training/test_distributed.py; here are the words that are shown."""
    shown = [yaml.safe_load(block) for _, block in blocks("yaml")]
    sections = [section.get("avmnist", {}).get("training", {}) for section in shown]
    (section,) = [section for section in sections if "address" in section]
    rest = {"seed": 0, "max_epochs": 1, "patience": 1, "metric": "accuracy", "learning_rate": 0.1}
    training = TrainingParameters.model_validate({**rest, **section})
    assert isinstance(training.devices, int)
    expected = [*distributed._torchrun(training, training.devices), "-m", "mixmas_pipeline.training.worker"]
    (joining,) = [command for command in commands() if command.startswith(JOIN)]
    _, *words, job = shlex.split(joining)
    assert words == expected
    assert job.endswith("/06_models/checkpoints/job.json")


def test_tensorboard_is_shown_the_folder_of_the_logs() -> None:
    """What it reads there is tested in tests/hooks/test_tracking.py."""
    config = OmegaConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)
    shown = {c.removeprefix(TENSORBOARD) for c in commands() if c.startswith(TENSORBOARD)}
    assert shown == {config["catalog"]["{dataset}.runs"]["filepath"].format(dataset="avmnist")}


@pytest.mark.parametrize(
    "command",
    [pytest.param(c, marks=pytest.mark.slow if any(word in c for word in SLOW) else ()) for c in KEDRO_COMMANDS],
)
def test_kedro_command_runs(command: str, shared_runs: SharedRuns, request: pytest.FixtureRequest) -> None:
    """In the test environment's size: the options are the documented ones, but for the environment."""
    words = [word for word in shlex.split(command) if not word.startswith("MIXMAS_MIRROR=")]
    assert words[0] == "kedro"
    arguments = [word for word in words[1:] if not word.startswith("--env")]
    if arguments[0] == "draft":
        shared_runs.run(*arguments, prepare=lay_out_pets)
        return
    if arguments[0] in ("run", "runs", "prune"):
        arguments.insert(1, "--env=test")
    fixture = "mimic_data" if "mimic" in command else "films_run" if "mmimdb" in command else "finished"
    start: Run = request.getfixturevalue(fixture)
    if arguments[0] == "runs":
        start = shared_runs.run("run", "--env=test", "--params=tracking=true", after=start)
    if tuple(arguments) != start.arguments:
        shared_runs.run(*arguments, after=start, prepare=write_rows if "predict" in command else None)


def test_the_draft_that_is_shown_is_the_one_that_is_written(shared_runs: SharedRuns) -> None:
    (command,) = [c for c in KEDRO_COMMANDS if c.startswith("kedro draft")]
    done = shared_runs.run(*shlex.split(command)[1:], prepare=lay_out_pets)
    (shown,) = [block for page, block in blocks("yaml") if page == "draft.md"]
    assert drafted_block(done.project) == shown
    words = " ".join((ROOT / "docs/custom.md").read_text().split() + (ROOT / "README.md").read_text().split())
    assert words.count(command) == 2


@pytest.mark.parametrize("command", VIZ_COMMANDS)
def test_options_of_viz_are_known(command: str) -> None:
    """What the commands do is looked at in tests/e2e/test_viz.py."""
    from kedro_viz.launchers.cli.run import run

    words = shlex.split(command)[1:]
    known, arguments = (viz_build_command, words[1:]) if words[0] == "viz-build" else (run, words[2:])
    assert words[0] == "viz-build" or words[1] == "run"
    assert known.make_context(known.name, arguments).params


def write_rows(project: Path) -> None:
    """Run the snippet that writes the file of rows to predict."""
    test = TableDataset(filepath=str(newest(project / "data/test/05_model_input/avmnist/test.arrow")))
    catalog = DataCatalog({"avmnist.test": test})
    (snippet,) = [block for page, block in blocks("python") if page == "predict.md" and "savez" in block]
    with contextlib.chdir(project):
        exec(snippet, {"catalog": catalog})


@pytest.mark.parametrize(("page", "block"), list(blocks("yaml")))
def test_yaml_is_valid(page: str, block: str) -> None:
    shown = yaml.safe_load(block)
    config = OmegaConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)
    if shown.keys() == config["globals"].keys():
        pytest.importorskip("s3fs", reason="reads S3: pip install s3fs")
        assert is_remote(as_path(shown["data_root"]))
        return
    first = next(iter(shown.values()))
    if isinstance(first, dict) and "type" in first:
        for name in shown:
            assert DataCatalog.from_config({**config["catalog"], **shown}).get(name) is not None
        return
    parameters = OmegaConf.to_container(OmegaConf.merge(config["parameters"], shown))
    pipeline_registry.use_parameters(parameters)  # type: ignore[arg-type]
    try:
        assert pipeline_registry.register_pipelines()["search"].nodes
    finally:
        pipeline_registry.use_parameters(None)
    TrainingParameters.model_validate(parameters["avmnist"]["training"])  # type: ignore[call-overload,index]


def test_artefacts_that_are_named_can_be_loaded(shared_runs: SharedRuns, finished: Run) -> None:
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    text = " ".join(block for _, block in blocks("python"))
    names = set(re.findall(r'catalog\.load\("([^"]+)"\)', text))
    assert len(names) >= 3
    predicted = shared_runs.run(*PREDICT, after=finished, prepare=write_rows)
    bootstrap_project(predicted.project)
    with KedroSession.create(project_path=predicted.project, env="test") as session:
        catalog = session.load_context().catalog
        for name in names:
            assert catalog.load(name) is not None


def test_pictures_and_links_exist() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!reference/)([^)#:]+)\)", page.read_text()):  # test_site builds the reference
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_pages_do_not_need_the_developers_folders() -> None:
    for page in [*PAGES, *(ROOT / "conf").rglob("*.yml"), *(ROOT / "src").rglob("*.py")]:
        assert "../shared" not in page.read_text(), page
