"""Runs on tables of other formats: what is made again when a part of a folder, a database or its query changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from project_runs import kedro, make_project, newest
from run_results import started

from mixmas_pipeline.datasets.table import TableDataset


def shops(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": np.arange(rows) + 2**53,
            "price": rng.normal(10, 2, rows).round(2),
            "opened": pd.date_range("2020-01-01 08:30", periods=rows, freq="37h").strftime("%Y-%m-%d %H:%M"),
            "kept": np.where(np.arange(rows) % 3 == 0, "no", "yes"),
        }
    )


def write_section(project: Path, **table: Any) -> None:
    facts = {"kind": "tabular", "columns": ["price", "opened"], "dates": ["opened"]}
    split = {"fractions": {"validation": 0.2, "test": 0.2}}
    whole = {"id": "id", "label": "kept", "task": "binary", "split": split, "modalities": {"facts": facts}, **table}
    (project / "conf/base/parameters_shops.yml").write_text(yaml.safe_dump({"shops": {"table": whole}}))


def prepare(project: Path) -> list[str]:
    """The nodes that a run has begun."""
    done = kedro(project, "run", "--env=test", "--params=dataset=shops", "--pipeline=shops")
    assert done.returncode == 0, done.stdout + done.stderr
    return started(done.stdout)


def features(project: Path) -> tuple[str, ...]:
    train = TableDataset(filepath=str(newest(project / "data/test/05_model_input/shops/train.arrow"))).load()
    return tuple(train.schema.modalities["facts"].features)


CIRCLES = ("time of year", "weekday", "time of day")
FEATURES = ("price", "opened: days", *(f"opened: {name} ({part})" for name in CIRCLES for part in ("sin", "cos")))


@pytest.mark.slow
def test_what_changes_is_made_again(tmp_path: Path) -> None:
    project, frame = make_project(tmp_path / "project"), shops()
    (project / "parts").mkdir()
    for number, part in enumerate(np.array_split(np.arange(len(frame)), 3)):
        frame.iloc[part].to_parquet(project / "parts" / f"part-{number}.parquet")
    write_section(project, file="parts")
    assert "data.shops.read_table" in prepare(project)
    assert features(project) == FEATURES
    assert prepare(project) == []
    frame.iloc[-20:].assign(price=3.0).to_parquet(project / "parts" / "part-2.parquet")
    assert "data.shops.read_table" in prepare(project)

    with closing(sqlite3.connect(project / "shops.sqlite")) as connection:
        frame.to_sql("shops", connection, index=False)
    written = {"file": "shops.sqlite", "query": "select * from shops order by id"}
    write_section(project, **written)
    assert "data.shops.read_table" in prepare(project)
    assert features(project) == FEATURES
    assert prepare(project) == []
    write_section(project, **{**written, "query": "select * from shops where price > 9 order by id"})
    assert "data.shops.read_table" in prepare(project)
    splits = pd.read_parquet(newest(project / "data/test/03_primary/shops/splits.parquet"))
    assert sorted(splits["id"]) == sorted(frame.loc[frame["price"] > 9, "id"].astype(str))
    assert prepare(project) == []
    with closing(sqlite3.connect(project / "shops.sqlite")) as connection:
        connection.execute("update shops set price = 20 where price > 10")
        connection.commit()
    assert "data.shops.read_table" in prepare(project)
