"""Trials: every candidate trains, from its own seed, unaffected by those before it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from training_samples import BUDGET, CANDIDATES, assert_same, lacking

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import score
from mixmas_pipeline.models.architecture import FUSION_FUNCTIONS, Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.training import batches
from mixmas_pipeline.training import trial as trials
from mixmas_pipeline.training.batches import batch_rows
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.loss import loss_scale, multi_head_loss
from mixmas_pipeline.training.modality_dropout import drop_modalities
from mixmas_pipeline.training.trial import Trial, run_trial, run_trials

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


@pytest.fixture
def trial(make_table: MakeTable) -> Callable[..., Trial]:
    """Runs a trial on a table of the architecture's task."""

    def run(
        architecture: Architecture,
        seed: int = 0,
        steps: int = 60,
        metric: str = "accuracy",
        signal: float = 1.0,
    ) -> Trial:
        sample, holdout = (
            make_table(rows, architecture.task, table_seed, signal) for rows, table_seed in ((61, 0), (90, 1))
        )
        return run_trial(architecture, sample, holdout, BUDGET, steps, seed, metric, "test")

    return run


# --- Faults of the published search


@pytest.mark.parametrize(("image", "series", "network"), CANDIDATES)
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_every_candidate_trains(
    trial: Callable[..., Trial],
    make_architecture: MakeArchitecture,
    task: str,
    image: str,
    series: str,
    network: str,
) -> None:
    """Published: candidates left at chance. Also after others have been trained in this process."""
    result = trial(make_architecture(image, series, network, task=task))
    steps, losses = zip(*result.losses, strict=True)
    assert losses[-1] < 0.5 * losses[0]
    assert result.score > 0.75
    assert result.steps == steps[-1] == 60
    assert result.predicted.shape == ((90, 3) if task == "multilabel" else (90,))


@pytest.mark.parametrize("modality", ["image", "series"])
def test_one_modality_trains_alone(
    trial: Callable[..., Trial], make_architecture: MakeArchitecture, modality: str
) -> None:
    result = trial(make_architecture(modalities=(modality,)))
    assert result.losses[-1][1] < 0.3 * result.losses[0][1]
    assert result.score > 0.75


@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
def test_every_fusion_function_trains(
    trial: Callable[..., Trial], make_architecture: MakeArchitecture, function: str
) -> None:
    assert trial(make_architecture(function=function)).score > 0.75


def test_a_trial_is_the_same_alone_and_after_another(
    trial: Callable[..., Trial], make_architecture: MakeArchitecture
) -> None:
    """Published: one trainer trained the first candidate only, and candidates went on from shared weights."""
    one, two = make_architecture("hyper_mixer"), make_architecture("ramlp", function="mean")
    alone = trial(two)
    first = trial(one)
    after = trial(two)
    assert_same(alone, after)
    assert first.losses != after.losses
    assert after.steps == first.steps == 60


def test_the_model_that_is_scored_is_the_one_that_was_trained(
    trial: Callable[..., Trial], make_architecture: MakeArchitecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step is taken, each parameter moves, and scoring happens once, at the end."""
    built: list[tuple[MultimodalMixer, dict[str, torch.Tensor]]] = []
    evaluated: list[MultimodalMixer] = []

    def build(*arguments: object) -> MultimodalMixer:
        model = initialised(*arguments)  # type: ignore[arg-type]
        built.append((model, {name: p.clone() for name, p in model.named_parameters()}))
        return model

    def evaluate(model: MultimodalMixer, *arguments: object) -> dict[str, np.ndarray]:
        evaluated.append(model)
        return compute_logits(model, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(trials, "initialised", build)
    monkeypatch.setattr(trials, "compute_logits", evaluate)
    trial(make_architecture())
    trial(make_architecture())
    assert evaluated == [model for model, _ in built]
    assert len({id(model) for model in evaluated}) == 2
    for model, before in built:
        for name, parameter in model.named_parameters():
            assert not torch.equal(parameter, before[name]), name


def test_without_a_signal_the_score_is_chance(trial: Callable[..., Trial], make_architecture: MakeArchitecture) -> None:
    """The held-out rows are not those that the candidate was trained on."""
    result = trial(make_architecture(), signal=0.0, steps=150)
    assert result.losses[-1][1] < 0.5 * result.losses[0][1]  # learnt by heart
    assert result.score < 0.6


def test_balanced_classes_rescue_a_rare_one(make_table: MakeTable, make_architecture: MakeArchitecture) -> None:
    """A faint signal and one class in thirty: without weights it is hardly ever answered."""
    rng = np.random.default_rng(0)

    def skewed(rows: int, seed: int) -> MultimodalTable:
        table = make_table(30 * rows, seed=seed, signal=0.3)
        rare = np.flatnonzero(table.labels == 2)
        others = np.flatnonzero(table.labels != 2)
        return table.take(np.concatenate([rare[: rows // 30], rng.permutation(others)[: rows - rows // 30]]))

    sample, holdout = skewed(300, 0), skewed(300, 1)
    found = {}
    for balance in ("none", "classes"):
        budget = BUDGET.model_copy(update={"balance": balance})
        trial = run_trial(make_architecture(), sample, holdout, budget, 60, 0, "f1_macro", "test")
        found[balance] = (trial.predicted[holdout.labels == 2] == 2).mean()
    assert found["classes"] > found["none"] + 0.2


# --- Determinism


def test_a_trial_is_repeatable_bit_for_bit_and_leaves_the_random_state(
    trial: Callable[..., Trial], make_architecture: MakeArchitecture
) -> None:
    architecture = make_architecture("ramlp", "monarch_mixer", "hyper_mixer", dropout=0.3)
    before, legacy = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    first = trial(architecture)
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], legacy)
    torch.rand(7)
    assert_same(first, trial(architecture))


def test_seeds_differ(trial: Callable[..., Trial], make_architecture: MakeArchitecture) -> None:
    architecture = make_architecture()
    first, second = trial(architecture, seed=0), trial(architecture, seed=1)
    assert (first.seed, second.seed) == (0, 1)
    assert first.losses[0] != second.losses[0]
    assert first.losses[-1] != second.losses[-1]


def test_modalities_that_the_architecture_does_not_name_play_no_part(
    make_table: MakeTable, make_architecture: MakeArchitecture
) -> None:
    architecture = make_architecture(modalities=("series",))
    tables = [(make_table(40, seed=0), make_table(40, seed=1)) for _ in range(2)]
    for table in tables[1]:
        table.arrays["image"] = np.zeros_like(table.arrays["image"])
    first, second = (run_trial(architecture, *pair, BUDGET, 10, 0, "accuracy", "test") for pair in tables)
    assert_same(first, second)


# --- What a trial reports


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "f1_weighted", "f1_micro"])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_the_score_is_of_the_reported_predictions(
    trial: Callable[..., Trial],
    make_table: MakeTable,
    make_architecture: MakeArchitecture,
    task: str,
    metric: str,
) -> None:
    result = trial(make_architecture(task=task), metric=metric, steps=8)
    assert result.score == score(metric, make_table(90, task, 1).labels, result.predicted, 3)
    assert result.seconds > 0


def test_every_epoch_has_its_own_order(
    make_table: MakeTable, make_architecture: MakeArchitecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...]] = []

    def record(*arguments: int) -> list[torch.Tensor]:
        asked.append(arguments)
        return batch_rows(*arguments)

    monkeypatch.setattr(batches, "batch_rows", record)
    run_trial(make_architecture(), make_table(40), make_table(9), BUDGET, 7, 5, "accuracy", "test")
    assert asked == [(40, 16, 5, epoch) for epoch in range(3)]  # 3 batches an epoch


@pytest.mark.parametrize("steps", [1, 7, 40, 100])
def test_the_loss_curve_covers_every_step_and_stays_short(
    trial: Callable[..., Trial], make_architecture: MakeArchitecture, steps: int
) -> None:
    result = trial(make_architecture(modalities=("series",)), steps=steps)
    points = [step for step, _ in result.losses]
    assert points == sorted(set(points))
    assert points[-1] == steps
    assert len(points) <= 80
    assert all(math.isfinite(loss) for _, loss in result.losses)


def test_first_point_of_the_curve_is_the_loss_at_the_start(
    make_table: MakeTable, make_architecture: MakeArchitecture
) -> None:
    """Multi-head loss, every head alike, over the first batch."""
    architecture, sample = make_architecture(), make_table(61)
    result = run_trial(architecture, sample, make_table(30, seed=1), BUDGET, 5, 3, "accuracy", "test")
    rows = batch_rows(61, 16, 3, 0)[0].numpy()
    logits = compute_logits(initialised(MultimodalMixer, 3, architecture), sample.take(rows), torch.device("cpu"))
    labels = sample.labels[rows]
    losses = [
        np.mean(np.log(np.exp(head).sum(axis=1)) - head[np.arange(len(rows)), labels]) for head in logits.values()
    ]
    assert result.losses[0] == (1, pytest.approx(float(np.mean(losses)), rel=1e-4))


def test_a_loss_that_explodes_is_an_error(make_table: MakeTable, make_architecture: MakeArchitecture) -> None:
    sample = make_table(30)
    sample.arrays["series"] = np.full_like(sample.arrays["series"], np.inf)
    with pytest.raises(FloatingPointError, match=r"candidate x, seed 4: the training loss is nan at step 1;.*0\.01"):
        run_trial(make_architecture(), sample, sample, BUDGET, 5, 4, "accuracy", "candidate x")


# --- Several seeds as one model


def test_bfloat16_learns_and_leaves_float32_weights(make_table: MakeTable, make_architecture: MakeArchitecture) -> None:
    pair = make_table(61), make_table(90, seed=1)
    exact, half = (
        run_trial(make_architecture(), *pair, BUDGET.model_copy(update={"precision": p}), 60, 0, "accuracy", "test")
        for p in ("float32", "bfloat16")
    )
    assert half.losses != exact.losses
    assert half.score == pytest.approx(exact.score, abs=0.1)
    assert half.score > 0.8


# --- Batches


# --- Optimiser and schedule


def test_gradients_are_clipped(
    make_table: MakeTable, make_architecture: MakeArchitecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[float] = []

    def clip(parameters: object, limit: float) -> torch.Tensor:
        norms.append(limit)
        return torch.zeros(())

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clip)
    budget = BUDGET.model_copy(update={"clip_norm": 0.25})
    run_trial(make_architecture(), make_table(30), make_table(9), budget, 3, 0, "accuracy", "test")
    assert norms == [0.25] * 3


# --- Devices, tensors, logits


@pytest.mark.parametrize("function", ["concat", "max", "mean"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("missing", [False, True])
def test_trials_by_a_loop_over_torch(
    make_table: MakeTable, make_architecture: MakeArchitecture, missing: bool, dropout: float, function: str
) -> None:
    """The trial's first loss is the batch's, with the presence of epoch 0; stacked seeds are the separate ones."""
    table, holdout = make_table(50), make_table(30, seed=1)
    if missing:
        table, holdout = lacking(table), lacking(holdout)
    plan = make_architecture(function=function)
    budget = BUDGET.model_copy(update={"modality_dropout": dropout, "balance": "classes"})
    runs = [
        run_trials(plan, table, holdout, budget.model_copy(update={"batched": b}), 9, (0, 4), "accuracy", "test")
        for b in (False, True)
    ]
    for alone, stacked in zip(*runs, strict=True):
        np.testing.assert_allclose([v for _, v in stacked.losses], [v for _, v in alone.losses], rtol=1e-3)
    rows = batch_rows(50, 16, 4, 0)[0]
    model = initialised(MultimodalMixer, 4, plan).train()
    present = {n: torch.from_numpy(t)[rows] for n, t in drop_modalities(table, plan.inputs, dropout, 4, 0).items()}
    assert bool(present) == (missing or dropout > 0)
    inputs = {name: torch.from_numpy(array[rows.numpy()]) for name, array in table.arrays.items()}
    scale = loss_scale(budget, torch.from_numpy(table.labels), plan)
    labels = torch.from_numpy(table.labels)[rows]
    expected = multi_head_loss(model(inputs, present), labels, "multiclass", 1 / 3, scale, present)
    assert runs[0][1].losses[0][1] == pytest.approx(expected.item(), rel=1e-5)


def test_a_single_modality_is_trained_and_scored_on_the_rows_that_have_it(
    make_table: MakeTable, make_architecture: MakeArchitecture
) -> None:
    """The same as on tables of those rows alone, whatever the budget drops."""
    plan = make_architecture(modalities=("series",))
    tables = [lacking(make_table(60)), lacking(make_table(40, seed=1))]
    rows = [np.flatnonzero(t.present["series"]) for t in tables]
    only = [make_table(60).take(rows[0]), make_table(40, seed=1).take(rows[1])]
    budget = BUDGET.model_copy(update={"modality_dropout": 0.4})
    first = run_trials(plan, *tables, budget, 9, (0,), "accuracy", "test")[0]
    second = run_trials(plan, *only, BUDGET, 9, (0,), "accuracy", "test")[0]
    np.testing.assert_allclose(first.losses, second.losses, rtol=1e-5)
    np.testing.assert_array_equal(first.predicted, second.predicted)
    assert len(first.predicted) == len(rows[1]) < 40
