"""What is measured: item ids of both charting systems and the laboratory, units, plausible ranges.

Item ids are those of D_ITEMS and D_LABITEMS of MIMIC-III v1.4; below 220000 of CareVue, from there on of MetaVision,
50800 to 51600 of the laboratory. The 12 series and the 5 static values are the variables of SAPS II (Le Gall, Lemeshow
and Saulnier 1993, JAMA 270:2957).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


HOURS = 24
SERIES = (
    "gcs",
    "systolic_pressure",
    "heart_rate",
    "temperature",
    "pao2_fio2",
    "urine",
    "urea_nitrogen",
    "white_cells",
    "bicarbonate",
    "sodium",
    "potassium",
    "bilirubin",
)
STATIC = ("age", "aids", "haematologic_malignancy", "metastatic_cancer", "admission_type")
GCS_PARTS = ("gcs_eye", "gcs_motor", "gcs_verbal")

# Column ADMISSION_TYPE is "ELECTIVE" for what is planned; the values are the categories of SAPS II in the order of
# their points (0, 6, 8).
SCHEDULED_SURGICAL, MEDICAL, UNSCHEDULED_SURGICAL = 0, 1, 2
SPECIMEN_ITEM, ARTERIAL = 50800, "ART"


@dataclass(frozen=True)
class Quantity:
    """One thing that is charted.

    Attributes:
        unit: its unit here, for people.
        low, high: plausible values, both included, in ``unit``; a value outside counts as missing.
        units: the unit in the tables -> (factor, offset) to ``unit``. It is written in small letters, with u for µ and
            without spaces, full stops and degree signs; ``extraction`` normalises the tables' units in this way.
        written: the unit of rows that name none; items with another one are in ``OTHER_UNITS``.
        chart, lab, output: item ids in CHARTEVENTS, LABEVENTS, OUTPUTEVENTS.
    """

    unit: str
    low: float
    high: float
    units: dict[str, tuple[float, float]]
    written: str
    chart: tuple[int, ...] = ()
    lab: tuple[int, ...] = ()
    output: tuple[int, ...] = ()


def _same(*names: str) -> dict[str, tuple[float, float]]:
    return dict.fromkeys(names, (1.0, 0.0))


QUANTITIES: dict[str, Quantity] = {
    "gcs_eye": Quantity("points", 1, 4, _same("points"), "points", chart=(184, 220739)),
    "gcs_motor": Quantity("points", 1, 6, _same("points"), "points", chart=(454, 223901)),
    "gcs_verbal": Quantity("points", 1, 5, _same("points"), "points", chart=(723, 223900)),
    # Arterial line, cuff, by hand; CareVue, then MetaVision.
    "systolic_pressure": Quantity(
        "mmHg", 20, 300, _same("mmhg"), "mmhg", chart=(51, 442, 455, 6701, 220050, 220179, 224167, 225309, 227243)
    ),
    "heart_rate": Quantity("1/min", 10, 300, _same("bpm"), "bpm", chart=(211, 220045)),
    "temperature": Quantity(
        "°C",
        25,
        45,
        {"c": (1.0, 0.0), "degc": (1.0, 0.0), "f": (5 / 9, -160 / 9), "degf": (5 / 9, -160 / 9)},
        "c",
        chart=(676, 677, 223762, 226329, 678, 679, 223761),
    ),
    "pao2": Quantity("mmHg", 10, 700, _same("mmhg"), "mmhg", chart=(779, 220224), lab=(50821,)),
    "fio2": Quantity(
        "fraction",
        0.2,
        1,
        # Charted as a fraction and in percent, mostly without a unit or with a wrong one. Up to 1 it can only be a
        # fraction (room air has 0.21), above 1 only percent: extraction.py divides the latter by 100.
        _same("none", "torr", "decfrc", "%"),
        "none",
        chart=(189, 190, 727, 2981, 3420, 3422, 223835),
        lab=(50816,),
    ),
    # Left out because they are not urine alone: irrigant in and out (226566, 227488, 227489), and what the operating
    # theatre measured before the stay (40061, 40065, 40288, 226627, 226631).
    "urine": Quantity(
        "mL",
        0,
        5000,
        _same("ml"),
        "ml",
        output=(
            *(40055, 40056, 40057, 40069, 40085, 40094, 40096, 40405, 40428, 40473, 40651, 40715, 43175),
            *(226557, 226558, 226559, 226560, 226561, 226563, 226564, 226565, 226567, 226584),
        ),
    ),
    "urea_nitrogen": Quantity("mg/dL", 1, 300, _same("mg/dl"), "mg/dl", chart=(781, 1162, 5876, 225624), lab=(51006,)),
    "white_cells": Quantity(
        "10^3/µL", 0, 1000, _same("k/ul"), "k/ul", chart=(861, 1127, 1542, 4200, 220546), lab=(51300, 51301)
    ),
    "bicarbonate": Quantity("mmol/L", 2, 60, _same("meq/l", "mmol/l"), "meq/l", chart=(787, 812, 227443), lab=(50882,)),
    "sodium": Quantity(
        "mmol/L", 90, 200, _same("meq/l", "mmol/l"), "meq/l", chart=(837, 1536, 220645, 226534), lab=(50824, 50983)
    ),
    "potassium": Quantity(
        "mmol/L", 1, 15, _same("meq/l", "mmol/l"), "meq/l", chart=(829, 1535, 227442, 227464), lab=(50822, 50971)
    ),
    "bilirubin": Quantity("mg/dL", 0, 100, _same("mg/dl"), "mg/dl", chart=(848, 1538, 225690), lab=(50885,)),
}
# Item -> the unit of its rows that name none, where it is not the quantity's.
OTHER_UNITS = {678: "f", 679: "f", 223761: "f", 50816: "%"}

UNITS = {
    **{name: QUANTITIES[name].unit for name in SERIES if name in QUANTITIES},
    "gcs": "points",
    "pao2_fio2": "mmHg",
}


def items() -> pd.DataFrame:
    """One row per item: source (the table), itemid, quantity, written (the unit of rows that name none)."""
    rows = [
        (table, item, name, OTHER_UNITS.get(item, quantity.written))
        for name, quantity in QUANTITIES.items()
        for table, ids in (
            ("chartevents", quantity.chart),
            ("labevents", quantity.lab),
            ("outputevents", quantity.output),
        )
        for item in ids
    ]
    return pd.DataFrame(rows, columns=["source", "itemid", "quantity", "written"])


def units() -> pd.DataFrame:
    """One row per spelling of a quantity's unit: quantity, unit, factor, shift, and the plausible range low to high."""
    rows = [
        (name, unit, factor, shift, quantity.low, quantity.high)
        for name, quantity in QUANTITIES.items()
        for unit, (factor, shift) in quantity.units.items()
    ]
    return pd.DataFrame(rows, columns=["quantity", "unit", "factor", "shift", "low", "high"])


def _prefix_between(codes: pd.Series, low: str, high: str) -> pd.Series:
    """Codes whose first characters lie between two prefixes of equal length. "V10" and "E880" are in no range."""
    head = codes.str.slice(0, len(low))
    return (codes.str.len() >= len(low)) & head.str.isdigit() & (head >= low) & (head <= high)


# ICD-9 codes as MIMIC writes them: without a point, so that 2386 is 238.6.
ICD9_RANGES: dict[str, tuple[tuple[str, str], ...]] = {
    "aids": (("042", "044"),),
    # Lymphoma, myeloma, leukaemia; plasma cells (238.6) and macroglobulinaemia (273.3).
    "haematologic_malignancy": (("200", "208"), ("2386", "2386"), ("2733", "2733")),
    # Secondary and disseminated neoplasms; secondary neuroendocrine tumours (209.7); malignant ascites (789.51).
    "metastatic_cancer": (("196", "198"), ("1990", "1991"), ("2097", "2097"), ("78951", "78951")),
    "icd9_140_239": (("140", "239"),),
    "icd9_460_519": (("460", "519"),),
}

# Task -> the static values that are derived from its diagnosis codes, and would leak the label.
LEAKING_STATIC = {"icd9_140_239": ("haematologic_malignancy", "metastatic_cancer")}


def in_icd9_group(codes: pd.Series, group: str) -> pd.Series:
    """Which ICD-9 codes belong to a group of ``ICD9_RANGES``; missing codes belong to none."""
    codes = codes.fillna("").str.strip().str.replace(".", "", regex=False)
    in_group = pd.Series(False, index=codes.index)
    for low, high in ICD9_RANGES[group]:
        in_group |= _prefix_between(codes, low, high)
    return in_group
