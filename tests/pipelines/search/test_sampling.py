"""The two samples of a search: disjoint, stratified, and of the size that the formula gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from search_samples import brightness_table

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.search import sampling
from mixmas_pipeline.pipelines.search.parameters import SampleParameters
from mixmas_pipeline.pipelines.search.sampling import draw_samples


def test_classes_with_too_few_examples_are_named(caplog: pytest.LogCaptureFixture) -> None:
    data = brightness_table(90, classes=3)
    keep = np.flatnonzero((data.labels != 2) | (np.arange(90) < 3))
    _, _, report = draw_samples(data.take(keep), SampleParameters(seed=0, margin="auto", holdout_margin="auto"))
    assert "fewer than 3 examples of '2': the search can hardly" in caplog.text
    assert report.classes["2"] == 1
    keep = np.flatnonzero((data.labels == 0) | (np.arange(90) < 3))
    with pytest.raises(ValueError, match=r"1 of 3 classes have 2 examples or more .*'1' has 1.*expected two"):
        draw_samples(data.take(keep), SampleParameters(seed=0))


def test_the_positive_class_is_that_of_a_binary_task() -> None:
    for task, positive in (("binary", "1"), ("multiclass", "")):
        data = brightness_table(60, classes=2)
        table = MultimodalTable(replace(data.schema, task=task), data.arrays, data.labels, data.ids, check=False)
        _, _, report = draw_samples(table, SampleParameters(seed=0, margin="auto", holdout_margin="auto"))
        assert report.positive == positive


def test_modalities_that_some_rows_lack_are_no_classes() -> None:
    data = brightness_table(60, classes=2)
    one = data.take(np.flatnonzero((data.labels == 0) | (np.arange(60) == 1)))
    name, modality = next(iter(one.schema.modalities.items()))
    schema = replace(one.schema, modalities={**one.schema.modalities, name: replace(modality, optional=True)})
    some = MultimodalTable(
        schema, one.arrays, one.labels, one.ids, present={name: np.arange(len(one)) % 2 > 0}, check=False
    )
    with pytest.raises(ValueError, match="1 of 2 classes have 2 examples or more"):
        draw_samples(some, SampleParameters(seed=0, margin="auto", holdout_margin="auto"))


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


def test_a_sample_that_is_off_balance_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = SampleParameters(seed=0, margin=0.1, holdout_margin=0.1, balance=0.1)
    table = brightness_table(200, classes=3)
    by_class = np.argsort(table.labels, kind="stable")
    monkeypatch.setattr(sampling, "stratified_split", lambda labels, sizes, seed: [by_class[:65], by_class[65:130]])
    with pytest.raises(ValueError, match=r"the sample of 65 rows has class '0' off by 0\.665 in .*sample\.balance"):
        draw_samples(table, parameters)


@pytest.mark.parametrize("seed", range(5))
def test_forty_rows_of_five_classes_can_be_sampled(seed: int) -> None:
    """Of 28 training rows 14 are trained on and 8 scored; a class may be off by two rows."""
    parameters = SampleParameters(seed=seed, margin="auto", holdout_margin="auto", balance=0.1)
    _, holdout, report = draw_samples(brightness_table(28, classes=5), parameters)
    assert len(holdout) == 8
    assert report.holdout.worst_imbalance <= 2 / 8


@pytest.mark.parametrize("rows", [14, 20, 28, 60])
@pytest.mark.parametrize("seed", range(10))
def test_few_rows_whose_classes_are_drawn_at_random_can_be_sampled(rows: int, seed: int) -> None:
    data = brightness_table(400, classes=5)
    chosen = np.random.default_rng(seed).choice(400, rows, replace=False)
    parameters = SampleParameters(seed=seed, margin="auto", holdout_margin="auto", balance=0.1)
    sample, holdout, _ = draw_samples(data.take(chosen), parameters)
    assert len(set(sample.labels)) >= 2
    assert len(set(holdout.labels)) >= 2
