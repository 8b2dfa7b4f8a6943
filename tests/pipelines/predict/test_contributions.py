"""Decisions and contributions against the formula, worked out one row at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import FUSED, Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.predict.contributions import predict_rows
from mixmas_pipeline.pipelines.predict.results import PredictionSummary

CPU = torch.device("cpu")
THRESHOLDS = {"a": 0.45, "b": 0.5, "c": 0.55}


def model_of(architecture: Architecture) -> MultimodalMixer:
    return initialised(MultimodalMixer, 3, architecture).eval()


def logits_of(model: MultimodalMixer, table: MultimodalTable, row: int, without: str | None = None) -> dict[str, Any]:
    """Every head's logits of one row; a modality is left out by giving its training mean, the value 0 of the model's
    own scale."""
    inputs = {}
    for name, given in model.architecture.inputs.items():
        value = torch.from_numpy(np.array(table.arrays[name][row : row + 1])).float()
        inputs[name] = torch.full_like(value, given.mean) if name == without else value
    with torch.no_grad():
        return {head: values[0].double().tolist() for head, values in model(inputs).items()}


def softmax(logits: list[float]) -> list[float]:
    exponentials = [math.exp(v) for v in logits]
    return [e / sum(exponentials) for e in exponentials]


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def odds(p: float) -> float:
    return math.log(p / (1 - p))


def test_contributions_of_one_class(make_table: Callable, make_architecture: Callable) -> None:
    table, model = make_table(rows=9), model_of(make_architecture())
    found = predict_rows(model, table, {}, CPU)
    long = found.contributions.set_index(["id", "modality"])
    assert len(long) == 2 * len(table)
    for row, given in enumerate(found.predicted.itertuples()):
        whole = logits_of(model, table, row)
        p = softmax(whole[FUSED])
        decided = int(np.argmax(p))
        assert given.id == table.ids[row]
        assert (given.label, given.predicted) == ("abc"[table.labels[row]], "abc"[decided])
        assert given.correct == (table.labels[row] == decided)
        assert given.confidence == pytest.approx(p[decided], abs=1e-6)
        assert [getattr(given, f"probability_{c}") for c in "abc"] == pytest.approx(p, abs=1e-6)
        for name in ("image", "series"):
            alone, left = softmax(whole[name]), softmax(logits_of(model, table, row, without=name)[FUSED])
            assert getattr(given, f"{name}_head") == "abc"[int(np.argmax(alone))]
            assert getattr(given, f"{name}_head_probability") == pytest.approx(alone[decided], abs=1e-6)
            assert getattr(given, f"{name}_contribution") == pytest.approx(p[decided] - left[decided], abs=1e-6)
            assert getattr(given, f"without_{name}") == "abc"[int(np.argmax(left))]
            one = long.loc[(given.id, name)]
            assert one["class"] == given.predicted
            assert one["all"] - one["without"] == pytest.approx(one["contribution"])
            expected = odds(p[decided]) - odds(left[decided])
            assert one["log_odds_contribution"] == pytest.approx(expected, abs=1e-5)
            assert one["flips"] == (int(np.argmax(left)) != decided)
    share = found.contributions.groupby("modality")["flips"].mean()
    for name, row in found.summary.modalities.items():
        assert row.flipped == pytest.approx(share[name])
        sizes = found.predicted[f"{name}_contribution"].abs()
        assert row.mean_absolute_contribution == pytest.approx(sizes.mean())
    assert found.summary.scores["accuracy"] == pytest.approx(found.predicted["correct"].mean())
    counts = found.predicted["predicted"].value_counts()
    assert found.summary.decided == {name: int(counts.get(name, 0)) for name in "abc"}


def test_contributions_of_every_label_that_is_set(make_table: Callable, make_architecture: Callable) -> None:
    table, model = make_table(rows=12, task="multilabel"), model_of(make_architecture(task="multilabel"))
    found = predict_rows(model, table, THRESHOLDS, CPU)
    cuts = list(THRESHOLDS.values())
    expected, sets = [], []
    for row in range(len(table)):
        p = [sigmoid(v) for v in logits_of(model, table, row)[FUSED]]
        sets.append([c for c in range(3) if p[c] > cuts[c]])
        means = []
        for name in ("image", "series"):
            left = [sigmoid(v) for v in logits_of(model, table, row, without=name)[FUSED]]
            changes = [p[c] - left[c] for c in sets[-1]]
            means.append(np.mean(changes) if changes else math.nan)
            expected += [
                (table.ids[row], "abc"[c], name, p[c] - left[c], odds(p[c]) - odds(left[c]), left[c] <= cuts[c])
                for c in sets[-1]
            ]
        given = found.predicted.iloc[row]
        assert given["predicted"] == ", ".join("abc"[c] for c in sets[-1])
        assert [given["image_contribution"], given["series_contribution"]] == pytest.approx(
            means, abs=1e-6, nan_ok=True
        )
    assert len({len(s) for s in sets}) > 1, "rows with different numbers of labels"
    assert found.summary.decided == {name: sum(c in s for s in sets) for c, name in enumerate("abc")}
    exact = np.mean([set(np.flatnonzero(table.labels[row])) == set(s) for row, s in enumerate(sets)])
    assert found.summary.scores["accuracy"] == pytest.approx(exact)
    columns = ["id", "class", "modality", "contribution", "log_odds_contribution", "flips"]
    rows = sorted(found.contributions[columns].itertuples(index=False, name=None))
    for one, other in zip(rows, sorted(expected), strict=True):
        assert one[:3] == other[:3]
        assert one[3:] == pytest.approx(other[3:], abs=1e-5)


def test_a_modality_that_the_model_does_not_use_contributes_nothing(
    make_table: Callable, make_architecture: Callable
) -> None:
    model = model_of(make_architecture(function="sum"))
    with torch.no_grad():  # its tokens are zeros whatever it is given
        model.encoders["series"].blocks[-1].weight.zero_()
        model.encoders["series"].blocks[-1].bias.zero_()
    found = predict_rows(model, make_table(rows=20), {}, CPU)
    assert (found.predicted["series_contribution"] == 0).all()
    assert not found.contributions.query("modality == 'series'")["flips"].any()
    assert (found.predicted["image_contribution"] != 0).all()


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_weights_of_classes_change_probabilities_and_no_decision(
    task: str, make_table: Callable, make_architecture: Callable
) -> None:
    weights = (4.0, 0.5, 1.0)
    architecture, table = make_architecture(task=task), make_table(rows=20, task=task)
    plain = predict_rows(model_of(architecture), table, {}, CPU).predicted
    weighted = architecture.model_copy(update={"class_weights": weights})
    found = predict_rows(model_of(weighted), table, {}, CPU).predicted
    assert found["predicted"].tolist() == plain["predicted"].tolist()
    columns = [f"probability_{name}" for name in "abc"]
    odds_of = plain[columns] / (1 - plain[columns]) / weights
    one_each = plain[columns].div(weights)
    wanted = odds_of / (1 + odds_of) if task == "multilabel" else one_each.div(one_each.sum(axis=1), axis=0)
    np.testing.assert_allclose(found[columns], wanted, rtol=1e-6)


def test_one_modality_has_nothing_to_be_left_out_of(make_table: Callable, make_architecture: Callable) -> None:
    both = make_table(rows=5)
    schema = type(both.schema)({"image": both.schema.modalities["image"]}, "multiclass", both.schema.classes)
    table = MultimodalTable(schema, {"image": both.arrays["image"]}, None, both.ids)
    found = predict_rows(model_of(make_architecture(modalities=("image",))), table, {}, CPU)
    assert list(found.predicted) == ["id", "predicted", "confidence", *(f"probability_{c}" for c in "abc")]
    assert len(found.contributions) == 0
    counts = found.predicted["predicted"].value_counts()
    decided = {name: int(counts.get(name, 0)) for name in "abc"}
    assert found.summary == PredictionSummary(rows=5, decided=decided, modalities={}, scores={})


def test_rows_in_batches_are_rows_alone(make_table: Callable, make_architecture: Callable) -> None:
    """Nothing of a row depends on which others are there."""
    model, table = model_of(make_architecture()), make_table(rows=40)
    whole = predict_rows(model, table, {}, CPU).predicted
    for row in (0, 39):
        alone = predict_rows(model, table.take(np.array([row])), {}, CPU).predicted.iloc[0]
        for name, value in whole.iloc[row].items():
            assert alone[name] == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value)


def test_a_model_of_other_data_is_refused(make_table: Callable, make_architecture: Callable) -> None:
    model = model_of(make_architecture())
    with pytest.raises(ValueError, match="task: multiclass; now: multilabel"):
        predict_rows(model, make_table(rows=5, task="multilabel"), {}, CPU)
    table = make_table(rows=5)
    table.schema.modalities.pop("series")
    with pytest.raises(ValueError, match="prepares and trains what is needed"):
        predict_rows(model, table, {}, CPU)
