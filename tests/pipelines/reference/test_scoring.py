"""Which references are fitted, on which rows, and their scores."""

from __future__ import annotations

import numpy as np
import pytest
from planted import planted
from reference_samples import QUICK
from sklearn.metrics import accuracy_score, roc_auc_score

from mixmas_pipeline.pipelines.reference import scoring
from mixmas_pipeline.pipelines.reference.parameters import ReferenceParameters

NAMES = ("facts", "graph")


def test_all_modalities_together_then_each_alone() -> None:
    table = planted("binary", NAMES, 60, 0)
    models = scoring.fit_sets("linear", table, QUICK, "none", "accuracy")
    assert [list(model.architecture.inputs) for model in models] == [["facts", "graph"], ["facts"], ["graph"]]
    assert all(model.architecture.seconds is not None for model in models)
    together = ReferenceParameters(each_modality=False)
    assert len(scoring.fit_sets("linear", table, together, "none", "accuracy")) == 1
    assert len(scoring.fit_sets("linear", planted("binary", ("facts",), 60, 0), QUICK, "none", "accuracy")) == 1


def test_splits_are_joined_and_large_ones_sampled_in_proportion() -> None:
    first, second = planted("binary", NAMES, 90, 0, missing={"facts": 0.4}), planted("binary", NAMES, 30, 1)
    second = scoring.MultimodalTable(
        first.schema, second.arrays, second.labels, [f"v{i}" for i in range(30)], present={"facts": np.ones(30, bool)}
    )
    joined = scoring.join(first, second, QUICK)
    joined.check()
    assert list(joined.ids) == [*first.ids, *second.ids]
    np.testing.assert_array_equal(joined.present["facts"], [*first.present["facts"], *[True] * 30])
    sampled = scoring.join(first, second, ReferenceParameters(max_rows=40))
    assert (len(sampled), sum(str(name).startswith("v") for name in sampled.ids)) == (40, 10)
    assert sampled.labels.mean() == pytest.approx(joined.labels.mean(), abs=0.05)


def test_scores_are_those_of_scikit_learn() -> None:
    train, validation, test = (planted("binary", NAMES, rows, seed) for rows, seed in ((80, 0), (50, 1), (70, 2)))
    first = scoring.fit_sets("linear", train, QUICK, "none", "accuracy")
    final = scoring.fit_sets("linear", planted("binary", NAMES, 130, 3), QUICK, "none", "accuracy")
    frame, logits = scoring.score_all(validation, test, QUICK, "accuracy", {"linear": first, "linear_refitted": final})
    assert list(frame["modalities"]) == ["facts + graph", "facts", "graph"]
    assert (set(frame["rows"]), set(frame["rows_refitted"])) == ({80}, {130})
    assert set(frame["positive"]) == {test.schema.classes[1]}
    for row, before in zip(frame.itertuples(), first, strict=True):
        scores = logits[scoring.key("linear", str(row.modalities))]
        assert row.test == pytest.approx(accuracy_score(test.labels, scores.argmax(axis=1)))
        assert row.auroc == pytest.approx(roc_auc_score(test.labels, scores[:, 1] - scores[:, 0]), abs=1e-5)
        assert row.low <= row.test <= row.high
        predicted = scoring._logits(before, validation).argmax(axis=1)
        assert row.validation == pytest.approx(accuracy_score(validation.labels, predicted))
        assert 0 < row.validation_error < 0.1
