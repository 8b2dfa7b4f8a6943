"""MIMIC-III: raw tables (or MultiBench's pickle) in; aligned multimodal tables out.

Both sources lead to the same two frames: ``stays`` (one row per stay, with its static values and outcomes) and
``events`` (one row per hourly value). All further steps are the same.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.sampling import stratified_split
from mixmas_pipeline.data.table import GROUP, Modality, MultimodalTable, TableSchema
from mixmas_pipeline.pipelines.data.mimic import variables
from mixmas_pipeline.pipelines.data.mimic.parameters import (
    CohortParameters,
    LabelParameters,
    SplitParameters,
)
from mixmas_pipeline.pipelines.data.mimic.sources import MimicTables
from mixmas_pipeline.pipelines.data.mimic.variables import HOURS, SERIES, STATIC
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

SPLITS = ("train", "validation", "test")
# The upstream code of im.pk labels 30 days where the papers say 1 week.
PICKLE_EDGES = (24.0, 48.0, 72.0, 720.0, 8760.0)
_PICKLE_GROUPS = {"icd9_140_239": 1, "icd9_460_519": 7}  # columns of y_icd9, MultiBench's tasks 1 and 7
_DAYS_A_YEAR = 365.25
_SHIFTED_AGE, _AGE_WHEN_SHIFTED = 89.0, 91.4
WITHOUT_EVENTS = "any event in the first 24 h"
_log = logging.getLogger(__name__)


def select_stays(tables: MimicTables, cohort: CohortParameters) -> pd.DataFrame:
    """Every ICU stay with its static values, its outcomes, and the reason for which it is left out.

    Returns:
        One row per ICUSTAY_ID: stay, patient, admission, intime, the columns ``STATIC``, hours_to_death (from intime;
        NaN without a recorded death), icd9_140_239, icd9_460_519, and left_out (the first criterion that the stay does
        not meet; "" for a stay that is used).

    Raises:
        ValueError: a stay belongs to an unknown patient or admission; a patient is admitted before birth.
    """
    stays = tables.read("icustays").sort_values(["intime", "icustay_id"], kind="stable")
    is_first = ~stays.duplicated("hadm_id")
    stays = _with_admissions(stays, tables)
    age = _ages(stays, tables)
    died = stays["deathtime"].fillna(stays["dod"])  # DOD is a day, without a time
    # A recorded death before the stay is that of an organ donor, or a mistake.
    dead_before = died < stays["intime"].where(stays["deathtime"].notna(), stays["intime"].dt.normalize())
    in_unit = (stays["outtime"] - stays["intime"]) / pd.Timedelta(hours=1)
    criteria = {
        "first ICU stay of the admission": is_first.to_numpy(),
        f"at least {cohort.minimum_age:g} years old": age >= cohort.minimum_age,
        f"at least {cohort.minimum_stay:g} h in the unit": in_unit >= cohort.minimum_stay,
        "alive when the stay begins": ~dead_before,
    }
    left_out = pd.Series("", index=stays.index)
    for criterion, is_met in criteria.items():
        left_out = left_out.where((left_out != "") | is_met, criterion)
    diagnoses = tables.read("diagnoses_icd")
    coded = {
        group: stays["hadm_id"].isin(diagnoses.loc[variables.in_icd9_group(diagnoses["icd9_code"], group), "hadm_id"])
        for group in variables.ICD9_RANGES
    }
    return pd.DataFrame(
        {
            "stay": stays["icustay_id"],
            "patient": stays["subject_id"],
            "admission": stays["hadm_id"],
            "intime": stays["intime"],
            # Births of those older than 89 are moved 300 years back; 91.4 is their median age.
            "age": age.where(age <= _SHIFTED_AGE, _AGE_WHEN_SHIFTED),
            **{name: coded[name].astype(float) for name in STATIC if name in coded},
            "admission_type": _admission_types(stays, tables.read("services")).astype(float),
            "hours_to_death": (died - stays["intime"]) / pd.Timedelta(hours=1),
            **{name: coded[name] for name in ("icd9_140_239", "icd9_460_519")},
            "left_out": pd.Categorical(left_out, ["", *criteria]),
        }
    ).reset_index(drop=True)


def _with_admissions(stays: pd.DataFrame, tables: MimicTables) -> pd.DataFrame:
    """The stays with the columns of their admission and patient."""
    admissions = tables.read("admissions").drop(columns="subject_id").drop_duplicates("hadm_id")
    patients = tables.read("patients").drop_duplicates("subject_id")
    for key, other, name in (("hadm_id", admissions, "ADMISSIONS"), ("subject_id", patients, "PATIENTS")):
        if len(unknown := stays.loc[~stays[key].isin(other[key]), key]):
            raise ValueError(
                f"{len(unknown)} ICU stays have a {key} that is not in {name}, the first of them {unknown.iloc[0]}; "
                f"expected whole tables of one version (is {tables.files[name.lower()].path} cut?)"
            )
    return stays.merge(admissions, on="hadm_id", how="left").merge(patients, on="subject_id", how="left")


def _ages(stays: pd.DataFrame, tables: MimicTables) -> pd.Series:
    """Years at admission."""
    age = (stays["admittime"] - stays["dob"]) / pd.Timedelta(days=_DAYS_A_YEAR)
    if (age < 0).any():
        row = stays.loc[(age < 0).idxmax()]
        raise ValueError(
            f"the admission {row['hadm_id']} is of {row['admittime']}, before its patient's birth ({row['dob']}); "
            f"check {tables.files['admissions'].path} and {tables.files['patients'].path}"
        )
    return age


def _admission_types(stays: pd.DataFrame, services: pd.DataFrame) -> np.ndarray:
    surgical = _surgical(stays, services)
    planned = stays["admission_type"].str.upper() == "ELECTIVE"
    return np.select(
        [surgical & planned, surgical],
        [variables.SCHEDULED_SURGICAL, variables.UNSCHEDULED_SURGICAL],
        variables.MEDICAL,
    )


def read_pickle(pickle: dict[str, np.ndarray], labels: LabelParameters) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same two frames from MultiBench's arrays. They name no patients: each row counts as another patient.

    Returns:
        stays and events as from ``select_stays`` and ``extraction.extract_events``. hours_to_death is the upper edge of
        the class (``PICKLE_EDGES``), NaN for the last one. Values that are not finite are missing.

    Raises:
        ValueError: the wanted classes of mortality are not those of the pickle.
    """
    if labels.task == "mortality" and labels.edges != PICKLE_EDGES:
        raise ValueError(
            f"mimic.labels.edges are {list(labels.edges)}; im.pk comes with classes, so expected {list(PICKLE_EDGES)}"
        )
    rows = len(pickle["ep_tdata"])
    number = np.arange(rows)
    within = pickle["adm_labels_all"][:, 1:6] > 0
    hours = np.where(within.any(axis=1), np.array(PICKLE_EDGES)[within.argmax(axis=1)], np.nan)
    static = pickle["adm_features_all"].astype(np.float64)
    stays = pd.DataFrame(
        {
            "stay": number,
            "patient": number,
            "admission": number,
            **{name: static[:, i] for i, name in enumerate(STATIC)},
            "hours_to_death": hours,
            **{name: pickle["y_icd9"][:, column] > 0 for name, column in _PICKLE_GROUPS.items()},
            "left_out": pd.Categorical([""] * rows),
        }
    )
    series = pickle["ep_tdata"].astype(np.float64)
    stay, hour, variable = np.nonzero(np.isfinite(series))
    events = pd.DataFrame(
        {
            "stay": stay,
            "hour": hour.astype(np.int8),
            "variable": pd.Categorical.from_codes(variable, SERIES),
            "value": series[stay, hour, variable],
        }
    )
    return stays, events


def split_patients(
    stays: pd.DataFrame, events: pd.DataFrame, labels: LabelParameters, split: SplitParameters
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Label the stays that have any event, and assign their patients to splits.

    The draw is stratified by class; a patient with several admissions counts for each of their classes.

    Returns:
        One frame per split: stay, patient, admission, the columns ``STATIC``, label. Static values that come from the
        codes of the label are 0, unless ``labels.hide_own_codes`` is false. cohort: one row per criterion, with the
        stays, admissions and patients that remain after it, and the number of stays that it leaves out.

    Raises:
        ValueError: no stay remains, or a split would be empty.
    """
    order = [*stays["left_out"].cat.categories, WITHOUT_EVENTS]
    reason = stays["left_out"].astype(object)
    reason = reason.where((reason != "") | stays["stay"].isin(events["stay"]), WITHOUT_EVENTS)
    cohort = _attrition(stays, reason, order)
    examples = stays[reason == ""].sort_values("stay").reset_index(drop=True)
    without_events, selected = int((reason == WITHOUT_EVENTS).sum()), int((stays["left_out"] == "").sum())
    if without_events > 0.05 * selected:
        _log.warning(
            "%d of %d stays have no event in their 24 hours: are the event tables whole?", without_events, selected
        )
    if examples.empty:
        raise ValueError(f"no stay is left of {len(stays)}:\n{cohort.to_string(index=False)}")
    label = _labels(examples, labels)
    patients, patient_of = np.unique(examples["patient"], return_inverse=True)
    sizes = {name: round(getattr(split, name) * len(patients)) for name in ("validation", "test")}
    if not all(sizes.values()) or sum(sizes.values()) >= len(patients):
        raise ValueError(
            f"{len(patients)} patients with the shares {split.validation} for validation and {split.test} for test "
            "leave a split without any; raise those shares (mimic.split)"
        )
    classes = np.zeros((len(patients), len(labels.classes)), dtype=bool)
    classes[patient_of, label] = True
    split_of = np.full(len(patients), "train", dtype=object)
    for name, rows in zip(sizes, stratified_split(classes, list(sizes.values()), split.seed), strict=True):
        split_of[rows] = name
    hidden = variables.LEAKING_STATIC.get(labels.task, ()) if labels.hide_own_codes else ()
    examples = examples[["stay", "patient", "admission", *STATIC]].assign(label=label, **dict.fromkeys(hidden, 0.0))
    return (*(examples[split_of[patient_of] == name].reset_index(drop=True) for name in SPLITS), cohort)


def fit_statistics(train: pd.DataFrame, events: pd.DataFrame) -> dict[str, Any]:
    """Medians, means and standard deviations of the training examples.

    Returns:
        "series" and "static": name -> unit; observed, the measured share; median of the measured values, which replaces
        missing ones; mean and std after filling. A variable that no training example has gets median and mean 0, and is
        missing in every split. A constant one gets std 1.
    """
    values, static = _grid(train, events), train[list(STATIC)].to_numpy(dtype=np.float64)
    medians, static_medians = _medians(values), _medians(static)
    seen = np.isfinite(values).any(axis=(0, 1))
    if not seen.all():
        never = [name for name, was in zip(SERIES, seen, strict=True) if not was]
        _log.warning("No training example has a value of %s; it is set to 0", ", ".join(never))
    return {
        "rows": len(train),
        "series": _summary(SERIES, variables.UNITS, values, _filled(values, medians), medians),
        "static": _summary(
            STATIC, {"age": "years"}, static, np.where(np.isnan(static), static_medians, static), static_medians
        ),
    }


def build_table(
    examples: pd.DataFrame,
    events: pd.DataFrame,
    statistics: dict[str, Any],
    labels: LabelParameters,
    source: str,
    mask_as_input: bool,
) -> MultimodalTable:
    """Build the table of a split: fill missing values, standardise, keep the mask.

    A missing hour takes the last value since the stay began, else the training median; never a later value. A variable
    that no training example has is missing.

    Args:
        source: name of the data, shown wherever figures made from it appear.
        mask_as_input: append the mask to the series, as 12 more features.

    Returns:
        Modalities time_series (24, 12 or 24) and static (5,), float32, each variable in training standard deviations
        from its training mean (models standardise a modality as a whole, not each of its variables); extra columns
        patient (the group), admission and observed (24, 12), 1 where an hour was measured; id the admission.
    """
    values = _seen_in_training(_grid(examples, events), statistics["series"])
    observed = np.isfinite(values)
    series = _standardised(_filled(values, _column(statistics["series"], "median")), statistics["series"])
    if mask_as_input:
        series = np.concatenate([series, observed], axis=2)
    static = _seen_in_training(examples[list(STATIC)].to_numpy(dtype=np.float64), statistics["static"])
    static = np.where(np.isnan(static), _column(statistics["static"], "median"), static)
    arrays = {
        "time_series": series.astype(np.float32),
        "static": _standardised(static, statistics["static"]).astype(np.float32),
    }
    kinds = {"time_series": "time_series", "static": "tabular"}
    modalities = {
        name: Modality(kinds[name], array.shape[1:], "float32", unit="training standard deviations")
        for name, array in arrays.items()
    }
    return MultimodalTable(
        TableSchema(modalities, "multiclass", labels.classes, source=source),
        arrays,
        examples["label"].to_numpy(),
        examples["admission"].astype(str).to_numpy(dtype=object),
        {
            "patient": examples["patient"].to_numpy(),
            GROUP: examples["patient"].to_numpy(),
            "admission": examples["admission"].to_numpy(),
            "observed": observed.astype(np.uint8),
        },
    )


def _surgical(stays: pd.DataFrame, services: pd.DataFrame) -> pd.Series:
    """Whether the patient was under a surgical service within the 24 hours."""
    name = services["curr_service"].fillna("").str.upper()
    services = services[name.str.endswith("SURG") | (name == "ORTHO")]
    transfers = stays[["hadm_id", "icustay_id", "intime"]].merge(services, on="hadm_id")
    in_time = transfers["transfertime"] < transfers["intime"] + pd.Timedelta(hours=HOURS)
    return stays["icustay_id"].isin(transfers.loc[in_time, "icustay_id"])


def _attrition(stays: pd.DataFrame, reason: pd.Series, order: list[str]) -> pd.DataFrame:
    """How many stays, admissions and patients remain after each criterion."""
    remaining = pd.Series(True, index=stays.index)
    rows = []
    for criterion in order:  # the first one is "", which all stays meet
        fails = remaining & (reason == criterion) & (criterion != "")
        remaining &= ~fails
        kept = stays[remaining]
        rows.append(
            {
                "criterion": criterion or "all ICU stays",
                "stays": len(kept),
                "admissions": kept["admission"].nunique(),
                "patients": kept["patient"].nunique(),
                "left_out": int(fails.sum()),
            }
        )
    return pd.DataFrame(rows)


def _labels(stays: pd.DataFrame, labels: LabelParameters) -> np.ndarray:
    """(n,) class of each stay; an edge belongs to the class below it."""
    if labels.task != "mortality":
        return stays[labels.task].to_numpy(dtype=np.int64)
    hours = stays["hours_to_death"].fillna(np.inf).to_numpy()
    return np.searchsorted(np.array(labels.edges), hours, side="left").astype(np.int64)


def _grid(examples: pd.DataFrame, events: pd.DataFrame) -> np.ndarray:
    """Values of the examples, (n, 24, 12) in their order; NaN where nothing was measured."""
    row = pd.Index(examples["stay"]).get_indexer(events["stay"])
    used = row >= 0
    column = pd.Index(SERIES).get_indexer(events["variable"])
    values = np.full((len(examples), HOURS, len(SERIES)), np.nan)
    values[row[used], events["hour"].to_numpy()[used], column[used]] = events["value"].to_numpy()[used]
    return values


def _seen_in_training(values: np.ndarray, statistics: dict[str, dict[str, Any]]) -> np.ndarray:
    """The values, NaN for variables that no training example has: they cannot be standardised."""
    return np.where(_column(statistics, "observed") > 0, values, np.nan)


def _filled(values: np.ndarray, medians: np.ndarray) -> np.ndarray:
    """Fill gaps of (n, 24, 12) with the last value so far, else the median."""
    filled = values.copy()
    for hour in range(1, values.shape[1]):
        filled[:, hour] = np.where(np.isnan(filled[:, hour]), filled[:, hour - 1], filled[:, hour])
    return np.where(np.isnan(filled), medians, filled)


def _medians(values: np.ndarray) -> np.ndarray:
    """The median of each column of the last axis, without NaN; 0 for a column of NaN."""
    columns = values.reshape(-1, values.shape[-1]).T
    return np.array([np.median(seen) if (seen := c[~np.isnan(c)]).size else 0.0 for c in columns])


def _summary(
    names: tuple[str, ...], units: dict[str, str], values: np.ndarray, filled: np.ndarray, medians: np.ndarray
) -> dict[str, dict[str, Any]]:
    values, filled = values.reshape(-1, len(names)), filled.reshape(-1, len(names))
    mean, std = filled.mean(axis=0), filled.std(axis=0)
    return {
        name: {
            "unit": units.get(name, ""),
            "observed": float(np.isfinite(values[:, i]).mean()),
            "median": float(medians[i]),
            "mean": float(mean[i]),
            "std": float(std[i]) if std[i] > 1e-9 * max(1.0, abs(mean[i])) else 1.0,  # else it is rounding
        }
        for i, name in enumerate(names)
    }


def _column(statistics: dict[str, dict[str, Any]], key: str) -> np.ndarray:
    return np.array([entry[key] for entry in statistics.values()])


def _standardised(values: np.ndarray, statistics: dict[str, dict[str, Any]]) -> np.ndarray:
    return (values - _column(statistics, "mean")) / _column(statistics, "std")
