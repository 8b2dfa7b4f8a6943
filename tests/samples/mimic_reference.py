"""The first 24 hours of a stay, worked out slowly with pandas from what docs/mimic.md says, sharing no code with it.

Items are found by their labels in D_ITEMS and D_LABITEMS, not by number.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

CHART_LABELS = {
    "eye": ["Eye Opening", "GCS - Eye Opening"],
    "motor": ["Motor Response", "GCS - Motor Response"],
    "verbal": ["Verbal Response", "GCS - Verbal Response"],
    "heart_rate": ["Heart Rate"],
    "systolic_pressure": [
        "Arterial BP [Systolic]",
        "Arterial BP #2 [Systolic]",
        "Manual BP [Systolic]",
        "NBP [Systolic]",
        "Arterial Blood Pressure systolic",
        "Non Invasive Blood Pressure systolic",
        "Manual Blood Pressure Systolic Left",
        "Manual Blood Pressure Systolic Right",
        "ART BP Systolic",
    ],
    "celsius": ["Temperature C", "Temperature C (calc)", "Temperature Celsius", "Blood Temperature CCO (C)"],
    "fahrenheit": ["Temperature F", "Temperature F (calc)", "Temperature Fahrenheit"],
    "pao2": ["Arterial PaO2", "Arterial O2 pressure"],
    "fio2": ["FiO2 (Analyzed)", "FiO2 Set", "Vision FiO2", "FiO2", "FIO2", "FIO2 [Meas]", "Inspired O2 Fraction"],
    "urea_nitrogen": ["BUN (6-20)", "BUN", "bun"],
    "white_cells": ["WBC (4-11,000)", "WBC   (4-11,000)", "WBC", "WBC 4.0-11.0"],
    "bicarbonate": ["Carbon Dioxide", "HCO3", "HCO3 (serum)"],
    "sodium": ["Sodium (135-148)", "Sodium", "Sodium (serum)", "Sodium (whole blood)"],
    "potassium": ["Potassium (3.5-5.3)", "Potassium", "Potassium (serum)", "Potassium (whole blood)"],
    "bilirubin": ["Total Bili (0-1.5)", "Total Bili", "Total Bilirubin"],
}
LAB_LABELS = {
    "urea_nitrogen": ["Urea Nitrogen"],
    "white_cells": ["White Blood Cells", "WBC Count"],
    "bicarbonate": ["Bicarbonate"],
    "sodium": ["Sodium", "Sodium, Whole Blood"],
    "potassium": ["Potassium", "Potassium, Whole Blood"],
    "bilirubin": ["Bilirubin, Total"],
    "pao2": ["pO2"],
    "fio2": ["Oxygen"],
    "specimen": ["SPECIMEN TYPE"],
}
URINE_LABELS = [
    "Urine Out Foley",
    "Urine Out Void",
    "Urine Out IleoConduit",
    "Urine Out Incontinent",
    "Urine Out Condom Cath",
    "Urine Out Straight Cath",
    "Urine Out Suprapubic",
    "Urine Out Other",
    "Urine Out Lt Nephrostomy",
    "Urine Out Rt Nephrostomy",
    "Urine Out Ureteral Stent #1",
    "Urine Out Ureteral Stent #2",
    "Urine .",
    "Foley",
    "Void",
    "Condom Cath",
    "Suprapubic",
    "Straight Cath",
    "Ileoconduit",
    "R Nephrostomy",
    "L Nephrostomy",
    "R Ureteral Stent",
    "L Ureteral Stent",
]
PLAUSIBLE = {
    "eye": (1, 4),
    "motor": (1, 6),
    "verbal": (1, 5),
    "systolic_pressure": (20, 300),
    "heart_rate": (10, 300),
    "temperature": (25, 45),
    "pao2": (10, 700),
    "fio2": (0.2, 1),
    "urine": (0, 5000),
    "urea_nitrogen": (1, 300),
    "white_cells": (0, 1000),
    "bicarbonate": (2, 60),
    "sodium": (90, 200),
    "potassium": (1, 15),
    "bilirubin": (0, 100),
}
ORDER = (
    *("gcs", "systolic_pressure", "heart_rate", "temperature", "pao2_fio2", "urine", "urea_nitrogen", "white_cells"),
    *("bicarbonate", "sodium", "potassium", "bilirubin"),
)


class Demo:
    """The demo's tables in memory."""

    def __init__(self, folder: Path) -> None:
        def read(name: str, dates: tuple[str, ...] = ()) -> pd.DataFrame:
            return pd.read_csv(folder / f"{name}.csv.gz", parse_dates=list(dates), low_memory=False)

        self.admissions = read("ADMISSIONS", ("admittime", "deathtime"))
        self.patients = read("PATIENTS", ("dob", "dod"))
        self.stays = read("ICUSTAYS", ("intime", "outtime"))
        self.diagnoses = read("DIAGNOSES_ICD")
        self.services = read("SERVICES", ("transfertime",))
        self.items = read("D_ITEMS")
        self.lab_items = read("D_LABITEMS")
        self.chart = read("CHARTEVENTS", ("charttime",))
        self.labs = read("LABEVENTS", ("charttime",))
        self.output = read("OUTPUTEVENTS", ("charttime",))

    def cohort(self) -> pd.DataFrame:
        """Admissions whose first stay of at least 24 hours is of an adult: one row each, with intime."""
        rows = []
        for hadm, stays in self.stays.groupby("hadm_id"):
            stay = stays.sort_values("intime").iloc[0]
            if (stay["outtime"] - stay["intime"]).total_seconds() < 24 * 3600:
                continue
            admission = self.admissions[self.admissions["hadm_id"] == hadm].iloc[0]
            patient = self.patients[self.patients["subject_id"] == stay["subject_id"]].iloc[0]
            age = (admission["admittime"].to_pydatetime() - patient["dob"].to_pydatetime()).days / 365.25
            if age < 16:
                continue
            death = admission["deathtime"] if pd.notna(admission["deathtime"]) else patient["dod"]
            rows.append(
                {
                    "admission": hadm,
                    "patient": stay["subject_id"],
                    "stay": stay["icustay_id"],
                    "intime": stay["intime"],
                    "age": 91.4 if age > 89 else age,
                    "hours_to_death": (death - stay["intime"]).total_seconds() / 3600,
                    "type": admission["admission_type"],
                }
            )
        return pd.DataFrame(rows)

    def static(self, row: pd.Series) -> list[float]:
        """Age, AIDS, haematologic malignancy, metastatic cancer, admission type."""
        codes = self.diagnoses.loc[self.diagnoses["hadm_id"] == row["admission"], "icd9_code"].dropna().astype(str)
        numbers = [code for code in codes if code[0].isdigit()]
        aids = any(42 <= int(code[:3]) <= 44 for code in numbers)
        blood = any(200 <= int(c[:3]) <= 208 or c.startswith("2386") or c.startswith("2733") for c in numbers)
        spread = any(
            196 <= int(c[:3]) <= 198 or c.startswith(("1990", "1991", "2097")) or c == "78951" for c in numbers
        )
        of = self.services[self.services["hadm_id"] == row["admission"]]
        of = of[of["transfertime"] < row["intime"] + pd.Timedelta(hours=24)]
        surgical = any(name.endswith("SURG") or name == "ORTHO" for name in of["curr_service"])
        kind = 1 if not surgical else (0 if row["type"] == "ELECTIVE" else 2)
        return [row["age"], float(aids), float(blood), float(spread), float(kind)]

    def hours(self, row: pd.Series) -> pd.DataFrame:
        """24 rows, one column a series; NaN where an hour has no measurement."""
        raw = self._measurements(row)
        table = pd.DataFrame(np.nan, index=range(24), columns=list(ORDER))
        state: dict[str, float] = {}
        for hour in range(24):
            now = [m for m in raw if m[1] == hour]
            for name in ORDER:
                values = [value for _, _, quantity, value in now if quantity == name]
                if values and name == "urine":
                    table.loc[hour, name] = sum(values)
                elif values and name not in ("gcs", "pao2_fio2"):
                    table.loc[hour, name] = sum(values) / len(values)
            for part in ("eye", "motor", "verbal"):
                found = [(seconds, -value) for seconds, _, quantity, value in now if quantity == part]
                if found:
                    state[part] = -max(found)[1]
                    state["changed"] = hour
            if state.get("changed") == hour and {"eye", "motor", "verbal"} <= set(state):
                table.loc[hour, "gcs"] = state["eye"] + state["motor"] + state["verbal"]
            ratios = []
            for seconds, _, quantity, pressure in now:
                if quantity != "pao2":
                    continue
                before = [(s, v) for s, _, q, v in raw if q == "fio2" and s <= seconds]
                if before:
                    latest = max(s for s, _ in before)
                    fractions = [v for s, v in before if s == latest]
                    ratios.append(pressure / (sum(fractions) / len(fractions)))
            if ratios:
                table.loc[hour, "pao2_fio2"] = sum(ratios) / len(ratios)
        return table

    def _measurements(self, row: pd.Series) -> list[tuple[float, int, str, float]]:
        """Seconds since entry, hour, quantity, value: what is plausible, in the unit used here."""
        start, end = row["intime"], row["intime"] + pd.Timedelta(hours=24)

        def window(events: pd.DataFrame) -> pd.DataFrame:
            mine = events[events["subject_id"] == row["patient"]]
            return mine[(mine["charttime"] >= start) & (mine["charttime"] < end)]

        found = []
        chart = window(self.chart).merge(self.items[["itemid", "label"]], on="itemid")
        for event in chart.itertuples():
            if event.error == 1 or pd.isna(event.valuenum):
                continue
            for quantity, labels in CHART_LABELS.items():
                if event.label in labels:
                    found.append((event.charttime, quantity, event.valuenum))
        labs = window(self.labs).merge(self.lab_items[["itemid", "label", "fluid"]], on="itemid")
        labs = labs[labs["fluid"].str.lower() == "blood"]
        not_arterial = {e.charttime for e in labs.itertuples() if e.label == "SPECIMEN TYPE" and e.value != "ART"}
        for event in labs.itertuples():
            for quantity, labels in LAB_LABELS.items():
                if event.label in labels and quantity != "specimen" and pd.notna(event.valuenum):
                    value = event.valuenum / 100 if quantity == "fio2" else event.valuenum
                    if not (quantity == "pao2" and event.charttime in not_arterial):
                        found.append((event.charttime, quantity, value))
        output = window(self.output).merge(self.items[["itemid", "label"]], on="itemid")
        for event in output.itertuples():
            if event.label in URINE_LABELS and pd.notna(event.value):
                found.append((event.charttime, "urine", event.value))
        kept = []
        for time, name, value in found:
            quantity = name
            if name in ("celsius", "fahrenheit"):
                quantity, value = "temperature", value if name == "celsius" else (value - 32) * 5 / 9
            if name == "fio2" and value > 1:
                value = value / 100
            low, high = PLAUSIBLE[quantity]
            if low <= value <= high:
                seconds = (time - start).total_seconds()
                kept.append((seconds, int(seconds // 3600), quantity, value))
        return kept
