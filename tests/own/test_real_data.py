"""Real data sets of other kinds, by nothing but the YAML that docs/own_examples.md shows: does a small run learn them?"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from project_runs import ROOT, kedro, make_project, newest
from real_data import LAY_OUT, Unavailable

from mixmas_pipeline.datasets.table import MultimodalTable, TableDataset

# A few steps more than the test environment's, in which nothing is learnt well.
SMALL: dict[str, Any] = {"search": {"budget": {"steps": 40}}, "training": {"max_epochs": 12, "patience": 12}}


def shown() -> dict[str, str]:
    """Data set -> its YAML on the page."""
    page = (ROOT / "docs/own_examples.md").read_text()
    return {name: block for block, name in re.findall(r"```yaml\n(dataset: (\w+)\n.*?)```", page, flags=re.DOTALL)}


def project_of(name: str, folder: Path) -> Path:
    """A project with the data set's files and YAML, at a test's size."""
    project = make_project(folder)
    raw = project / "data/01_raw" / name
    raw.mkdir(parents=True)
    try:
        LAY_OUT[name](raw)
    except Unavailable as reason:
        pytest.skip(str(reason))
    section = yaml.safe_load(shown()[name])
    section[name] = {**section[name], "training": SMALL["training"]}
    section[name]["search"] = {**section[name].get("search", {}), **SMALL["search"]}
    (project / "conf/base/parameters_real.yml").write_text(yaml.safe_dump({name: section[name]}))
    return project


def run(name: str, project: Path, pipeline: str = "training") -> dict[str, Any]:
    """The metrics of a run."""
    done = kedro(project, "run", "--env=test", f"--pipeline={pipeline}", f"--params=dataset={name}")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(newest(metrics_of(name, project)).read_text())
    return found


def metrics_of(name: str, project: Path) -> Path:
    return next(path for path in (project / "data/test").rglob("metrics.json") if path.is_dir())


def table_of(name: str, split: str, project: Path) -> MultimodalTable:
    file = newest(project / f"data/test/05_model_input/{name}/{split}.arrow")
    return TableDataset(filepath=str(file)).load()


def test_every_block_has_its_data() -> None:
    assert shown().keys() == LAY_OUT.keys()
