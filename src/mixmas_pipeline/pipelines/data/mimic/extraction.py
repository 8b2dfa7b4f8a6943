"""From the event tables to hourly values, in SQL: each table is streamed once through DuckDB, whatever its size.

The rows of the wanted items in the 24 hours of each wanted stay are kept, a few hundred per stay. All further steps
work on these. Averages and sums are taken in a fixed order, so that the result does not depend on the threads.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixmas_pipeline.pipelines.data.mimic.parameters import ExtractionParameters
from mixmas_pipeline.pipelines.data.mimic.sources import MimicTables, TableFile
from mixmas_pipeline.pipelines.data.mimic.variables import (
    ARTERIAL,
    GCS_PARTS,
    HOURS,
    QUANTITIES,
    SERIES,
    SPECIMEN_ITEM,
    items,
    units,
)
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.progress import Progress

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

_log = logging.getLogger(__name__)

# table -> number, text, and when a row is marked as an error.
_SOURCES = {
    "chartevents": ("e.valuenum", "NULL", "e.error = 1"),
    "labevents": ("e.valuenum", "e.value", "false"),
    "outputevents": ("e.value", "NULL", "e.iserror = 1"),
}

# Rows of wanted items inside the 24 hours of a wanted stay. Events are found by patient and time: laboratory rows
# carry no stay, and a patient is in one bed at a time.
_READ = """
INSERT INTO raw
SELECT s.stay, date_diff('second', s.intime, e.charttime), i.quantity, {number}, {text}, {flagged},
       coalesce(nullif(regexp_replace(translate(lower(e.valueuom), 'µμ', 'uu'), '[^a-z0-9/%]', '', 'g'), ''), i.written)
FROM {scan} e
JOIN items i ON e.itemid = i.itemid AND i.source = '{table}'
JOIN stays s ON e.subject_id = s.patient
            AND e.charttime >= s.intime AND e.charttime < s.intime + INTERVAL {hours} HOUR
"""

# A pO2 counts as PaO2 unless a specimen of that moment is marked as not arterial. FiO2 up to 1 is a fraction, even if
# its unit is %; above 1 it is a percentage. Implausible values are not kept.
_JUDGE = """
CREATE TABLE judged AS
WITH venous AS (
    SELECT DISTINCT stay, seconds FROM raw WHERE quantity = 'specimen' AND text <> '{arterial}'
), converted AS (
    SELECT r.*, u.low, u.high, u.unit IS NOT NULL AS unit_known, v.stay IS NOT NULL AS is_venous,
           CASE WHEN r.quantity = 'fio2' AND u.unit IS NOT NULL
                THEN CASE WHEN r.number > 1 THEN r.number / 100 ELSE r.number END
                ELSE r.number * u.factor + u.shift END AS value
    FROM raw r
    LEFT JOIN units u ON r.quantity = u.quantity AND r.unit = u.unit
    LEFT JOIN venous v ON r.quantity = 'pao2' AND r.stay = v.stay AND r.seconds = v.seconds
    WHERE r.quantity <> 'specimen'
)
SELECT stay, seconds, seconds // 3600 AS hour, quantity, unit, value,
       CASE WHEN flagged THEN 'flagged' WHEN number IS NULL THEN 'no_number' WHEN NOT unit_known THEN 'unknown_unit'
            WHEN is_venous THEN 'not_arterial' WHEN value BETWEEN low AND high THEN 'kept' ELSE 'out_of_range' END
       AS verdict
FROM converted
"""

_HOURLY = """
WITH good AS (SELECT stay, seconds, hour, quantity, value FROM judged WHERE verdict = 'kept'),
means AS (
    SELECT stay, hour, quantity AS variable, avg(value ORDER BY value) AS value
    FROM good WHERE quantity NOT IN ('pao2', 'fio2', 'urine', {gcs}) GROUP BY ALL
), urine AS (
    SELECT stay, hour, 'urine' AS variable, sum(value ORDER BY value) AS value
    FROM good WHERE quantity = 'urine' GROUP BY ALL
), fio2 AS (
    SELECT stay, seconds, avg(value ORDER BY value) AS value FROM good WHERE quantity = 'fio2' GROUP BY ALL
), ratios AS (
    SELECT p.stay, p.hour, p.value / f.value AS ratio
    FROM (SELECT * FROM good WHERE quantity = 'pao2') p
    ASOF JOIN fio2 f ON p.stay = f.stay AND p.seconds >= f.seconds
), pao2_fio2 AS (
    SELECT stay, hour, 'pao2_fio2' AS variable, avg(ratio ORDER BY ratio) AS value FROM ratios GROUP BY ALL
), parts AS (  -- the last value of each part per hour; of two at the same moment the lower
    SELECT stay, hour, quantity, last(value ORDER BY seconds, value DESC) AS value
    FROM good WHERE quantity IN ({gcs}) GROUP BY ALL
), side_by_side AS (
    SELECT stay, hour, {part_columns} FROM parts GROUP BY stay, hour
), latest AS (
    SELECT stay, hour, {latest_parts} FROM side_by_side
    WINDOW so_far AS (PARTITION BY stay ORDER BY hour ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
), gcs AS (
    SELECT stay, hour, 'gcs' AS variable, {part_sum} AS value FROM latest WHERE {part_sum} IS NOT NULL
)
SELECT stay, hour::TINYINT AS hour, variable, value
FROM (FROM means UNION ALL FROM urine UNION ALL FROM pao2_fio2 UNION ALL FROM gcs)
ORDER BY stay, hour, variable
"""

VERDICTS = ("kept", "out_of_range", "unknown_unit", "no_number", "flagged", "not_arterial")


def extract_events(
    tables: MimicTables, stays: pd.DataFrame, extraction: ExtractionParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hourly values of the first 24 hours of the stays that are used.

    Args:
        stays: columns stay, patient, intime and left_out, which is "" for the stays that are used.

    Returns:
        events: stay, hour (0 to 23), variable, value; sorted. counts: one row per quantity, with the number of its rows
        in the 24 hours and the number of each verdict.

    Raises:
        DatasetError: a table is cut or damaged, or a value is not of its column's type; it names file and line.
    """
    with _database(extraction) as connection:
        _create_tables(connection, stays)
        # DuckDB cannot estimate a file's rows. It would hold the events in memory and stream the stays.
        connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        for table, (number, text, flagged) in _SOURCES.items():
            query = _READ.format(
                number=number,
                text=text,
                flagged=f"coalesce({flagged}, false)",
                scan=tables.files[table].scan(),
                table=table,
                hours=HOURS,
            )
            _stream(connection, query, tables.files[table], extraction.verify)
        connection.execute("RESET disabled_optimizers")
        connection.execute(_JUDGE.format(arterial=ARTERIAL))
        events = connection.execute(_hourly_query()).df()
        counts = connection.execute(
            "SELECT quantity, count(*) AS rows, "
            + ", ".join(f"count(*) FILTER (verdict = '{verdict}') AS {verdict}" for verdict in VERDICTS)
            + " FROM judged GROUP BY quantity"
        ).df()
        unknown = connection.execute(
            "SELECT quantity, unit, count(*) FROM judged WHERE verdict = 'unknown_unit' GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    for quantity, unit, count in unknown:
        _log.warning("%d rows of %s are in the unknown unit %r and count as missing", count, quantity, unit)
    _log.info("%d hourly values of %d stays", len(events), events["stay"].nunique())
    counts = counts.set_index("quantity").reindex(list(QUANTITIES), fill_value=0).reset_index()
    return events.astype({"variable": pd.CategoricalDtype(SERIES)}), counts


def _create_tables(connection: Any, stays: pd.DataFrame) -> None:
    """The wanted stays, items and units, and the empty table of raw rows."""
    connection.register("wanted", stays.loc[stays["left_out"] == "", ["stay", "patient", "intime"]])
    connection.execute(
        "CREATE TABLE stays AS SELECT stay::INTEGER AS stay, patient::INTEGER AS patient, intime FROM wanted"
    )
    specimen = {"source": "labevents", "itemid": SPECIMEN_ITEM, "quantity": "specimen", "written": ""}
    connection.register("wanted_items", pd.concat([items(), pd.DataFrame([specimen])], ignore_index=True))
    connection.execute("CREATE TABLE items AS SELECT * REPLACE (itemid::INTEGER AS itemid) FROM wanted_items")
    connection.register("known_units", units())
    connection.execute("CREATE TABLE units AS FROM known_units")
    connection.execute(
        "CREATE TABLE raw (stay INTEGER, seconds INTEGER, quantity VARCHAR, number DOUBLE, text VARCHAR, "
        "flagged BOOLEAN, unit VARCHAR)"
    )


def _hourly_query() -> str:
    return _HOURLY.format(
        gcs=_listed(GCS_PARTS),
        part_columns=", ".join(f"max(value) FILTER (quantity = '{part}') AS {part}" for part in GCS_PARTS),
        latest_parts=", ".join(f"last_value({part} IGNORE NULLS) OVER so_far AS {part}" for part in GCS_PARTS),
        part_sum=" + ".join(GCS_PARTS),
    )


def _stream(connection: Any, query: str, file: TableFile, verify: bool) -> None:
    """Execute a query that reads one whole event table; verify the file at the same time."""
    stop = threading.Event()
    jobs: list[Callable[[], object]] = [lambda: connection.execute(query)]
    if verify:
        jobs.append(lambda: file.verify(stop))
    failures: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:  # raised in the calling thread
            failures.append(error)

    workers = [threading.Thread(target=run, args=(job,)) for job in jobs]
    size, before, done = max(1, file.path.stat().st_size // 10**6), _megabytes_read(), 0
    reads = 2 if verify and file.path.name.lower().endswith(".gz") else 1
    with file.errors_named(), Progress(size, f"{file.path.name}, MB") as progress:
        for worker in workers:
            worker.start()
        try:
            while any(worker.is_alive() for worker in workers) and not failures:
                for worker in workers:
                    worker.join(timeout=0.5 / len(workers))
                now = min((_megabytes_read() - before) // reads, size - 1)
                if now > done:
                    progress.advance(now - done)
                    done = now
        finally:  # also after Ctrl-C: no thread may go on
            stop.set()
            while any(worker.is_alive() for worker in workers):
                connection.interrupt()
                workers[0].join(timeout=0.1)
                workers[-1].join(timeout=0.1)
        if failures:
            raise failures[0]
        progress.advance(size - done)


def _megabytes_read() -> int:
    """Megabytes that this process has read from files; 0 if the system does not count them. DuckDB's own progress
    stands still while it reads a file."""
    try:
        counters = Path("/proc/self/io").read_text()
    except OSError:
        return 0
    return int(counters.split("rchar:")[1].split()[0]) // 10**6


@contextmanager
def _database(parameters: ExtractionParameters) -> Iterator[Any]:
    """A DuckDB connection of bounded memory, with a temporary folder for what does not fit."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="mimic-") as folder:
        connection = duckdb.connect(
            config={
                "memory_limit": parameters.memory_limit,
                "threads": parameters.threads or os.cpu_count() or 1,
                "temp_directory": folder,
                "preserve_insertion_order": False,
            }
        )
        try:
            yield connection
        finally:
            connection.close()


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)
