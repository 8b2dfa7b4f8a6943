"""The architectures that are compared, their learning rates, and their trainings from each seed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from compare_samples import TRAIN, TRAINING, VALIDATION, searched, tuned_to

from mixmas_pipeline.pipelines.compare import nodes
from mixmas_pipeline.pipelines.compare.results import Contender
from mixmas_pipeline.training import lightning_module
from mixmas_pipeline.training.resumable import ResumableTrainings


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
