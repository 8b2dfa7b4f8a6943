"""The comparison is fair: the same splits, budget and tuning for all; test is read once, by nothing that chooses."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from planted_films import table
from scipy.stats import t

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.compare import nodes
from mixmas_pipeline.pipelines.compare.parameters import CompareParameters
from mixmas_pipeline.pipelines.compare.results import Contender, TuningResult
from mixmas_pipeline.training import lightning_module
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.training.resumable import ResumableTrainings

TRAIN, VALIDATION, TEST = table(120, 0), table(60, 1), table(80, 2)
TRAINING = TrainingParameters(seed=0, max_epochs=3, patience=3, metric="f1_weighted", learning_rate=0.01, device="cpu")
COMPARE = CompareParameters(
    baseline="m2_mixer_avmnist", learning_rates=(0.001, 0.02), tuning_seed=9, seeds=(0, 1, 2), resamples=60
)


def preset(function: str = "concat", block: str = "mlp_mixer") -> dict[str, Any]:
    def encoder(tokeniser: dict[str, Any]) -> dict[str, Any]:
        return {"tokeniser": tokeniser, "hidden_dim": 8, "depth": 1, "block": {"block": block, "channel_dim": 16}}

    patches = {"type": "patches", "patch": 4}
    return {
        "encoders": {"poster": encoder(patches), "plot": encoder({"type": "projection"}), "sound": encoder(patches)},
        "fusion": {"function": function, "network": {"depth": 1, "block": {"block": block, "channel_dim": 16}}},
    }


def searched() -> Architecture:
    inputs = {n: {"shape": m.shape, "mean": 0.0, "std": 1.0} for n, m in TRAIN.schema.modalities.items()}
    architecture = {
        "task": "multilabel",
        "classes": TRAIN.schema.classes,
        "inputs": inputs,
        **preset("max", "hyper_mixer"),
    }
    return Architecture.model_validate(architecture)


def tuned_to(rate: float) -> TuningResult:
    return TuningResult(contender="any", learning_rate=rate, at_edge=False, trials=())


@pytest.fixture(scope="module")
def contenders() -> dict[str, Contender]:
    return nodes.propose_contenders(TRAIN, searched(), preset())


def test_contenders(contenders: dict[str, Contender]) -> None:
    assert list(contenders) == ["baseline", "searched", "poster_alone", "plot_alone", "sound_alone"]
    architectures = {name: contender.architecture for name, contender in contenders.items()}
    assert architectures["baseline"].fusion.function == "concat"  # type: ignore[union-attr]
    assert architectures["searched"].fusion.function == "max"  # type: ignore[union-attr]
    assert architectures["plot_alone"].fusion is None
    assert architectures["plot_alone"].encoders["plot"] == architectures["searched"].encoders["plot"]
    # Inputs are standardised alike, with the training split's statistics.
    assert architectures["baseline"].inputs == architectures["searched"].inputs
    assert architectures["baseline"].inputs["plot"].mean == pytest.approx(float(TRAIN.arrays["plot"].mean()), abs=1e-6)


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("m2_mixr", r"unknown preset 'm2_mixr'; expected one of m2_mixer_avmnist"),
        ("m2_mixer_avmnist", r"encoders of \['audio', 'image'\]; the data has \['plot', 'poster', 'sound'\]"),
    ],
)
def test_a_baseline_that_does_not_fit_is_an_error(baseline: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nodes.propose_contenders(TRAIN, searched(), baseline)


def test_every_training_gets_the_same_splits_and_settings_and_never_the_test_split(
    contenders: dict[str, Contender], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the contender: the same rows of the same tables, the same budget; only rate and seed differ."""
    calls: list[tuple[Any, ...]] = []

    def fit(self: ResumableTrainings, architecture: Architecture, train: Any, validation: Any, settings: Any) -> Any:
        frozen = settings.model_copy(update={"learning_rate": 1.0, "seed": 0})
        calls.append((id(train), id(validation), frozen, settings.learning_rate, settings.seed))
        history = pd.DataFrame({"validation_f1_weighted_fused": [0.5], "seconds": [1.0]})
        return object(), history

    monkeypatch.setattr(ResumableTrainings, "fit", fit)
    for contender in contenders.values():
        arguments = (TRAIN, VALIDATION, TRAINING)
        nodes.tune(contender, *arguments, [0.02, 0.001], 9, str(tmp_path))
        nodes.train_seeds(contender, tuned_to(0.5), *arguments, [0, 1, 2], str(tmp_path))
    first = calls[:5]
    assert [(rate, seed) for *_, rate, seed in first] == [(0.001, 9), (0.02, 9), (0.5, 0), (0.5, 1), (0.5, 2)]
    assert all((tables, validation) == (id(TRAIN), id(VALIDATION)) for tables, validation, *_ in first)
    assert calls == first * len(contenders)


def test_tuning_takes_the_best_rate_on_validation(
    contenders: dict[str, Contender],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    best = {0.1: 0.3, 0.2: 0.7, 0.3: 0.7, 0.4: 0.2}

    def fit(self: ResumableTrainings, architecture: Any, train: Any, validation: Any, settings: Any) -> Any:
        scores = [0.0, best[settings.learning_rate], 0.1]  # the best epoch's counts, not the last one's
        return None, pd.DataFrame({"validation_f1_weighted_fused": scores, "seconds": [1.0] * 3})

    monkeypatch.setattr(ResumableTrainings, "fit", fit)
    arguments = (contenders["baseline"], TRAIN, VALIDATION, TRAINING)
    tuned = nodes.tune(*arguments, [0.4, 0.3, 0.2, 0.1], 9, str(tmp_path))
    assert tuned.learning_rate == 0.2  # of equals the smaller
    assert [trial.score for trial in tuned.trials] == [0.3, 0.7, 0.7, 0.2]
    assert "edge" not in caplog.text
    with caplog.at_level(logging.WARNING):
        assert nodes.tune(*arguments, [0.2, 0.3, 0.4], 9, str(tmp_path)).learning_rate == 0.2
    assert "at the edge of those tried" in caplog.text


def test_a_rate_that_explodes_is_out_and_only_all_of_them_are_an_error(
    contenders: dict[str, Contender], tmp_path: Path
) -> None:
    """A real training: 1e30 overflows at once, and the other rate wins."""
    settings = TRAINING.model_copy(update={"clip_norm": 1e30, "max_epochs": 1})
    arguments = (contenders["plot_alone"], TRAIN, VALIDATION, settings)
    tuned = nodes.tune(*arguments, [0.01, 1e30], 9, str(tmp_path))
    assert tuned.learning_rate == 0.01
    assert [trial.score is None for trial in tuned.trials] == [False, True]
    with pytest.raises(FloatingPointError, match=r"plot_alone: .* with every learning rate of \[1e\+29, 1e\+30\]"):
        nodes.tune(*arguments, [1e29, 1e30], 9, str(tmp_path))


def test_a_killed_node_does_not_repeat_finished_seeds(
    contenders: dict[str, Contender], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = (contenders["plot_alone"], tuned_to(0.01), TRAIN, VALIDATION, TRAINING)
    whole = nodes.train_seeds(*arguments, [0, 1], str(tmp_path / "whole"))
    original, epochs = ResumableTrainings.fit, []

    def killed(self: ResumableTrainings, *args: Any) -> Any:
        if args[-1].seed == 1:
            raise KeyboardInterrupt
        return original(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(ResumableTrainings, "fit", killed)
        with pytest.raises(KeyboardInterrupt):
            nodes.train_seeds(*arguments, [0, 1], str(tmp_path / "broken"))
    step = lightning_module.MixerModule.training_step

    def counted(self: Any, batch: Any, index: int) -> Any:
        epochs.append(self._training.seed)
        return step(self, batch, index)

    monkeypatch.setattr(lightning_module.MixerModule, "training_step", counted)
    again = nodes.train_seeds(*arguments, [0, 1], str(tmp_path / "broken"))
    assert set(epochs) == {1}
    for seed in ("seed_0", "seed_1"):
        weights = whole[seed].state_dict()
        assert all((again[seed].state_dict()[name] == weight).all() for name, weight in weights.items())
    pd.testing.assert_frame_equal(again["history"].drop(columns="seconds"), whole["history"].drop(columns="seconds"))


def test_scores_and_intervals_by_hand(contenders: dict[str, Contender], tmp_path: Path) -> None:
    """Weighted F1 from its definition; the interval is t(seeds - 1) times bootstrap and seed noise in quadrature."""
    names = ("baseline", "searched")
    inputs: dict[str, Any] = {}
    for name in names:
        tuned = tuned_to(0.02)
        trained = nodes.train_seeds(
            contenders[name], tuned, TRAIN, VALIDATION, TRAINING, [0, 1, 2], str(tmp_path / name)
        )
        inputs |= {f"{name}/{key}": value for key, value in trained.items()}
        inputs |= {f"{name}/contender": contenders[name], f"{name}/tuned": tuned}
    comparison, predictions = nodes.evaluate_contenders(TRAIN, VALIDATION, TEST, COMPARE, "f1_weighted", **inputs)
    rows = comparison.set_index("contender")
    assert list(rows.index) == [*names, "most frequent labels"]

    def labels(column: str) -> np.ndarray:
        return np.array([[digit == "1" for digit in text] for text in predictions[column]])

    truth = labels("label")
    np.testing.assert_array_equal(truth, TEST.labels.astype(bool))

    def f1(guess: np.ndarray, chosen: np.ndarray) -> float:
        total = 0.0
        for c in range(4):
            hits = (truth[chosen, c] & guess[chosen, c]).sum()
            both = truth[chosen, c].sum() + guess[chosen, c].sum()
            total += truth[chosen, c].sum() * (2 * hits / both if both else 0.0)
        return total / truth[chosen].sum()

    everything = np.arange(len(truth))
    scores = {n: [f1(labels(f"{n}_seed_{s}"), everything) for s in COMPARE.seeds] for n in names}
    for name in names:
        assert rows.loc[name, "score"] == pytest.approx(np.mean(scores[name]))
        assert rows.loc[name, "spread"] == pytest.approx(np.std(scores[name], ddof=1))
    by_seed = np.subtract(scores["searched"], scores["baseline"])
    assert rows.loc["searched", "difference"] == pytest.approx(by_seed.mean())
    rng, resampled = np.random.default_rng(5), []
    for _ in range(400):
        chosen = rng.integers(len(truth), size=len(truth))
        pairs = [
            f1(labels(f"searched_seed_{s}"), chosen) - f1(labels(f"baseline_seed_{s}"), chosen) for s in COMPARE.seeds
        ]
        resampled.append(np.mean(pairs))
    error = np.hypot(np.std(resampled), by_seed.std(ddof=1) / 3**0.5)
    half = (rows.loc["searched", "high"] - rows.loc["searched", "low"]) / 2
    assert half == pytest.approx(t.ppf(0.975, 2) * error, rel=0.25)  # 60 resamples against 400
    assert rows.loc["baseline", ["difference", "low", "high"]].tolist() == [0, 0, 0]


def test_parameters_that_make_no_sense_are_refused() -> None:
    good = COMPARE.model_dump()
    for change, message in (
        ({"tuning_seed": 1}, "tuning_seed 1 is among the seeds"),
        ({"seeds": (3, 3)}, "repeats one"),
        ({"learning_rates": (0.1, 0.1)}, "repeats one"),
        ({"published": {"ours": 0.9}}, "published"),
    ):
        with pytest.raises(ValueError, match=message):
            CompareParameters.model_validate({**good, **change})
