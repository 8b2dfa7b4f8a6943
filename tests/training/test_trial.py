"""Trials: every candidate trains, from its own seed, unaffected by those before it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import predict, score
from mixmas_pipeline.models.architecture import FUSION_FUNCTIONS, Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.training import trial as microbenchmark
from mixmas_pipeline.training.parameters import BudgetParameters, OptimiserParameters
from mixmas_pipeline.training.stacked import StackedModels
from mixmas_pipeline.training.trial import (
    Trial,
    batch_rows,
    compute_logits,
    make_optimiser,
    pick_device,
    run_trial,
    run_trials,
    to_tensors,
)

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]
BUDGET = BudgetParameters(learning_rate=1e-2, batch_size=16, steps=60, extended_steps=60, seeds=(0, 1), device="cpu")
CANDIDATES = [
    ("mlp_mixer", "mlp_mixer", "mlp_mixer"),
    ("hyper_mixer", "hyper_mixer", "hyper_mixer"),
    ("ramlp", "monarch_mixer", "monarch_mixer"),
]


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


def assert_same(first: Trial, second: Trial) -> None:
    assert first.losses == second.losses
    assert first.score == second.score
    np.testing.assert_array_equal(first.predicted, second.predicted)


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

    monkeypatch.setattr(microbenchmark, "initialised", build)
    monkeypatch.setattr(microbenchmark, "compute_logits", evaluate)
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

    monkeypatch.setattr(microbenchmark, "batch_rows", record)
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


@pytest.mark.parametrize(("image", "series", "network"), CANDIDATES)
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_seeds_as_one_model_are_the_separate_trials(
    make_table: MakeTable, make_architecture: MakeArchitecture, task: str, image: str, series: str, network: str
) -> None:
    """But for rounding; the clipping of gradients is at work (a norm of 0.1), and is each seed's own."""
    architecture = make_architecture(image, series, network, task=task)
    sample, holdout = make_table(61, task), make_table(50, task, 1)
    budget = BUDGET.model_copy(update={"clip_norm": 0.1, "balance": "classes"})
    runs = []
    for batched in (False, True):
        chosen = budget.model_copy(update={"batched": batched})
        runs.append(run_trials(architecture, sample, holdout, chosen, 12, (0, 1, 5), "accuracy", "test"))
    for alone, stacked in zip(*runs, strict=True):
        assert (alone.seed, alone.steps) == (stacked.seed, stacked.steps)
        assert [step for step, _ in alone.losses] == [step for step, _ in stacked.losses]
        np.testing.assert_allclose([v for _, v in stacked.losses], [v for _, v in alone.losses], rtol=1e-3)
        assert (alone.predicted == stacked.predicted).mean() > 0.95
    first, last = runs[1][0], runs[1][-1]
    assert first.losses[-1] != last.losses[-1]


def test_a_seed_is_not_affected_by_those_stacked_with_it(
    make_table: MakeTable, make_architecture: MakeArchitecture
) -> None:
    budget = BUDGET.model_copy(update={"batched": True})
    pair = make_table(40), make_table(20, seed=1)
    one, other = (
        run_trials(make_architecture(), *pair, budget, 8, seeds, "accuracy", "test") for seeds in ((3, 4), (3, 9))
    )
    assert_same(one[0], other[0])


def test_stacked_dropout_differs_by_seed(make_architecture: MakeArchitecture) -> None:
    models = [initialised(MultimodalMixer, 0, make_architecture(dropout=0.5)).train() for _ in range(2)]
    inputs = {"image": torch.zeros(4, 6, 6, dtype=torch.uint8), "series": torch.ones(4, 5, 3)}
    first, second = StackedModels(models)([inputs, inputs])
    assert not torch.equal(first[FUSED], second[FUSED])


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


@settings(max_examples=80)
@given(
    rows=st.integers(1, 200),
    batch_size=st.integers(2, 70),
    seed=st.integers(0, 10**6),
    epoch=st.integers(0, 10**4),
)
def test_batches_are_a_permutation_without_single_examples(rows: int, batch_size: int, seed: int, epoch: int) -> None:
    before = torch.random.get_rng_state()
    batches = batch_rows(rows, batch_size, seed, epoch)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.cat(batches).sort().values.tolist() == list(range(rows))
    assert all(len(batch) == batch_size for batch in batches[:-2])
    assert len(batches[-1]) <= batch_size + 1
    assert len(batches[-1]) > 1 or rows == 1
    again = batch_rows(rows, batch_size, seed, epoch)
    assert all(torch.equal(a, b) for a, b in zip(batches, again, strict=True))


def test_batches_of_another_epoch_or_seed_differ() -> None:
    orders = [torch.cat(batch_rows(100, 16, seed, epoch)).tolist() for seed in (0, 1, 2) for epoch in (0, 1, 2)]
    assert len({tuple(order) for order in orders}) == 9


# --- Optimiser and schedule


@pytest.mark.parametrize(("warmup", "steps"), [(0.1, 50), (0.0, 20), (0.5, 9), (0.1, 1), (0.99, 30)])
def test_schedule_by_hand(warmup: float, steps: int) -> None:
    parameters = OptimiserParameters(learning_rate=0.02, weight_decay=0.05, warmup=warmup)
    optimiser, schedule = make_optimiser(parameters, torch.nn.Linear(2, 2).parameters(), steps)
    assert isinstance(optimiser, torch.optim.AdamW)
    assert optimiser.param_groups[0]["weight_decay"] == 0.05
    rates = []
    for _ in range(steps + 1):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    rising = max(1, round(warmup * steps))
    expected = [0.02 * (step + 1) / rising for step in range(rising)]
    falling = steps - rising
    expected += [0.01 * (1 + math.cos(math.pi * step / falling)) for step in range(falling)]
    assert rates[:-1] == pytest.approx(expected)
    assert max(rates) == pytest.approx(0.02)
    assert falling == 0 or rates[-1] == pytest.approx(0, abs=1e-12)


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


def test_pick_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match='device is "cuda" but torch sees no CUDA device'):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda")
    assert pick_device("cpu") == torch.device("cpu")


def test_tensors_keep_the_stored_types_and_copy(make_table: MakeTable) -> None:
    table = make_table(9)
    for array in table.arrays.values():
        array.flags.writeable = False  # as a memory-mapped table's
    inputs, labels = to_tensors(table, torch.device("cpu"))
    assert {name: tensor.dtype for name, tensor in inputs.items()} == {
        "image": torch.uint8,
        "series": torch.float32,
    }
    assert labels.tolist() == table.labels.tolist()
    inputs["image"].zero_()
    assert table.arrays["image"].any()


@pytest.mark.parametrize("training", [True, False])
def test_logits_are_those_of_eval_mode_in_the_order_of_the_rows(
    make_table: MakeTable,
    make_architecture: MakeArchitecture,
    training: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(microbenchmark, "evaluation_rows", lambda _: [slice(0, 8), slice(8, 16), slice(16, 24)])
    table = make_table(21)
    model = initialised(MultimodalMixer, 0, make_architecture(dropout=0.5)).train(training)
    logits = compute_logits(model, table, torch.device("cpu"))
    assert model.training is training
    assert {name: values.shape for name, values in logits.items()} == dict.fromkeys((FUSED, "image", "series"), (21, 3))
    model.eval()
    for row in (0, 7, 8, 20):
        inputs = {name: torch.from_numpy(array[row : row + 1].copy()) for name, array in table.arrays.items()}
        for name, expected in model(inputs).items():
            np.testing.assert_allclose(logits[name][row], expected[0].detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(predict(logits[FUSED], "multiclass"), logits[FUSED].argmax(axis=1))
