"""Ids, splits and groups are found by their names and their cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from draft_samples import animals, named_rows

from mixmas_pipeline.pipelines.data.custom.drafting.columns import examine_all
from mixmas_pipeline.pipelines.data.custom.drafting.roles import Roles, find_roles, snake

ROWS = 120
RNG = np.random.default_rng(0)


def roles(**columns: Any) -> Roles:
    """Of a table whose column ``name`` is left out."""
    frame = animals(ROWS, **columns).drop(columns=["name", "outcome"])
    return find_roles(named_rows(frame), examine_all(frame, frame.columns))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("PatientID", "patient_id"), ("patientId", "patient_id"), ("Sepal.Length", "sepal_length"), (" a  b ", "a_b")],
)
def test_snake(name: str, expected: str) -> None:
    assert snake(name) == expected


UNIQUE = [f"x{i}" for i in range(ROWS)]
SCATTERED = RNG.permutation(1000)[:ROWS]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"code": UNIQUE}, "code"),
        ({"a": UNIQUE, "patient": SCATTERED}, "patient"),
        ({"code": UNIQUE, "sample_id": SCATTERED}, "sample_id"),
        ({"id": range(ROWS)}, "id"),
        ({"patient": range(1, ROWS + 1)}, "patient"),
        ({"weight": SCATTERED}, None),  # whole numbers may all differ
        ({"code": [None, *UNIQUE[1:]]}, None),
        ({"photo": [f"{i}.png" for i in range(ROWS)]}, None),
        ({"note": [f"the animal of row {i}" for i in range(ROWS)]}, None),
    ],
)
def test_id(columns: dict[str, Any], expected: str | None) -> None:
    assert roles(**columns).keys.get("id") == expected


def test_of_two_ids_one_is_taken_and_the_other_named() -> None:
    found = roles(code=UNIQUE, tag=[f"t{i}" for i in range(ROWS)])
    assert found.keys["id"] == "code"
    assert "so have tag" in found.comments["id"]
    assert "another id" in found.left_out["tag"]


@pytest.mark.parametrize(
    "columns", [{"Unnamed: 0": SCATTERED}, {"index": range(ROWS)}, {"instant": range(1, ROWS + 1)}]
)
def test_saved_index(columns: dict[str, Any]) -> None:
    found = roles(**columns)
    assert "a saved index" in found.left_out[next(iter(columns))]
    assert found.keys == {}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["train", "validation", "test"] * 40, {"column": "c"}),
        (
            ["Training", "val", "TEST"] * 40,
            {"column": "c", "values": {"train": ["Training"], "validation": ["val"], "test": ["TEST"]}},
        ),
    ],
)
def test_split_by_its_values(cells: list[str], expected: dict[str, Any]) -> None:
    assert roles(c=cells).keys["split"] == expected


def test_a_split_without_validation_is_left_out() -> None:
    found = roles(part=["train", "test"] * 60)
    assert "split" not in found.keys
    assert "a split without rows for validation" in found.left_out["part"]


@pytest.mark.parametrize(("name", "is_split"), [("fold", True), ("cv_fold", True), ("legs", False)])
def test_numbered_folds(name: str, is_split: bool) -> None:
    keys = roles(**{name: [1, 2, 3, 4, 5] * 24}).keys
    split = {"column": name, "values": {"train": [1, 2, 3], "validation": [4], "test": [5]}}
    assert keys == ({"split": split} if is_split else {})


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"patient_id": [i // 4 for i in range(ROWS)]}, "patient_id"),
        ({"Subject": [f"s{i % 12}" for i in range(ROWS)]}, "Subject"),
        ({"store_id": [i // 3 for i in range(ROWS)], "customer": [i // 2 for i in range(ROWS)]}, "customer"),
        ({"site": [f"s{i % 30}" for i in range(ROWS)]}, "site"),
        ({"patient_age": [i % 30 for i in range(ROWS)]}, None),
        ({"group": ["treated", "control"] * 60}, None),
        ({"house": [f"s{i % 30}" for i in range(ROWS)]}, None),
    ],
)
def test_group(columns: dict[str, Any], expected: str | None) -> None:
    assert roles(**columns).keys.get("split", {}).get("group") == expected


def test_few_large_sites_are_a_category() -> None:
    assert roles(site=[f"s{i % 5}" for i in range(ROWS)]).keys == {}


def test_ids_that_are_not_the_group_are_left_out() -> None:
    found = roles(store_id=[i // 3 for i in range(ROWS)], user_id=[i // 2 for i in range(ROWS)], zone_id=[1, 2] * 60)
    assert found.keys["split"] == {"group": "user_id"}
    assert "grouped by user_id" in found.left_out["store_id"]
    assert "named like an id, with 2 values" in found.left_out["zone_id"]


def test_a_group_in_two_splits_is_warned_of() -> None:
    split = ["train"] * 60 + ["validation"] * 30 + ["test"] * 30
    whole = roles(split=split, patient=[i // 5 for i in range(ROWS)])
    assert whole.keys["split"] == {"column": "split", "group": "patient"}
    assert whole.warnings == []
    divided = roles(split=split, patient=[i // 8 for i in range(ROWS)])
    assert divided.keys["split"] == {"column": "split"}
    assert "in two splits of split: 2 of 15" in divided.warnings[0]  # rows 56-63 and 88-95
