"""Sample sizes by hand, and properties of stratified samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixmas_pipeline.data.sampling import (
    grouped_split,
    margin_for,
    sample_size,
    sample_sizes,
    stratified_split,
    worst_imbalance,
)


@pytest.mark.parametrize(("population", "size"), [(55_000, 382), (15_552, 375), (26_093, 379)])
def test_published_sample_sizes(population: int, size: int) -> None:
    """The published code used 1000 for all of them."""
    assert sample_size(population) == size


@given(
    population=st.integers(1, 10**7),
    z=st.floats(1, 3),
    p=st.floats(0.05, 0.95),
    margin=st.floats(0.01, 0.2),
)
def test_sample_size_follows_the_formula(population: int, z: float, p: float, margin: float) -> None:
    infinite = z * z * p * (1 - p) / (margin * margin)
    size = sample_size(population, z, p, margin)
    assert size - 1 < population * infinite / (population + infinite) * (1 + 1e-9)
    assert size >= population * infinite / (population + infinite) * (1 - 1e-9)
    assert 1 <= size <= population
    assert size <= math.ceil(infinite)


@given(population=st.integers(2, 10**6))
def test_sample_size_grows_with_population_and_precision(population: int) -> None:
    assert sample_size(population) >= sample_size(population - 1)
    assert sample_size(population, margin=0.03) >= sample_size(population, margin=0.05)
    assert sample_size(population, p=0.5) >= sample_size(population, p=0.2)


@st.composite
def populations(draw: st.DrawFn, multilabel: bool) -> tuple[np.ndarray, list[int]]:
    """Label matrices of unequal classes, and the sizes of one to three samples of them."""
    rows, classes = draw(st.integers(1, 120)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    shares = np.array(draw(st.lists(st.sampled_from([0.01, 0.1, 0.4, 0.9]), min_size=classes, max_size=classes)))
    if multilabel:
        labels = rng.random((rows, classes)) < shares
    else:
        labels = rng.choice(classes, size=rows, p=shares / shares.sum())[:, None] == np.arange(classes)
    sizes: list[int] = []
    for _ in range(draw(st.integers(1, 3))):
        sizes.append(draw(st.integers(0, rows - sum(sizes))))
    return labels, sizes


@settings(max_examples=80)
@given(case=st.booleans().flatmap(lambda multilabel: populations(multilabel)), seed=st.integers(0, 1000))
def test_samples_are_disjoint_sorted_exact_and_repeatable(case: tuple[np.ndarray, list[int]], seed: int) -> None:
    labels, sizes = case
    before = labels.copy()
    samples = stratified_split(labels, sizes, seed)
    assert [len(sample) for sample in samples] == sizes
    everything = np.concatenate(samples)
    assert len(np.unique(everything)) == len(everything)
    assert all(((sample >= 0) & (sample < len(labels))).all() for sample in samples)
    assert all((np.diff(sample) > 0).all() for sample in samples)
    again = stratified_split(labels, sizes, seed)
    assert all(np.array_equal(a, b) for a, b in zip(samples, again, strict=True))
    np.testing.assert_array_equal(labels, before)


@settings(max_examples=80)
@given(case=populations(multilabel=False), seed=st.integers(0, 1000))
def test_one_label_samples_have_every_class_in_proportion(case: tuple[np.ndarray, list[int]], seed: int) -> None:
    """Each class is dealt out to within an example; but the rest keeps one of each class, also where its share is
    less."""
    labels, sizes = case
    kept = (labels.sum(axis=0) * (1 - sum(sizes) / len(labels)) < 1).sum()
    for sample, size in zip(stratified_split(labels, sizes, seed), sizes, strict=True):
        expected = labels.sum(axis=0) * size / len(labels)
        assert np.abs(labels[sample].sum(axis=0) - expected).max() <= 1 + kept + 1e-9


@pytest.mark.parametrize("classes", [10, 25, 120])
def test_many_rare_classes_take_nothing_from_the_last_one(classes: int) -> None:
    """With 0.2 of 19 rows each class wants 3.8, which may not be rounded up for all of them."""
    of_each = np.full(classes, 19)
    of_each[-1] = 20
    labels = np.repeat(np.arange(classes), of_each)[:, None] == np.arange(classes)
    size = round(0.2 * len(labels))
    for sample in stratified_split(labels, [size, size], seed=0):
        assert set(labels[sample].sum(axis=0)) <= {3, 4}


def test_a_class_of_one_row_stays_in_the_rest() -> None:
    labels = np.arange(30)[:, None] // 15 == np.arange(3)
    labels[0] = [False, False, True]
    for seed in range(10):
        validation, test = stratified_split(labels, [9, 9], seed)
        assert 0 not in {*validation.tolist(), *test.tolist()}


@pytest.mark.parametrize("seed", range(3))
def test_multilabel_samples_spread_rare_labels(seed: int) -> None:
    """Labels from 1 in 2 down to 1 in 200, of which some exclude each other and some come together."""
    rng = np.random.default_rng(seed)
    rows, shares = 4000, np.array([0.5, 0.3, 0.1, 0.03, 0.01, 0.005])
    labels = rng.random((rows, 6)) < shares
    labels[:, 2] &= ~labels[:, 0]
    labels[:, 4] |= labels[:, 5]
    sizes = [380, 800]
    for sample, size in zip(stratified_split(labels, sizes, seed), sizes, strict=True):
        expected = labels.sum(axis=0) * size / rows
        assert np.abs(labels[sample].sum(axis=0) - expected)[3:].max() < 1.5  # the rare ones
        assert worst_imbalance(labels, sample)[0] < 0.01


def test_a_label_of_two_examples_reaches_two_samples() -> None:
    labels = np.zeros((100, 2), dtype=bool)
    labels[:, 0] = True
    labels[[10, 90], 1] = True
    for seed in range(5):
        first, second = stratified_split(labels, [50, 50], seed)
        assert labels[first, 1].sum() == labels[second, 1].sum() == 1


def test_published_sample_is_balanced() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.03, 0.02])
    labels = rng.choice(10, size=15_552, p=shares)[:, None] == np.arange(10)
    for sample in stratified_split(labels, [375, 1000], seed=0):
        assert worst_imbalance(labels, sample)[0] < 0.005


def test_rows_without_any_label_are_sampled_too() -> None:
    labels = np.zeros((90, 3), dtype=bool)
    labels[:30, 0] = True
    sample, other = stratified_split(labels, [30, 30], seed=0)
    assert len(sample) == len(other) == 30
    assert labels[sample, 0].sum() == labels[other, 0].sum() == 10


def test_another_seed_takes_other_rows() -> None:
    labels = np.arange(300)[:, None] % 3 == np.arange(3)
    first, second = (stratified_split(labels, [60], seed)[0] for seed in (0, 1))
    assert not np.array_equal(first, second)
    assert len(np.intersect1d(first, second)) < 40  # 12 on average: not the head of the table


def test_the_whole_population_can_be_dealt_out() -> None:
    labels = np.arange(31)[:, None] % 4 == np.arange(4)
    parts = stratified_split(labels, [20, 11], seed=0)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(31))


def test_samples_larger_than_the_population_are_refused() -> None:
    with pytest.raises(ValueError, match=r"samples of \[60, 41\] rows together exceed the 100 rows"):
        stratified_split(np.ones((100, 1), dtype=bool), [60, 41], seed=0)


def test_worst_imbalance_by_hand() -> None:
    labels = np.array([[1, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=bool)
    assert worst_imbalance(labels, np.array([0, 1])) == (0.5, 0)
    assert worst_imbalance(labels, np.array([0, 2])) == (0.25, 2)
    assert worst_imbalance(labels, np.arange(4))[0] == 0


@given(sample=st.integers(2, 5000), more=st.integers(1, 60000))
def test_the_margin_of_a_sample_gives_the_sample(sample: int, more: int) -> None:
    population = sample + more
    margin = margin_for(sample, population)
    assert abs(sample_size(population, margin=margin) - sample) <= 1  # rounded up
    assert margin_for(population, population) == 0


@given(st.integers(10, 100_000))
def test_automatic_samples_leave_something_over(rows: int) -> None:
    sample, holdout = sample_sizes(rows, "auto", "auto", 1.96, 0.5)
    assert sample == min(rows // 2, sample_size(rows, margin=0.03))
    assert holdout == min(int(0.3 * rows), sample_size(rows, margin=0.03))
    assert sample + holdout < rows
    written = sample_size(rows, margin=0.1)
    sample, holdout = sample_sizes(rows, 0.1, "auto", 1.96, 0.5)
    assert sample == written, "what is written is not touched"
    assert sample + holdout <= max(rows, written + 1)
    assert sample_sizes(rows, 0.1, 0.2, 1.96, 0.5) == (written, sample_size(rows, margin=0.2))


@pytest.mark.parametrize("seed", range(10))
def test_training_part_has_every_class_where_groups_allow_it(seed: int) -> None:
    """Ten people with one label each, three of them ill: one in each part."""
    rng = np.random.default_rng(seed)
    sizes, ill = rng.integers(3, 30, 10), rng.permutation(10) < 3
    groups = np.repeat(np.arange(10), sizes)
    parts = grouped_split(np.stack([~ill[groups], ill[groups]], axis=1), groups, [0.2, 0.2], seed)
    for part in range(3):
        assert set(ill[parts == part]) == {False, True}


def test_large_groups_may_be_tested_and_another_seed_divides_otherwise() -> None:
    sizes = np.arange(20, 60)
    groups = np.repeat(np.arange(40), sizes)
    labels = np.random.default_rng(0).integers(0, 2, len(groups))
    strata = labels[:, None] == np.arange(2)
    found = [grouped_split(strata, groups, [0.2, 0.2], seed) for seed in range(10)]
    assert len({tuple(parts) for parts in found}) == 10
    np.testing.assert_array_equal(found[3], grouped_split(strata, groups, [0.2, 0.2], 3))
    assert max(sizes[parts == 2].max() for parts in found) > 55
    for parts in found:
        assert abs(sizes[parts == 2].sum() / sizes.sum() - 0.2) < 0.03
