"""Ranks of heavy tails, against ranks that scipy computes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from custom_samples import named
from kind_samples import made
from scipy.stats import norm, rankdata

from mixmas_pipeline.pipelines.data.custom.kinds.ranks import learn_ranks

_RNG = np.random.default_rng(0)
_NORMAL = _RNG.normal(size=500)


def test_scores_are_the_normal_quantiles_of_the_ranks() -> None:
    incomes = np.exp(2 * _NORMAL)
    ranks = learn_ranks(incomes)
    assert ranks is not None
    expected = norm.ppf((rankdata(incomes) - 0.5) / len(incomes))
    found = ranks.of(incomes)
    middle = np.abs(expected) < 2  # further out there are few knots
    np.testing.assert_allclose(found[middle], (expected / expected.std())[middle], atol=0.06)
    assert np.corrcoef(found, expected)[0, 1] > 0.999
    assert found.mean() == pytest.approx(0, abs=1e-9)
    assert found.std() == pytest.approx(1)
    assert (np.diff(ranks.of(np.sort(incomes))) >= 0).all()


def test_equal_numbers_share_the_middle_of_their_ranks() -> None:
    """Of 100 rows 80 are 0: they take the ranks 1 to 80, the others 81 to 100 one each."""
    counts = np.concatenate([np.zeros(80), 2.0 ** np.arange(1, 21)])
    ranks = learn_ranks(counts)
    assert ranks is not None
    scores = np.array([norm.ppf(0.4), *norm.ppf((np.arange(80, 100) + 0.5) / 100)])
    each = np.repeat(scores, [80, *[1] * 20])
    np.testing.assert_allclose(ranks.of(counts), (each - each.mean()) / each.std(), atol=1e-9)


def test_numbers_beyond_the_training_rows_have_the_score_of_the_end() -> None:
    incomes = np.exp(2 * _NORMAL)
    ranks = learn_ranks(incomes)
    assert ranks is not None
    low, high = ranks.of(np.array([-1.0, 1e12]))
    assert (low, high) == (ranks.scores[0], ranks.scores[-1])


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(_NORMAL, id="normal"),
        pytest.param(_RNG.uniform(size=500), id="uniform"),
        pytest.param(_RNG.exponential(size=500), id="exponential"),
        pytest.param((_RNG.uniform(size=500) < 0.01).astype(float), id="rare flag"),
        pytest.param(np.concatenate([np.zeros(9990), np.arange(1, 11)]), id="all but ten are 0"),
        pytest.param(np.full(500, 3.0), id="constant"),
        pytest.param(np.array([1.0]), id="one row"),
    ],
)
def test_other_columns_have_none(numbers: np.ndarray) -> None:
    assert learn_ranks(numbers) is None


def test_ranks_are_values_of_the_table_learnt_from_training_rows(caplog: pytest.LogCaptureFixture) -> None:
    incomes = np.exp(2 * _NORMAL)
    frame = pd.DataFrame({"age": _NORMAL, "income": incomes, "kind": list("ab" * 250)})
    frame.loc[3, "income"] = np.nan
    frame.loc[499, "income"] = 1e15  # of a new row
    with caplog.at_level("INFO"):
        columns = ["age", "income", "kind"]
        found = made(named(frame), kind="tabular", columns=columns, categories=["kind"], train=400)
    assert found.modality.features == ("age", "income", "income: rank", "income is missing", "kind: a", "kind: b")
    assert "income: heavy tails; their ranks are inputs too" in caplog.text
    filled = np.where(np.arange(400) == 3, np.nanmedian(frame["income"][:400]), incomes[:400])
    ranks = learn_ranks(filled)
    assert ranks is not None
    np.testing.assert_allclose(found.array[:400, 2], ranks.of(filled), rtol=1e-6)
    assert found.array[499, 2] == np.float32(ranks.scores[-1])
