"""What TensorBoard and ``kedro runs`` show of runs is what the runs have left, and no run is logged without cause."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
import yaml
from graphs import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from project_runs import ROOT, kedro, newest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from mixmas_pipeline.datasets.runs import Record
from mixmas_pipeline.hooks.tracking import _history_curves
from mixmas_pipeline.training.parameters import TrainingParameters

ON = "--params=tracking=true"
DATA = Path("data/test")
LOGS = DATA / "08_reporting/avmnist/tensorboard"
CHANGE = "avmnist.training.learning_rate=0.004"


def run(project: Path, *words: str) -> str:
    done = kedro(project, "run", "--env=test", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def logged(project: Path) -> list[str]:
    return sorted(path.name for path in (project / LOGS).iterdir()) if (project / LOGS).exists() else []


@pytest.fixture(scope="module")
def tracked(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run, logged by one that made nothing; then a training with another learning rate. Two logs."""
    project = tmp_path_factory.mktemp("tracked") / "project"
    shutil.copytree(finished_project, project)
    assert "Running " not in run(project, ON)
    run(project, "--pipeline=training", f"{ON},{CHANGE}")
    assert len(logged(project)) == 2
    return project


def events(project: Path, log: int, name: str) -> EventAccumulator:
    folder = project / LOGS / logged(project)[log] / name
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "images": 0})
    found.Reload()
    return found


def scalars(found: EventAccumulator) -> dict[str, list[tuple[int, float]]]:
    return {
        tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in found.Tensors(tag)]
        for tag in found.PluginTagToContent("scalars")
    }


def text(found: EventAccumulator, title: str) -> str:
    (event,) = found.Tensors(title)
    return event.tensor_proto.string_val[0].decode()


def artefact(project: Path, path: str) -> Any:
    """The first version: that which the first log is of."""
    file = min((project / DATA / path).glob(f"*/{Path(path).name}"))
    if file.suffix == ".parquet":
        return pd.read_parquet(file)
    return file.read_bytes() if file.suffix == ".png" else json.loads(file.read_text())


def single(value: float) -> float:
    return float(np.float32(value))


def test_scores_are_those_of_the_artefacts(tracked: Path) -> None:
    found = scalars(events(tracked, 0, "summary"))
    metrics = artefact(tracked, "07_model_output/avmnist/metrics.json")
    expected = {f"{split}/{name}": value for split in metrics for name, value in metrics[split].items()}
    board = artefact(tracked, "08_reporting/avmnist/leaderboard.parquet")
    chosen = board[board["chosen"]]
    expected |= {f"search/{stage}": mean for stage, mean in zip(chosen["stage"], chosen["mean"], strict=True)}
    assert "test/accuracy" in expected
    assert found == {name: [(0, single(value))] for name, value in expected.items()}


def test_curves_are_those_of_the_artefacts(tracked: Path) -> None:
    history = artefact(tracked, "06_models/avmnist/history.parquet")
    found = scalars(events(tracked, 0, "training"))
    assert found == {
        f"training/{name}": list(zip(history["epoch"], map(single, history[name]), strict=True))
        for name in history.columns.drop("epoch")
    }
    losses = artefact(tracked, "08_reporting/avmnist/losses.parquet")
    folders = (tracked / LOGS / logged(tracked)[0] / "search").iterdir()
    assert {folder.name for folder in folders} == set(losses["candidate"])
    count = 0
    for candidate, of_one in losses.groupby("candidate"):
        for title, points in scalars(events(tracked, 0, f"search/{candidate}")).items():
            stage, seed = title.removeprefix("search loss, ").split("/seed ")
            mine = of_one[(of_one["stage"] == stage) & (of_one["seed"] == int(seed))]
            assert points == list(zip(mine["step"], map(single, mine["loss"]), strict=True))
            count += len(points)
    assert count == len(losses)


def test_an_ensemble_has_a_curve_per_member() -> None:
    history = pd.DataFrame({"epoch": [0, 1, 0], "train_loss": [3.0, 2.0, 4.0], "member": [0, 0, 1]})
    assert _history_curves(history) == {
        "training, member 0/train_loss": [(0, 3.0), (1, 2.0)],
        "training, member 1/train_loss": [(0, 4.0)],
    }


def test_texts_and_pictures(tracked: Path) -> None:
    found = events(tracked, 0, "summary")
    pictures = {"examples": "examples", "mistakes": "mistakes", "drawing of the architecture": "architecture"}
    assert set(found.Tags()["images"]) == set(pictures)
    for title, file in pictures.items():
        (picture,) = found.Images(title)
        assert picture.encoded_image_string == artefact(tracked, f"08_reporting/avmnist/{file}.png")
    assert json.loads(text(found, "architecture").strip("`\n")) == artefact(
        tracked, "06_models/avmnist/architecture.json"
    )
    assert not set(found.Tags()["images"]) & set(found.Tags()["tensors"]), "TensorBoard mixes up what has the same tag"
    board = artefact(tracked, "08_reporting/avmnist/leaderboard.parquet")
    lines = text(found, "leaderboard").splitlines()
    assert len(lines) == len(board) + 2
    assert f"| {board['candidate'].iloc[0]} |" in lines[2]
    paths = [line.strip("| ").split(" | ")[2] for line in text(found, "artefacts").splitlines()[2:]]
    assert len(paths) > 60
    assert all(Path(path).exists() for path in paths)
    assert "| avmnist.training.learning_rate | 0.003 |" in text(found, "parameters")
    assert "| kedro | 1.7.0 |" in text(found, "run")


def test_record_has_all_parameters_and_every_artefact(tracked: Path) -> None:
    first, second = (Record(**json.loads((tracked / LOGS / log / "run.json").read_text())) for log in logged(tracked))
    conf = yaml.safe_load((tracked / "conf/base/parameters_training.yml").read_text())["avmnist"]["training"]
    test = yaml.safe_load((tracked / "conf/test/parameters.yml").read_text())["avmnist"]["training"]
    prefix = "avmnist.training."
    training = {k.removeprefix(prefix): v for k, v in first.parameters.items() if k.startswith(prefix)}
    written = TrainingParameters.model_validate({**conf, **test}).model_dump(mode="json")
    recipe = written.pop("recipe")
    changes = {f"recipe.augmentation.{name}": value for name, value in recipe.pop("augmentation").items()}
    written |= {f"recipe.{name}": value for name, value in recipe.items()} | changes
    assert training == written, "defaults too"
    assert not [name for name in first.parameters if name.startswith(("mimic", "mmimdb"))]
    graph = pipelines("test")["__default__"]
    kept = {name for name in graph.all_outputs() if name.startswith("avmnist.")}
    assert set(first.artefacts) == kept
    assert len(set(first.artefacts.values())) == 1
    remade = {name for name, version in second.artefacts.items() if version == second.run}
    assert {"avmnist.model", "avmnist.metrics", "avmnist.history"} <= remade
    assert "avmnist.leaderboard" in second.artefacts.keys() - remade, "what was reused is in the log"
    assert first.parameters["avmnist.training.learning_rate"] == 0.003
    assert second.parameters["avmnist.training.learning_rate"] == 0.004


def test_hyperparameters_tell_the_runs_apart(tracked: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    trials = []
    for log in (0, 1):
        content = events(tracked, log, "summary").PluginTagToContent("hparams")[metadata.SESSION_START_INFO_TAG]
        trials.append(metadata.parse_session_start_info_plugin_data(content))
    assert [trial.group_name for trial in trials] == logged(tracked)
    assert [trial.hparams["training.learning_rate"].number_value for trial in trials] == [0.003, 0.004]
    architecture = artefact(tracked, "06_models/avmnist/architecture.json")
    assert trials[0].hparams["chosen image"].string_value == architecture["encoders"]["image"]["block"]["block"]
    assert trials[0].hparams["chosen fusion_function"].string_value == architecture["fusion"]["function"]


def test_list_of_runs_tells_them_apart(tracked: Path) -> None:
    first, second = logged(tracked)
    said = kedro(tracked, "runs", "--env=test")
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    (newer,) = [line for line in lines if second in line]
    (older,) = [line for line in lines if first in line]
    assert lines.index(newer) < lines.index(older)
    assert "training.learning_rate: 0.003 → 0.004" in newer
    assert "0.003" not in older
    metrics = json.loads(newest(tracked / DATA / "07_model_output/avmnist/metrics.json").read_text())
    for split in ("validation", "test"):
        assert f"{metrics[split]['accuracy']:.4f}" in newer


def test_difference_of_two_runs(tracked: Path) -> None:
    first, second = logged(tracked)
    said = kedro(tracked, "runs", second, "--env=test").stdout
    both = kedro(tracked, "runs", first, second, "--env=test").stdout
    title = "avmnist: what differs"
    assert said[said.index(title) :] == both[both.index(title) :]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if line.startswith("│")]
    (changed,) = [row for row in rows if row[0].startswith("avmnist.")]
    assert changed == ["avmnist.training.learning_rate", "0.003", "0.004", ""]
    old, new = (
        json.loads(file.read_text())["test"]["f1_macro"]
        for file in sorted((tracked / DATA / "07_model_output/avmnist/metrics.json").glob("*/metrics.json"))
    )
    assert ["test/f1_macro", f"{old:.4f}", f"{new:.4f}", f"{new - old:+.4f}"] in rows
    assert not [row for row in rows if row[1] == row[2]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--env=test", "1999"],
            "no run is named '1999'; expected the id of one, or how it begins or ends; there are: ",
        ),
        (["--env=test", "20"], "2 runs are named '20'"),
        (["--env=paper"], "no run is logged in this environment"),
    ],
)
def test_wrong_use_is_explained(words: list[str], message: str, tracked: Path) -> None:
    done = kedro(tracked, "runs", *words)
    assert done.returncode != 0
    assert message in " ".join((done.stdout + done.stderr).split())


def test_nothing_new_is_not_logged_and_imports_neither_torch_nor_tensorboard(tracked: Path) -> None:
    script = (
        "import sys; from pathlib import Path;"
        "from kedro.framework.startup import bootstrap_project;"
        "from mixmas_pipeline.session import ReusingSession;"
        "bootstrap_project(Path.cwd());"
        "params = {'tracking': True, 'avmnist': {'training': {'learning_rate': 0.004}}};"
        "session = ReusingSession.create(env='test', runtime_params=params);"
        "session.run(pipeline_names=[sys.argv[1]]);"
        "print([name for name in ('torch', 'tensorboard') if name in sys.modules])"
    )
    before = logged(tracked)
    for pipeline in ("search", "training"):
        done = subprocess.run([sys.executable, "-c", script, pipeline], cwd=tracked, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip().endswith("[]"), done.stdout
    assert logged(tracked) == before


def test_list_of_runs_imports_neither_torch_nor_pandas(tracked: Path) -> None:
    script = (
        "import sys; from kedro.framework.cli.cli import main; sys.argv[1:] = ['runs', '--env=test']\n"
        "try: main()\n"
        "except SystemExit: print([name for name in ('torch', 'pandas', 'tensorboard') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tracked, capture_output=True, text=True)
    assert logged(tracked)[0] in done.stdout, done.stderr
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_a_part_of_a_pipeline_is_not_logged_and_tracking_can_be_off(tracked: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(tracked, project)
    before = logged(project)
    run(project, "--pipeline=avmnist", "--nodes=data.avmnist.resample_noise", f"{ON},reuse=false")
    assert logged(project) == before
    run(project, "--pipeline=avmnist", "--params=tracking=false")
    assert logged(project) == before
    said = " ".join(run(project, "--pipeline=avmnist", ON).split())
    assert len(logged(project)) == 3, "what no log stands on is logged by the next whole run"
    assert "Logged for TensorBoard" in said


def test_switch_that_is_neither_on_nor_off_is_refused(tracked: Path) -> None:
    done = kedro(tracked, "run", "--env=test", "--params=tracking=perhaps")
    assert done.returncode != 0
    assert "the parameter 'tracking' is 'perhaps'; expected true or false" in " ".join(done.stderr.split())


def test_run_killed_while_it_was_logged_is_logged_once_by_the_next(tracked: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(tracked, project)
    (whole, _) = logged(project)
    for log in logged(project):
        shutil.rmtree(project / LOGS / log)
    half = project / LOGS / f".{whole}.{'0' * 32}.partial"
    (half / "summary").mkdir(parents=True)
    (half / "summary" / "events.out.tfevents.0").write_bytes(b"half")
    run(project, f"{ON},{CHANGE}", "--pipeline=training")
    assert len(logged(project)) == 1
    assert not half.exists()
    run(project, f"{ON},{CHANGE}", "--pipeline=training")
    assert len(logged(project)) == 1


def test_pruning_leaves_logs_alone(tracked: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(tracked, project)
    before = {file: file.read_bytes() for file in (project / LOGS).rglob("*") if file.is_file()}
    said = kedro(project, "prune", "--env=test", "--keep=1", "--yes")
    assert "Deleted 0" not in said.stdout
    assert "tensorboard" not in said.stdout
    assert {file: file.read_bytes() for file in (project / LOGS).rglob("*") if file.is_file()} == before


def test_runs_load_from_the_catalog(tracked: Path) -> None:
    bootstrap_project(tracked)
    with KedroSession.create(project_path=tracked, env="test") as session:
        runs = session.load_context().catalog.load("avmnist.runs")
    assert [record.run for record in runs] == logged(tracked)[::-1]


def test_recipe_for_mlflow(tracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The docs' function logs every run, with names that MLflow takes; MLflow itself is not installed."""
    page = (ROOT / "docs" / "tracking.md").read_text()
    (recipe,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "mlflow" in block]
    mlflow = MagicMock()
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    scope: dict[str, Any] = {}
    exec(recipe, scope)
    scope["log_all"](tracked / LOGS)
    assert [call.kwargs["run_name"] for call in mlflow.start_run.call_args_list] == logged(tracked)
    metrics = [call.args[0] for call in mlflow.log_metrics.call_args_list]
    assert all("test/accuracy" in of_one for of_one in metrics)
    assert all(re.fullmatch(r"[\w./ :-]+", name) for of_one in metrics for name in of_one)
