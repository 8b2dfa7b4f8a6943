"""The table refuses what is not aligned, and says which column and row it is."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from artefact_samples import small_table

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema, concatenate


def rebuilt(table: MultimodalTable, **changes: Any) -> MultimodalTable:
    """The same table with some parts replaced, checked anew."""
    parts: dict[str, Any] = {
        "schema": table.schema,
        "arrays": table.arrays,
        "labels": table.labels,
        "ids": table.ids,
        "extra": table.extra,
    }
    return MultimodalTable(**{**parts, **changes})


def multilabel_table(labels: Any) -> MultimodalTable:
    """One text column, three classes."""
    labels = np.asarray(labels)
    schema = TableSchema({"text": Modality("text", (2,), "float32")}, "multilabel", ("x", "y", "z"))
    ids = [f"m{i}" for i in range(len(labels))]
    return MultimodalTable(schema, {"text": np.zeros((len(labels), 2), dtype=np.float32)}, labels, ids)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_placed(value: float) -> None:
    table = small_table()
    vector = table.arrays["vector"].copy()
    vector[3, 1] = vector[5, 0] = value
    with pytest.raises(ValueError, match=r"'vector', row 3 \(id row-3\).*2 such rows of 6"):
        rebuilt(table, arrays={**table.arrays, "vector": vector})


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((6, 5, 4), dtype=np.uint8),  # transposed
        np.zeros((5, 4, 5), dtype=np.uint8),  # a row short
        np.zeros((6, 20), dtype=np.uint8),  # flat
        np.zeros((6, 4, 5), dtype=np.float32),  # another type
        np.zeros((6, 4, 5), dtype=np.int8),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_wrong_shape_or_type_names_both(wrong: np.ndarray) -> None:
    table = small_table()
    with pytest.raises(ValueError, match="column 'image' is") as caught:
        rebuilt(table, arrays={**table.arrays, "image": wrong})
    assert f"{wrong.dtype} {wrong.shape}" in str(caught.value)
    assert "expected uint8 (6, 4, 5)" in str(caught.value)


def test_missing_and_surplus_columns_are_named() -> None:
    table = small_table()
    with pytest.raises(ValueError, match=r"\['image'\].*\['image', 'vector'\]"):
        rebuilt(table, arrays={"image": table.arrays["image"]})
    with pytest.raises(ValueError, match="'surplus'"):
        rebuilt(table, arrays={**table.arrays, "surplus": np.zeros(6)})


@pytest.mark.parametrize(("label", "row"), [(3, 2), (-1, 4), (200, 0)])
def test_unknown_label_is_placed(label: int, row: int) -> None:
    table = small_table()
    labels = table.labels.copy()
    labels[row] = label
    with pytest.raises(ValueError, match=rf"row {row} \(id row-{row}\): unknown label {label}; expected 0 to 2"):
        rebuilt(table, labels=labels)


@pytest.mark.parametrize("labels", [np.zeros(6), np.zeros((6, 3), dtype=int), np.array(["a"] * 6)])
def test_labels_of_the_wrong_form(labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"labels are .*expected integers \(6,\)"):
        rebuilt(small_table(), labels=labels)


def test_multilabel_labels() -> None:
    table = multilabel_table([[0, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(table.label_matrix(), [[False, True, True], [False, False, False]])
    with pytest.raises(ValueError, match=r"row 1 \(id m1\): unknown label.*expected 0 to 1"):
        multilabel_table([[0, 1, 1], [0, 2, 0]])
    with pytest.raises(ValueError, match=r"expected integers \(2, 3\)"):
        multilabel_table([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match=r"expected integers \(2, 3\)"):
        multilabel_table([0, 1])


def test_multiclass_label_matrix() -> None:
    np.testing.assert_array_equal(small_table().label_matrix(), np.eye(3, dtype=bool)[[0, 1, 2, 0, 1, 2]])


def test_duplicate_and_missing_ids() -> None:
    table = small_table()
    with pytest.raises(ValueError, match="'row-1' occurs 2 times"):
        rebuilt(table, ids=["row-0", "row-1", "row-1", "row-3", "row-4", "row-5"])
    with pytest.raises(ValueError, match="5 ids for 6 rows"):
        rebuilt(table, ids=table.ids[:5])


def test_too_few_ids_beside_another_fault_is_still_a_value_error() -> None:
    """The row that another message would name has no id."""
    table = small_table()
    with pytest.raises(ValueError, match=r"5 ids for 6 rows|unknown label"):
        rebuilt(table, ids=table.ids[:5], labels=np.array([0, 1, 2, 0, 1, 9]))


def test_empty_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        small_table(rows=0)


def test_extra_of_another_length_is_named() -> None:
    with pytest.raises(ValueError, match="'origin' has 2 rows; expected 6"):
        rebuilt(small_table(), extra={"origin": np.array(["a", "b"])})


def test_unknown_task_and_kind_are_named() -> None:
    table = small_table()
    with pytest.raises(ValueError, match=r"'ranking'.*multiclass"):
        rebuilt(table, schema=dataclasses.replace(table.schema, task="ranking"))
    smell = {**table.schema.modalities, "image": Modality("smell", (4, 5), "uint8")}
    with pytest.raises(ValueError, match="'image' has kind 'smell'"):
        rebuilt(table, schema=dataclasses.replace(table.schema, modalities=smell))


def test_take_keeps_rows_together_in_the_order_asked() -> None:
    table = small_table()
    rows = np.array([5, 0, 3])
    taken = table.take(rows)
    assert len(taken) == 3
    assert list(taken.ids) == ["row-5", "row-0", "row-3"]
    assert list(taken.labels) == [2, 0, 0]
    assert list(taken.extra["origin"]) == ["file 5", "file 0", "file 3"]
    for name, array in table.arrays.items():
        for i, row in enumerate(rows):
            np.testing.assert_array_equal(taken.arrays[name][i], array[row])
        assert not np.shares_memory(taken.arrays[name], array)
        assert taken.arrays[name].flags.c_contiguous
    assert taken.schema == table.schema
    taken.arrays["image"][:] = 0
    assert table.arrays["image"].any()


def with_variants(rows: int = 6, count: int = 2, seed: int = 0) -> MultimodalTable:
    table = small_table(rows, seed=seed)
    images = np.random.default_rng(seed + 9).integers(0, 255, (rows, count, 4, 5), dtype=np.uint8)
    return rebuilt(table, variants={"image": images}, ids=[f"{seed}-{i}" for i in range(rows)])


def test_variants_go_with_their_rows() -> None:
    table = with_variants()
    rows = np.array([5, 0])
    np.testing.assert_array_equal(table.take(rows).variants["image"], table.variants["image"][rows])
    other = with_variants(4, seed=1)
    joined = concatenate(table, other)
    np.testing.assert_array_equal(joined.variants["image"][6:], other.variants["image"])
    assert not concatenate(table, rebuilt(small_table(4, seed=1), ids=[f"x-{i}" for i in range(4)])).variants


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ({"image": np.zeros((6, 2, 5, 4), np.uint8)}, r"variants of 'image' are uint8 \(6, 2, 5, 4\); expected uint8"),
        ({"image": np.zeros((6, 2, 4, 5), np.float32)}, "variants of 'image' are float32"),
        ({"image": np.zeros((5, 2, 4, 5), np.uint8)}, r"expected uint8 \(6, 2, 4, 5\)"),
        (
            {"image": np.zeros((6, 2, 4, 5), np.uint8), "vector": np.zeros((6, 3, 3), np.float32)},
            "different numbers of variants",
        ),
        ({"smell": np.zeros((6, 2, 3), np.uint8)}, "variants are given for 'smell', which the schema does not have"),
    ],
)
def test_variants_are_checked(variants: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rebuilt(small_table(), variants=variants)


def test_schema_round_trip_through_json() -> None:
    schema = dataclasses.replace(small_table().schema, source="é")
    text = schema.to_json()
    assert json.loads(text)["modalities"]["image"]["shape"] == [4, 5]
    again = TableSchema.from_json(text)
    assert again == schema
    assert TableSchema.from_json(text.encode()) == schema
    assert list(again.modalities) == ["image", "vector"]
    assert isinstance(again.modalities["image"].shape, tuple)
    assert isinstance(again.classes, tuple)


def test_repr_says_what_is_in_it() -> None:
    text = repr(small_table())
    for word in ("6 rows", "multiclass", "3 classes", "image", "(4, 5)", "uint8", "tabular"):
        assert word in text


def partial_table(**changes: Any) -> MultimodalTable:
    """Three rows with an optional and a compulsory modality; the second row lacks the optional one."""
    modalities = {
        "text": Modality("text", (2,), "float32", optional=True),
        "sound": Modality("audio", (1,), "float32"),
    }
    parts: dict[str, Any] = {
        "schema": TableSchema(modalities, "regression", ("price",)),
        "arrays": {
            "text": np.array([[1, 2], [0, 0], [3, 4]], dtype=np.float32),
            "sound": np.ones((3, 1), dtype=np.float32),
        },
        "labels": np.array([[0.5], [-1.0], [2.0]]),
        "ids": ["a", "b", "c"],
        "present": {"text": np.array([True, False, True])},
    }
    return MultimodalTable(**{**parts, **changes})


def test_presence_goes_with_its_rows() -> None:
    taken = partial_table().take(np.array([2, 1]))
    assert taken.present["text"].tolist() == [True, False]
    assert set(taken.present) == {"text"}  # a compulsory modality is never missing


def test_an_optional_modality_is_there_unless_said_otherwise() -> None:
    assert partial_table(present=None).present["text"].all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"present": {"text": np.array([True, True, False])}}, r"'text', row 2 \(id c\): values where the modality"),
        ({"present": {"sound": np.array([True, True, False])}}, "'sound', which is not an optional modality"),
        ({"present": {"text": np.array([1, 0, 1])}}, r"presence of 'text' is int64 \(3,\); expected bool"),
        ({"labels": np.array([[0.5], [np.nan], [2.0]])}, r"row 1 \(id b\): unknown label .*expected finite"),
        ({"labels": np.array([0.5, 1.0, 2.0])}, r"labels are float64 \(3,\); expected floats \(3, 1\)"),
        ({"labels": np.array([[1], [2], [3]])}, r"labels are int64 \(3, 1\); expected floats"),
    ],
)
def test_presence_and_targets_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        partial_table(**changes)


def test_a_row_without_any_modality_is_placed() -> None:
    schema = TableSchema({"text": Modality("text", (2,), "float32", optional=True)}, "regression", ("price",))
    text = np.array([[1, 2], [0, 0], [3, 4]], dtype=np.float32)
    with pytest.raises(ValueError, match=r"row 1 \(id b\): every modality is missing \(1 such rows of 3\)"):
        partial_table(schema=schema, arrays={"text": text})


def test_a_binary_task_has_two_classes() -> None:
    schema = dataclasses.replace(partial_table().schema, task="binary", classes=("no", "yes", "maybe"))
    with pytest.raises(ValueError, match="binary task has 3 classes; expected 2"):
        partial_table(schema=schema, labels=np.array([0, 1, 1]))


def test_a_table_without_labels_says_so() -> None:
    table = partial_table(labels=None)
    assert not table.labelled
    assert not table.take(np.array([0])).labelled
    with pytest.raises(ValueError, match="no labels"):
        _ = table.labels


def test_tables_are_joined_row_by_row() -> None:
    first, second = small_table(), rebuilt(small_table(4, seed=1), ids=[f"other-{i}" for i in range(4)])
    joined = concatenate(first, second)
    joined.check()
    assert list(joined.ids) == [*first.ids, *second.ids]
    np.testing.assert_array_equal(joined.labels, [*first.labels, *second.labels])
    for name, array in joined.arrays.items():
        np.testing.assert_array_equal(array, np.concatenate([first.arrays[name], second.arrays[name]]))
    other = rebuilt(second, schema=dataclasses.replace(second.schema, source="elsewhere"))
    with pytest.raises(ValueError, match=r"the tables have the schemas .*expected the same"):
        concatenate(first, other)
