"""Members and their held-out predictions: nothing of a row reaches the member that predicts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from ensembles import Results, train_fully
from training_samples import CPU, architecture, parameters, table

from mixmas_pipeline.data.table import GIVEN_SPLIT, GROUP, MultimodalTable, concatenate
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.ensemble import Ensemble, average, combine
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.training import nodes
from mixmas_pipeline.training import ensembling, fit
from mixmas_pipeline.training.ensembling import (
    HeldOut,
    choose_epochs,
    combine_members,
    divide,
    fit_reference_member,
    select_weights,
)
from mixmas_pipeline.training.folds import assign_folds
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.lightning_module import MixerModule
from mixmas_pipeline.training.loss import task_loss
from mixmas_pipeline.training.member_plan import MemberPlan
from mixmas_pipeline.training.references import fit_reference
from mixmas_pipeline.training.statistics import with_statistics

SHORT = {"max_epochs": 2, "patience": 2, "members": 2, "references": False}
FIVE = {**SHORT, "members": 5}


def splits() -> tuple[MultimodalTable, MultimodalTable]:
    return table(50, 0), table(20, 1)


def ensemble(folder: Path, **changes: object) -> Results:
    return train_fully(architecture(0.0), *splits(), parameters(**{**FIVE, **changes}), folder)


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_every_row_is_predicted_by_the_member_of_its_fold(tmp_path: Path) -> None:
    found = ensemble(tmp_path)
    rows = concatenate(*splits())
    folds = assign_folds(rows, 5, 3)
    np.testing.assert_array_equal(found.held_out.rows, np.arange(70))
    np.testing.assert_array_equal(found["training.folds"], folds)
    for number, member in enumerate(found["model"].members):
        alone = compute_logits(member, rows, CPU)
        inside = folds == number
        np.testing.assert_allclose(found.held_out.logits["series"][inside], alone["series"][inside], atol=1e-6)
        assert (found.held_out.logits["series"][~inside] != alone["series"][~inside]).any()
    assert set(found["history"]["member"]) == set(range(5))


def test_a_model_knows_the_weights_of_its_classes(tmp_path: Path) -> None:
    """n / (classes x n_c) of the rows that it was trained on; nothing where classes are not balanced."""
    train, validation = splits()
    rows = concatenate(train, validation)
    plain, balanced = (parameters(**SHORT, balance=balance) for balance in ("none", "classes"))
    assert divide(architecture(0.0), train, validation, plain).architecture.class_weights is None
    folds, whole, plans = divide(architecture(0.0), train, validation, balanced)
    for found, labels in ((whole, rows.labels), (plans[1].architecture, rows.labels[folds != 1])):
        assert found.class_weights == pytest.approx(len(labels) / (3 * np.bincount(labels, minlength=3)))
    settings = parameters(**SHORT, balance="classes", deploy="single")
    single = train_fully(architecture(0.0), train, validation, settings, tmp_path)["model"].architecture
    assert single.class_weights == whole.class_weights


def test_held_out_rows_do_not_change_the_weights_of_their_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other inputs and labels in a fold: its member has the same weights, as long as it is trained for as many
    epochs."""
    settings, (train, validation) = parameters(**{**FIVE, "max_epochs": 4, "patience": 1}), splits()
    first = train_fully(architecture(0.0), train, validation, settings, tmp_path / "a")
    folds = first["training.folds"]
    monkeypatch.setattr(ensembling, "assign_folds", lambda *_: folds)  # folds are stratified by label
    for part, inside in ((train, folds[:50] == 2), (validation, folds[50:] == 2)):
        part.labels[inside] = (part.labels[inside] + 1) % 3
        part.arrays["series"][inside] = -7
    second = train_fully(architecture(0.0), train, validation, settings, tmp_path / "b")
    pairs = zip(first.members("model"), second.members("model"), strict=True)
    assert [same_weights(*pair) for pair in pairs] == [False, False, True, False, False]


def curves(*losses: list[float]) -> list[pd.DataFrame]:
    return [pd.DataFrame({"validation_loss": np.array(loss, float)}) for loss in losses]


def plans_of(*folds: int | None) -> list[MemberPlan]:
    settings = parameters(max_epochs=4).of_member(0, "last")
    return [
        MemberPlan(member=number, fold=fold, architecture=architecture(0.0), training=settings)
        for number, fold in enumerate(folds)
    ]


@pytest.mark.parametrize(
    ("others", "epochs"),
    [
        ([[3, 1, 2, 3], [4, 2, 3, 4]], 2),
        ([[3, 2, 1, 1], [4, 3, 2, 2]], 4),
        ([[3, 2, 2, 1], [4, 3, 3, 2]], 4),
        ([[9, 1, 1, 2], [9, 3, 3, 3], [9, 2, 2, 2.1]], 2),  # the mean gain is 0.37, its standard error 0.32
        ([[9, 1, 1, 5], [9, 3, 3, 1], [9, 2, 2, 3]], 4),  # 1.0 and 1.73
        ([[3, 1.981, 1.981, 2], [4, 2.97, 2.97, 3]], 4),  # 0.0245 of 2.5 are less than 1 %
        ([[3, 1.98, 1.98, 2], [4, 2.96, 2.96, 3]], 2),  # 0.03, and a standard error of 0.01
        ([[3, 1, 2, 3]], 4),  # one curve tells no noise
    ],
)
def test_epochs_are_the_best_of_the_other_folds_unless_that_is_noise(others: list[list[float]], epochs: int) -> None:
    own = [-100.0, 0.0, 0.0, 0.0]  # it alone would choose the first
    found = choose_epochs(plans_of(*range(1 + len(others))), curves(own, *others))
    assert found[0] == epochs


def test_networks_of_one_fold_have_one_vote() -> None:
    """Members 0 and 3 have fold 0, and on average [5, 1, 3, 9]."""
    losses = [[4, 0, 2, 8], [6, 4, 8, 9], [0, 9, 9, 9], [6, 2, 4, 10]]
    found = choose_epochs(plans_of(0, 1, 2, 0), curves(*losses))
    assert found[2] == 2
    assert found[0] == found[3] == 1 + int((np.array(losses[1]) + losses[2]).argmin())


def test_without_folds_all_epochs_are_kept() -> None:
    assert choose_epochs(plans_of(None, None, None), curves([1, 2], [1, 2, 3], [1, 2])) == [2, 3, 2]


def test_a_network_is_trained_again_on_the_same_path(tmp_path: Path) -> None:
    """Schedule, order of the rows and augmentation stay; the predictions are those of the shorter training."""
    train, validation = splits()
    settings = parameters(**{**FIVE, "max_epochs": 6}, learning_rate=0.05)
    folds, _, plans = divide(architecture(0.0), train, validation, settings)
    model, history, held_out = nodes.train_member(plans[1], folds, train, validation, str(tmp_path))
    assert len(history) == 6

    def finish(epochs: int) -> Any:
        chosen = {"epochs": epochs, "of": 6}
        return nodes.finish_member(plans[1], chosen, model, held_out, folds, train, validation, str(tmp_path))

    assert finish(6) == (model, held_out)
    finished, predicted = finish(3)
    inside = np.flatnonzero(folds == 1)
    np.testing.assert_array_equal(predicted["rows"], inside)
    logits = compute_logits(finished, concatenate(train, validation).take(inside), CPU)
    np.testing.assert_array_equal(predicted["logits/fused"], logits["fused"])
    labels = torch.from_numpy(concatenate(train, validation).labels[inside])
    loss = task_loss(torch.from_numpy(predicted["logits/fused"]), labels, "multiclass")
    assert loss.item() == pytest.approx(history["validation_loss"][2], abs=1e-6)
    assert abs(history["validation_loss"][5] - history["validation_loss"][2]) > 1e-3, "the end is elsewhere"


def test_small_tables_end_where_the_other_folds_say(tmp_path: Path) -> None:
    """The labels are noise, so that every further epoch hurts."""
    train, validation = splits()
    for rows in (train, validation):
        rows.labels[:] = np.random.default_rng(0).permutation(rows.labels)
    settings = parameters(**{**FIVE, "max_epochs": 12}, learning_rate=0.05)
    found = train_fully(architecture(0.0), train, validation, settings, tmp_path)
    chosen = found.members("epochs")
    histories = found.members("history")
    assert [one["epochs"] for one in chosen] == choose_epochs(found.members("plan"), histories)
    assert min(one["epochs"] for one in chosen) < 12
    for one, history, arrays in zip(chosen, histories, found.members("held_out"), strict=True):
        labels = torch.from_numpy(concatenate(train, validation).labels[arrays["rows"]])
        loss = task_loss(torch.from_numpy(arrays["logits/fused"]), labels, "multiclass")
        assert loss.item() == pytest.approx(history["validation_loss"][one["epochs"] - 1], abs=1e-6)


def test_with_fewer_groups_than_members_folds_are_left_out_in_turn(tmp_path: Path) -> None:
    train, validation = splits()
    train.extra[GROUP] = np.array(["a", "b"] * 25)
    validation.extra[GROUP] = np.array(["c"] * 20)
    found = train_fully(architecture(0.0), train, validation, parameters(**FIVE), tmp_path)
    plans, folds = found.members("plan"), found["training.folds"]
    assert [plan.fold for plan in plans] == [0, 1, 2, 0, 1]
    assert [plan.training.seed for plan in plans] == [3, 4, 5, 6, 7]
    assert not same_weights(*found.members("model")[:4:3]), "two members of a fold differ in their seeds"
    parts = [HeldOut.from_arrays(arrays) for arrays in found.members("held_out")]
    for fold, of_fold in ((1, [parts[1], parts[4]]), (2, [parts[2]])):
        inside = np.flatnonzero(folds == fold)
        logits = torch.from_numpy(np.stack([part.logits["series"] for part in of_fold]))
        expected = average(logits, "multiclass") if len(of_fold) > 1 else logits[0]
        np.testing.assert_array_equal(found.held_out.logits["series"][inside], expected)
        np.testing.assert_array_equal(of_fold[0].rows, inside)


def test_members_of_a_large_table_differ_in_their_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensembling, "SMALL_ROWS", 10)
    found = ensemble(tmp_path, members=2)
    assert len(found["model"].members) == 2
    assert not same_weights(*found.members("model"))
    np.testing.assert_array_equal(found.held_out.rows, 50 + np.arange(20))
    np.testing.assert_allclose(
        found.held_out.logits["fused"], compute_logits(found["model"], splits()[1], CPU)["fused"], atol=1e-5
    )


def test_variants_count_for_the_size_of_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    train, validation = splits()
    monkeypatch.setattr(ensembling, "SMALL_BYTES", 10_000)
    assert ensembling.is_small(train, validation)
    train.variants["series"] = np.repeat(train.arrays["series"][:, None], 3, axis=1)
    assert not ensembling.is_small(train, validation)


def test_a_plan_says_nothing_of_other_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise one more member, or the references, would train all members of a large table again."""
    monkeypatch.setattr(ensembling, "SMALL_ROWS", 10)
    two, three = (
        divide(architecture(), *splits(), parameters(members=members, references=references)).plans
        for members, references in ((2, False), (3, True))
    )
    assert two == three[:2]
    assert two[0].training.keep == "best"


def test_single_model_is_trained_on_the_training_split(tmp_path: Path) -> None:
    found = ensemble(tmp_path, deploy="single", refit=False)
    np.testing.assert_array_equal(found.held_out.rows, 50 + np.arange(20))
    np.testing.assert_array_equal(
        found.held_out.logits["fused"], compute_logits(found["model"], splits()[1], CPU)["fused"]
    )


def test_single_model_is_trained_again_on_all_rows(tmp_path: Path) -> None:
    """To the epoch that was best on the validation split, with as many passes per epoch; that split is then learnt."""
    train, validation = splits()
    settings = parameters(max_epochs=6, patience=6, deploy="single", min_steps=60, learning_rate=0.05)
    first = train_fully(architecture(0.0), train, validation, settings.model_copy(update={"refit": False}), tmp_path)
    found = train_fully(architecture(0.0), train, validation, settings, tmp_path)
    scores = first["history"]["validation_accuracy_fused"].tolist()
    best = scores.index(max(scores)) + 1
    assert best < 6, "another number of epochs than the schedule's"
    both = concatenate(train, validation)
    steps = best * 3 * 5  # three passes of four batches make more than 60 steps in 6 epochs; now there are five batches
    again = settings.model_copy(update={"max_epochs": best, "min_steps": steps, "keep": "last"})
    wanted, history = fit.train(with_statistics(architecture(0.0), both), both, validation, again, tmp_path / "again")
    assert len(history) == best
    assert same_weights(found["model"], wanted)
    assert not same_weights(found["model"], first["model"])
    np.testing.assert_array_equal(found.held_out.logits["series"], first.held_out.logits["series"])
    for part in (train, validation):
        part.extra[GIVEN_SPLIT] = np.ones(len(part), np.uint8)
    kept = train_fully(architecture(0.0), train, validation, settings, tmp_path)
    assert same_weights(kept["model"], first["model"]), "a split that was given is kept"


def test_finished_members_are_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interruption in the third member; the second start ends as an undisturbed one."""
    step, steps = MixerModule.training_step, []

    def interrupted(module: MixerModule, batch: object, index: int) -> object:
        steps.append(index)
        if len(steps) == 20:
            raise KeyboardInterrupt
        return step(module, batch, index)

    monkeypatch.setattr(MixerModule, "training_step", interrupted)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        ensemble(tmp_path / "killed")
    steps[:] = [0] * 20  # no further interruption
    resumed = ensemble(tmp_path / "killed")
    again = len(steps) - 20
    whole = ensemble(tmp_path / "whole")
    assert again < len(steps) - 20 - again
    for head, logits in whole.held_out.logits.items():
        np.testing.assert_array_equal(resumed.held_out.logits[head], logits)


def test_given_split_is_kept(tmp_path: Path) -> None:
    train, validation = splits()
    for rows in (train, validation):
        rows.extra[GIVEN_SPLIT] = np.ones(len(rows), np.uint8)
    found = train_fully(architecture(0.0), train, validation, parameters(**SHORT), tmp_path)
    assert found["training.folds"].size == 0
    assert len(found["model"].members) == SHORT["members"]
    np.testing.assert_array_equal(found.held_out.rows, 50 + np.arange(20))


def test_where_a_fold_cannot_be_left_out_members_differ_in_their_seeds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All values but one row's are the same: without its fold the series is constant."""
    train, validation = splits()
    for rows in (train, validation):
        rows.arrays["series"][:] = 0
    train.arrays["series"][7] = 5
    with caplog.at_level("WARNING"):
        found = train_fully(architecture(0.0), train, validation, parameters(**SHORT), tmp_path)
    assert len(found["model"].members) == SHORT["members"]
    assert "No folds of the 70 rows can be made (modality 'series'" in caplog.text


def test_candidates_without_a_finite_loss_are_named() -> None:
    labels = torch.tensor([[1.0], [2.0]])
    nothing = torch.full((2, 1), torch.nan)
    assert select_weights([nothing, labels], labels, "regression") == [0, 1]
    sure = torch.tensor([[1.0, -torch.inf], [0.0, 1.0]])
    assert select_weights([sure, torch.eye(2)], torch.tensor([0, 1]), "binary")[0] == 0
    with pytest.raises(FloatingPointError, match="no candidate"):
        select_weights([nothing], labels, "regression")


def test_references_join_with_what_they_are_worth(tmp_path: Path) -> None:
    """Two epochs teach the networks little, and the classes differ in a mean: the references get the weight."""
    found = ensemble(tmp_path, references=True)
    assert isinstance(found["model"], Ensemble)
    kinds = [getattr(member, "kind", "network") for member in found["model"].config.members]
    assert kinds[:5] == ["network"] * 5
    assert "linear" in kinds
    assert found["model"].shares["networks"] < 0.5
    rows = concatenate(*splits())
    right = (found.held_out.logits["fused"].argmax(axis=1) == rows.labels).mean()
    alone = (ensemble(tmp_path).held_out.logits["fused"].argmax(axis=1) == rows.labels).mean()
    assert right > alone


def pooled(heads: dict[str, np.ndarray], fused: np.ndarray, labels: np.ndarray) -> Any:
    """The ensemble of one network with these held-out logits."""
    built = architecture(0.0)
    network = initialised(MultimodalMixer, 0, with_statistics(built, splits()[0]))
    held_out = HeldOut(np.arange(len(labels)), {"fused": fused, **heads})
    model, _ = combine_members(network.architecture, [network], [held_out], [], labels, parameters(**SHORT))
    return model


def test_a_head_says_nothing_of_rows_that_lack_its_modality() -> None:
    """There the fused prediction stands in for it."""
    rng, labels = np.random.default_rng(0), np.arange(300) % 3
    truth, present = np.eye(3)[labels], np.arange(300) % 4 > 0
    heads = {
        "picture": np.where(present[:, None], 6 * truth, 20 * rng.normal(size=(300, 3))).astype(np.float32),
        "series": rng.normal(size=(300, 3)).astype(np.float32),
    }
    fused = (truth + 2 * rng.normal(size=(300, 3))).astype(np.float32)
    network = initialised(MultimodalMixer, 0, with_statistics(architecture(0.0), splits()[0]))
    held_out = HeldOut(np.arange(300), {"fused": fused, **heads})
    model, found = combine_members(
        network.architecture, [network], [held_out], [], labels, parameters(**SHORT), {"picture": present}
    )
    weights = {"fused": model.config.weights[0], **model.config.head_weights}
    assert weights["picture"] > 0
    parts = {"fused": fused, **{n: np.where(present[:, None] | (n == "series"), h, fused) for n, h in heads.items()}}
    logarithms = {name: torch.from_numpy(part).double().log_softmax(dim=1).numpy() for name, part in parts.items()}
    expected = sum(weight * logarithms[name] for name, weight in weights.items())
    powers = np.exp(expected)
    found_powers = np.exp(found.logits["fused"].astype(np.float64))
    np.testing.assert_allclose(
        found_powers / found_powers.sum(axis=1, keepdims=True), powers / powers.sum(axis=1, keepdims=True), atol=1e-5
    )


@pytest.mark.parametrize("task", ["regression", "multilabel", "binary"])
def test_more_candidates_are_taken_only_if_they_help(task: str) -> None:
    """Also with weights of the classes, which are float32. Of useless ones a sixth passes a standard error."""
    scale, taken = torch.tensor([1.0, 3.0]), 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        labels = rng.normal(size=(200, 2)) if task == "regression" else rng.integers(0, 2, (200, 2))
        labels = labels[:, 0] if task == "binary" else labels
        truth = np.eye(2)[labels] if task == "binary" else labels  # logits, or targets
        weak, strong = (torch.from_numpy(truth + s * rng.normal(size=(200, 2))) for s in (4.0, 1.0))
        size = 50 if task == "regression" else 1  # smaller numbers would shrink the predictions, which helps
        noise, known = torch.from_numpy(size * rng.normal(size=(200, 2))), torch.from_numpy(labels)
        assert ensembling._is_better([weak], [weak, strong], known, task, scale)
        taken += ensembling._is_better([strong], [strong, noise], known, task, scale)
    assert taken <= 5
    few = [weak[:40], strong[:40]]
    assert not ensembling._is_better(few[:1], few, known[:40], task, scale), "too few rows"


@pytest.mark.parametrize("useful", [True, False])
def test_a_head_joins_where_the_fused_decision_wastes_what_it_knows(useful: bool) -> None:
    rng, labels = np.random.default_rng(0), np.arange(300) % 3
    truth = np.eye(3)[labels]
    knows, noise = (truth * 3 + rng.normal(size=(300, 3)) for _ in range(2))
    heads = {"picture": knows if useful else rng.normal(size=(300, 3)), "series": rng.normal(size=(300, 3))}
    fused = noise if not useful else truth + 2 * rng.normal(size=(300, 3))
    found = pooled({n: h.astype(np.float32) for n, h in heads.items()}, fused.astype(np.float32), labels)
    assert ("picture" in found.config.head_weights) == useful
    assert found.shares.get("picture head", 0) > 0.5 or not useful
    assert "series" not in found.config.head_weights or found.shares["series head"] < 0.1


def test_references_are_scored_on_rows_that_they_were_not_fitted_on() -> None:
    """Labels without any relation to the inputs: fitted on them, trees would predict them; held out they cannot."""
    rows = table(200, 0)
    rows.arrays = {
        name: np.random.default_rng(1).normal(size=a.shape).astype(a.dtype) for name, a in rows.arrays.items()
    }
    train, validation = rows.take(np.arange(150)), rows.take(np.arange(150, 200))
    folds = assign_folds(rows, 5, 0)
    linear, trees = (fit_reference_member(kind, folds, train, validation, 3, "none") for kind in ("linear", "trees"))
    for reference in (linear, trees):
        np.testing.assert_array_equal(reference.held_out.rows, np.arange(200))
        assert (reference.held_out.logits["fused"].argmax(axis=1) == rows.labels).mean() < 0.5
        assert reference.model.architecture.rows == 200
    inside = folds == 3
    by_hand = fit_reference("linear", rows.take(np.flatnonzero(~inside)), ["picture", "series"], 3)
    expected = compute_logits(by_hand, rows.take(np.flatnonzero(inside)), CPU)["fused"]
    np.testing.assert_allclose(linear.held_out.logits["fused"][inside], expected, rtol=1e-5)


@pytest.mark.parametrize("small", [True, False])
def test_with_many_rows_references_are_scored_on_the_validation_split(
    small: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As fitted on the training split. The ensemble's are fitted on the rows of the networks."""
    monkeypatch.setattr(ensembling, "FOLDED_REFERENCE_ROWS", 10)
    monkeypatch.setattr(ensembling, "SMALL_ROWS", 100 if small else 20)
    found = ensemble(tmp_path, references=True)
    np.testing.assert_array_equal(found.held_out.rows, 50 + np.arange(20))
    train, validation = splits()
    by_hand = fit_reference("linear", train, ["picture", "series"], 3)
    penalty = by_hand.architecture.penalty
    refitted = fit_reference("linear", concatenate(train, validation), ["picture", "series"], 3, penalty=penalty)
    of_split, of_all = (compute_logits(model, validation, CPU)["fused"] for model in (by_hand, refitted))
    np.testing.assert_array_equal(found["training.linear.held_out"]["logits/fused"], of_split)
    linear = next(m for m in found["model"].members if getattr(m.architecture, "kind", "") == "linear")
    np.testing.assert_array_equal(compute_logits(linear, validation, CPU)["fused"], of_all if small else of_split)


def test_weight_of_a_single_candidate_is_the_best_temperature() -> None:
    """Labels drawn with the probabilities of logits / 3; a fine grid finds no better temperature."""
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(3 * rng.normal(size=(4000, 4)))
    uniform = rng.random((4000, 1))
    labels = torch.from_numpy((uniform > (logits / 3).softmax(1).cumsum(1).numpy()).sum(1).clip(max=3))
    found = 1 / select_weights([logits], labels, "multiclass")[0]
    assert found == pytest.approx(3, rel=0.1)
    grid = np.linspace(1, 6, 501)
    best = grid[np.argmin([task_loss(logits / t, labels, "multiclass").item() for t in grid])]
    assert found == pytest.approx(best, abs=0.02)


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_no_weights_of_a_fine_grid_have_a_smaller_loss(task: str) -> None:
    rng = np.random.default_rng(1)
    labels = torch.from_numpy(rng.integers(0, 2, (300, 2) if task == "multilabel" else 300))
    sides = 2.0 * (labels if task == "multilabel" else torch.stack([1 - labels, labels], dim=1)) - 1
    candidates = [strength * sides + torch.from_numpy(rng.normal(size=(300, 2))) for strength in (1.0, 0.3)]
    weights = torch.tensor(select_weights(candidates, labels, task))
    stacked, grid = torch.stack(candidates), torch.linspace(0.02, 2.5, 125, dtype=torch.float64)
    losses = [task_loss(combine(stacked, torch.stack([a, b]), task), labels, task) for a in grid for b in grid]
    assert task_loss(combine(stacked, weights, task), labels, task) < min(losses) + 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_very_sure_candidates_are_weighed_too(seed: int) -> None:
    """Logits of up to a hundred: no draw of weights is better."""
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.integers(0, 3, 300))
    hot = torch.nn.functional.one_hot(labels, 3).double()
    sizes = 10 ** rng.uniform(-1, 2, 3)
    candidates = [size * (hot + torch.from_numpy(rng.normal(size=(300, 3)))) for size in sizes]
    stacked, weights = torch.stack(candidates), torch.tensor(select_weights(candidates, labels, "multiclass"))
    drawn = [torch.from_numpy(rng.uniform(0, 3, 3) / np.maximum(1, sizes)) for _ in range(300)]
    allowed = [w for w in drawn if 0.1 <= w.sum() <= 5]
    best = min(task_loss(combine(stacked, w, "multiclass"), labels, "multiclass").item() for w in allowed)
    assert task_loss(combine(stacked, weights, "multiclass"), labels, "multiclass").item() < best + 1e-4


def test_weights_of_a_regression_are_those_of_least_squares() -> None:
    """Of two candidates the first's weight is the regression of the second's residual on their difference."""
    rng = np.random.default_rng(2)
    labels = torch.from_numpy(rng.normal(size=(200, 1)))
    first, second = (labels + deviation * torch.from_numpy(rng.normal(size=(200, 1))) for deviation in (0.5, 1.0))
    difference = first - second
    expected = ((labels - second) * difference).sum() / difference.square().sum()
    np.testing.assert_allclose(
        select_weights([first, second], labels, "regression"), [expected, 1 - expected], atol=1e-4
    )


def test_misleading_candidates_get_the_least_weight_there_is() -> None:
    """Sure and always wrong: as close to no opinion as is allowed."""
    labels = torch.tensor([0, 1] * 20)
    wrong = 8.0 * torch.nn.functional.one_hot(1 - labels, 2).double()
    assert sum(select_weights([wrong, 2 * wrong], labels, "binary")) == pytest.approx(0.1)


def test_weights_prefer_what_predicts_better() -> None:
    """Two noisy views that complement one another, and noise: the views share the weight."""
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(0, 2, 2000))
    sides = torch.where(labels == 1, 1.0, -1.0)
    views = [sides + torch.from_numpy(rng.normal(size=2000)) for _ in range(2)]
    candidates = [torch.stack([-v, v], dim=1) for v in views] + [torch.from_numpy(rng.normal(size=(2000, 2)))]
    weights = select_weights(candidates, labels, "binary")
    assert weights[2] < 0.1
    assert min(weights[:2]) > 0.7


def test_best_candidate_alone_may_be_chosen() -> None:
    labels = torch.tensor([[1.0], [2.0], [3.0]])
    assert select_weights([labels + 9, labels, labels + 8], labels, "regression") == [0, 1, 0]


def test_held_out_predictions_survive_the_catalog() -> None:
    held_out = HeldOut(np.arange(3), {"fused": np.ones((3, 2)), "rows": np.zeros((3, 2))})
    back = HeldOut.from_arrays(held_out.to_arrays())
    assert back.logits.keys() == held_out.logits.keys()
    np.testing.assert_array_equal(back.rows, held_out.rows)
