"""`kedro run` as a user runs it: artefacts, reuse, change, kills, errors. Everything here is the test environment."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from project_runs import kedro, make_project, newest
from run_results import started
from shared_runs import Run, SharedRuns

SHORT_NAMES = {
    "train", "validation", "test", "leaderboard", "architecture", "model", "history", "metrics", "predictions",
    "examples", "leaderboard_figure", "candidate_curves", "history_figure", "heads_figure", "confusion_figure",
    "class_figure", "class_scores", "patterns", "patterns_figure", "mistakes_picture", "architecture_drawing", "report",
    "references", "references_figure", "verdict",
}  # fmt: skip


def load(project: Path, *names: str) -> list[Any]:
    """Load artefacts as a notebook does, from the catalog."""
    bootstrap_project(project)
    with KedroSession.create(project_path=project, env="test") as session:
        catalog = session.load_context().catalog
        return [catalog.load(f"avmnist.{name}") for name in names]


def provenance(project: Path) -> dict[str, dict[str, Any]]:
    """Data set -> record of its newest version."""
    records: dict[str, dict[str, Any]] = {}
    for file in sorted((project / "data" / "test").rglob("provenance.json")):
        record = json.loads(file.read_text())
        records[record["dataset"]] = record
    return records


def outcome(project: Path) -> tuple[Any, Any, bytes, list[float]]:
    """What must not depend on how often a run was interrupted: choice, scores, weights."""
    architecture, metrics, leaderboard = load(project, "architecture", "metrics", "leaderboard")
    weights = max((project / "data/test/06_models/avmnist/model").glob("*/model/model.safetensors"))
    scores = leaderboard.filter(regex=r"stage|candidate|seed_|mean|chosen|tied").to_dict("records")
    return architecture, metrics, weights.read_bytes(), scores


def test_every_artefact_is_there_under_its_short_name(finished_project: Path) -> None:
    artefacts = dict(zip(sorted(SHORT_NAMES), load(finished_project, *sorted(SHORT_NAMES)), strict=True))
    assert len(artefacts["train"]) == 400
    assert len(artefacts["validation"]) == 60
    assert len(artefacts["test"]) == 1000
    board: pd.DataFrame = artefacts["leaderboard"]
    assert set(board["stage"]) == {"image", "audio", "fusion_function", "fusion_network"}
    assert {"seed_0", "seed_1", "mean", "spread", "parameters", "flops_per_example", "seconds"} <= set(board)
    np.testing.assert_allclose(board["mean"], board[["seed_0", "seed_1"]].mean(axis=1))
    assert (board.groupby("stage")["chosen"].sum() == 1).all()
    for _, rows in board[board["stage"] != "fusion_function"].groupby("stage"):
        assert rows["parameters"].max() / rows["parameters"].min() <= 1.1 / 0.9
    model = artefacts["model"]
    assert not model.training
    table = artefacts["test"]
    import torch

    inputs = {name: torch.from_numpy(np.array(array[:5])) for name, array in table.arrays.items()}
    with torch.no_grad():
        probabilities = model(inputs)["fused"].softmax(1).numpy()
    stored = artefacts["predictions"].filter(like="probability_").to_numpy()[:5]
    np.testing.assert_allclose(probabilities, stored, atol=1e-5)


def test_metrics_are_those_of_the_predictions(finished_project: Path) -> None:
    metrics, predictions, test = load(finished_project, "metrics", "predictions", "test")
    names = np.array(test.schema.classes)
    assert list(predictions["label"]) == list(names[test.labels])
    assert metrics["test"]["accuracy"] == pytest.approx((predictions["label"] == predictions["predicted"]).mean())
    image_head = (predictions["label"] == predictions["image_head"]).mean()
    assert metrics["test"]["accuracy, image head alone"] == pytest.approx(image_head)


def test_model_is_the_chosen_architecture_with_training_statistics(finished_project: Path) -> None:
    architecture, model, train = load(finished_project, "architecture", "model", "train")
    built = model.architecture
    assert built.encoders == architecture.encoders
    assert built.fusion == architecture.fusion
    for name, array in train.arrays.items():
        assert built.inputs[name].mean == pytest.approx(array.astype(np.float64).mean())
        assert built.inputs[name].std == pytest.approx(array.astype(np.float64).std())


def test_run_ends_with_the_tables(finished: Run) -> None:
    for title in ("image (", "audio (", "fusion_function (", "fusion_network (", "chosen architecture", "final scores"):
        assert f"avmnist: {title}" in finished.words
    assert "AV-MNIST demo" in finished.words
    assert "avmnist: reference models, accuracy" in finished.words
    assert "on the test split (accuracy" in finished.words


def test_report_needs_nothing_else(finished_project: Path) -> None:
    (report,) = load(finished_project, "report")
    page = re.sub(r"<script>.*?</script>", "", report, count=1, flags=re.DOTALL)  # plotly itself, inlined
    assert "AV-MNIST demo" in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    for figure in ("leaderboard_figure", "candidate_curves", "history_figure", "confusion_figure", "class_figure"):
        assert f'id="{figure}"' in page


def test_first_run_makes_everything(finished: Run) -> None:
    begun = started(finished.output)
    assert len(begun) == len(set(begun)) > 50
    assert {name.split(".")[0] for name in begun} == {"data", "search", "training", "reference", "reporting"}


def test_no_checkpoints_are_left_once_the_results_are_saved(finished_project: Path) -> None:
    assert list((finished_project / "data/test/06_models/checkpoints").iterdir()) == []


def test_second_run_reuses_everything(shared_runs: SharedRuns, finished: Run) -> None:
    again = shared_runs.run(*finished.arguments, after=finished)
    assert started(again.output) == []
    assert provenance(again.project) == provenance(finished.project)


def remade(run: Run, before: Run) -> set[str]:
    """Data sets with another newest version."""
    old = provenance(before.project)
    return {name for name, record in provenance(run.project).items() if record["run"] != old[name]["run"]}


def trained(names: set[str]) -> set[str]:
    """The candidates among these data sets that were trained."""
    results = {name.removeprefix("avmnist.search.") for name in names if name.endswith("_first")}
    return {name.removesuffix("_first") for name in results if "fusion" not in name}


def test_change_of_one_candidate_reruns_it_and_what_depends_on_it(shared_runs: SharedRuns, finished: Run) -> None:
    change = "--params=avmnist.search.encoders.image.candidates.hyper_mixer.token_dim=8"
    run = shared_runs.run("run", "--env=test", "--pipeline=search", change, after=finished)
    names = remade(run, finished)
    # Proposals are written again. Only one of them is new, and only that candidate is trained.
    assert trained(names) == {"image.hyper_mixer"}
    assert "avmnist.search.image.leaderboard" in names
    assert not names & {"avmnist.train", "avmnist.search.sample"}
    assert "params:avmnist.search.encoders changed" in run.words


def test_change_of_the_reference_reruns_all_that_are_matched_to_it(shared_runs: SharedRuns, finished: Run) -> None:
    """The other candidates' widths follow the reference's number of parameters; the log names what changed."""
    change = "--params=avmnist.search.encoders.image.candidates.mlp_mixer.channel_dim=128"
    run = shared_runs.run("run", "--env=test", "--pipeline=search", change, after=finished)
    names = remade(run, finished)
    assert trained(names) == {"image.mlp_mixer", "image.hyper_mixer", "image.ramlp"}
    assert not names & {"avmnist.train", "avmnist.search.sample", "avmnist.search.audio.leaderboard"}
    assert "avmnist.search.image.ramlp_architecture changed" in run.words


def test_altered_artefact_is_made_again(shared_runs: SharedRuns, finished: Run) -> None:
    """The altered table of scores is made by the training's evaluation."""
    path = Path("data/test/07_model_output/avmnist/metrics.json")
    whole = newest(finished.project / path).read_text()

    def alter(project: Path) -> None:
        newest(project / path).write_text(whole.replace("accuracy", "acuracy"))

    run = shared_runs.run("run", "--env=test", "--pipeline=training", after=finished, prepare=alter)
    assert "avmnist.metrics was altered" in run.words
    assert [name.rpartition(".")[2] for name in started(run.output)] == ["evaluate_model"]
    assert json.loads(newest(run.project / path).read_text()) == json.loads(whole)


def test_changed_code_trains_again(finished_project: Path) -> None:
    """Checkpoints of the old code are not gone on from: the identity of a training holds the code's hash."""
    from mixmas_pipeline.training import resumable

    architecture, train, validation = load(finished_project, "architecture", "train", "validation")
    from mixmas_pipeline.training.parameters import TrainingParameters

    settings = TrainingParameters(seed=0, max_epochs=1, patience=1, metric="accuracy", learning_rate=0.1)
    arguments = (architecture, train, validation, settings)
    before = resumable._identity(*arguments)
    assert resumable._identity(*arguments) == before
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(resumable, "training_code", lambda architecture: "other code")
        assert resumable._identity(*arguments) != before


@pytest.mark.slow
def test_training_in_two_processes_from_the_parameters(shared_runs: SharedRuns, finished: Run) -> None:
    """The node starts the processes; all else is done once, and what was searched is reused."""
    changes = ["device=cpu", "devices=2", "precision=bfloat16", "seed=1"]
    params = ",".join(f"avmnist.training.{change}" for change in changes)
    run = shared_runs.run("run", "--env=test", "--pipeline=training", f"--params={params}", after=finished)
    assert "params:avmnist.training changed" in run.words
    assert run.words.count("trained for 2 epochs") == 1
    names = remade(run, finished)
    assert {"avmnist.model", "avmnist.history", "avmnist.predictions"} <= names
    assert {name for name in names if ".search." in name} == {"avmnist.search.settings"}, "only what is checked"
    assert len(list((run.project / "data/test/06_models/avmnist/model").iterdir())) == 2, "one new version"
    history, predictions = load(run.project, "history", "predictions")
    assert list(history["epoch"]) == [0, 1]
    assert len(predictions) == 1000


@pytest.fixture(scope="session")
def made_anew(shared_runs: SharedRuns, finished: Run) -> Run:
    return shared_runs.run("run", "--env=test", "--params=reuse=false", after=finished)


def test_reuse_can_be_turned_off(made_anew: Run, finished: Run) -> None:
    assert set(started(made_anew.output)) == set(started(finished.output))
    project = made_anew.project
    versions = list((project / "data/test/05_model_input/avmnist/train.arrow").iterdir())
    assert len(versions) == 2
    old, new = (next(version.glob("*.arrow")).read_bytes() for version in versions)
    assert old == new, "the same seed makes the same data"
    assert outcome(project) == outcome(finished.project)
    bootstrap_project(project)
    with KedroSession.create(project_path=project, env="test") as session:
        catalog = session.load_context().catalog
        assert len({str(catalog.load("avmnist.train", version=version.name).ids) for version in versions}) == 1


def test_what_was_made_anew_is_reused(made_anew: Run, shared_runs: SharedRuns) -> None:
    again = shared_runs.run("run", "--env=test", after=made_anew)
    assert started(again.output) == []


@pytest.mark.slow
def test_killed_anywhere_ends_the_same(finished_project: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments until a run gets through; the same as the run that was never disturbed.

    Each run is a process of its own: kills also meet its start and its imports, which test_kills.py leaves out.
    """
    project = make_project(tmp_path / "killed")
    rng = random.Random(20241126)
    kills = 0
    while True:
        run = subprocess.Popen(
            [sys.executable, "-m", "kedro", "run", "--env=test"],
            cwd=project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            run.wait(timeout=rng.uniform(2.0, 7.0) if kills < 5 else 600)
            break
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            kills += 1
    assert run.returncode == 0
    assert kills >= 1
    assert outcome(project) == outcome(finished_project)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (
            "avmnist.search.encoders.image.candidates.mlp_mixer.block=mlp_mxer",
            ["mlp_mxer", "expected one of mlp_mixer", "ramlp"],
        ),
        ("avmnist.search.budget.stepps=3", ["avmnist.search.budget.stepps"]),
        ("avmnist.search.encoders.image.tokeniser.patch=5", ["patch 5x5 does not divide 28x28", "'image'"]),
        ("avmnist.training.patiense=3", ["patiense", "avmnist.training"]),
        ("avmnist.training.num_nodes=2", ["avmnist.training", "num_nodes is 2 and there is no address"]),
        ("dataset=avmist", ["avmist", "avmnist"]),
        ("avmnist.serch.budget.steps=3", ["unknown parameter avmnist.serch", "did you mean avmnist.search?"]),
        ("avmnist.search.encoders.image.reference=none", ["the reference 'none' is not among the candidates"]),
    ],
)
def test_wrong_parameter_is_named(copy_of_finished: Callable[[], Path], parameter: str, words: list[str]) -> None:
    project = copy_of_finished()
    before = provenance(project)
    done = kedro(project, "run", "--env=test", f"--params={parameter}")
    assert done.returncode != 0
    text = " ".join((done.stdout + done.stderr).split())
    for word in words:
        assert word in text
    assert provenance(project) == before, "nothing that was there is lost"


@pytest.mark.mirror
def test_missing_mirror_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = tmp_path / "mirror"
    (mirror / "mnist").mkdir(parents=True)
    real = Path(os.environ["MIXMAS_MIRROR"])
    for file in (real / "mnist").iterdir():
        (mirror / "mnist" / file.name).symlink_to(file)
    monkeypatch.setenv("MIXMAS_MIRROR", str(mirror))
    done = kedro(make_project(tmp_path / "project"), "run", "--env=paper", "--pipeline=avmnist")
    assert done.returncode != 0
    assert "esc10/esc10.zip" in done.stdout + done.stderr or "fsdd/recordings.zip" in done.stdout + done.stderr


@pytest.mark.mirror
@pytest.mark.slow
def test_paper_sources_go_through_the_same_pipeline(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    done = kedro(project, "run", "--env=paper", "--pipeline=avmnist", "--params=avmnist.pairing.train_size=3000")
    assert done.returncode == 0, done.stdout + done.stderr
    (table,) = (project / "data/paper/05_model_input/avmnist/train.arrow").glob("*/train.arrow")
    from mixmas_pipeline.datasets.table import TableDataset

    train = TableDataset(filepath=str(table)).load()
    assert len(train) == 3000
    assert train.schema.source == "AV-MNIST (MNIST + FSDD + ESC-10)"
    assert (train.extra["spoken_digit"] == train.labels).all()
