"""What may influence an input, and what may not; fills, labels, units, splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mimic_samples import ENTRY, Tables, same_inputs, small_tables, write_tables

from mixmas_pipeline.pipelines.data.mimic import nodes, variables
from mixmas_pipeline.pipelines.data.mimic.extraction import extract_events
from mixmas_pipeline.pipelines.data.mimic.parameters import (
    CohortParameters,
    ExtractionParameters,
    LabelParameters,
    SplitParameters,
)
from mixmas_pipeline.pipelines.data.mimic.sources import MimicTablesDataset

Prepare = Callable[..., dict[str, Any]]
EVENT_TABLES = ("CHARTEVENTS", "LABEVENTS", "OUTPUTEVENTS")


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


def test_result_does_not_depend_on_threads_or_the_order_of_rows(
    prepared: dict[str, Any], prepare_changed: Prepare, tables: Tables
) -> None:
    mixed = {name: tables[name].sample(frac=1, random_state=1) for name in EVENT_TABLES}
    after = prepare_changed(threads=1, **mixed)
    pd.testing.assert_frame_equal(prepared["events"], after["events"], check_exact=True)


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


def run_events(tables: Tables, place: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    source = MimicTablesDataset(filepath=str(write_tables(tables, place)), mirror="none").load()
    stays = nodes.select_stays(source, CohortParameters())
    return extract_events(source, stays, ExtractionParameters(threads=1))


def one_patient(events: list[dict[str, object]], table: str = "CHARTEVENTS") -> Tables:
    """One stay with exactly these events; ``hour`` counts from entry."""
    tables = small_tables(1)
    stay = tables["ICUSTAYS"].iloc[:1]
    for name in EVENT_TABLES:
        tables[name] = tables[name].iloc[:0]
    rows = [
        {"subject_id": 100, "charttime": stay["intime"].iloc[0] + pd.Timedelta(hours=e.pop("hour")), **e}
        for e in events
    ]
    tables[table] = pd.DataFrame(rows).reindex(columns=tables[table].columns)
    return {**tables, "ICUSTAYS": stay, "ADMISSIONS": tables["ADMISSIONS"].iloc[:1]}


def chart(
    hour: float, item: int, number: float, unit: str | None = None, error: int | None = None
) -> dict[str, object]:
    return {"hour": hour, "itemid": item, "valuenum": number, "valueuom": unit, "error": error}


def hourly(events: pd.DataFrame) -> dict[tuple[int, str], float]:
    return {(int(row.hour), str(row.variable)): row.value for row in events.itertuples()}


def test_temperature_by_item_and_by_unit(tmp_path: Path) -> None:
    rows = [
        chart(0.1, 223761, 100.4),
        chart(1.1, 678, 98.6, "Deg. F"),
        chart(2.1, 678, 37.5, "Deg. C"),
        chart(3.1, 223762, 39),
        chart(4.1, 223762, 38, "K"),
        chart(5.1, 223761, 37, "?F"),
    ]
    events, counts = run_events(one_patient(rows), tmp_path)
    found = hourly(events)
    wanted = {(0, "temperature"): 38.0, (1, "temperature"): 37.0, (2, "temperature"): 37.5, (3, "temperature"): 39.0}
    assert found == pytest.approx(wanted)
    row = counts.set_index("quantity").loc["temperature"]
    assert (row["rows"], row["kept"], row["unknown_unit"], row["out_of_range"]) == (6, 4, 1, 1)


def test_unknown_units_are_missing_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [chart(0.1, 225624, 7, "mmol/L"), chart(0.2, 225624, 20, "mg/dL"), chart(0.3, 225624, 30)]
    events, counts = run_events(one_patient(rows), tmp_path)
    assert hourly(events) == {(0, "urea_nitrogen"): 25.0}
    assert counts.set_index("quantity").loc["urea_nitrogen", "unknown_unit"] == 1
    assert "1 rows of urea_nitrogen are in the unknown unit 'mmol/l'" in caplog.text


def test_flagged_and_implausible_rows_are_missing(tmp_path: Path) -> None:
    rows = [
        chart(0, 211, 80),
        chart(0.5, 211, 200, error=1),
        chart(1, 211, 0),
        chart(1.5, 211, None),
        chart(2, 211, 300),
    ]
    events, counts = run_events(one_patient(rows), tmp_path)
    assert hourly(events) == {(0, "heart_rate"): 80.0, (2, "heart_rate"): 300.0}
    row = counts.set_index("quantity").loc["heart_rate"]
    assert (row["rows"], row["flagged"], row["out_of_range"], row["no_number"]) == (5, 1, 1, 1)


def test_coma_score_is_the_sum_of_the_last_known_parts(tmp_path: Path) -> None:
    rows = [chart(0.1, 184, 4), chart(0.1, 454, 6), chart(1.1, 723, 5), chart(1.2, 184, 3), chart(1.9, 184, 1)]
    events, _ = run_events(one_patient([*rows, chart(6, 454, 2), chart(6, 454, 4)]), tmp_path)
    assert hourly(events) == {(1, "gcs"): 12.0, (6, "gcs"): 8.0}


def test_ratio_takes_the_latest_fraction_before_and_arterial_blood_only(tmp_path: Path) -> None:
    rows = [
        chart(0.5, 220224, 90),  # nothing is breathed yet that is known
        chart(1, 190, 0.5, "torr"),
        chart(2, 223835, 40),
        chart(2.5, 220224, 100),
        chart(2.6, 223835, 100),
        chart(3.5, 220224, 100),
    ]
    events, _ = run_events(one_patient(rows), tmp_path / "chart")
    assert hourly(events) == pytest.approx({(2, "pao2_fio2"): 250.0, (3, "pao2_fio2"): 100.0})
    samples = [
        {"hour": 1, "itemid": 50816, "valuenum": 50, "valueuom": "%"},
        {"hour": 1, "itemid": 50821, "valuenum": 80, "valueuom": "mm Hg"},
        {"hour": 2, "itemid": 50821, "valuenum": 40, "valueuom": "mm Hg"},
        {"hour": 2, "itemid": 50800, "value": "VEN"},
        {"hour": 3, "itemid": 50821, "valuenum": 60, "valueuom": "mm Hg"},
        {"hour": 3, "itemid": 50800, "value": "ART"},
    ]
    events, counts = run_events(one_patient(samples, "LABEVENTS"), tmp_path / "lab")
    assert hourly(events) == pytest.approx({(1, "pao2_fio2"): 160.0, (3, "pao2_fio2"): 120.0})
    assert counts.set_index("quantity").loc["pao2", "not_arterial"] == 1


def test_fraction_written_as_percent(tmp_path: Path) -> None:
    rows = [chart(0.5, 223835, 0.4, "%"), chart(0.6, 220224, 100), chart(1.5, 223835, 40, "%"), chart(1.6, 220224, 80)]
    events, _ = run_events(one_patient(rows), tmp_path)
    assert hourly(events) == pytest.approx({(0, "pao2_fio2"): 250.0, (1, "pao2_fio2"): 200.0})


@pytest.mark.parametrize("unit", ["K/\u00b5L", "K/\u03bcL", "K/uL", "k/ul."])
def test_micro_is_written_in_any_way(unit: str, tmp_path: Path) -> None:
    events, _ = run_events(one_patient([chart(0.5, 220546, 9.5, unit)]), tmp_path)
    assert hourly(events) == {(0, "white_cells"): 9.5}
    assert variables.normalised(unit) == "k/ul"


def test_urine_is_summed(tmp_path: Path) -> None:
    rows = [{"hour": h, "itemid": i, "value": v, "valueuom": "ml"} for h, i, v in ((3.1, 40055, 60), (3.9, 40069, 15))]
    events, _ = run_events(one_patient(rows, "OUTPUTEVENTS"), tmp_path)
    assert hourly(events) == {(3, "urine"): 75.0}


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


@pytest.mark.parametrize(
    ("code", "groups"),
    [
        ("0420", {"aids"}),
        ("20280", {"haematologic_malignancy", "icd9_140_239"}),
        ("2386", {"haematologic_malignancy", "icd9_140_239"}),
        ("2385", {"icd9_140_239"}),
        ("1985", {"metastatic_cancer", "icd9_140_239"}),
        ("1992", {"icd9_140_239"}),
        ("78951", {"metastatic_cancer"}),
        ("486", {"icd9_460_519"}),
        ("51881", {"icd9_460_519"}),
        ("V1642", set()),
        ("E8889", set()),
        (None, set()),
    ],
)
def test_icd9_groups(code: str | None, groups: set[str]) -> None:
    codes = pd.Series([code], dtype=object)
    assert {g for g in variables.ICD9_RANGES if variables.in_icd9_group(codes, g).iloc[0]} == groups


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
