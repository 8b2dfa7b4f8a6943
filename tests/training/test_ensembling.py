"""Members and their held-out predictions: nothing of a row reaches the member that predicts it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from training_samples import CPU, architecture, parameters, table

from mixmas_pipeline.data.table import GIVEN_SPLIT, MultimodalTable, concatenate
from mixmas_pipeline.models.ensemble import Ensemble, combine
from mixmas_pipeline.storage.retention import checkpoint_folder
from mixmas_pipeline.training import ensembling
from mixmas_pipeline.training.ensembling import (
    HeldOut,
    Trained,
    select_weights,
    train_ensemble,
    train_single,
)
from mixmas_pipeline.training.folds import assign_folds
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.lightning_module import MixerModule
from mixmas_pipeline.training.loss import task_loss
from mixmas_pipeline.training.references import fit_reference
from mixmas_pipeline.training.resumable import ResumableTrainings
from mixmas_pipeline.training.statistics import with_statistics

SHORT = {"max_epochs": 2, "patience": 2, "seeds": 2, "references": False}


def splits() -> tuple[MultimodalTable, MultimodalTable]:
    return table(50, 0), table(20, 1)


def ensemble(folder: Path, **changes: object) -> Trained:
    trainings = ResumableTrainings(str(checkpoint_folder(folder)))
    return train_ensemble(architecture(0.0), *splits(), parameters(**{**SHORT, **changes}), trainings)


def test_every_row_is_predicted_by_the_member_of_its_fold(tmp_path: Path) -> None:
    found = ensemble(tmp_path)
    rows = concatenate(*splits())
    folds = assign_folds(rows, ensembling.FOLDS, 3)
    np.testing.assert_array_equal(found.held_out.rows, np.arange(70))
    assert isinstance(found.model, Ensemble)
    for number, member in enumerate(found.model.members):
        alone = compute_logits(member, rows, CPU)
        inside = folds == number
        np.testing.assert_allclose(found.held_out.logits["series"][inside], alone["series"][inside], atol=1e-6)
        assert (found.held_out.logits["series"][~inside] != alone["series"][~inside]).any()
    assert set(found.history["member"]) == set(range(5))


def test_held_out_rows_do_not_change_the_weights_of_their_member(tmp_path: Path) -> None:
    """Other inputs and labels in a fold: its member has the same weights. Not even the epoch is chosen on it."""
    settings, (train, validation) = parameters(max_epochs=4, patience=1), splits()
    folds = ensembling._make_folds(architecture(0.0), train, validation, 3)
    assert folds is not None
    first = ensembling._from_folds(folds, settings, _in(tmp_path / "a"))
    inside = folds.numbers == 2
    folds.rows.labels[inside] = (folds.rows.labels[inside] + 1) % 3
    folds.rows.arrays["series"][inside] = -7
    changed = folds._replace(
        architectures=[with_statistics(a, folds.divided(fold)[0]) for fold, a in enumerate(folds.architectures)]
    )
    second = ensembling._from_folds(changed, settings, _in(tmp_path / "b"))
    same = [
        all(torch.equal(a, b) for a, b in zip(x.state_dict().values(), y.state_dict().values(), strict=True))
        for x, y in zip(first[0], second[0], strict=True)
    ]
    assert same == [False, False, True, False, False]


def test_large_table_has_a_member_per_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensembling, "SMALL_ROWS", 10)
    found = ensemble(tmp_path)
    assert isinstance(found.model, Ensemble)
    assert len(found.model.members) == 2
    np.testing.assert_array_equal(found.held_out.rows, 50 + np.arange(20))
    np.testing.assert_allclose(
        found.held_out.logits["fused"], compute_logits(found.model, splits()[1], CPU)["fused"], atol=1e-5
    )


def test_single_model_is_trained_on_the_training_split(tmp_path: Path) -> None:
    found = train_single(architecture(0.0), *splits(), parameters(**SHORT), _in(tmp_path))
    np.testing.assert_array_equal(found.held_out.rows, 50 + np.arange(20))
    np.testing.assert_array_equal(
        found.held_out.logits["fused"], compute_logits(found.model, splits()[1], CPU)["fused"]
    )


def test_finished_folds_are_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interruption in the third fold; the second start ends as an undisturbed one."""
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
    found = train_ensemble(architecture(0.0), train, validation, parameters(**SHORT), _in(tmp_path))
    assert isinstance(found.model, Ensemble)
    assert len(found.model.members) == SHORT["seeds"]
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
        found = train_ensemble(architecture(0.0), train, validation, parameters(**SHORT), _in(tmp_path))
    assert isinstance(found.model, Ensemble)
    assert len(found.model.members) == SHORT["seeds"]
    assert "No folds of the 70 rows can be made (modality 'series'" in caplog.text


def test_candidates_without_a_finite_loss_are_named() -> None:
    labels = torch.tensor([[1.0], [2.0]])
    nothing = torch.full((2, 1), torch.nan)
    assert select_weights([nothing, labels], labels, "regression") == [0, 1]
    with pytest.raises(FloatingPointError, match="no candidate"):
        select_weights([nothing], labels, "regression")


def test_references_join_with_what_they_are_worth(tmp_path: Path) -> None:
    """Two epochs teach the networks little, and the classes differ in a mean: the references get the weight."""
    found = ensemble(tmp_path, references=True)
    assert isinstance(found.model, Ensemble)
    kinds = [getattr(member, "kind", "network") for member in found.model.config.members]
    assert kinds[:5] == ["network"] * 5
    assert "linear" in kinds
    assert found.model.shares["networks"] < 0.5
    rows = concatenate(*splits())
    right = (found.held_out.logits["fused"].argmax(axis=1) == rows.labels).mean()
    alone = (ensemble(tmp_path).held_out.logits["fused"].argmax(axis=1) == rows.labels).mean()
    assert right > alone


def test_references_are_scored_on_rows_that_they_were_not_fitted_on() -> None:
    """Labels without any relation to the inputs: fitted on them, trees would predict them; held out they cannot."""
    rows = table(200, 0)
    rows.arrays = {
        name: np.random.default_rng(1).normal(size=a.shape).astype(a.dtype) for name, a in rows.arrays.items()
    }
    numbers = assign_folds(rows, 5, 0)
    folds = ensembling._Folds(rows, numbers, [architecture(0.0)] * 5)
    fitted = ensembling._references_from_folds(folds, parameters())
    for reference in fitted:
        assert (reference.held_out.argmax(dim=1).numpy() == rows.labels).mean() < 0.5
    others, inside = folds.divided(3)
    by_hand = fit_reference("linear", others, ["picture", "series"], 3)
    expected = compute_logits(by_hand, inside, CPU)["fused"]
    np.testing.assert_allclose(fitted[0].held_out[numbers == 3], expected, rtol=1e-5)


def test_with_many_rows_references_are_fitted_on_the_training_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensembling, "FOLDED_REFERENCE_ROWS", 10)
    found = ensemble(tmp_path, references=True)
    assert isinstance(found.model, Ensemble)
    np.testing.assert_array_equal(found.held_out.rows, 50 + np.arange(20))
    train, validation = splits()
    by_hand = fit_reference("linear", train, ["picture", "series"], 3)
    linear = next(m for m in found.model.members if getattr(m.architecture, "kind", "") == "linear")
    np.testing.assert_array_equal(*(compute_logits(m, validation, CPU)["fused"] for m in (by_hand, linear)))


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


def _in(folder: Path) -> ResumableTrainings:
    return ResumableTrainings(str(checkpoint_folder(folder)))
