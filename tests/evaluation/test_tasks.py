"""What a task means to search and training: units and loss of a regression, ranges of its values, dummy baselines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.evaluation.metrics import score
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.loss import balancing_weights, multi_head_loss, task_loss
from mixmas_pipeline.training.parameters import BudgetParameters
from mixmas_pipeline.training.statistics import input_statistics, target_statistics
from mixmas_pipeline.training.trial import run_trials

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


BLOCK = {"block": "mlp_mixer", "token_dim": 4, "channel_dim": 8}
BUDGET = BudgetParameters(learning_rate=0.02, batch_size=16, steps=80, extended_steps=80, seeds=(0, 1), device="cpu")


def table(rows: int, seed: int = 0) -> MultimodalTable:
    """Two targets in units far from 1: their sum and difference, of which each modality tells one."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, 2))
    arrays = {
        "facts": (hidden[:, :1] * np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=(rows, 3))).astype(np.float32),
        "pulse": (hidden[:, 1, None, None] + 0.1 * rng.normal(size=(rows, 4, 2))).astype(np.float32),
    }
    kinds = {"facts": "tabular", "pulse": "time_series"}
    labels = np.stack([1e4 + 300 * hidden.sum(axis=1), 0.001 * (hidden[:, 0] - hidden[:, 1])], axis=1)
    schema = TableSchema(
        {name: Modality(kinds[name], array.shape[1:], "float32") for name, array in arrays.items()},
        "regression",
        ("price", "drift"),
    )
    return MultimodalTable(schema, arrays, labels, [f"{seed}-{i}" for i in range(rows)])


def architecture(data: MultimodalTable) -> Architecture:
    tokenisers = {"facts": {"type": "values"}, "pulse": {"type": "projection"}}
    targets = target_statistics(data)
    assert targets is not None
    return Architecture.model_validate(
        {
            "task": "regression",
            "classes": data.schema.classes,
            "inputs": {name: input_statistics(data, name).model_dump() for name in tokenisers},
            "encoders": {
                name: {"tokeniser": tokeniser, "hidden_dim": 8, "depth": 1, "block": BLOCK}
                for name, tokeniser in tokenisers.items()
            },
            "fusion": {"function": "concat", "network": {"depth": 1, "block": BLOCK}},
            "targets": targets.model_dump(),
        }
    )


def test_answers_are_in_the_targets_units() -> None:
    """Each head's standardised numbers, times the deviation, plus the mean."""
    data = table(50)
    model = initialised(MultimodalMixer, 0, architecture(data)).eval()
    plain: dict[str, torch.Tensor] = {}
    for name, head in {FUSED: model.fused_head, **dict(model.heads.items())}.items():
        head.register_forward_hook(lambda _module, _inputs, out, name=name: plain.__setitem__(name, out.detach()))
    logits = compute_logits(model, data, torch.device("cpu"))
    mean, std = data.labels.mean(axis=0), data.labels.std(axis=0)
    for name, values in logits.items():
        np.testing.assert_allclose(values, plain[name].numpy() * std + mean, rtol=1e-5)
        assert np.abs(plain[name].numpy()).max() < 10


def test_loss_is_the_squared_error_in_standard_deviations() -> None:
    rng = np.random.default_rng(0)
    labels, said = rng.normal(size=(2, 7, 2)) * np.array([300, 0.001])
    scale = np.array([250.0, 0.002])
    expected = np.mean(((said - labels) / scale) ** 2)
    given_ = (torch.from_numpy(said), torch.from_numpy(labels), "regression")
    assert task_loss(*given_, torch.from_numpy(scale)).item() == pytest.approx(expected)
    heads = {FUSED: given_[0], "a": given_[0] + 1, "b": given_[0] - 2}
    parts = [np.mean(((said + shift - labels) / scale) ** 2) for shift in (0, 1, -2)]
    loss = multi_head_loss(heads, given_[1], "regression", 0.4, torch.from_numpy(scale)).item()
    assert loss == pytest.approx(0.4 * parts[0] + 0.3 * parts[1] + 0.3 * parts[2])
    with pytest.raises(ValueError, match="balance is 'classes', and a regression has none"):
        balancing_weights(given_[1], 2, "regression")


@pytest.mark.parametrize("batched", [False, True])
def test_both_targets_are_learnt_however_different_their_units(batched: bool) -> None:
    sample, holdout = table(120), table(90, 1)
    trials = run_trials(
        architecture(sample),
        sample,
        holdout,
        BUDGET.model_copy(update={"batched": batched}),
        80,
        (0, 1),
        "r2",
        "test",
    )
    for trial in trials:
        errors = ((trial.predicted - holdout.labels) ** 2).sum(axis=0)
        by_hand = 1 - errors / ((holdout.labels - holdout.labels.mean(axis=0)) ** 2).sum(axis=0)
        assert trial.score == pytest.approx(by_hand.mean())
        assert (by_hand > 0.9).all()


def test_a_trial_with_another_task_s_metric_is_refused() -> None:
    sample = table(30)
    with pytest.raises(ValueError, match=r"selection.metric is 'accuracy'; the task is regression: expected r2"):
        run_trials(architecture(sample), sample, sample, BUDGET, 5, (0,), "accuracy", "test")


@pytest.mark.parametrize(("labels", "answer"), [([0, 1, 1, 1], 1), ([0, 0, 0, 1], 0)])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_dummy_prediction_is_the_most_frequent_class(task: str, labels: list[int], answer: int) -> None:
    schema = TableSchema({"x": Modality("tabular", (1,), "float32")}, task, ("no", "yes"))  # type: ignore[arg-type]
    data = MultimodalTable(schema, {"x": np.zeros((4, 1), np.float32)}, np.array(labels), list("abcd"))
    assert task_of(task).dummy_prediction(data) == answer


def test_dummy_prediction_of_a_regression_has_an_r2_of_zero_on_its_own_data() -> None:
    data = table(60)
    blind = np.broadcast_to(task_of("regression").dummy_prediction(data), data.labels.shape)
    assert score("r2", data.labels, blind, 2) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": None}, "the task regression lacks targets"),
        ({"task": "multilabel"}, "the task multilabel has no targets"),
        ({"targets": {"mean": [0.0], "std": [1.0]}}, "1 means and 1 standard deviations for the targets"),
        ({"task": "binary", "targets": None, "classes": ["a", "b", "c"]}, "a binary task has the classes"),
    ],
)
def test_architectures_that_do_not_fit_their_task_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Architecture.model_validate({**architecture(table(20)).model_dump(), **change})
