"""`kedro run` on a CSV of one's own, from the table to the report; then new rows in the same layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from project_runs import kedro, make_project, newest
from run_results import started

from mixmas_pipeline.datasets.table import TableDataset

SECTION = {
    "table": {
        "file": "pets.csv",
        "id": "name",
        "label": "sick",
        "task": "binary",
        "split": {"fractions": {"validation": 0.2, "test": 0.2}, "group": "owner"},
        "modalities": {
            "pulse": {"kind": "time_series", "columns": ["hr_*"], "optional": True},
            "facts": {"kind": "tabular", "columns": ["age", "breed"], "categories": ["breed"]},
        },
    },
    "search": {"encoders": {m: {"candidates": {"hyper_mixer": None}} for m in ("pulse", "facts")}},
}


def pets() -> pd.DataFrame:
    """240 pets of 120 owners; age and pulse say together which are sick, and some have no pulse."""
    rng = np.random.default_rng(0)
    rows = np.arange(240)
    frame = pd.DataFrame({"name": [f"pet{i}" for i in rows], "owner": rows // 2, "age": rng.normal(8, 3, 240).round(3)})
    pulse = rng.normal(80, 5, (240, 1)) + rng.normal(size=(240, 4))
    frame[[f"hr_{t}" for t in range(4)]] = np.where(rows[:, None] % 9 == 0, np.nan, pulse.round(3))
    frame["breed"] = rng.choice(["a", "b", "c"], 240)
    return frame.assign(sick=np.where(frame["age"] + (pulse[:, 0] - 80) / 2 > 8, "yes", "no"))


@pytest.mark.slow
def test_a_table_is_searched_trained_and_predicted_from(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    frame = pets()
    frame.to_csv(project / "pets.csv", index=False)
    section = project / "conf/base/parameters_pets.yml"
    section.write_text(yaml.safe_dump({"pets": SECTION}))
    listed = kedro(project, "registry", "list")
    assert "- pets" in listed.stdout, listed.stderr

    run = ("run", "--env=test", "--params=dataset=pets")
    done = kedro(project, *run)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "pets: final scores" in said
    out = project / "data/test"
    assert newest(out / "08_reporting/pets/report.html").exists()
    splits = pd.read_parquet(newest(out / "03_primary/pets/splits.parquet"))
    assert splits["split"].value_counts().to_dict() == {"train": 144, "validation": 48, "test": 48}
    owners = splits["split"].groupby(frame.set_index("name").loc[splits["id"], "owner"].to_numpy())
    assert (owners.nunique() == 1).all()
    test = TableDataset(filepath=str(newest(out / "05_model_input/pets/test.arrow"))).load()
    assert 0 < (~test.present["pulse"]).sum() < len(test)

    rows = frame.set_index("name").loc[test.ids].reset_index().drop(columns=["sick", "owner"])
    rows.to_csv(project / "new.csv", index=False)
    predict = (*run[:2], "--pipeline=predict", "--params=dataset=pets,pets.predict.rows=new.csv")
    done = kedro(project, *predict)
    assert done.returncode == 0, done.stdout + done.stderr
    predicted = pd.read_parquet(newest(out / "07_model_output/pets/predicted.parquet"))
    measured = pd.read_parquet(newest(out / "07_model_output/pets/predictions.parquet"))
    assert list(predicted["id"]) == list(measured["id"])
    np.testing.assert_allclose(predicted["probability_yes"], measured["probability_yes"], atol=1e-6)
    done = kedro(project, *run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert started(done.stdout) == [], "all is reused"

    # A value of a training row: what does not see it is reused.
    frame.loc[frame["name"] == splits["id"][splits["split"] == "train"].iloc[0], "age"] = 100.0
    frame.to_csv(project / "pets.csv", index=False)
    done = kedro(project, *run, "--pipeline=pets")
    begun = started(done.stdout)
    assert [name for name in begun if name.endswith("facts.learn")]
    assert [name for name in begun if name.endswith("facts.prepare_validation")], "with other means"
    assert not [name for name in begun if name.endswith("pulse.prepare_validation")]
    (project / "pets.csv").unlink()
    done = kedro(project, *run)
    said = " ".join((done.stdout + done.stderr).split())
    assert "pets.csv does not exist; pets.table.file names it" in said
