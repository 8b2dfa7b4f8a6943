"""Files beside the table with one row per step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from draft_samples import animals, named_rows

from mixmas_pipeline.pipelines.data.custom.cells import ID
from mixmas_pipeline.pipelines.data.custom.drafting.steps import Steps, find_steps

ROWS = 40


def visits(**columns: Any) -> pd.DataFrame:
    """Two to five visits of each animal but the last."""
    rng = np.random.default_rng(0)
    ids = np.repeat([f"pet{i}" for i in range(ROWS - 1)], [2 + i % 4 for i in range(ROWS - 1)])
    hours = np.concatenate([np.arange(2 + i % 4) for i in range(ROWS - 1)])
    frame = pd.DataFrame({"name": ids, "hour": hours, "pulse": rng.normal(size=len(ids)), "vet": "Dr. A"})
    return frame.assign(**columns)


def find(folder: Path) -> tuple[list[Steps], dict[str, str]]:
    frame = animals(ROWS)
    frame.to_csv(folder / "pets.csv", index=False)
    return find_steps(folder / "pets.csv", named_rows(frame).assign(**{ID: frame["name"].to_numpy()}), "name")


@pytest.mark.parametrize("file", ["visits.csv", "visits.csv.gz", "visits.parquet", "visits.feather", "visits.tsv"])
def test_a_file_of_steps(file: str, tmp_path: Path) -> None:
    match file.partition(".")[2]:
        case "parquet":
            visits().to_parquet(tmp_path / file)
        case "feather":
            visits().to_feather(tmp_path / file)
        case ending:
            visits().to_csv(tmp_path / file, index=False, sep="\t" if ending == "tsv" else ",")
    (found,), left_out = find(tmp_path)
    assert (found.file, found.id, found.time, found.features) == (tmp_path / file, "name", "hour", ("pulse",))
    assert (found.steps, found.repeated, found.separator) == (5, False, None)
    assert np.flatnonzero(found.lacking).tolist() == [ROWS - 1]
    assert left_out == {}


def test_uneven_times_are_a_feature_too(tmp_path: Path) -> None:
    visits(hour=np.random.default_rng(1).uniform(0, 9, len(visits()))).to_csv(tmp_path / "visits.csv", index=False)
    (found,), _ = find(tmp_path)
    assert found.features == ("hour", "pulse")


def test_a_separator_dates_and_repeated_times(tmp_path: Path) -> None:
    dates = pd.to_datetime("2024-01-01") + pd.to_timedelta(visits()["hour"], "D")
    frame = visits(date=dates.dt.strftime("%Y-%m-%d")).drop(columns="hour")
    pd.concat([frame, frame[:3]]).to_csv(tmp_path / "visits.csv", index=False, sep=";")
    (found,), _ = find(tmp_path)
    assert (found.time, found.separator, found.repeated) == ("date", ";", True)


def test_very_long_series_are_cut(tmp_path: Path) -> None:
    pd.DataFrame(
        {"name": np.repeat([f"pet{i}" for i in range(ROWS)], 300), "t": np.tile(np.arange(300), ROWS), "x": 1.5}
    ).assign(y=range(300 * ROWS)).to_csv(tmp_path / "visits.csv", index=False)
    (found,), _ = find(tmp_path)
    assert found.steps == 200
    assert "of 40 longer ones the last 200 are taken" in found.made_from


def test_other_files_are_no_series(tmp_path: Path) -> None:
    animals(ROWS).to_csv(tmp_path / "copy.csv", index=False)  # one row per id
    visits(name="someone else").to_csv(tmp_path / "others.csv", index=False)
    visits().rename(columns={"name": "pet"}).to_csv(tmp_path / "unrelated.csv", index=False)
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1")
    (tmp_path / "notes.txt").write_text("name")
    assert find(tmp_path) == ([], {})


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    visits().drop(columns="hour").assign(pulse="fast").to_csv(tmp_path / "visits.csv", index=False)
    found, left_out = find(tmp_path)
    assert found == []
    assert left_out["visits.csv"].startswith("has no column of times")


def test_row_names_join_nothing(tmp_path: Path) -> None:
    frame = animals(ROWS).rename(columns={"name": "rownames"})
    visits().rename(columns={"name": "rownames"}).to_csv(tmp_path / "visits.csv", index=False)
    rows = named_rows(frame).assign(**{ID: frame["rownames"].to_numpy()})
    assert find_steps(tmp_path / "pets.csv", rows, "rownames") == ([], {})


def test_times_that_cannot_be_read_leave_the_file_out(tmp_path: Path) -> None:
    days = [f"{1 + hour}/1/2024 10:00" for hour in visits()["hour"] + 12]
    visits(date=days).drop(columns="hour").to_csv(tmp_path / "visits.csv", index=False)
    found, left_out = find(tmp_path)
    assert found == []
    assert (
        "row 0, column date: found '13/1/2024 10:00'; expected a number everywhere, or a date" in left_out["visits.csv"]
    )


def test_another_column_of_times_is_taken_where_the_first_cannot_be_read(tmp_path: Path) -> None:
    visits(date="13/1/2024").to_csv(tmp_path / "visits.csv", index=False)
    (found,), _ = find(tmp_path)
    assert found.time == "hour"
