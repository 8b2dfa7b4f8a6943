"""Scores of the finished model: per set of modalities, per example, and the largest mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import planted
import pytest
import torch

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.training import evaluation
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.training.statistics import with_statistics


def test_dropping_modalities_in_training_helps_where_they_are_missing(tmp_path: Path) -> None:
    """Each of three modalities tells a third of the variance: with dropout one alone comes near to that."""
    from mixmas_pipeline.training.fit import train
    from mixmas_pipeline.training.inference import compute_logits

    names, cpu = ("photo", "pulse", "facts"), torch.device("cpu")
    splits = [planted.planted("regression", names, rows, seed, targets=1) for seed, rows in enumerate((600, 150, 300))]
    section = planted.parameters(names, "r2")
    scores = {}
    for dropout in (0.0, 0.3):
        settings = TrainingParameters.model_validate({**section["training"], "modality_dropout": dropout})
        plan = {**section["compare"]["baseline"], "task": "regression", "classes": ["price"]}
        plan["inputs"] = {name: {"shape": planted.MODALITIES[name][1], "mean": 0, "std": 1} for name in names}
        plan["targets"] = {"mean": [0], "std": [1]}
        architecture = with_statistics(Architecture.model_validate(plan), splits[0])
        model, _ = train(architecture, splits[0], splits[1], settings, tmp_path / str(dropout))
        found = evaluation.score_patterns(model, splits[2], compute_logits(model, splits[2], cpu)["fused"], "r2")
        scores[dropout] = found.set_index("pattern")["score_when_masked"]
        assert scores[dropout][" + ".join(names)] > 0.85
    alone = list(names)
    assert scores[0.3][alone].mean() > 0.2
    assert scores[0.3][alone].mean() > scores[0.0][alone].mean() + 0.08


def test_sets_of_more_than_six_modalities_are_not_all_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the limit at 3: four modalities alone, all but one, all, and the pair that occurs."""
    from mixmas_pipeline.models.multimodal import MultimodalMixer
    from mixmas_pipeline.training.inference import compute_logits

    names = ("photo", "pulse", "facts", "graph")
    test = planted.planted("binary", names, 40, 0, {"photo": 0.3, "graph": 0.3})
    plan = {**planted.parameters(names, "f1")["compare"]["baseline"], "task": "binary", "classes": ["well", "ill"]}
    plan["inputs"] = {name: {"shape": planted.MODALITIES[name][1], "mean": 0, "std": 1} for name in names}
    model = MultimodalMixer(with_statistics(Architecture.model_validate(plan), test)).eval()
    fused = compute_logits(model, test, torch.device("cpu"))["fused"]
    assert len(evaluation.score_patterns(model, test, fused, "f1")) == 15
    monkeypatch.setattr(evaluation, "ALL_SETS", 3)
    found = evaluation.score_patterns(model, test, fused, "f1")
    assert set(found["metric"]) == {"f1"}
    assert len(found) == 4 + 4 + 1 + 1
    assert "pulse + facts" in set(found["pattern"])


def two_modalities() -> MultimodalTable:
    """Four rows of three classes; the second lacks the sound."""
    modalities = {name: Modality("embedding", (2,), "float32", optional=True) for name in ("photo", "sound")}
    schema = TableSchema(modalities, "multiclass", ("cat", "dog", "cow"))
    arrays = {name: np.ones((4, 2), np.float32) for name in modalities}
    arrays["sound"][1] = 0
    present = {"photo": np.ones(4, bool), "sound": np.array([True, False, True, True])}
    return MultimodalTable(schema, arrays, np.array([0, 1, 2, 0]), list("abcd"), present=present)


def test_predictions_of_each_head_and_probabilities_by_hand() -> None:
    """Softmax of the fused head; a modality's head has no prediction where the row lacks the modality."""
    fused = np.log([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]).astype(np.float32)
    logits = {"fused": fused, "photo": -fused, "sound": fused}
    found = evaluation.predictions_table(logits, two_modalities(), None).set_index("id")
    assert found["label"].tolist() == ["cat", "dog", "cow", "cat"]
    assert found["predicted"].tolist() == ["cat", "dog", "cat", "cow"]
    assert found["correct"].tolist() == [True, True, False, False]
    assert found["confidence"].tolist() == pytest.approx([0.7, 0.6, 0.5, 0.6], abs=1e-6)
    assert found["photo_head"].tolist() == ["cow", "cat", "dog", "cat"]
    assert found["sound_head"].fillna("-").tolist() == ["cat", "-", "cat", "cow"]
    columns = [f"probability_{name}" for name in ("cat", "dog", "cow")]
    np.testing.assert_allclose(found[columns], np.exp(fused), atol=1e-6)


def test_predictions_of_rows_without_labels_compare_nothing() -> None:
    """One head beside the fused one is the same model, and has no column."""
    table = two_modalities()
    unlabelled = MultimodalTable(table.schema, table.arrays, None, table.ids, present=table.present)
    logits = {"fused": np.eye(4, 3), "photo": np.eye(4, 3)}
    columns = set(evaluation.predictions_table(logits, unlabelled, None).columns)
    assert columns == {"id", "predicted", "confidence", "probability_cat", "probability_dog", "probability_cow"}
