"""Every task through every pipeline, in one project a task: search, training, comparison, validation, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import planted
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    mean_absolute_error,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

NAMES = ("photo", "facts")
PIPELINES = ("reporting", "compare", "validate_search")


def finished(folder: Path, task: str, metric: str) -> tuple[dict[str, Any], Any]:
    splits = {
        split: planted.planted(task, NAMES, rows, seed)
        for seed, (split, rows) in enumerate(zip(planted.SPLITS, (500, 120, 150), strict=True))
    }
    project = planted.make(folder / "project", planted.parameters(NAMES, metric), splits)
    return splits, planted.run(project, *PIPELINES)


@pytest.mark.slow
def test_regression(tmp_path: Path) -> None:
    splits, catalog = finished(tmp_path, "regression", "r2")
    train, test = splits["train"], splits["test"]
    metrics, predictions = catalog.load("planted.metrics")["test"], catalog.load("planted.predictions")
    said = predictions[["predicted_price", "predicted_age"]].to_numpy()
    np.testing.assert_array_equal(predictions[["label_price", "label_age"]].to_numpy(), test.labels.astype(float))
    assert metrics["r2"] == pytest.approx(r2_score(test.labels, said))
    assert metrics["r2"] > 0.85
    for t, name in enumerate(("price", "age")):
        truth = test.labels[:, t].astype(float)
        assert metrics[f"rmse of {name}"] == pytest.approx(root_mean_squared_error(truth, said[:, t]))
        assert metrics[f"mae of {name}"] == pytest.approx(mean_absolute_error(truth, said[:, t]))
        assert metrics[f"pearson of {name}"] == pytest.approx(np.corrcoef(truth, said[:, t])[0, 1])
        assert metrics[f"spearman of {name}"] == pytest.approx(spearmanr(truth, said[:, t]).statistic)
        middle = float(np.median(train.labels[:, t]))
        assert metrics[f"mae of {name}, training median"] == pytest.approx(np.abs(truth - middle).mean())
    mean = np.broadcast_to(train.labels.astype(float).mean(axis=0), test.labels.shape)
    assert metrics["r2, training mean"] == pytest.approx(r2_score(test.labels, mean))
    for name in NAMES:  # each modality tells a part only
        assert metrics["r2"] > metrics[f"r2, {name} head alone"] + 0.2

    # The statistics are those of the rows that the members were trained on; weights' units are standard deviations.
    targets = catalog.load("planted.model").architecture.targets
    taught = np.concatenate([train.labels, splits["validation"].labels]).astype(float)
    np.testing.assert_allclose(targets.mean, taught.mean(axis=0))
    np.testing.assert_allclose(targets.std, taught.std(axis=0))
    assert (catalog.load("planted.leaderboard")["chance"] >= 0).all()
    assert catalog.load("planted.leaderboard")["above_chance"].all()

    mistakes = catalog.load("planted.mistakes")
    worst = (np.abs(said - test.labels) / test.labels.std(axis=0)).max(axis=1)
    assert list(mistakes.ids) == list(test.ids[np.argsort(-worst)[:12]])
    scatter = catalog.load("planted.confusion_figure").data
    assert np.allclose(sorted(scatter[0].x), np.sort(predictions["label_price"]))
    assert list(catalog.load("planted.class_scores")["target"]) == ["price", "age"]
    comparison = catalog.load("planted.comparison").set_index("contender")
    assert set(comparison.index) == {
        *("baseline", "searched", "photo_alone", "facts_alone", "linear", "trees", "training mean"),
    }
    assert comparison.loc["searched", "score"] > comparison.loc["photo_alone", "score"] + 0.2
    kept = catalog.load("planted.compare.predictions")
    said = kept[["searched_seed_0_price", "searched_seed_0_age"]].to_numpy()
    assert comparison.loc["searched", "seed_0"] == pytest.approx(r2_score(test.labels, said))
    assert catalog.load("planted.combinations")["mean"].max() > 0.1
    page = catalog.load("planted.report")
    assert "Largest errors" in page
    assert "price 10: " in page, "ranges of the target"


@pytest.mark.slow
def test_binary(tmp_path: Path) -> None:
    """Two logits; the scores are those of the positive class."""
    splits, catalog = finished(tmp_path, "binary", "f1")
    test = splits["test"]
    assert 0.2 < test.labels.mean() < 0.45
    metrics, predictions = catalog.load("planted.metrics")["test"], catalog.load("planted.predictions")
    said = (predictions["predicted"] == "ill").to_numpy()
    chance = predictions["probability_ill"].to_numpy()
    assert metrics["f1"] == pytest.approx(f1_score(test.labels, said))
    assert metrics["sensitivity"] == pytest.approx(recall_score(test.labels, said))
    assert metrics["specificity"] == pytest.approx(recall_score(test.labels, said, pos_label=0))
    assert metrics["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(test.labels, said))
    assert catalog.load("planted.metrics")["positive_class"] == {"ill": pytest.approx(test.labels.mean())}
    assert metrics["auroc"] == pytest.approx(roc_auc_score(test.labels, chance), abs=1e-4)
    assert metrics["average_precision"] == pytest.approx(average_precision_score(test.labels, chance), abs=1e-4)
    assert metrics["f1"] > 0.8
    assert (
        np.sum([[int(count) for count in row] for row in catalog.load("planted.confusion_figure").data[0].text]) == 150
    )
    assert "most frequent class" in set(catalog.load("planted.comparison")["contender"])


@pytest.mark.slow
def test_six_modalities_some_of_which_are_missing(tmp_path: Path) -> None:
    """All kinds; three that rows may lack, dropped in training too; and the scores of every set of them."""
    names = tuple(planted.MODALITIES)
    missing = {"photo": 0.3, "notes": 0.4, "graph": 0.2}
    splits = {
        split: planted.planted("multiclass", names, rows, seed, missing)
        for seed, (split, rows) in enumerate(zip(planted.SPLITS, (500, 120, 150), strict=True))
    }
    dropped = {"training": {"modality_dropout": 0.2}, "search": {"budget": {"modality_dropout": 0.1}}}
    project = planted.make(tmp_path / "project", planted.parameters(names, "accuracy", **dropped), splits)
    catalog = planted.run(project, *PIPELINES)
    model, test = catalog.load("planted.model"), splits["test"]
    assert {n: i.optional for n, i in model.architecture.inputs.items()} == {n: n in missing for n in names}
    patterns = catalog.load("planted.patterns").set_index("pattern")
    assert len(patterns) == 2**6 - 1
    assert patterns["trained_with_missing"].all()
    assert patterns["rows"].sum() == len(test)
    predictions = catalog.load("planted.predictions")
    has = np.stack([test.present.get(n, np.ones(len(test), bool)) for n in names], axis=1)
    for pattern in (" + ".join(names), "sound + pulse + facts", "photo + sound", "notes"):
        wanted = np.array([n in pattern.split(" + ") for n in names])
        exactly, rows = (has == wanted).all(axis=1), has[:, wanted].all(axis=1)
        row = patterns.loc[pattern]
        assert (row["rows"], row["rows_with_more"]) == (exactly.sum(), rows.sum())
        if exactly.any():
            assert row["score"] == pytest.approx(predictions["correct"][exactly].mean())
        else:
            assert np.isnan(row["score"])
        inputs = {n: torch.from_numpy(test.arrays[n][rows]) for n in names}
        shown = {n: torch.full((int(rows.sum()),), bool(w)) for n, w in zip(names, wanted, strict=True)}
        with torch.no_grad():
            right = model(inputs, shown)["fused"].argmax(dim=1).numpy() == test.labels[rows]
        assert row["score_when_masked"] == pytest.approx(right.mean())
    assert patterns["score_when_masked"].iloc[0] > patterns.loc["notes", "score_when_masked"] + 0.2
    there = test.present["photo"]
    assert predictions["photo_head"].notna().tolist() == there.tolist()
    said = (predictions["photo_head"] == predictions["label"])[there].mean()
    assert catalog.load("planted.metrics")["test"]["accuracy, photo head alone"] == pytest.approx(said)
    assert set(catalog.load("planted.leaderboard")["stage"]) == {*names, "fusion_function", "fusion_network"}
    sampling = catalog.load("planted.search.sampling")
    assert sampling.classes["with notes"] == splits["train"].present["notes"].sum()
    comparison = catalog.load("planted.comparison").set_index("contender")
    assert {f"{name}_alone" for name in names} < set(comparison.index)
    # Who sees nothing of an example gives the most frequent class.
    kept = catalog.load("planted.compare.predictions")
    most = np.bincount(splits["train"].labels).argmax()
    assert (kept["photo_alone_seed_0"][~there] == most).all()
    assert "With missing modalities" in catalog.load("planted.report")


def test_one_modality(tmp_path: Path) -> None:
    """No fusion: search, training, comparison, validation and report."""
    splits = {
        split: planted.planted("regression", ("pulse",), rows, seed, targets=1)
        for seed, (split, rows) in enumerate(zip(planted.SPLITS, (300, 80, 90), strict=True))
    }
    project = planted.make(tmp_path / "project", planted.parameters(("pulse",), "r2"), splits)
    catalog = planted.run(project, *PIPELINES)
    assert catalog.load("planted.model").architecture.fusion is None
    assert catalog.load("planted.metrics")["test"]["r2"] > 0.6
    assert list(catalog.load("planted.patterns")["pattern"]) == ["pulse"]
    assert set(catalog.load("planted.comparison")["contender"]) == {
        *("baseline", "searched", "linear", "trees", "training mean"),
    }
    assert list(catalog.load("planted.combinations")["combination"].sort_values()) == ["mixer", "mlp"]
    assert "With missing modalities" not in catalog.load("planted.report")


def test_the_only_modality_cannot_be_dropped(tmp_path: Path) -> None:
    splits = {split: planted.planted("binary", ("pulse",), 60, seed) for seed, split in enumerate(planted.SPLITS)}
    section = planted.parameters(("pulse",), "accuracy", training={"modality_dropout": 0.1})
    project = planted.make(tmp_path / "project", section, splits)
    with pytest.raises(ValueError, match=r"training.modality_dropout is 0.1, and 'pulse' is the only modality"):
        planted.run(project, "search")


@pytest.mark.parametrize(
    ("task", "section", "message"),
    [
        ("regression", {"training": {"metric": "accuracy"}}, "training.metric is 'accuracy'; the task is regression: "),
        ("binary", {"training": {"metric": "r2"}}, "training.metric is 'r2'; the task is binary: expected accuracy or"),
        ("multiclass", {"training": {"metric": "f1"}}, "training.metric is 'f1'; the task is multiclass: expected"),
        ("regression", {"training": {"balance": "classes"}}, "training.balance is 'classes'; the task is regression"),
        ("regression", {"search": {"budget": {"balance": "classes"}}}, "search.budget.balance is 'classes'; the task"),
        ("multilabel", {"search": {"selection": {"metric": "r2"}}}, "search.selection.metric is 'r2'; the task is mul"),
    ],
)
def test_settings_of_another_task_are_refused_before_anything_is_trained(
    tmp_path: Path, task: str, section: dict[str, Any], message: str
) -> None:
    metric = "r2" if task == "regression" else "accuracy"
    splits = {split: planted.planted(task, NAMES, 60, seed) for seed, split in enumerate(planted.SPLITS)}
    project = planted.make(tmp_path / "project", planted.parameters(NAMES, metric, **section), splits)
    with pytest.raises(ValueError, match=message):
        planted.run(project, "search")
    made = {path.name for path in (project / "data/test/05_model_input/planted").iterdir()}
    assert made == {"train.arrow", "validation.arrow", "test.arrow"}
