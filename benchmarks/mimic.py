"""Generate MIMIC-III tables of any size in the real schema, and measure the extraction against DuckDB's bare count.

    python benchmarks/mimic.py generate /tmp/tables --rows 30000000
    python benchmarks/mimic.py measure /tmp/tables --memory 4GB
    python benchmarks/mimic.py both /tmp/tables --rows 1000000

``generate`` makes CHARTEVENTS of about so many rows (and the other tables in proportion), of which most, as in the real
one, are of items or hours that are not wanted. A signal is planted in both modalities: whoever dies within a year has a
faster heart and a lower pressure in the second half of the day, and is older; so a model has something to find. Deaths
fall into every class of mortality of conf/paper (24, 48, 72, 168, 8760 hours), about 3 % of the patients into each of
the rarest; with fewer than 1,000 stays give ``mimic.labels.edges`` that leave no class without examples, as conf/base's
(720, 8760). ``measure`` runs each case in a process of its own, so that its peak memory is its own. Times depend on the
machine and on what else it does: only the ratios of one run are to be compared.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

COLUMNS = {
    "ADMISSIONS": "ROW_ID SUBJECT_ID HADM_ID ADMITTIME DISCHTIME DEATHTIME ADMISSION_TYPE ADMISSION_LOCATION "
    "DISCHARGE_LOCATION INSURANCE LANGUAGE RELIGION MARITAL_STATUS ETHNICITY EDREGTIME EDOUTTIME DIAGNOSIS "
    "HOSPITAL_EXPIRE_FLAG HAS_CHARTEVENTS_DATA",
    "PATIENTS": "ROW_ID SUBJECT_ID GENDER DOB DOD DOD_HOSP DOD_SSN EXPIRE_FLAG",
    "ICUSTAYS": "ROW_ID SUBJECT_ID HADM_ID ICUSTAY_ID DBSOURCE FIRST_CAREUNIT LAST_CAREUNIT FIRST_WARDID LAST_WARDID "
    "INTIME OUTTIME LOS",
    "DIAGNOSES_ICD": "ROW_ID SUBJECT_ID HADM_ID SEQ_NUM ICD9_CODE",
    "SERVICES": "ROW_ID SUBJECT_ID HADM_ID TRANSFERTIME PREV_SERVICE CURR_SERVICE",
    "CHARTEVENTS": "ROW_ID SUBJECT_ID HADM_ID ICUSTAY_ID ITEMID CHARTTIME STORETIME CGID VALUE VALUENUM VALUEUOM "
    "WARNING ERROR RESULTSTATUS STOPPED",
    "LABEVENTS": "ROW_ID SUBJECT_ID HADM_ID ITEMID CHARTTIME VALUE VALUENUM VALUEUOM FLAG",
    "OUTPUTEVENTS": "ROW_ID SUBJECT_ID HADM_ID ICUSTAY_ID CHARTTIME ITEMID VALUE VALUEUOM STORETIME CGID STOPPED "
    "NEWBOTTLE ISERROR",
}
# item -> mean, standard deviation, decimals, unit, change towards the end of the day for those who die in a year
CHART = {
    220045: (85, 15, 0, "bpm", 20),
    220050: (120, 20, 0, "mmHg", -25),
    223761: (98.4, 1.2, 1, "?F", 0),
    220739: (3.4, 0.6, 0, "", 0),
    223900: (4.2, 0.8, 0, "", 0),
    223901: (5.4, 0.7, 0, "", 0),
    220224: (100, 25, 0, "mmHg", 0),
    223835: (50, 10, 0, "", 0),
}
LAB = {
    51006: (25, 12, 0, "mg/dL", 0),
    51301: (10, 4, 1, "K/uL", 0),
    50882: (24, 4, 0, "mEq/L", 0),
    50983: (139, 4, 0, "mEq/L", 0),
    50971: (4.1, 0.5, 1, "mEq/L", 0),
    50885: (1.2, 0.6, 1, "mg/dL", 0),
}
OUTPUT = {226559: (90, 40, 0, "mL", 0)}
_OTHER = np.arange(225000, 225120)  # items that nobody asks for: most rows of the real table
_SECONDS_OF_STAY = 4 * 86400
_CHUNK = 1_000_000
_EPOCH = np.datetime64("2130-01-01T00:00:00", "s")


def generate(folder: Path, rows: int, stays: int, seed: int) -> None:
    """Write the eight tables; the events in chunks."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    patients = max(1, int(stays / 1.25))
    patient = np.sort(np.concatenate([np.arange(patients), rng.integers(0, patients, stays - patients)]))
    nth = pd.Series(patient).groupby(patient).cumcount().to_numpy()
    start = _EPOCH + (rng.integers(0, 30 * 365, patients)[patient] * 86400 + nth * 5_000_000).astype("timedelta64[s]")
    dies = rng.random(patients) < 0.35
    days = np.array([(1, 2), (2, 3), (3, 4), (4, 8), (8, 360)])  # of conf/paper's classes
    low, high = days[rng.choice(len(days), patients, p=[0.1, 0.1, 0.1, 0.2, 0.5])].T
    last = start[np.searchsorted(patient, np.arange(patients), side="right") - 1]
    died = last + (rng.integers(low, high) * 86400).astype("timedelta64[s]")
    years = np.where(dies, rng.normal(74, 10, patients), rng.normal(60, 14, patients)).clip(17, 88)
    born = start[np.searchsorted(patient, np.arange(patients))] - (years * 365.25 * 86400).astype("timedelta64[s]")
    subject, hadm, icustay = 10_000 + patient, 100_000 + np.arange(stays), 200_000 + np.arange(stays)
    ids = {"SUBJECT_ID": subject, "HADM_ID": hadm}
    end = start + np.timedelta64(_SECONDS_OF_STAY, "s")
    _small(
        folder,
        ADMISSIONS={
            **ids,
            "ADMITTIME": start,
            "ADMISSION_TYPE": rng.choice(["EMERGENCY", "ELECTIVE"], stays, p=[0.85, 0.15]),
        },
        PATIENTS={
            "SUBJECT_ID": 10_000 + np.arange(patients),
            "DOB": born,
            "DOD": np.where(dies, died, np.datetime64("NaT")),
        },
        ICUSTAYS={**ids, "ICUSTAY_ID": icustay, "INTIME": start, "OUTTIME": end},
        DIAGNOSES_ICD={
            **ids,
            "SEQ_NUM": 1,
            "ICD9_CODE": rng.choice(["4280", "486", "1970", "20280", "042", "V1642"], stays),
        },
        SERVICES={**ids, "TRANSFERTIME": start, "CURR_SERVICE": rng.choice(["MED", "CSURG", "SURG"], stays)},
    )
    arguments = (rng, subject, hadm, icustay, start, dies[patient])
    _events(folder, "CHARTEVENTS", CHART, rows, 0.85, *arguments)
    _events(folder, "LABEVENTS", LAB, max(1, rows // 12), 0.5, *arguments)
    _events(folder, "OUTPUTEVENTS", OUTPUT, max(1, rows // 75), 0.3, *arguments)


def _small(folder: Path, **tables: dict[str, object]) -> None:
    for name, columns in tables.items():
        frame = pd.DataFrame(columns).reindex(columns=COLUMNS[name].split())
        frame["ROW_ID"] = np.arange(1, len(frame) + 1)
        frame.to_csv(folder / f"{name}.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")


def _events(
    folder: Path,
    table: str,
    items: dict[int, tuple[float, float, int, str, float]],
    rows: int,
    other: float,
    rng: np.random.Generator,
    subject: np.ndarray,
    hadm: np.ndarray,
    icustay: np.ndarray,
    start: np.ndarray,
    dies: np.ndarray,
) -> None:
    """``rows`` events in chunks, a share ``other`` of them of items that are not wanted. Pandas would take minutes to
    write a million rows of text; DuckDB takes a second."""
    import duckdb

    codes = np.array(list(items))
    means, spreads, decimals, changes = (np.array([items[i][k] for i in codes]) for k in (0, 1, 2, 4))
    units = np.array([items[i][3] for i in codes])
    columns = COLUMNS[table].split()
    connection = duckdb.connect()
    parts = []
    for first in range(0, rows, _CHUNK):
        n = min(_CHUNK, rows - first)
        stay = rng.integers(0, len(subject), n)
        seconds = rng.integers(0, _SECONDS_OF_STAY, n)
        item = rng.integers(0, len(codes), n)
        wanted = rng.random(n) >= other
        late = (seconds % 86400 > 43200) & dies[stay]
        number = (means[item] + spreads[item] * rng.standard_normal(n) + changes[item] * late).clip(1)
        number = np.round(number * 10 ** decimals[item]) / 10 ** decimals[item]
        chunk = pd.DataFrame(
            {
                "ROW_ID": np.arange(first, first + n),
                "SUBJECT_ID": subject[stay],
                "HADM_ID": hadm[stay],
                "ICUSTAY_ID": icustay[stay],
                "ITEMID": np.where(wanted, codes[item], rng.choice(_OTHER, n)),
                "CHARTTIME": start[stay] + seconds.astype("timedelta64[s]"),
                "STORETIME": start[stay] + (seconds + 600).astype("timedelta64[s]"),
                "CGID": 20000 + stay % 500,
                "VALUE": number,
                "VALUENUM": number,
                "VALUEUOM": np.where(wanted, units[item], ""),
                "WARNING": 0,
                "ERROR": 0,
                "ISERROR": None,
            }
        ).reindex(columns=columns)
        part = folder / f".{table}.{len(parts)}"
        connection.register("chunk", chunk)
        connection.execute(
            f"COPY (FROM chunk) TO '{part}' (FORMAT csv, HEADER {'true' if not parts else 'false'}, "
            "TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S')"
        )
        parts.append(part)
    with (folder / f"{table}.csv").open("wb") as sink:
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(1 << 24):
                    sink.write(block)
            part.unlink()


# --- cases --------------------------------------------------------------------------------------------------------
def _count(arguments: argparse.Namespace) -> dict[str, float]:
    """What DuckDB takes to count the rows of the three event tables, reading no column of them."""
    import duckdb

    tables = _tables(arguments)
    connection = duckdb.connect(config=_limits(arguments))
    start = time.perf_counter()
    rows = sum(
        connection.execute(f"SELECT count(*) FROM {tables.files[name].scan()}").fetchall()[0][0]
        for name in ("chartevents", "labevents", "outputevents")
    )
    return {"seconds": time.perf_counter() - start, "rows": rows}


def _extract(arguments: argparse.Namespace) -> dict[str, float]:
    """The project's nodes: cohort, then hourly values."""
    from mixmas_pipeline.pipelines.data.mimic import nodes
    from mixmas_pipeline.pipelines.data.mimic.extraction import extract_events
    from mixmas_pipeline.pipelines.data.mimic.parameters import CohortParameters, ExtractionParameters

    tables = _tables(arguments)
    start = time.perf_counter()
    stays = nodes.select_stays(tables, CohortParameters())
    limits = ExtractionParameters(memory_limit=arguments.memory, threads=arguments.threads)
    events, _ = extract_events(tables, stays, limits)
    return {"seconds": time.perf_counter() - start, "hourly_values": len(events)}


CASES: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {"count(*)": _count, "extraction": _extract}


def _tables(arguments: argparse.Namespace) -> Any:
    from mixmas_pipeline.pipelines.data.mimic.sources import MimicTablesDataset

    return MimicTablesDataset(filepath=str(arguments.folder), mirror="none").load()


def _limits(arguments: argparse.Namespace) -> dict[str, object]:
    return {"memory_limit": arguments.memory, **({"threads": arguments.threads} if arguments.threads else {})}


def _peak_megabytes() -> float:
    """Of this process alone: ru_maxrss would start at what the parent had when it forked."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]


def measure(arguments: argparse.Namespace) -> None:
    """Run every case ``--repeats`` times in processes of its own and print the best of each."""
    size = sum(path.stat().st_size for path in arguments.folder.glob("*EVENTS.csv*")) / 1e9
    table = Table(title=f"{arguments.folder}: {size:.2f} GB of event tables, memory limit {arguments.memory}")
    for column in ("case", "seconds", "million rows/s", "of count(*)", "peak memory"):
        table.add_column(column, justify="left" if column == "case" else "right")
    best: dict[str, dict[str, float]] = {}
    for name in CASES:
        runs = []
        for _ in range(arguments.repeats):
            command = [sys.executable, __file__, "case", str(arguments.folder), "--name", name]
            command += ["--memory", arguments.memory]
            command += ["--threads", str(arguments.threads)] if arguments.threads else []
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs.append(json.loads(done.stdout.splitlines()[-1]))
        best[name] = min(runs, key=lambda run: run["seconds"])
    rows = best["count(*)"]["rows"]
    for name, run in best.items():
        speed, share = rows / run["seconds"] / 1e6, best["count(*)"]["seconds"] / run["seconds"]
        table.add_row(name, f"{run['seconds']:.2f}", f"{speed:.2f}", f"{share:.0%}", f"{run['peak_mb']:,.0f} MB")
    Console().print(table)
    Console().print(f"{rows:,} rows; {int(best['extraction']['hourly_values']):,} hourly values")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["generate", "measure", "both", "case"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of CHARTEVENTS")
    parser.add_argument("--stays", type=int, default=None, help="default: a stay for 1,000 rows, at most 33,000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--name", choices=list(CASES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.command == "case":
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
        result = CASES[arguments.name](arguments)
        result["peak_mb"] = _peak_megabytes()
        print(json.dumps(result))  # noqa: T201
        return
    if arguments.command in ("generate", "both"):
        start = time.perf_counter()
        stays = arguments.stays or min(33_000, max(50, arguments.rows // 1000))
        generate(arguments.folder, arguments.rows, stays, arguments.seed)
        Console().print(f"generated {stays:,} stays in {time.perf_counter() - start:.0f} s: {arguments.folder}")
    if arguments.command in ("measure", "both"):
        measure(arguments)


if __name__ == "__main__":
    main()
