"""Nodes on a Ray cluster, simulated by Ray's node processes on this machine."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import probes
import pytest
from kedro.pipeline import Node, Pipeline
from project_runs import kedro, make_project

from mixmas_pipeline.runners.ray import RayRunner

ray = pytest.importorskip("ray", reason="needs the extra: pip install 'mixmas_pipeline[ray]'")
pytestmark = pytest.mark.slow
STORE = {"object_store_memory": 80_000_000}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that takes no nodes but those without CPUs, and two machines; `grow` gives a further one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # The probes lie in no package; a real cluster has the project installed on every machine.
        paths = [str(Path(probes.__file__).parent), *filter(None, sys.path)]
        patched.setenv("PYTHONPATH", os.pathsep.join(paths))
        from ray.cluster_utils import Cluster

        made = Cluster(head_node_args={"num_cpus": 0, "include_dashboard": False, **STORE}, initialize_head=True)
        made.add_node(num_cpus=2, num_gpus=1, **STORE)
        made.add_node(num_cpus=2, **STORE)
        yield made
        made.shutdown()


@pytest.fixture
def run(cluster: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def run(graph: Pipeline, values: dict[str, Any], **section: Any) -> dict[str, Any]:
        return probes.run(tmp_path, graph, values, runner=RayRunner(address=cluster.address), **section)

    return run


def lose_when_it_runs(cluster: Any, marker: Path) -> threading.Thread:
    """Kill the machine whose name appears in the file, as a power cut would."""

    def lose() -> None:
        while not marker.exists():
            time.sleep(0.1)
        (lost,) = [node for node in cluster.worker_nodes if node.node_id == marker.read_text()]
        cluster.remove_node(lost, allow_graceful=False)

    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    return thread


def test_nodes_get_their_share_and_logs_come_back(
    run: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mixmas_pipeline")
    trials, values = probes.pipeline(probes.look, {"a": "a", "b": "b"})
    training, more = probes.pipeline(probes.look, {"c": "c"}, "training")
    short, rest = probes.pipeline(probes.look, {"d": "d"}, "")
    shares = {"trial": {"cpus": 2, "gpus": 0}, "training": {"cpus": 1, "gpus": 0.5}}
    seen = run(trials + training + short, values | more | rest, shares=shares)
    assert {name: found["torch"] for name, found in seen.items()} == {"a": 2, "b": 2, "c": 1, "d": 1}
    assert all(set(found["blas"]) == {found["torch"]} for found in seen.values())
    assert os.getpid() not in {found["process"] for found in seen.values()}
    assert seen["c"]["gpus"] == "0"
    assert not seen["a"]["gpus"]
    messages = [record.getMessage() for record in caplog.records]
    for name in "abcd":
        assert f"run_{name}: looking for {name}" in messages
        assert any(re.match(rf"run_{name}: runs on .+, process {seen[name]['process']}", m) for m in messages)


def test_results_are_those_of_this_machine_bit_for_bit_and_are_reused(
    run: Callable[..., dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph, values = probes.pipeline(probes.compute, {"a": 1, "b": 2})
    shares = {"trial": {"cpus": 2}}
    distributed = run(graph, values, shares=shares)
    assert distributed == probes.run(tmp_path / "here", graph, values, cores=1, shares=shares)
    caplog.set_level(logging.INFO)
    caplog.clear()
    assert run(graph, values, shares=shares) == distributed
    assert "Running" not in caplog.text


def test_a_lost_machine_costs_its_node_an_attempt(
    cluster: Any, run: Callable[..., dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    marker = tmp_path / "marker"
    graph, values = probes.pipeline(probes.wait_to_be_lost, {"a": str(marker)})
    killed, more = probes.pipeline(probes.die_once, {"b": str(tmp_path / "killed")})
    thread = lose_when_it_runs(cluster, marker)
    try:
        seen = run(graph + killed, values | more, shares={"trial": {"cpus": 1, "gpus": 0}})
        assert seen == {"a": "alive", "b": "alive"}
    finally:
        thread.join(60)
        cluster.add_node(num_cpus=2, num_gpus=1 - len(gpus(cluster)), **STORE)
    assert re.search(r"run_a: its worker or machine was lost \(.+\); it is run again \(1 of 2\)", caplog.text)
    assert re.search(r"run_b: its worker or machine was lost \(.+\); it is run again \(1 of 2\)", caplog.text)


def gpus(cluster: Any) -> list[Any]:
    return [node for node in cluster.worker_nodes if node._ray_params.num_gpus]


def test_errors_come_back_and_memory_is_refused(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    failing, values = probes.pipeline(probes.fail, {"a": "plain"})
    with pytest.raises(LookupError, match="no such thing") as raised:
        run(failing, values)
    assert "in fail" in str(raised.value.__cause__)
    short = Pipeline([Node(probes.same, "params:a", "made", name="make"), Node(probes.same, "made", "used")])
    with pytest.raises(ValueError, match=r"^made: kept in memory only.*an entry to the catalog for each$"):
        probes.run(tmp_path, short, {"params:a": 1}, RayRunner(), outputs={"made": probes.in_memory})


def test_no_cluster_at_the_address(tmp_path: Path) -> None:
    graph, values = probes.pipeline(probes.look, {"a": "a"})
    with pytest.raises(ConnectionError, match=r"no Ray cluster at the address '127.0.0.1:9'.*compute.ray.address"):
        probes.run(tmp_path, graph, values, RayRunner(address="127.0.0.1:9"))


STAGE = ["run", "--env=test", "--pipelines=search", "--to-nodes=search.image.choose"]
LONGER = "avmnist.search.budget.steps=150,avmnist.search.budget.extended_steps=150"


def test_a_search_that_loses_a_machine_ends_with_the_same_bits(cluster: Any, tmp_path: Path) -> None:
    """The command line, and a kill while a candidate trains."""
    project = make_project(tmp_path / "cluster")
    arguments = [*STAGE, "--runner=mixmas_pipeline.runners.ray.RayRunner"]
    no_gpu = "compute.shares.trial.gpus=0,compute.shares.preparation.gpus=0"  # the simulated one is none
    arguments.append(f"--params={LONGER},{no_gpu},compute.ray.address={cluster.address}")
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "250"},
    )
    said = ""
    assert process.stdout is not None
    lost = None
    for line in process.stdout:
        said += line
        if lost is None and (found := re.search(r"train_\w+: runs on .*process (\d+)", line)):
            raylet = int(Path(f"/proc/{found[1]}/stat").read_text().rpartition(")")[2].split()[1])
            lost = next(
                node for node in cluster.worker_nodes if raylet in [p.process.pid for p in node.all_processes["raylet"]]
            )
            cluster.remove_node(lost, allow_graceful=False)
    assert process.wait(60) == 0, said
    assert "it is run again" in said
    alone = make_project(tmp_path / "alone")
    done = kedro(alone, *STAGE, f"--params={LONGER}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(project) == results(alone)
    assert len(results(alone)) > 20


def results(project: Path) -> dict[str, bytes]:
    """Artefact -> its bytes, but for the seconds that trainings took."""
    root = project / "data" / "test"
    found = {}
    for file in sorted(p for p in root.rglob("*") if p.is_file()):
        if file.name in ("provenance.json", "leaderboard.parquet", ".run.json") or "checkpoints" in str(file):
            continue
        name = re.sub(r"/\d{4}-\d\d-\d\dT[\d.]+Z/", "/", f"/{file.relative_to(root)}")
        found[name] = re.sub(rb'"seconds": [\d.e-]+', b"", file.read_bytes())
    return found
