"""Measure the search with one candidate at a time against several at once, in turns, in one run.

    python benchmarks/parallel.py                 on the embedded demo, one core against two
    python benchmarks/parallel.py --cores 8 --rounds 3

The data is prepared first and not timed. Only the ratio is to be compared, on a machine that does nothing else. Nothing
here is a test.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]


def search(project: Path, cores: int, dataset: str, env: str) -> float:
    """Seconds of a search of which nothing is reused but the data."""
    folder = Path(tempfile.mkdtemp(dir=project.parent)) / "project"
    shutil.copytree(project, folder)
    start = time.perf_counter()
    kedro(folder, "run", f"--env={env}", "--pipelines=search", f"--params=dataset={dataset},compute.cores={cores}")
    seconds = time.perf_counter() - start
    shutil.rmtree(folder.parent)
    return seconds


def kedro(project: Path, *arguments: str) -> None:
    """Run a kedro command."""
    done = subprocess.run(
        [sys.executable, "-m", "kedro", *arguments], cwd=project, env=os.environ, capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2, help="against one. Default 2")
    parser.add_argument("--rounds", type=int, default=1, help="each is timed so often, in turns. Default 1")
    parser.add_argument("--dataset", default="avmnist")
    parser.add_argument("--env", default="base", help="environment of the configuration. Default base: the demo")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "prepared" / "project"
        (project / "src").mkdir(parents=True)
        shutil.copytree(ROOT / "conf", project / "conf")
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, project / name)
        where = f"--env={arguments.env}"
        kedro(project, "run", where, f"--pipelines={arguments.dataset}", f"--params=dataset={arguments.dataset}")
        seconds: dict[int, list[float]] = {1: [], arguments.cores: []}
        for _ in range(arguments.rounds):
            for cores, times in seconds.items():
                times.append(search(project, cores, arguments.dataset, arguments.env))
    table = Table("cores", "seconds", "speed", title=f"search on {arguments.dataset}, {arguments.env}")
    for cores, times in seconds.items():
        ratio = statistics.median(seconds[1]) / statistics.median(times)
        table.add_row(str(cores), f"{statistics.median(times):.1f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
