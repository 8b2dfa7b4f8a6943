"""Small tables with the columns of MIMIC-III, made up; folders of them; and the whole preparation."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.data.mimic import nodes
from mixmas_pipeline.pipelines.data.mimic.extraction import extract_events
from mixmas_pipeline.pipelines.data.mimic.parameters import (
    CohortParameters,
    ExtractionParameters,
    LabelParameters,
    SplitParameters,
)
from mixmas_pipeline.pipelines.data.mimic.sources import MimicTables, MimicTablesDataset

COLUMNS = {
    "ADMISSIONS": "row_id subject_id hadm_id admittime dischtime deathtime admission_type diagnosis",
    "PATIENTS": "row_id subject_id gender dob dod dod_hosp dod_ssn expire_flag",
    "ICUSTAYS": "row_id subject_id hadm_id icustay_id dbsource first_careunit intime outtime los",
    "DIAGNOSES_ICD": "row_id subject_id hadm_id seq_num icd9_code",
    "SERVICES": "row_id subject_id hadm_id transfertime prev_service curr_service",
    "CHARTEVENTS": "row_id subject_id hadm_id icustay_id itemid charttime storetime cgid value valuenum valueuom "
    "warning error resultstatus stopped",
    "LABEVENTS": "row_id subject_id hadm_id itemid charttime value valuenum valueuom flag",
    "OUTPUTEVENTS": "row_id subject_id hadm_id icustay_id charttime itemid value valueuom storetime cgid stopped "
    "newbottle iserror",
}
ENTRY = pd.Timestamp("2150-03-01 10:30:00")
Tables = dict[str, pd.DataFrame]
Prepared = dict[str, Any]
Prepare = Callable[..., Prepared]

CHART = {
    220045: (90, 10, "bpm"),
    220050: (120, 15, "mmHg"),
    223761: (98.6, 1, "?F"),
    220739: (3, 0.5, None),
    223900: (4, 0.5, None),
    223901: (5, 0.5, None),
    220224: (95, 10, "mmHg"),
    223835: (50, 5, None),
}
LAB = {51006: (20, 5, "mg/dL"), 51301: (9, 2, "K/uL"), 50882: (24, 2, "mEq/L"), 50983: (140, 3, "mEq/L")}
LAB |= {50971: (4, 0.3, "mEq/L"), 50885: (1, 0.2, "mg/dL")}
OUTPUT = {226559: (80, 20, "mL")}
EVENT_TABLES = ("CHARTEVENTS", "LABEVENTS", "OUTPUTEVENTS")


def small_tables(patients: int = 30, seed: int = 0, hours: int = 36) -> Tables:
    """Patients with one or two admissions of one stay each; events every few hours, also after the first 24."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in COLUMNS}
    for p in range(patients):
        subject = 100 + p
        died = ENTRY + pd.Timedelta(days=int(rng.integers(3, 900))) if p % 3 else None
        rows["PATIENTS"].append(
            {"subject_id": subject, "dob": ENTRY - pd.Timedelta(days=365.25 * (30 + p)), "dod": died}
        )
        for a in range(1 + (p % 4 == 0)):
            hadm, stay = 10_000 + 10 * p + a, 200_000 + 10 * p + a
            entry = ENTRY + pd.Timedelta(days=a * 40 - 60, minutes=int(rng.integers(0, 600)))
            ids = {"subject_id": subject, "hadm_id": hadm}
            kind = "ELECTIVE" if p % 5 == 0 else "EMERGENCY"
            rows["ADMISSIONS"].append({**ids, "admittime": entry, "admission_type": kind})
            rows["ICUSTAYS"].append(
                {**ids, "icustay_id": stay, "intime": entry, "outtime": entry + pd.Timedelta(hours=hours)}
            )
            codes = ["4280", *(["1970"] if p % 4 == 1 else []), *(["486"] if p % 2 else [])]
            rows["DIAGNOSES_ICD"] += [{**ids, "seq_num": i, "icd9_code": code} for i, code in enumerate(codes)]
            service = "CSURG" if p % 5 == 0 else "MED"
            rows["SERVICES"].append({**ids, "transfertime": entry, "curr_service": service})
            for table, items in (("CHARTEVENTS", CHART), ("LABEVENTS", LAB), ("OUTPUTEVENTS", OUTPUT)):
                for item, (mean, spread, unit) in items.items():
                    for hour in range(0, hours, 2 if table == "CHARTEVENTS" else 7):
                        number = mean + spread * rng.standard_normal()
                        number = round(number) if unit is None else round(number, 1)
                        event = {
                            **ids,
                            "itemid": item,
                            "charttime": entry + pd.Timedelta(hours=hour, minutes=int(rng.integers(0, 60))),
                            "value": number,
                            "valueuom": unit,
                        }
                        if table != "OUTPUTEVENTS":
                            event["valuenum"] = number
                        rows[table].append(event)
    tables = {name: pd.DataFrame(rows[name]).reindex(columns=columns.split()) for name, columns in COLUMNS.items()}
    for table in tables.values():
        table["row_id"] = np.arange(1, len(table) + 1)
    return tables


def write_tables(tables: Tables, folder: Path, *, upper: bool = False, zipped: bool = False) -> Path:
    """A folder of the tables as PhysioNet packs them; names of files and columns in capitals or not."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame = frame.rename(columns=str.upper if upper else str.lower)
        text = frame.to_csv(index=False, date_format="%Y-%m-%d %H:%M:%S").encode()
        file = f"{name if upper else name.lower()}.csv"
        (folder / f"{file}.gz").write_bytes(gzip.compress(text)) if zipped else (folder / file).write_bytes(text)
    return folder


def dataset(folder: Path) -> MimicTablesDataset:
    return MimicTablesDataset(filepath=str(folder), mirror="mimic-iii-demo")


def read_all(folder: Path, verify: bool = True) -> pd.DataFrame:
    """The events of a folder of tables."""
    source = dataset(folder).load()
    parameters = ExtractionParameters(threads=2, verify=verify)
    return extract_events(source, nodes.select_stays(source, CohortParameters()), parameters)[0]


def prepare(tables: MimicTables, labels: LabelParameters, mask_as_input: bool = False, threads: int = 2) -> Prepared:
    """Every node of the data pipeline, in order."""
    made: dict[str, Any] = {"stays": nodes.select_stays(tables, CohortParameters())}
    extraction = ExtractionParameters(memory_limit="500MB", threads=threads)
    made["events"], made["extraction"] = extract_events(tables, made["stays"], extraction)
    split = SplitParameters(seed=0, validation=0.2, test=0.2)
    *examples, made["cohort"] = nodes.split_patients(made["stays"], made["events"], labels, split)
    made["examples"] = dict(zip(nodes.SPLITS, examples, strict=True))
    made["statistics"] = nodes.fit_statistics(examples[0], made["events"])
    for name, frame in made["examples"].items():
        made[name] = nodes.build_table(frame, made["events"], made["statistics"], labels, "made up", mask_as_input)
    return made


def same_inputs(a: MultimodalTable, b: MultimodalTable) -> bool:
    """Whether models are given exactly the same."""
    return list(a.ids) == list(b.ids) and all((a.arrays[name] == b.arrays[name]).all() for name in a.arrays)
