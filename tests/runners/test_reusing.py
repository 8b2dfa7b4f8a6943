"""The runner's loop: reuse, losses, errors, and what is refused before any node runs."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import probes
import pytest
from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.runners.reusing import ReusingRunner
from mixmas_pipeline.storage import locks
from mixmas_pipeline.storage.locks import DataRootBusy


def test_results_are_the_same_bits_whatever_cores_is_and_are_reused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph, values = probes.pipeline(probes.compute, {"a": 1, "b": 2, "c": 3})
    shares = {"trial": {"cpus": 2}}
    results = [probes.run(tmp_path / str(c), graph, values, cores=c, shares=shares) for c in (1, 4)]
    assert results[0] == results[1]
    caplog.set_level(logging.INFO)
    caplog.clear()
    assert probes.run(tmp_path / "4", graph, values, cores=1, shares=shares) == results[0]
    assert "Running" not in caplog.text
    assert "Reused: run_a, run_b, run_c" in caplog.text
    probes.run(tmp_path / "4", graph, values, cores=1, shares={"trial": {"cpus": 1}})
    assert "Running run_a (1 of 3): the node's cpus changed" in caplog.text


def test_a_result_altered_on_disk_is_made_again_though_size_and_time_are_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph, values = probes.pipeline(probes.same, {"a": "true"})
    assert probes.run(tmp_path, graph, values) == {"a": "true"}
    (saved,) = tmp_path.glob("a/*/a")
    before = saved.stat()
    saved.write_text(saved.read_text().replace("true", "fake"))
    os.utime(saved, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert saved.stat().st_size == before.st_size
    caplog.set_level(logging.INFO)
    assert probes.run(tmp_path, graph, values) == {"a": "true"}
    assert "Running run_a (1 of 1): a was altered" in caplog.text


def test_a_check_is_made_once_before_the_first_node_that_runs(tmp_path: Path) -> None:
    """Not in a run that reuses all; and its error starts nothing."""
    calls: list[str] = []

    def check() -> None:
        calls.append("checked")
        assert not list(tmp_path.rglob("b")), "no node has run"

    graph, values = probes.pipeline(probes.same, {"a": 1})
    probes.run(tmp_path, graph, values, cores=1)
    probes.run(tmp_path, graph, values, runner=ReusingRunner(before_first_node=check), cores=1)
    assert calls == []
    more, others = probes.pipeline(probes.same, {"b": 2, "c": 3})
    probes.run(tmp_path, graph + more, values | others, runner=ReusingRunner(before_first_node=check), cores=1)
    assert calls == ["checked"]

    def refuse() -> None:
        raise ValueError("a block has an unknown parameter")

    with pytest.raises(ValueError, match="a block has an unknown parameter"):
        probes.run(tmp_path / "refused", graph, values, runner=ReusingRunner(before_first_node=refuse), cores=1)
    assert not list(tmp_path.glob("refused/a"))


# --- losses and errors -----------------------------------------------------------------------------------------------
def test_a_node_runs_again_after_its_worker_is_killed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also after a kill between two saves: a version is written only once, so the first save must go."""
    nodes = [
        Node(probes.die_once, "params:marker", "one", name="one", tags="trial"),
        Node(probes.both, "params:other", ["two", "three"], name="two", tags="trial"),
        Node(probes.look, "params:marker", "four", name="four", tags="trial"),
    ]
    values = {"params:marker": str(tmp_path / "marker"), "params:other": str(tmp_path / "other")}
    seen = probes.run(tmp_path, Pipeline(nodes), values, outputs={"three": probes.KillsAtFirstSave}, cores=3)
    assert (seen["one"], seen["two"], seen["three"]) == ("alive", "first", values["params:other"])
    assert len(list((tmp_path / "two").iterdir())) == 1
    for name in ("one", "two"):
        assert f"{name}: its process was killed by SIGKILL" in caplog.text
    assert caplog.text.count("it is run again (1 of 2)") == 2


def test_a_node_that_always_kills_its_worker_is_given_up(tmp_path: Path) -> None:
    graph, values = probes.pipeline(probes.die, {"a": str(tmp_path / "attempts")})
    beside, more = probes.pipeline(probes.stay, {"b": 1.0})
    with pytest.raises(RuntimeError, match=r"run_a has lost its worker 3 times: its process was killed .*cores"):
        probes.run(tmp_path, graph + beside, values | more, cores=2)
    assert (tmp_path / "attempts").read_text() == "xxx"


@pytest.mark.parametrize("cores", [pytest.param(1, id="one core"), pytest.param(2, id="two cores")])
@pytest.mark.parametrize(
    ("kind", "error"),
    [pytest.param("plain", "LookupError", id="plain"), pytest.param("unusual", "1 is not 2", id="cannot be pickled")],
)
def test_an_error_is_the_same_in_a_worker_and_other_nodes_finish(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, cores: int, kind: str, error: str
) -> None:
    failing, values = probes.pipeline(probes.fail, {"a": kind})
    beside, more = probes.pipeline(probes.stay, {"b": 2.0})
    after = Pipeline([Node(probes.same, "b", "c", name="after")])
    with pytest.raises(Exception, match=r"no such thing|1 is not 2") as raised:
        probes.run(tmp_path, failing + beside + after, values | more, cores=cores)
    assert error in repr(raised.value)
    if cores == 2:
        assert "in fail" in str(raised.value.__cause__), "the cause shows where"
        assert "Waiting for running nodes: run_b" in caplog.text
        assert (tmp_path / "b").exists()
    assert "run_a failed" in caplog.text
    assert not (tmp_path / "c").exists()
    caplog.clear()
    caplog.set_level(logging.INFO)
    if cores == 2:
        assert probes.run(tmp_path, beside, more)
        assert "Reused: run_b" in caplog.text, "it was recorded"


# --- what is refused -------------------------------------------------------------------------------------------------
def test_data_in_memory_is_refused_between_processes_before_any_node_runs(tmp_path: Path) -> None:
    graph = Pipeline(
        [
            Node(probes.same, "params:a", "made", name="make", tags="trial"),
            Node(probes.same, "made", "used", name="use", tags="trial"),
        ]
    )
    with pytest.raises(ValueError, match=r"^made: kept in memory only.* or run with compute.cores=1"):
        probes.run(tmp_path, graph, {"params:a": 1}, outputs={"made": probes.in_memory}, cores=2)
    assert not (tmp_path / "used").exists()
    probes.run(tmp_path / "alone", graph, {"params:a": 1}, outputs={"made": probes.in_memory}, cores=1)


def test_async_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ReusingRunner loads and saves .* leave out --async"):
        ReusingRunner(is_async=True)


@pytest.mark.parametrize("cores", [pytest.param(1, id="one core"), pytest.param(2, id="two cores")])
def test_a_run_that_has_lost_the_data_root_starts_no_node(
    tmp_path: Path, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost(locks.DiskLock):
        def check(self) -> None:
            raise DataRootBusy("taken over")

    monkeypatch.setattr(locks, "_held", {Lost(tmp_path)})
    graph, values = probes.pipeline(probes.stay, dict.fromkeys("ab", 0.01))
    with pytest.raises(DataRootBusy, match="taken over"):
        probes.run(tmp_path, graph, values, cores=cores)
    assert not list(tmp_path.rglob("*.json"))
