"""Logs of runs: what TensorBoard reads is what was given, a kill leaves no half, and a store is as good as a disk."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mixmas_pipeline.datasets.runs import Record, RunLog, RunsDataset

FIRST, SECOND = "2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"
RECORD = Record(
    run=FIRST,
    dataset="films",
    environment="test",
    pipeline="__default__",
    metric="accuracy",
    chosen={"image": "ramlp"},
    parameters={"films.training.seed": 3, "films.search.budget.seeds": [0, 1], "films.training.device": "auto"},
    key_parameters=["films.training.seed", "films.search.budget.seeds", "films.training.device"],
    metrics={"test/accuracy": 0.7, "validation/accuracy, image head alone": 1e-7},
    artefacts={"films.model": FIRST},
    versions={"kedro": "1.7.0"},
)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3)).save(buffer, "PNG")
    return buffer.getvalue()


def log(run: str = FIRST) -> RunLog:
    return RunLog(
        replace(RECORD, run=run),
        texts={"leaderboard": "| a | b |\n| --- | --- |\n| 1 | ü |"},
        pictures={"examples": png()},
        curves={"training": {"training/loss": [(0, 2.5), (1, 0.1)]}, "search/ramlp": {"loss/seed 0": [(1, 3.0)]}},
    )


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "images": 0})
    events.Reload()
    return events


def points(events: Any) -> dict[str, list[tuple[int, float]]]:
    """Scalars that were stored as tensors: tag -> (step, value)."""
    from tensorboard.util.tensor_util import make_ndarray

    return {
        tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
        for tag in events.PluginTagToContent("scalars")
    }


def test_tensorboard_reads_what_was_given(tmp_path: Path) -> None:
    RunsDataset(filepath=str(tmp_path)).save(log())
    folder = tmp_path / FIRST
    summary = read(folder / "summary")
    single = {name: [(0, float(np.float32(value)))] for name, value in RECORD.metrics.items()}
    assert points(summary) == single
    (text,) = summary.Tensors("leaderboard")
    assert text.tensor_proto.string_val[0].decode().splitlines()[-1] == "| 1 | ü |"
    (picture,) = summary.Images("examples")
    assert (picture.width, picture.height, picture.encoded_image_string) == (5, 4, png())
    assert points(read(folder / "training")) == {"training/loss": [(0, 2.5), (1, float(np.float32(0.1)))]}
    assert points(read(folder / "search/ramlp")) == {"loss/seed 0": [(1, 3.0)]}


def test_hyperparameters_are_a_trial(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    RunsDataset(filepath=str(tmp_path)).save(log())
    content = read(tmp_path / FIRST / "summary").PluginTagToContent("hparams")[metadata.SESSION_START_INFO_TAG]
    trial = metadata.parse_session_start_info_plugin_data(content)
    assert trial.group_name == FIRST
    assert trial.start_time_secs == 1767225600  # 2026-01-01 UTC
    assert {name: getattr(value, value.WhichOneof("kind")) for name, value in trial.hparams.items()} == {
        "pipeline": "__default__",
        "chosen image": "ramlp",
        "training.seed": 3,
        "search.budget.seeds": "[0, 1]",
        "training.device": "auto",
    }


def test_records_load_newest_first_and_the_same_log_is_the_same_bytes(tmp_path: Path) -> None:
    runs = RunsDataset(filepath=str(tmp_path / "runs"))
    assert runs.load() == []
    assert not runs.exists()
    runs.save(log(FIRST))
    runs.save(log(SECOND))
    assert runs.load() == [replace(RECORD, run=SECOND), RECORD]
    RunsDataset(filepath=str(tmp_path / "again")).save(log(FIRST))
    files = {file.relative_to(tmp_path / "again"): file for file in (tmp_path / "again").rglob("*") if file.is_file()}
    assert len(files) == 4
    for name, file in files.items():
        assert file.read_bytes() == (tmp_path / "runs" / name).read_bytes()


def test_record_of_a_later_version_is_read(tmp_path: Path) -> None:
    runs = RunsDataset(filepath=str(tmp_path))
    runs.save(log())
    file = tmp_path / FIRST / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "of a later version": 1}))
    assert runs.load() == [RECORD]


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from test_runs import SECOND, RunsDataset, log
left = int(sys.argv[3])

def kill(event, args):
    global left
    if event in ("open", "os.rename") and str(args[0]).startswith(sys.argv[2]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
RunsDataset(filepath=sys.argv[2]).save(log(SECOND))
"""


@pytest.mark.parametrize("opened", [0, 2, 4, 8])
def test_a_kill_leaves_no_half_run(opened: int, tmp_path: Path) -> None:
    """Files are opened to be written, then to be flushed; the rename comes last."""
    runs = RunsDataset(filepath=str(tmp_path / "runs"))
    runs.save(log(FIRST))
    words = [
        sys.executable,
        "-c",
        KILLED,
        str(Path(__file__).parent),
        str(tmp_path / "runs"),
        str(opened),
    ]
    done = subprocess.run(words, env={**os.environ}, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert runs.load() == [RECORD]
    runs.save(log(SECOND))
    assert [record.run for record in runs.load()] == [SECOND, FIRST]


def test_in_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of an upload that was killed is not read, and the next run clears it away."""
    from upath import UPath

    monkeypatch.setenv("MIXMAS_CACHE", str(tmp_path))
    url = f"memory://{tmp_path.name}/runs"
    runs = RunsDataset(filepath=url)
    half = UPath(url) / FIRST
    (half / "summary").mkdir(parents=True)
    (half / "summary" / "events.out.tfevents.0").write_bytes(b"half")
    assert runs.load() == []
    runs.save(log(SECOND))
    assert runs.load() == [replace(RECORD, run=SECOND)]
    assert not (half / "summary" / "events.out.tfevents.0").exists()
    assert (UPath(url) / SECOND / "summary" / "events.out.tfevents.0").exists()
