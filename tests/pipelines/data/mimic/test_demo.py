"""The open demo: 20 patients recomputed by a slow reference, counts against the demo's own tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mimic_reference import ORDER, Demo

from mixmas_pipeline.pipelines.data.mimic import variables

pytestmark = pytest.mark.mirror


@pytest.fixture(scope="module")
def reference(demo_folder: Path) -> Demo:
    return Demo(demo_folder)


def test_cohort_is_that_of_the_reference(demo: dict[str, Any], reference: Demo) -> None:
    wanted = reference.cohort().sort_values("stay").reset_index(drop=True)
    taken = demo["stays"][demo["stays"]["left_out"] == ""].sort_values("stay").reset_index(drop=True)
    assert list(taken["admission"]) == list(wanted["admission"])
    np.testing.assert_allclose(taken["hours_to_death"], wanted["hours_to_death"])
    static = np.array([reference.static(row) for _, row in wanted.iterrows()])
    np.testing.assert_allclose(taken[list(variables.STATIC)], static, rtol=1e-4)
    assert (static.std(axis=0) > 0).sum() >= 4, "the demo has nobody with AIDS, but some of all else"


def test_counts_are_those_of_the_tables(demo: dict[str, Any], reference: Demo) -> None:
    cohort = demo["cohort"].set_index("criterion")
    assert cohort.loc["all ICU stays", ["stays", "admissions", "patients"]].tolist() == [136, 129, 100]
    assert len(reference.stays) == 136
    assert reference.stays["hadm_id"].nunique() == cohort.loc["first ICU stay of the admission", "stays"] == 129
    assert cohort["stays"].iloc[-1] == sum(len(demo[split]) for split in ("train", "validation", "test")) == 108
    assert (cohort["stays"] + cohort["left_out"]).iloc[1:].tolist() == cohort["stays"].iloc[:-1].tolist()
    deaths = reference.admissions["deathtime"].notna().sum()
    assert (demo["stays"].drop_duplicates("admission")["hours_to_death"] < 24 * 365 * 100).sum() == 129
    assert deaths == 40, "the demo's own table"


def test_every_hour_of_twenty_patients(demo: dict[str, Any], reference: Demo) -> None:
    """All admissions of 20 patients, of both charting systems."""
    cohort = reference.cohort()
    some = cohort[cohort["patient"].isin(cohort["patient"].drop_duplicates().iloc[::4].iloc[:20])]
    assert some["patient"].nunique() == 20
    assert {"carevue", "metavision"} <= set(
        reference.stays.loc[reference.stays["icustay_id"].isin(some["stay"]), "dbsource"]
    )
    compared = pd.Series(0, index=list(ORDER))
    for _, row in some.iterrows():
        wanted = reference.hours(row)
        mine = demo["events"][demo["events"]["stay"] == row["stay"]]
        found = mine.pivot(index="hour", columns="variable", values="value")
        found = found.reindex(index=range(24), columns=list(ORDER)).astype(float)
        np.testing.assert_allclose(found, wanted, rtol=1e-9, err_msg=f"stay {row['stay']}")
        compared += wanted.notna().sum()
    assert (compared > 0).all(), compared


def test_table_holds_the_filled_and_standardised_hours(demo: dict[str, Any], reference: Demo) -> None:
    cohort = reference.cohort().set_index("admission")
    train = demo["train"]
    raw = {int(i): reference.hours(cohort.loc[int(i)].rename({}).copy()) for i in train.ids[:3]}
    statistics = demo["statistics"]["series"]
    medians = np.array([statistics[name]["median"] for name in ORDER])
    means, stds = (np.array([statistics[name][key] for name in ORDER]) for key in ("mean", "std"))
    for position, (_, hours) in enumerate(raw.items()):
        filled = hours.ffill().fillna(pd.Series(medians, index=list(ORDER)))
        wanted = (filled.to_numpy() - means) / stds
        np.testing.assert_allclose(train.arrays["time_series"][position], wanted, atol=1e-5)
        np.testing.assert_array_equal(train.extra["observed"][position], hours.notna())
    series = train.arrays["time_series"].reshape(-1, 12)
    np.testing.assert_allclose(series.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(series.std(axis=0), 1, atol=1e-4)
