"""The two samples of a search: disjoint, stratified, and of the size that the formula gives."""

from __future__ import annotations

import numpy as np
import pytest
from search_samples import brightness_table

from mixmas_pipeline.pipelines.search.parameters import SampleParameters
from mixmas_pipeline.pipelines.search.sampling import draw_samples


def test_class_with_too_few_examples_is_named() -> None:
    data = brightness_table(90, classes=3)
    keep = np.flatnonzero((data.labels != 2) | (np.arange(90) < 3))
    with pytest.raises(ValueError, match="class '2' has 1 examples in the training split; expected at least 3"):
        draw_samples(data.take(keep), SampleParameters(seed=0))


def test_samples_are_disjoint_stratified_and_of_the_formulas_size() -> None:
    data = brightness_table(2000)
    sample, holdout, report = draw_samples(data, SampleParameters(seed=5))
    assert len(sample) == report.sample.rows == 323  # 384.16 / (1 + 384.16 / 2000) = 322.3
    assert report.population == 2000
    assert report.holdout.classes == {str(c): int((holdout.labels == c).sum()) for c in range(4)}
    assert not set(sample.ids) & set(holdout.ids)
    for part in (sample, holdout):
        assert np.abs(np.bincount(part.labels) / len(part) - 0.25).max() < 0.05
    again, _, _ = draw_samples(data, SampleParameters(seed=5))
    assert list(again.ids) == list(sample.ids)


def test_a_sample_that_is_off_balance_is_refused() -> None:
    """67 of 200 rows have the first class. 65 rows cannot have it in the same proportion: 21.775 of them."""
    parameters = SampleParameters(seed=0, margin=0.1, holdout_margin=0.1, balance=1e-9)
    with pytest.raises(ValueError, match=r"the sample of 65 rows has class '\d' off by 0\.0[01]\d in proportion"):
        draw_samples(brightness_table(200, classes=3), parameters)
