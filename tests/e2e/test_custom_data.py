"""Real data sets of other kinds, by nothing but the YAML of docs/custom_examples.md: does a small run learn them?"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from project_runs import ROOT, kedro, make_project, newest
from real_data import LAY_OUT, Unavailable, drop

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.datasets.table import TableDataset

BLIND = "accuracy, most frequent class"
# Longer than in the test environment, in which nothing is learnt well.
TRAINING = {"max_epochs": 15, "patience": 15, "learning_rate": 0.005}


def shown() -> dict[str, str]:
    """Data set -> its YAML on the page."""
    page = (ROOT / "docs/custom_examples.md").read_text()
    return {name: block for block, name in re.findall(r"```yaml\n(dataset: (\w+)\n.*?)```", page, flags=re.DOTALL)}


def project_of(name: str, folder: Path, **modalities: dict[str, Any]) -> Path:
    """A project with the data set's files and YAML, at a test's size.

    Args:
        modalities: what differs from the page.
    """
    project = make_project(folder)
    raw = project / "data/01_raw" / name
    raw.mkdir(parents=True)
    try:
        LAY_OUT[name](raw)
    except Unavailable as reason:
        pytest.skip(str(reason))
    section = yaml.safe_load(shown()[name])
    for modality, changes in modalities.items():
        section[name]["table"]["modalities"][modality] |= changes
    (project / "conf/base/parameters_real.yml").write_text(
        yaml.safe_dump({name: {**section[name], "training": TRAINING}})
    )
    return project


def run(name: str, project: Path) -> dict[str, float]:
    """The trained model's scores on the test split."""
    done = kedro(project, "run", "--env=test", "--pipeline=training", f"--params=dataset={name}", timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    scores: dict[str, dict[str, float]]
    scores = json.loads(newest(project / f"data/test/07_model_output/{name}/metrics.json").read_text())
    return scores["test"]


def load(name: str, split: str, project: Path) -> MultimodalTable:
    file = newest(project / f"data/test/05_model_input/{name}/{split}.arrow")
    return TableDataset(filepath=str(file)).load()


def test_every_block_has_its_data() -> None:
    assert shown().keys() == LAY_OUT.keys()


@pytest.mark.slow
def test_pictures_and_names_of_emoji_of_which_some_pictures_are_missing(tmp_path: Path) -> None:
    project = project_of("emoji", tmp_path / "project", picture={"optional": True, "height": 32, "width": 32})
    file = project / "data/01_raw/emoji/emoji.csv"
    rows = pd.read_csv(file)
    rows[pd.factorize(rows["base"])[0] % 3 == 0].to_csv(file, index=False)
    drop(file, ["picture"], 0.3, seed=0)
    written = pd.read_csv(file, index_col="code")
    scores = run("emoji", project)
    assert scores["accuracy"] > scores[BLIND] + 0.3
    tables = {split: load("emoji", split, project) for split in ("train", "validation", "test")}
    bases = {split: set(written.loc[table.ids, "base"]) for split, table in tables.items()}
    assert not bases["train"] & (bases["validation"] | bases["test"])
    assert sorted(code for table in tables.values() for code in table.ids) == sorted(written.index)
    for table in tables.values():
        np.testing.assert_array_equal(table.present["picture"], written.loc[table.ids, "picture"].notna())
        names = np.array(table.schema.classes)[table.labels]
        assert (names == written.loc[table.ids, "group"]).all()
    patterns = pd.read_parquet(newest(project / "data/test/07_model_output/emoji/patterns.parquet"))
    rows = {frozenset(row.pattern.split(" + ")): row.rows for row in patterns.itertuples()}
    assert rows[frozenset({"picture", "name", "name_words"})] == tables["test"].present["picture"].sum()
    assert rows[frozenset({"name", "name_words"})] == (~tables["test"].present["picture"]).sum()


@pytest.mark.slow
def test_visits_and_facts_of_patients(tmp_path: Path) -> None:
    project = project_of("liver", tmp_path / "project")
    assert run("liver", project)["auroc"] > 0.7  # of chance 0.5; seven in ten lived
    train = load("liver", "train", project)
    visits = pd.read_csv(project / "data/01_raw/liver/visits.csv").groupby("patient").size()
    there = train.arrays["visits"].any(axis=2).sum(axis=1)
    assert there.tolist() == visits[train.ids.astype(int)].clip(upper=4).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("shuffled", [False, True])
def test_speakers_are_told_apart_unless_the_labels_are_shuffled(shuffled: bool, tmp_path: Path) -> None:
    """The second is what a mistake in the preparation would look like: rows and labels out of step."""
    project = project_of("vowels", tmp_path / "project")
    file = project / "data/01_raw/vowels/utterances.csv"
    if shuffled:
        rows = pd.read_csv(file)
        rows["speaker"] = np.random.default_rng(0).permutation(rows["speaker"])
        rows.to_csv(file, index=False)
    scores = run("vowels", project)
    assert (scores["accuracy"] > scores[BLIND] + 0.4) is not shuffled
