"""What may influence an input, and what may not; fills, labels, units, splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mimic_samples import ENTRY, EVENT_TABLES, Prepare, Tables, same_inputs, small_tables, write_tables

from mixmas_pipeline.pipelines.data.mimic import nodes, variables
from mixmas_pipeline.pipelines.data.mimic.parameters import (
    CohortParameters,
    LabelParameters,
    SplitParameters,
)
from mixmas_pipeline.pipelines.data.mimic.sources import MimicTablesDataset


def disturbed(tables: Tables, which: Callable[[pd.DataFrame], pd.Series]) -> Tables:
    """The event tables with other values in the chosen rows."""
    changed = {}
    for name in EVENT_TABLES:
        table, rows = tables[name].copy(), which(tables[name])
        assert rows.any()
        for column in ("value", "valuenum"):
            if column in table:
                table.loc[rows, column] = table.loc[rows, column] * 1.07 + 0.01
        changed[name] = table
    return changed


def since_entry(tables: Tables, events: pd.DataFrame) -> pd.Series:
    entry = tables["ICUSTAYS"].set_index("hadm_id")["intime"]
    return (events["charttime"] - events["hadm_id"].map(entry)) / pd.Timedelta(hours=1)


def test_nothing_after_the_24_hours_changes_any_input(
    prepared: dict[str, Any], prepare_changed: Prepare, tables: Tables
) -> None:
    changed = disturbed(tables, lambda events: since_entry(tables, events) >= 24)
    late = tables["SERVICES"].assign(
        transfertime=lambda t: t["transfertime"] + pd.Timedelta(hours=24), curr_service="NSURG"
    )
    changed["SERVICES"] = pd.concat([tables["SERVICES"], late])
    after = prepare_changed(**changed)
    for split in nodes.SPLITS:
        assert same_inputs(prepared[split], after[split])
    earlier = prepare_changed(**disturbed(tables, lambda events: since_entry(tables, events) < 24))
    assert not same_inputs(prepared["train"], earlier["train"]), "the test would not notice a change"


def test_an_event_at_hour_24_sharp_is_outside(
    prepared: dict[str, Any], prepare_changed: Prepare, tables: Tables
) -> None:
    sharp = tables["CHARTEVENTS"].copy()
    entry = sharp["hadm_id"].map(tables["ICUSTAYS"].set_index("hadm_id")["intime"])
    last = since_entry(tables, sharp) >= 24
    sharp.loc[last, "charttime"] = entry[last] + pd.Timedelta(hours=24)
    assert all(
        same_inputs(prepared[s], after) for s, after in prepare_changed(CHARTEVENTS=sharp).items() if s in nodes.SPLITS
    )


def test_no_value_of_validation_or_test_changes_a_training_input(
    prepared: dict[str, Any], prepare_changed: Prepare, tables: Tables
) -> None:
    others = set(prepared["validation"].extra["patient"]) | set(prepared["test"].extra["patient"])
    after = prepare_changed(**disturbed(tables, lambda events: events["subject_id"].isin(others)))
    assert same_inputs(prepared["train"], after["train"])
    assert prepared["statistics"] == after["statistics"]
    assert not same_inputs(prepared["test"], after["test"])


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_is_in_two_splits(prepared: dict[str, Any], labels: LabelParameters, seed: int) -> None:
    split = SplitParameters(seed=seed)
    *examples, _ = nodes.split_patients(prepared["stays"], prepared["events"], labels, split)
    patients = [set(frame["patient"]) for frame in examples]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 30
    assert [len(p) for p in patients] == [24, 3, 3]
    assert sum(map(len, examples)) == len(prepared["stays"]) > 30, "some patients have several admissions"
    again = nodes.split_patients(prepared["stays"], prepared["events"], labels, split)
    assert all(a.equals(b) for a, b in zip(again, examples, strict=False))


def test_gap_is_filled_from_before_and_never_from_after() -> None:
    values = np.full((1, 24, 12), np.nan)
    values[0, 5, 0], values[0, 9, 0] = 3.0, 7.0
    filled = nodes._filled(values, np.arange(100.0, 112.0))
    assert filled[0, :5, 0].tolist() == [100.0] * 5
    assert filled[0, 5:9, 0].tolist() == [3.0] * 4
    assert filled[0, 9:, 0].tolist() == [7.0] * 15
    assert (filled[0, :, 3] == 103.0).all()


def test_mask_and_mask_as_input(prepared: dict[str, Any], prepare_changed: Prepare) -> None:
    train = prepared["train"]
    assert train.extra["observed"].shape == (len(train), 24, 12)
    assert 0 < train.extra["observed"].mean() < 1
    wide = prepare_changed(mask_as_input=True)["train"]
    assert wide.arrays["time_series"].shape == (len(train), 24, 24)
    np.testing.assert_array_equal(wide.arrays["time_series"][:, :, :12], train.arrays["time_series"])
    np.testing.assert_array_equal(wide.arrays["time_series"][:, :, 12:], train.extra["observed"])


def test_patient_without_events_is_dropped_and_counted(
    prepared: dict[str, Any], prepare_changed: Prepare, tables: Tables
) -> None:
    silent = {name: tables[name][tables[name]["subject_id"] != 101] for name in EVENT_TABLES}
    after = prepare_changed(**silent)
    cohort = after["cohort"].set_index("criterion")
    assert cohort.loc[nodes.WITHOUT_EVENTS, "left_out"] == 1
    assert 101 not in {p for split in nodes.SPLITS for p in after[split].extra["patient"]}
    assert prepared["cohort"]["left_out"].iloc[-1] == 0


def test_criteria_of_the_cohort(tmp_path: Path) -> None:
    tables = small_tables(8)
    stays, patients = tables["ICUSTAYS"], tables["PATIENTS"]
    second = stays.iloc[[0]].assign(
        icustay_id=1, intime=lambda t: t["outtime"], outtime=lambda t: t["intime"] + pd.Timedelta(days=3)
    )
    stays.loc[stays["subject_id"] == 101, "outtime"] = stays["intime"] + pd.Timedelta(hours=23.9)
    stays.loc[stays["subject_id"] == 102, "outtime"] = pd.NaT
    patients.loc[patients["subject_id"] == 103, "dob"] = ENTRY - pd.Timedelta(days=365 * 15)
    patients.loc[patients["subject_id"] == 105, "dob"] = ENTRY - pd.Timedelta(days=365 * 330)
    patients.loc[patients["subject_id"] == 107, "dod"] = ENTRY - pd.Timedelta(days=90)
    tables["ICUSTAYS"] = pd.concat([stays, second])
    source = MimicTablesDataset(filepath=str(write_tables(tables, tmp_path)), mirror="none").load()
    found = nodes.select_stays(source, CohortParameters()).set_index("stay")
    reasons = found["left_out"].astype(str)
    assert reasons[1] == "first ICU stay of the admission"
    assert reasons[200_010] == reasons[200_020] == "at least 24 h in the unit"
    assert reasons[200_030] == "at least 16 years old"
    assert reasons[200_070] == "alive when the stay begins"
    assert reasons[200_050] == ""
    assert found.loc[200_050, "age"] == 91.4
    assert (found.loc[[200_000, 200_040], "admission_type"] == [variables.SCHEDULED_SURGICAL, variables.MEDICAL]).all()


def test_mortality_classes() -> None:
    labels = LabelParameters()
    stays = pd.DataFrame({"hours_to_death": [-2, 24, 24.01, 48, 72, 168, 168.5, 8760, 8761, np.nan]})
    assert nodes._labels(stays, labels).tolist() == [0, 0, 1, 1, 2, 3, 4, 4, 5, 5]
    assert labels.classes == (
        *("within 1 day", "1 day to 2 days", "2 days to 3 days", "3 days to 1 week", "1 week to 1 year"),
        "over 1 year or alive",
    )


def test_diagnosis_tasks(prepared: dict[str, Any], tables: Tables) -> None:
    labels = LabelParameters(task="icd9_140_239")
    *examples, _ = nodes.split_patients(prepared["stays"], prepared["events"], labels, SplitParameters(seed=0))
    found = pd.concat(examples)
    assert ((found["patient"] - 100) % 4 == 1).astype(int).equals(found["label"])
    assert labels.classes == ("no ICD-9 140-239", "ICD-9 140-239")


@pytest.mark.parametrize("task", ["mortality", "icd9_140_239", "icd9_460_519"])
@pytest.mark.parametrize("hide", [True, False])
def test_label_is_not_among_the_inputs(prepared: dict[str, Any], task: Any, hide: bool) -> None:
    labels = LabelParameters(task=task, edges=(2000, 8760), hide_own_codes=hide)
    stays, events = prepared["stays"], prepared["events"]
    assert stays["metastatic_cancer"].equals(stays["icd9_140_239"].astype(float)), "the one gives the other away"
    *examples, _ = nodes.split_patients(stays, events, labels, SplitParameters(seed=0, validation=0.2, test=0.2))
    statistics = nodes.fit_statistics(examples[0], events)
    for frame in examples:
        made = nodes.build_table(frame, events, statistics, labels, "made up", False).arrays["static"]
        own = [variables.STATIC.index(name) for name in ("haematologic_malignancy", "metastatic_cancer")]
        assert made[:, own].any() == (task != "icd9_140_239" or not hide)
        assert made[:, 0].any()


def one_series(stays: list[int], variable: str, values: list[float]) -> pd.DataFrame:
    """A value in hour 0 of each stay."""
    events = pd.DataFrame({"stay": stays, "hour": 0, "variable": variable, "value": values})
    return events.astype({"variable": pd.CategoricalDtype(variables.SERIES)})


def examples(stays: list[int]) -> pd.DataFrame:
    frame = pd.DataFrame({"stay": stays, "patient": stays, "admission": stays, "label": 0})
    return frame.assign(**dict.fromkeys(variables.STATIC, 0.1))


def table(frame: pd.DataFrame, events: pd.DataFrame, statistics: dict[str, Any]) -> Any:
    return nodes.build_table(frame, events, statistics, LabelParameters(), "made up", False)


def test_a_variable_that_does_not_vary_in_training_is_not_blown_up() -> None:
    events = one_series([*range(7), 50], "potassium", [0.1] * 7 + [5.0])
    statistics = nodes.fit_statistics(examples(list(range(7))), events)
    assert {entry["std"] for kind in ("series", "static") for entry in statistics[kind].values()} == {1.0}
    other = table(examples([50]), events, statistics)
    np.testing.assert_allclose(other.arrays["time_series"][0, :, variables.SERIES.index("potassium")], 4.9, rtol=1e-6)


def test_a_variable_that_training_never_saw_is_missing_everywhere() -> None:
    events = pd.concat([one_series([0, 1], "sodium", [139, 141]), one_series([50], "potassium", [5.0])])
    events = events.astype({"variable": pd.CategoricalDtype(variables.SERIES)})
    train = examples([0, 1]).assign(aids=np.nan)
    statistics = nodes.fit_statistics(train, events)
    other = table(examples([50]).assign(aids=1.0), events, statistics)
    assert not other.arrays["time_series"].any()
    assert not other.extra["observed"].any()
    assert not other.arrays["static"].any()


def test_too_few_patients_for_the_splits(prepared: dict[str, Any], labels: LabelParameters) -> None:
    few = prepared["stays"].iloc[:3]
    with pytest.raises(ValueError, match="leave a split without any"):
        nodes.split_patients(few, prepared["events"], labels, SplitParameters(seed=0))
