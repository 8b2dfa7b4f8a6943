"""Code that is edited while a run is going: no result is recorded as made from what did not make it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project_runs import ROOT

PROBE = """
from pathlib import Path

INNER = Path(__file__).with_name("probe_inner.py")


def edit(text):
    INNER.write_text(text)
    return text


def value(_, after):
    from mixmas_pipeline.probe_inner import VALUE

    if after:
        INNER.write_text(after)
    return VALUE
"""
SCRIPT = """
import logging, sys
from pathlib import Path
import probes
from kedro.pipeline import Node, Pipeline
from mixmas_pipeline import probe
if sys.argv[1] == "first":
    import mixmas_pipeline.probe_inner
log = logging.getLogger("mixmas_pipeline")  # Kedro has set up its own
log.handlers, log.propagate = [logging.StreamHandler(sys.stdout)], False
log.setLevel(logging.INFO)
nodes = [Node(probe.edit, "params:edit", "edited", name="edit")]
names = sys.argv[4].split(",")
nodes += [Node(probe.value, ["edited", "params:after"], name, name=name, tags="trial") for name in names]
values = {"params:edit": sys.argv[2], "params:after": sys.argv[3]}
runner = None
if sys.argv[5] == "ray":
    from ray.cluster_utils import Cluster
    from mixmas_pipeline.runners.ray import RayRunner
    head = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 80_000_000}
    runner = RayRunner(address=Cluster(initialize_head=True, head_node_args=head).address)
print(probes.run(Path("out") / sys.argv[4], Pipeline(nodes), values, runner, cores=len(names)))
"""


ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "400", "RAY_USAGE_STATS_ENABLED": "0"}


class Copy:
    """A copy of the package with a node that imports another module when it runs, and a node that edits that module."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        source = ROOT / "src" / "mixmas_pipeline"
        shutil.copytree(source, folder / "mixmas_pipeline", ignore=shutil.ignore_patterns("__pycache__", "project"))
        (folder / "mixmas_pipeline" / "probe.py").write_text(PROBE)
        self._inner = folder / "mixmas_pipeline" / "probe_inner.py"

    def run(self, edit: str, after: str = "", imports: str = "later", names: str = "value", runner: str = "") -> str:
        """Run the nodes in a new process, the module being ``VALUE = 1`` before; what the process printed."""
        path = os.pathsep.join([str(self._folder), str(ROOT / "tests" / "samples")])
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, imports, edit, after, names, runner],
            cwd=self._folder,
            env={
                **os.environ,
                "PYTHONPATH": path,
                "PYTHONDONTWRITEBYTECODE": "1",
                "COLUMNS": "400",
                "RAY_USAGE_STATS_ENABLED": "0",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ).stdout

    def write(self, text: str) -> None:
        self._inner.write_text(text)


@pytest.fixture
def package(tmp_path: Path) -> Copy:
    copy = Copy(tmp_path)
    copy.write("VALUE = 1\n")
    return copy


def test_what_was_imported_before_the_edit_is_what_is_recorded(package: Copy) -> None:
    """The result is that of the old code, and the next run sees that the code is another."""
    assert "'value': 1" in package.run("VALUE = 2\n", imports="first")
    again = package.run("VALUE = 2\n")
    assert "Running value (2 of 2): code of probe_inner changed" in again
    assert "'value': 2" in again


def test_what_is_imported_after_the_edit_is_not_recorded(package: Copy) -> None:
    broken = package.run("VALUE = 2\n")
    assert "CodeChanged: value: the code of probe_inner is not what it was when this run began" in broken
    again = package.run("VALUE = 2\n")
    assert "Reused: edit" in again
    assert "Running value (2 of 2): value has no record of how it was made" in again
    assert "'value': 2" in again


def test_a_comment_is_no_other_code(package: Copy) -> None:
    assert "'value': 1" in package.run("VALUE = 1  # one\n")
    assert "Reused: edit, value" in package.run("VALUE = 1  # one\n")


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["", "ray"])
def test_an_edit_that_is_taken_back_while_workers_run_is_not_recorded(runner: str, package: Copy) -> None:
    """The workers have imported the edited module; the disk says nothing of it any more."""
    if runner:
        pytest.importorskip("ray", reason="needs the extra ray")
    broken = package.run("VALUE = 2\n", after="VALUE = 1\n", names="one,two", runner=runner)
    assert "the code of probe_inner is not what it was when this run began" in broken
    package.write("VALUE = 1\n")
    again = package.run("VALUE = 2\n", after="VALUE = 1\n", names="one,two", runner=runner)
    assert "'one': 1, 'two': 1" in again
