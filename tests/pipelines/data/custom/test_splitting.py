"""Splits: disjoint, of the sizes that are asked for, labels spread evenly, groups whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from custom_samples import named, pets, table
from hypothesis import given, settings
from hypothesis import strategies as st

from mixmas_pipeline.pipelines.data.custom.splitting import split


@settings(max_examples=40)
@given(
    rows=st.integers(12, 120),
    validation=st.floats(0.1, 0.4),
    test=st.floats(0.1, 0.4),
    seed=st.integers(0, 9),
    grouped=st.booleans(),
)
def test_drawn_splits(rows: int, validation: float, test: float, seed: int, grouped: bool) -> None:
    frame = named(pets(rows, seed))
    parameters = table(
        split={
            "fractions": {"validation": validation, "test": test},
            "seed": seed,
            **({"group": "owner"} if grouped else {}),
        }
    )
    found = split(frame, parameters)
    shares = {"train": 1 - validation - test, "validation": validation, "test": test}
    if grouped:
        owners = pd.Series(found).groupby(frame["owner"].to_numpy())
        assert (owners.nunique() == 1).all()
        for name, share in shares.items():
            assert (found == name).sum() > 0
            assert abs((found == name).sum() - share * rows) <= 2 * max(owners.size())
    else:
        sizes = pd.Series(found).value_counts()
        assert sizes["validation"] == round(validation * rows)
        assert sizes["test"] == round(test * rows)
        for name, share in (("validation", validation), ("test", test)):
            for label in frame["kind"].unique():
                wanted = share * (frame["kind"] == label).sum()
                assert abs(((found == name) & (frame["kind"] == label)).sum() - wanted) <= 2
    np.testing.assert_array_equal(split(frame, parameters), found)


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_very_unequal_size_keep_the_fractions_of_the_rows(seed: int) -> None:
    """Of 60 rows 50 are one owner's: by numbers of groups, the test split could have had them."""
    frame = named(pets(60).assign(owner=["ann"] * 50 + ["bob"] * 5 + ["cyn"] * 5))
    found = split(frame, table(split={"fractions": {"validation": 0.2, "test": 0.2}, "seed": seed, "group": "owner"}))
    assert set(found[:50]) == {"train"}
    assert {found[50], found[55]} == {"validation", "test"}


def test_another_seed_is_another_draw() -> None:
    frame = named(pets())
    one, other = (split(frame, table(split={"fractions": {"validation": 0.2, "test": 0.2}, "seed": s})) for s in (0, 1))
    assert (one != other).any()


def test_a_row_without_a_group_is_its_own() -> None:
    frame = named(pets(40).assign(owner=[None] * 38 + ["x", "x"]))
    found = split(frame, table(split={"fractions": {"validation": 0.3, "test": 0.3}, "group": "owner"}))
    assert pd.Series(found).value_counts()["validation"] in (12, 13)
    assert found[38] == found[39]


def test_ranges_of_a_regression_are_spread_evenly() -> None:
    frame = named(pets(200))
    found = split(frame, table(label="hr_0", task="regression"))
    for name in ("validation", "test"):
        assert abs(frame["hr_0"][found == name].median() - frame["hr_0"].median()) < 1.5


def test_written_splits() -> None:
    frame = named(pets(4).assign(part=["train", "validation", "test", "train"]))
    assert list(split(frame, table(split={"column": "part"}))) == ["train", "validation", "test", "train"]
    words = {"train": [0, 1], "validation": [2], "test": [3]}
    frame = named(pets(4).assign(part=[3, 2, 1, 0]))
    assert list(split(frame, table(split={"column": "part", "values": words}))) == [
        "test",
        "validation",
        "train",
        "train",
    ]


@pytest.mark.parametrize(
    ("part", "settings", "message"),
    [
        (["train", "validation", "tset"], {}, r"row 2 \(id r2\), column part: found 'tset'; expected one of 'train'"),
        (["train", None, "test"], {}, r"row 1 \(id r1\), column part: found nothing"),
        (["train", "train", "test"], {}, "no row is in the split 'validation'"),
        (["train", "validation", "test"], {"group": "owner"}, "the group 'owner0' is in validation, and with row 0"),
    ],
)
def test_written_splits_that_are_wrong(part: list[str | None], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split(named(pets(3).assign(part=part)), table(split={"column": "part", **settings}))


def test_so_few_rows_that_a_split_is_empty() -> None:
    with pytest.raises(ValueError, match="no row is in the split 'validation', of 4"):
        split(named(pets(4)), table(split={"fractions": {"validation": 0.1, "test": 0.5}}))
