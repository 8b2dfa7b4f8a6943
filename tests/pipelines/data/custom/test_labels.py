"""Labels of every task, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from custom_samples import named, table

from mixmas_pipeline.pipelines.data.custom.labels import check_examples, encode, learn_classes, report_classes


def column(*cells: Any) -> pd.DataFrame:
    return named(pd.DataFrame({"kind": list(cells), "age": 1.0}))


@pytest.mark.parametrize(
    ("cells", "settings", "classes", "labels"),
    [
        (("cow", "cat", "cow"), {}, ["cat", "cow"], [1, 0, 1]),
        (("10", "9", "9"), {}, ["9", "10"], [1, 0, 0]),
        (("cow", "cat"), {"classes": ["cow", "cat"]}, ["cow", "cat"], [0, 1]),
        (("no", "yes"), {"task": "binary"}, ["no", "yes"], [0, 1]),
        ((0, 1), {"task": "binary"}, ["0", "1"], [0, 1]),
        ((False, True), {"task": "binary"}, ["False", "True"], [0, 1]),
        (("no", "yes"), {"task": "binary", "positive": "no"}, ["yes", "no"], [1, 0]),
        ((1, 0), {"task": "binary", "positive": 0}, ["1", "0"], [0, 1]),
        (
            ("b|a", None, " a "),
            {"task": "multilabel", "labels_separator": "|"},
            ["a", "b"],
            [[1, 1], [0, 0], [1, 0]],
        ),
    ],
)
def test_labels(cells: Any, settings: dict[str, Any], classes: list[str], labels: Any) -> None:
    rows, parameters = column(*cells), table(**settings)
    assert learn_classes(rows, parameters) == classes
    np.testing.assert_array_equal(encode(rows, parameters, classes), labels)


@pytest.mark.parametrize(
    ("cells", "settings", "positive"),
    [
        (["human"] * 8 + ["bot"] * 2, {}, "bot"),
        (["bot"] * 8 + ["human"] * 2, {}, "human"),
        (["human"] * 5 + ["bot"] * 5, {}, "human"),
        (["Yes"] * 8 + ["No"] * 2, {}, "Yes"),
        (["1"] * 8 + ["-1"] * 2, {}, "1"),
        (["Negative"] * 2 + ["Positive"] * 8, {}, "Positive"),
        (["human"] * 8 + ["bot"] * 2, {"positive": "human"}, "human"),
        (["human"] * 2 + ["bot"] * 8, {"classes": ["human", "bot"]}, "bot"),
    ],
)
def test_positive_class_is_of_a_known_pair_or_the_rarer_one(
    cells: list[str], settings: dict[str, Any], positive: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows, parameters = column(*cells), table(task="binary", **settings)
    classes = learn_classes(rows, parameters)
    assert classes[1] == positive
    with caplog.at_level("INFO"):
        report_classes(rows, parameters, classes)
    said = f"positive class of 'kind' is {positive!r} ({cells.count(positive)} of 10 training rows)"
    assert (said in caplog.text) == (not settings)


def test_labels_that_look_like_a_missing_value_are_pointed_at(caplog: pytest.LogCaptureFixture) -> None:
    rows, parameters = column("NA", "cat", "NA", "None"), table()
    report_classes(rows, parameters, learn_classes(rows, parameters))
    assert "2 training rows have the label 'NA', which is taken for the name of a class" in caplog.text
    assert "1 training rows have the label 'None'" in caplog.text


def test_several_columns() -> None:
    rows = named(pd.DataFrame({"a": ["1", "0", "1"], "b": ["yes", "No", "true"], "age": 1.0}))
    many = table(label=["a", "b"], task="multilabel")
    assert learn_classes(rows, many) == ["a", "b"]
    np.testing.assert_array_equal(encode(rows, many, ["a", "b"]), [[1, 1], [0, 0], [1, 1]])
    rows = named(pd.DataFrame({"a": ["1.5", "2"], "b": [3, 4]}))
    found = encode(rows, table(label=["a", "b"], task="regression"), ["a", "b"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[1.5, 3], [2, 4]])


@pytest.mark.parametrize(
    ("cells", "settings", "message"),
    [
        (("cat", None), {}, r"row 1 \(id r1\), column kind: there is no label, as in 1 of 2 rows"),
        (("cat", "cot"), {"classes": ["cat", "cow"]}, "the label 'cot' is unknown.*table.classes.*did you mean 'cow'"),
        (("a", "b", "c"), {"task": "binary"}, "3 labels .* a binary task has 2"),
        (("a", "b"), {"task": "binary", "positive": "c"}, "table.positive is 'c'; the labels are a and b"),
        (("1", "x"), {"task": "regression"}, r"row 1 \(id r1\), column kind: found 'x'; expected a number"),
        (("1", None), {"task": "regression"}, r"row 1 \(id r1\), column kind: there is no number, as in 1 of 2 rows"),
        (("1", "inf"), {"task": "regression"}, "found 'inf'; expected a number"),
        (("a", "a"), {}, "all training rows have the label 'a'"),
        (("a", "b"), {"classes": ["a", "b", "c"]}, "no training row has the label 'c'"),
    ],
)
def test_labels_that_are_wrong(cells: Any, settings: dict[str, Any], message: str) -> None:
    rows, parameters = column(*cells), table(**settings)

    def read() -> None:
        classes = learn_classes(rows, parameters)
        encode(rows, parameters, classes)
        check_examples(rows, parameters, classes)

    with pytest.raises(ValueError, match=message):
        read()


def test_a_label_that_reads_like_several_is_refused() -> None:
    rows = named(pd.DataFrame({"kind": ["a|b", "a, b", "c, d|a"]}))
    parameters = table(task="multilabel", labels_separator="|")
    with pytest.raises(ValueError, match="the labels 'a' and 'a, b' read alike in lists of labels; rename one"):
        learn_classes(rows, parameters)
    assert learn_classes(rows.drop(index=rows.index[1]), parameters) == ["a", "b", "c, d"]


def test_a_target_that_32_bits_cannot_hold_names_its_row() -> None:
    rows = named(pd.DataFrame({"y": ["1", "-1e39", "2"]}))
    with pytest.raises(ValueError, match=r"row 1 \(id r1\), column y: found '-1e39'; expected a number of at most"):
        encode(rows, table(label="y", task="regression"), ["y"])


def test_targets_that_would_lose_their_digits_are_refused() -> None:
    parameters = table(task="regression")
    seconds = named(pd.DataFrame({"kind": 1_700_000_000 + np.arange(200), "age": 1.0}))
    with pytest.raises(ValueError, match=r"'kind' has numbers from 1700000000 to 1700000199 .*Subtract a constant"):
        check_examples(seconds, parameters, ["kind"])
    check_examples(named(pd.DataFrame({"kind": [0.1] * 3, "age": 1.0})), parameters, ["kind"])
    whole = named(pd.DataFrame({"kind": 16_000_000 + 1000 * np.arange(200), "age": 1.0}))
    check_examples(whole, parameters, ["kind"])
    np.testing.assert_array_equal(encode(whole, parameters, ["kind"])[:, 0], whole["kind"])


def test_a_label_column_that_is_neither_0_nor_1() -> None:
    rows = named(pd.DataFrame({"a": ["1", "2"], "b": ["0", "0"]}))
    with pytest.raises(ValueError, match=r"row 1 \(id r1\), column a: found '2'; expected 0 or 1"):
        encode(rows, table(label=["a", "b"], task="multilabel"), ["a", "b"])
