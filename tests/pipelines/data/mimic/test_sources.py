"""Good and bad folders of tables: every error names the file, what it has, and what was expected."""

from __future__ import annotations

import gzip
import shutil
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from mimic_samples import Tables, dataset, prepare, read_all, same_inputs, small_tables, write_tables

from mixmas_pipeline.pipelines.data.mimic import nodes
from mixmas_pipeline.pipelines.data.mimic.parameters import LabelParameters


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_same_result_whatever_the_packing(
    upper: bool, zipped: bool, tables: Tables, prepared: dict[str, Any], labels: LabelParameters, tmp_path: Path
) -> None:
    place = write_tables(tables, tmp_path, upper=upper, zipped=zipped)
    after = prepare(dataset(place).load(), labels)
    pd.testing.assert_frame_equal(after["events"], prepared["events"], check_exact=True)
    assert all(same_inputs(after[split], prepared[split]) for split in nodes.SPLITS)


def test_windows_line_ends_and_quotes(copy: Path, prepared: dict[str, Any], labels: LabelParameters) -> None:
    for file in copy.iterdir():
        header, *rows = file.read_text().splitlines()
        quoted = ",".join(f'"{name}"' for name in header.split(","))
        file.write_bytes(("\r\n".join([quoted, *rows]) + "\r\n").encode())
    pd.testing.assert_frame_equal(prepare(dataset(copy).load(), labels)["events"], prepared["events"])


def test_without_data_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIXMAS_MIRROR", raising=False)
    absent = dataset(tmp_path / "data/01_raw/mimic-iii")
    assert not absent.exists()
    assert absent.fingerprint() == "absent"
    with pytest.raises(DatasetError) as caught:
        absent.load()
    for part in (
        "physionet.org/content/mimiciii/1.4",
        "data/01_raw/mimic-iii",
        "mimiciii-demo",
        "MIXMAS_MIRROR",
        "CHARTEVENTS",
    ):
        assert part in str(caught.value)


def test_folder_before_mirror(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = tmp_path / "mirror" / "mimic-iii-demo"
    shutil.copytree(folder, mirror)
    monkeypatch.setenv("MIXMAS_MIRROR", str(mirror.parent))
    assert dataset(folder).load().files["patients"].path.parent == folder
    assert dataset(tmp_path / "none").load().files["patients"].path.parent == mirror


def test_fingerprint_follows_the_files(copy: Path) -> None:
    before = dataset(copy).fingerprint()
    (copy / "notes.csv").write_text("a,b\n")
    assert dataset(copy).fingerprint() == before
    with (copy / "services.csv").open("a") as stream:
        stream.write("999,1,1,2150-01-01 00:00:00,,MED\n")
    assert dataset(copy).fingerprint() != before


@pytest.mark.parametrize("name", ["tables*", "tab?es", "table[s]"])
def test_paths_that_are_patterns_are_refused(name: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / name)
    with pytest.raises(DatasetError, match=r"has . in it, which DuckDB takes as a wildcard; rename"):
        dataset(tmp_path / name).load()
    (tmp_path / "link").symlink_to(tmp_path / name)
    assert len(dataset(tmp_path / "link").load().read("patients")) == 30


def test_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "mimic-iii").write_text("")
    assert dataset(tmp_path / "mimic-iii").fingerprint() == "absent"
    with pytest.raises(DatasetError, match=r"mimic-iii is a file; expected the folder of MIMIC-III's tables"):
        dataset(tmp_path / "mimic-iii").load()


def test_missing_table(copy: Path) -> None:
    (copy / "labevents.csv").unlink()
    with pytest.raises(DatasetError, match=r"copy has no LABEVENTS.csv\[.gz\]; expected .*found: .*chartevents.csv"):
        dataset(copy).load()


def test_missing_column(copy: Path) -> None:
    file = copy / "chartevents.csv"
    file.write_text(file.read_text().replace("valuenum", "number", 1))
    with pytest.raises(DatasetError, match=r"chartevents.csv has no column valuenum; expected .*found: .*number"):
        dataset(copy).load()


def test_table_that_is_there_twice(copy: Path) -> None:
    (copy / "PATIENTS.csv.gz").write_bytes(gzip.compress((copy / "patients.csv").read_bytes()))
    with pytest.raises(DatasetError, match=r"PATIENTS.csv.gz and patients.csv; expected only one"):
        dataset(copy).load()


def test_empty_file(copy: Path) -> None:
    (copy / "services.csv").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"services.csv"):
        dataset(copy).load()


@pytest.mark.parametrize("table", ["chartevents", "labevents", "outputevents", "icustays"])
def test_table_cut_in_the_middle(copy: Path, table: str) -> None:
    file = copy / f"{table}.csv"
    content = file.read_bytes()
    end = content.rindex(b"\n", 0, len(content) // 2)
    file.write_bytes(content[: end + 12])
    with pytest.raises(DatasetError, match=rf"{table}.csv does not end with a line break"):
        read_all(copy)
    file.write_bytes(content[: end + 12] + b"\n")
    lines = content[:end].count(b"\n") + 2
    with pytest.raises(DatasetError, match=rf"{table}.csv, line {lines}: \d columns; expected \d+ .*cut in the middle"):
        read_all(copy)


@pytest.mark.parametrize("table", ["chartevents", "patients"])
def test_truncated_gzip(copy: Path, table: str) -> None:
    content = gzip.compress((copy / f"{table}.csv").read_bytes())
    (copy / f"{table}.csv").unlink()
    for keep in (len(content) // 2, len(content) - 8):
        (copy / f"{table}.csv.gz").write_bytes(content[:keep])
        with pytest.raises(DatasetError, match=rf"{table}.csv.gz: the gzip file is truncated"):
            read_all(copy)


@pytest.mark.parametrize("table", ["outputevents", "services"])
def test_damaged_gzip_is_refused_or_harmless(table: str, tmp_path: Path) -> None:
    place = write_tables(small_tables(3), tmp_path)
    whole = gzip.compress((place / f"{table}.csv").read_bytes(), mtime=0)
    expected = read_all(place)
    (place / f"{table}.csv").unlink()
    file, harmless = place / f"{table}.csv.gz", []
    messages: list[str] = []
    positions = {*range(10), *np.linspace(10, len(whole) - 9, 10, dtype=int), *range(len(whole) - 8, len(whole))}
    for position in sorted(positions):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        file.write_bytes(damaged)
        try:
            pd.testing.assert_frame_equal(read_all(place), expected)
            harmless.append(position)
        except DatasetError as error:
            messages.append(str(error))
    assert all(message.startswith(str(file)) for message in messages)
    assert harmless
    assert max(harmless) < 10, "only in what the head says of time and system"


def test_checksums_are_compared_unless_it_is_switched_off(tmp_path: Path) -> None:
    place = write_tables(small_tables(3), tmp_path, zipped=True)
    file = place / "chartevents.csv.gz"
    file.write_bytes(file.read_bytes()[:-8] + bytes(4) + file.read_bytes()[-4:])
    with pytest.raises(DatasetError, match=r"chartevents.csv.gz: the gzip file is truncated or damaged; .*CRC"):
        read_all(place)
    read_all(place, verify=False)


@pytest.mark.parametrize("wrong", ["2150-13-01 10:00:00", "01/03/2150 10:00", "yesterday"])
@pytest.mark.parametrize("table", ["chartevents", "icustays"])
def test_wrong_dates(copy: Path, tables: Tables, table: str, wrong: str) -> None:
    column = "charttime" if table == "chartevents" else "intime"
    frame = tables[table.upper()].astype({column: object})
    frame.loc[3, column] = wrong
    write_tables({table.upper(): frame}, copy)
    with pytest.raises(DatasetError, match=rf"{table}.csv, line 5: column {column} holds '{wrong}'; expected a date"):
        read_all(copy)


def test_number_that_is_none(copy: Path, tables: Tables) -> None:
    frame = tables["LABEVENTS"].astype({"valuenum": object})
    frame.loc[0, "valuenum"] = "12,5 mg"
    write_tables({"LABEVENTS": frame}, copy)
    with pytest.raises(
        DatasetError, match=r"labevents.csv, line 2: column valuenum holds '12,5 mg'; expected a number"
    ):
        read_all(copy)


@pytest.mark.parametrize("table", ["labevents", "diagnoses_icd", "patients"])
@pytest.mark.parametrize("wrong", ["number", "columns"])
def test_no_row_reaches_the_log(table: str, wrong: str, copy: Path) -> None:
    file = copy / f"{table}.csv"
    header, first, *rows = file.read_text().splitlines()
    secret = "Mr Secret,7654321"
    cells = first.split(",")
    if wrong == "number":
        cells[header.split(",").index("hadm_id" if table == "diagnoses_icd" else "subject_id")] = "12x"
        cells[-1] = "Mr Secret"
    else:
        cells.append(secret)
    file.write_text("\n".join([header, ",".join(cells), *rows]) + "\n")
    with pytest.raises(DatasetError, match=rf"{table}.csv, line 2") as caught:
        read_all(copy)
    shown = "".join(traceback.format_exception(caught.value))
    assert "Secret" not in shown
    assert "7654321" not in shown


def test_text_that_is_not_utf8(copy: Path) -> None:
    file = copy / "chartevents.csv"
    file.write_bytes(file.read_bytes().replace(b"?F", b"\xb0F"))
    with pytest.raises(DatasetError, match=r"chartevents.csv, line \d+: a character is not UTF-8; convert the file"):
        read_all(copy)


def test_admission_before_birth(copy: Path, tables: Tables) -> None:
    frame = tables["PATIENTS"].copy()
    frame.loc[4, "dob"] = pd.Timestamp("2160-01-01")
    write_tables({"PATIENTS": frame}, copy)
    with pytest.raises(ValueError, match=r"before its patient's birth \(2160-01-01 00:00:00\); check .*admissions.csv"):
        read_all(copy)


def test_tables_of_two_versions(copy: Path, tables: Tables) -> None:
    write_tables({"PATIENTS": tables["PATIENTS"].iloc[:-1]}, copy)
    with pytest.raises(
        ValueError, match=r"1 ICU stays have a subject_id that is not in PATIENTS, the first of them 129"
    ):
        read_all(copy)


def test_nothing_is_written(folder: Path) -> None:
    with pytest.raises(DatasetError, match="only read"):
        dataset(folder).save("anything")  # type: ignore[arg-type]
