"""Kill -9 in data preparation, search, full training and saving: the same command goes on, and ends the same.

One uninterrupted run is watched: everything that it does to files, and every step of every training. At points drawn
from that list a second project's run is killed, again and again, until none is left; then it is let finish.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forked_runs import Forks
from project_runs import ROOT, make_project
from run_results import results, started

SEED = 20241126
EPOCHS = 16
# One node after the other, in the process that is watched and killed.
PARAMETERS = f"compute.cores=1,avmnist.training.max_epochs={EPOCHS},avmnist.training.patience={EPOCHS}"
PARAMETERS += ",avmnist.training.deploy=ensemble,avmnist.training.members=2"
COMMAND = ["run", "--env=test", f"--params={PARAMETERS}"]
# How many points are drawn of which nodes, and how many kills come at random times between them.
POINTS = {"data.": 11, "search.": 17, "training.divide": 2, "training.train_member": 13, "training.combine_members": 3}
POINTS |= {"training.finish_member": 2, "training.evaluate_model": 3, "reference.": 4, "reporting.": 3}
RANDOM_TIMES = 5
# Between two kills at most so many training steps or checkpoints: a training has to be left for the kills after it.
STEPS, CHECKPOINTS = 10, 2
# Kills that are to be in each; a save is part of another phase.
LEAST = {"data": 6, "search": 10, "training": 10, "saving": 20}
PHASES = ("data", "search", "training", "reference", "reporting")

_log = logging.getLogger(__name__)
Point = dict[str, Any]


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Starts runs that log the end of every epoch."""
    config = tmp_path_factory.mktemp("conf") / "logging.yml"
    written = (ROOT / "conf/logging.yml").read_text()
    config.write_text(written.replace("loggers:\n", "loggers:\n  mixmas_pipeline.training: {level: DEBUG}\n"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KEDRO_LOGGING_CONFIG", str(config))
        with Forks() as started:
            yield started


def phase(node: str) -> str:
    """Of a node, by its name."""
    return next((name for name in PHASES if node.startswith(f"{name}.")), "start")


def draw(events: list[list[str]], rng: random.Random) -> list[Point]:
    """Points in the order of the run; of each phase every kind of event in turn."""
    happened = Counter(map(tuple, events))
    drawn: set[tuple[str, str, str, int, bool]] = set()
    for part, wanted in POINTS.items():
        kinds: dict[str, list[tuple[str, ...]]] = {}
        for event in sorted(event for event in happened if event[0].startswith(part)):
            kinds.setdefault(event[1], []).append(event)
        # A renamed file comes twice: whole, and with half of it never written.
        turns = [(kind, False) for kind in sorted(kinds)] + [("rename", True)]
        for turn in range(wanted):
            kind, tear = turns[turn % len(turns)]
            event = rng.choice(kinds[kind])
            most = min(happened[event], STEPS if kind == "backward" else CHECKPOINTS)
            drawn.add((*event, rng.randint(1, most), tear))
    # Whatever is drawn, a checkpoint is cut: the epoch before it has ended, and is done again.
    cut = sorted(event for event in happened if event[1] == "rename" and event[2].endswith("/checkpoints/H/last.ckpt"))
    drawn.add((*next(event for event in cut if event[0].startswith("training.")), 1, False))
    first = {tuple(event): i for i, event in reversed(list(enumerate(events)))}
    names = ("node", "kind", "path", "count", "tear")
    return [dict(zip(names, key, strict=True)) for key in sorted(drawn, key=lambda key: (first[key[:3]], key))]


def epochs(log: str) -> list[int]:
    """Epochs that a run has ended. Those of the second member follow those of the first; those of a member that is
    trained again do not count."""
    ended, before, counts = [], 0, True
    pattern = r"Running training\.(train|finish)_member_(\d+) |epoch (\d+) of at most \d+:"
    for way, member, epoch in re.findall(pattern, log):
        if member:
            before, counts = (int(member) - 1) * EPOCHS, way == "train"
        elif counts:
            ended.append(before + int(epoch))
    return ended


def records(events: list[list[str]]) -> dict[str, set[str]]:
    """Of each node: the records of its artefacts, as patterns below the data root."""
    found: dict[str, set[str]] = {}
    for node, kind, path in events:
        if kind == "rename" and path.endswith("/V/provenance.json"):
            found.setdefault(node, set()).add(path.replace("/V/", "/*Z/"))
    return found


def being_saved(project: Path) -> set[Path]:
    """What the files say was being saved: unfinished ones, and versions without their record."""
    data = project / "data/test"
    folders = {folder for folder in data.rglob("*Z") if not (folder / "provenance.json").exists()}
    return {*data.rglob(".*.partial"), *folders}


def unfinished_that_look_whole(project: Path) -> list[str]:
    """Versions with a record that is not of what lies there."""
    wrong = []
    for file in (project / "data/test").rglob("provenance.json"):
        artefact = file.parent / file.parent.parent.name
        record = json.loads(file.read_text())
        digest = hashlib.blake2b(digest_size=20)
        for part in [artefact] if artefact.is_file() else sorted(p for p in artefact.rglob("*") if p.is_file()):
            digest.update(part.relative_to(artefact.parent).as_posix().encode() + part.read_bytes())
        if digest.hexdigest() != record["content"]:
            wrong.append(str(file))
    return wrong


@pytest.mark.slow
def test_killed_at_many_points_it_goes_on_and_ends_the_same(forks: Forks, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    untouched, project = make_project(tmp_path / "untouched"), make_project(tmp_path / "killed")
    log = tmp_path / "run.log"
    assert forks.run(untouched, log, COMMAND, trace=str(tmp_path / "trace.json")) == 0, log.read_text()
    all_nodes, all_epochs = started(log.read_text()), epochs(log.read_text())
    assert all_epochs == list(range(1, 2 * EPOCHS + 1))
    events = json.loads((tmp_path / "trace.json").read_text())["events"]
    recorded = records(events)
    assert recorded.keys() == set(all_nodes)
    points: list[Any] = [*draw(events, rng)]
    # Before the training: in seconds a fast machine would finish that, and leave nothing for the kills aimed at it.
    trains = next(i for i, point in enumerate(points) if phase(point["node"]) == "training")
    for _ in range(RANDOM_TIMES):
        points.insert(rng.randrange(trains), rng.uniform(0.8, 4.0))

    hit: Counter[str] = Counter()
    finished: set[str] = set()
    before: set[Path] = set()
    ended_epochs = epochs_again = 0
    for number, point in enumerate([*points, None], start=1):
        how: dict[str, Any] = {}
        if isinstance(point, float):
            how = {"after": point, "most": 2}  # on a fast machine too something is left for the kills after it
        elif point and point["node"] in finished:
            how = {"most": 0}  # a kill before came later than it was to
        elif point:
            how = {"die": point, "last": all_nodes[-1]}
        status = forks.run(project, log, COMMAND, **how)
        said = log.read_text()
        assert status == (-9 if point else 0), f"seed {SEED}, kill {number}: {point}\n{said}"
        begun, ended = started(said), epochs(said)
        last = begun[-1] if begun else ""
        after = being_saved(project)
        if point:
            hit[phase(last)] += 1
            hit["saving"] += bool(after - before)
            _log.info("Kill %d in %s%s: %s", number, last or "the start", ", saving" if after - before else "", point)
        before = after
        assert not finished & set(begun), f"done again after kill {number}, seed {SEED}"
        finished |= set(begun[:-1])
        # A kill at a random time may hit just after all of the last node's artefacts have their records.
        if last and all(any((project / "data").glob(pattern)) for pattern in recorded[last]):
            finished.add(last)
        assert unfinished_that_look_whole(project) == []
        if ended:
            assert ended == list(range(ended[0], ended[-1] + 1))
            # The last epoch whose end was logged may be the one that was cut: its checkpoint was not yet there.
            assert ended[0] in (ended_epochs, ended_epochs + 1), f"after kill {number}, seed {SEED}"
            epochs_again += ended[0] == ended_epochs
            ended_epochs = ended[-1]
    _log.info("Kills by phase: %s; epochs done again: %d", dict(hit), epochs_again)
    kills = len(points)
    assert kills >= 50
    assert hit.total() - hit["saving"] == kills
    assert all(hit[name] >= least for name, least in LEAST.items()), hit
    assert epochs_again >= 1, "checkpoints were cut"
    assert finished == set(all_nodes)
    assert ended_epochs == 2 * EPOCHS
    assert results(project) == results(untouched)
    assert not list((project / "data").rglob(".*.partial")), "what kills have left was cleared away"
