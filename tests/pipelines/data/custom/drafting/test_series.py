"""Numbered columns that are steps of one quantity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixmas_pipeline.pipelines.data.custom.drafting.series import Block, blocks, is_embedding, is_series

RNG = np.random.default_rng(0)
WALKS = RNG.normal(size=(200, 24)).cumsum(axis=1)
NOISE = RNG.normal(size=(200, 24))
FACTOR = RNG.normal(size=(200, 1)) + NOISE  # all columns equally correlated


def frame(values: np.ndarray, prefix: str, first: int = 0, by: int = 1) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"{prefix}{first + by * i}" for i in range(values.shape[1])])


@pytest.mark.parametrize(
    ("values", "prefix", "expected"),
    [
        (WALKS, "x_", True),
        (np.where(NOISE > 1.5, np.nan, WALKS), "x_", True),
        (NOISE, "x_", False),
        (FACTOR, "x_", False),
        (WALKS[:, :6], "x_", False),  # as items of a questionnaire
        (NOISE, "hr_", True),
        (NOISE[:, :4], "glucose hour ", True),
        (WALKS, "pix_", False),
        (NOISE * np.logspace(0, 3, 24), "hr_", False),  # not of one scale
        (NOISE + 100 * np.arange(24), "hr_", False),
    ],
)
def test_series(values: np.ndarray, prefix: str, expected: bool) -> None:
    rows = frame(values, prefix)
    (block,) = blocks(rows.columns)
    assert is_series(rows, block) is expected


def test_steps_are_equally_far_apart() -> None:
    rows = frame(WALKS, "x_", 1990, 5)
    (block,) = blocks(rows.columns)
    assert is_series(rows, block)
    rows = rows.drop(columns="x_2000")
    (block,) = blocks(rows.columns)
    assert not is_series(rows, block)


def test_blocks_are_sorted_by_number_and_have_four_columns() -> None:
    found = blocks(["b_10", "b_9", "b_8", "b_7", "a1", "a2", "a3", "c", "0", "1", "2", "3"])
    assert found == [
        Block("b", ("b_7", "b_8", "b_9", "b_10"), (7, 8, 9, 10)),
        Block("", ("0", "1", "2", "3"), (0, 1, 2, 3)),
    ]


@pytest.mark.parametrize(("prefix", "expected"), [("emb_", True), ("textEmbedding", True), ("member_", False)])
def test_embeddings_by_name(prefix: str, expected: bool) -> None:
    (block,) = blocks([f"{prefix}{i}" for i in range(8)])
    assert is_embedding(block) is expected
