"""Search, training and reporting know nothing of AV-MNIST: three modalities, many labels, through every node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted_films import CLASSES, SELECTION, space, table

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.reporting import nodes as reporting
from mixmas_pipeline.pipelines.search import create_pipeline, nodes
from mixmas_pipeline.pipelines.search.parameters import (
    FusionNetworkStage,
    MatchParameters,
    SampleParameters,
    SearchParameters,
)
from mixmas_pipeline.pipelines.search.results import Proposal
from mixmas_pipeline.pipelines.training import evaluation
from mixmas_pipeline.pipelines.training import nodes as training
from mixmas_pipeline.training.parameters import BudgetParameters, TrainingParameters


def test_three_modalities_and_many_labels(tmp_path: Path) -> None:
    search, train, validation, test = space(), table(900, 0), table(200, 1), table(200, 2)
    sample, holdout, sampling = nodes.sample_for_search(train, search.sample)
    assert sampling.classes == dict(zip(CLASSES, train.labels.sum(axis=0).tolist(), strict=True))
    assert sampling.holdout.classes == dict(zip(CLASSES, holdout.labels.sum(axis=0).tolist(), strict=True))
    encoders = {name: stage.model_dump() for name, stage in search.encoders.items()}
    proposals = nodes.propose_encoders(sample, encoders, MatchParameters(tolerance=0.3))
    boards, losses, choices = [], [], {}

    def run_stage(stage: str, candidates: dict[str, Proposal]) -> None:
        results = {
            name: nodes.train_candidate(candidate, sample, holdout, search.budget, SELECTION)
            for name, candidate in candidates.items()
        }
        decision = nodes.decide(SELECTION, search.budget, holdout, **results)
        results = {
            name: nodes.finish_candidate(result, decision, sample, holdout, search.budget, SELECTION)
            for name, result in results.items()
        }
        choices[stage], board, curve = nodes.choose(SELECTION, holdout, decision, **results)
        boards.append(board)
        losses.append(curve)

    for modality in search.encoders:
        run_stage(modality, {k.split(".")[1]: p for k, p in proposals.items() if k.startswith(f"{modality}.")})
    network: FusionNetworkStage = search.fusion_network
    functions = nodes.propose_fusion_functions(sample, list(search.fusion_functions), network, **choices)
    run_stage("fusion_function", functions)
    run_stage("fusion_network", nodes.propose_fusion_networks(choices["fusion_function"], network, MatchParameters()))
    architecture, board, all_losses = nodes.conclude(choices["fusion_network"], *boards, *losses)
    assert list(architecture.encoders) == ["poster", "plot", "sound"]

    settings = TrainingParameters(
        max_epochs=12, patience=12, metric="f1_weighted", learning_rate=0.01, device="cpu", deploy="single", refit=False
    )
    model, history, held_out = training.train_model(architecture, train, validation, settings, str(tmp_path))
    found = evaluation.evaluate_model(model, held_out, train, validation, test, settings)
    metrics, thresholds, predictions, mistakes, patterns = found
    scores = metrics["test"]
    assert scores["f1_weighted"] > 0.85
    for modality in search.encoders:
        assert scores["f1_weighted"] > scores[f"f1_weighted, {modality} head alone"] + 0.05
    assert scores["f1_weighted"] > scores["f1_weighted, most frequent labels"]
    assert list(thresholds) == list(CLASSES)
    _check_scores(model, held_out, train, validation, test, metrics, thresholds)
    assert not [name for name in metrics["validation"] if "tuned" in name]
    assert set(predictions["label"]) > {"drama", "drama, comedy"}

    figures = dict(
        zip(
            ("leaderboard_figure", "candidate_curves"), reporting.draw_search(board, all_losses, SELECTION), strict=True
        )
    )
    history_figure, heads, confusion, calibration, class_scores, classes = reporting.draw_model(
        history, metrics, predictions, thresholds, architecture
    )
    figures |= {"history_figure": history_figure, "heads_figure": heads}
    figures |= {"confusion_figure": confusion, "calibration_figure": calibration, "class_figure": classes}
    figures |= {"patterns_figure": reporting.draw_patterns(patterns)}
    from sklearn.metrics import f1_score

    truth = np.array([[c in label.split(", ") for c in CLASSES] for label in predictions["label"]])
    guess = np.array([[c in label.split(", ") for c in CLASSES] for label in predictions["predicted"]])
    np.testing.assert_allclose(class_scores["f1"], f1_score(truth, guess, average=None))
    tuned = np.column_stack([predictions[f"probability_{c}"] > thresholds[c] for c in CLASSES])
    np.testing.assert_allclose(class_scores["f1, tuned"], f1_score(truth, tuned, average=None))
    assert scores["f1_macro, thresholds tuned on validation"] == pytest.approx(f1_score(truth, tuned, average="macro"))
    checked = nodes.check_parameters(train, SELECTION, search.budget, settings)
    page = reporting.write_report(
        checked, sampling, architecture, board, metrics, class_scores, patterns, reporting.draw_examples(train),
        reporting.draw_mistakes(mistakes), reporting.draw_architecture(architecture), train, **figures,
    )  # fmt: skip
    assert "planted films" in page


def _check_scores(
    model: Any,
    held_out: dict[str, np.ndarray],
    train: MultimodalTable,
    validation: MultimodalTable,
    test: MultimodalTable,
    metrics: dict[str, dict[str, float]],
    thresholds: dict[str, float],
) -> None:
    """Thresholds come from the validation split alone; average precision is scikit-learn's; the constant answer is the
    best one of its kind on training data."""
    from sklearn.metrics import average_precision_score, f1_score

    from mixmas_pipeline.evaluation.metrics import best_thresholds
    from mixmas_pipeline.models.multimodal import FUSED
    from mixmas_pipeline.training.inference import compute_logits

    probabilities = {
        name: 1 / (1 + np.exp(-compute_logits(model, split, torch.device("cpu"))[FUSED].astype(float)))
        for name, split in (("validation", validation), ("test", test))
    }
    np.testing.assert_allclose(
        list(thresholds.values()), best_thresholds(validation.labels, probabilities["validation"]), atol=1e-6
    )
    rolled = np.roll(test.labels, 1, axis=0)
    other = MultimodalTable(test.schema, test.arrays, rolled, test.ids)
    settings = TrainingParameters(seed=0, max_epochs=1, patience=1, metric="f1_weighted", learning_rate=0.01)
    assert evaluation.evaluate_model(model, held_out, train, validation, other, settings)[1] == thresholds
    for name, split in (("validation", validation), ("test", test)):
        expected = average_precision_score(split.labels, probabilities[name], average="macro")
        assert metrics[name]["average_precision_macro"] == pytest.approx(expected, abs=1e-4)
    order = np.argsort(-train.labels.sum(axis=0), kind="stable")
    answers = [np.tile(np.isin(np.arange(len(order)), order[: k + 1]), (len(train), 1)) for k in range(len(order))]
    best = max(answers, key=lambda answer: f1_score(train.labels, answer, average="weighted"))
    said = f1_score(test.labels, best[: len(test)], average="weighted")
    assert metrics["test"]["f1_weighted, most frequent labels"] == pytest.approx(said)


def test_graph_follows_the_modalities() -> None:
    names = {node.name for node in create_pipeline("films", space()).nodes}
    assert "search.plot.train_monarch_mixer" in names
    assert "search.sound.train_mlp_mixer" in names
    assert "search.fusion_function.train_concat" in names
    assert "search.fusion_function.train_sum" not in names


def test_one_modality_has_no_fusion_stage() -> None:
    whole = space().model_dump()
    only = {"plot": whole["encoders"]["plot"]}
    pipeline = create_pipeline("films", SearchParameters.model_validate({**whole, "encoders": only}))
    assert not [node.name for node in pipeline.nodes if "fusion" in node.name]
    assert "films.architecture" in pipeline.outputs()


def test_budget_without_a_second_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seeds"):
        BudgetParameters(steps=1, extended_steps=1, seeds=(0,), learning_rate=0.1)


def test_unlabelled_films_do_not_break_the_sample() -> None:
    data = table(300, 4)
    data.labels[:20] = 0
    sample, holdout, _ = nodes.sample_for_search(data, SampleParameters(seed=0, margin=0.1, holdout_margin=0.1))
    assert not set(sample.ids) & set(holdout.ids)
