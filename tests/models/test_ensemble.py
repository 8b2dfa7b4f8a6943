"""An ensemble against the formula by hand, and what it keeps when it is saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from training_samples import CPU, architecture, table

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.ensemble import (
    Ensemble,
    EnsembleConfig,
    combine,
    decision_weights,
    load_model,
    member_architectures,
)
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.references import fit_reference
from mixmas_pipeline.training.statistics import with_statistics

WEIGHTS = (0.3, 0.75, 0.45)  # their sum is 1.5, a temperature of 2/3


def make() -> Ensemble:
    """Three members, each with the statistics of other rows."""
    plans = tuple(with_statistics(architecture(), table(20, seed)) for seed in range(3))
    config = EnsembleConfig(architecture=plans[0], members=plans, weights=WEIGHTS)
    return Ensemble(config, [initialised(MultimodalMixer, s, plan) for s, plan in enumerate(plans)]).eval()


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


def test_probabilities_are_the_weighted_mean_of_the_members() -> None:
    ensemble, rows = make(), table(30, 9)
    parts = [compute_logits(member, rows, CPU) for member in ensemble.members]
    whole = compute_logits(ensemble, rows, CPU)
    assert whole.keys() == {"fused", "picture", "series"}
    for head, logits in whole.items():
        weights = WEIGHTS if head == "fused" else (1 / 3,) * 3
        expected = np.prod([softmax(part[head]) ** w for w, part in zip(weights, parts, strict=True)], axis=0)
        np.testing.assert_allclose(softmax(logits), expected / expected.sum(axis=1, keepdims=True), atol=1e-6)


def test_labels_of_a_multilabel_task_are_combined_one_by_one() -> None:
    """The odds of a label are the product of the members' odds to the power of their weights."""
    odds = np.array([[[3.0, 0.5]], [[0.25, 8.0]]])
    mixed = combine(torch.from_numpy(odds).log(), torch.tensor([2.0, 0.5]), "multilabel").exp()
    np.testing.assert_allclose(mixed, [[9 * 0.5, 0.25 * 8**0.5]], rtol=1e-6)


def test_predictions_of_a_regression_are_averaged() -> None:
    values = torch.tensor([[[1.0, 10.0]], [[3.0, 30.0]]])
    np.testing.assert_allclose(combine(values, torch.tensor([0.75, 0.25]), "regression"), [[1.5, 15.0]], rtol=1e-6)


@pytest.mark.parametrize("class_weights", [None, (0.5, 2.0, 3.0)])
def test_weights_of_the_decision_are_in_the_fused_logits(
    class_weights: tuple[float, ...] | None, tmp_path: Path
) -> None:
    """The probabilities stay, whatever the decision's weights; the heads' logits have the weights of the loss."""
    plain, rows = make(), table(30, 9)
    own = {"architecture": plain.architecture.model_copy(update={"class_weights": class_weights})}
    weights = (1.0, 4.0, 0.25)
    members = list(plain.members)
    before = Ensemble(plain.config.model_copy(update=own), members)
    after = Ensemble(plain.config.model_copy(update={**own, "decision_weights": weights}), members)
    assert (decision_weights(before), decision_weights(after)) == (class_weights, weights)
    after.save_pretrained(tmp_path / "model")
    found, untuned = (compute_logits(m, rows, CPU) for m in (load_model(tmp_path / "model"), before))
    np.testing.assert_array_equal(found["series"], untuned["series"])
    chances = [
        softmax(logits["fused"] - np.log(w or (1, 1, 1))) for logits, w in ((found, weights), (untuned, class_weights))
    ]
    np.testing.assert_allclose(*chances, atol=1e-6)
    np.testing.assert_array_equal(found["fused"].argmax(axis=1), (chances[0] * weights).argmax(axis=1))


def test_saved_and_loaded_it_predicts_the_same(tmp_path: Path) -> None:
    ensemble, rows = make(), table(30, 9)
    ensemble.save_pretrained(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, Ensemble)
    for head, logits in compute_logits(loaded, rows, CPU).items():
        np.testing.assert_array_equal(logits, compute_logits(ensemble, rows, CPU)[head])
    assert len(member_architectures(loaded)) == 3


def with_references() -> Ensemble:
    """Two networks, the second of no weight, a linear model and trees."""
    rows = table(60, 4)
    networks = list(make().members)[:2]
    references = [fit_reference(kind, rows, ["picture", "series"], 0) for kind in ("linear", "trees")]
    members = [*networks, *references]
    config = EnsembleConfig(
        architecture=networks[0].architecture,
        members=tuple(member.architecture for member in members),
        weights=(0.25, 0.0, 0.5, 0.25),
    )
    return Ensemble(config, members).eval()


def test_shares_of_the_kinds() -> None:
    assert with_references().shares == {"networks": 0.25, "linear": 0.5, "trees": 0.25}
    assert make().shares == {"networks": pytest.approx(1)}


def test_references_are_members_without_heads(tmp_path: Path) -> None:
    ensemble, rows = with_references(), table(30, 9)
    parts = [compute_logits(member, rows, CPU) for member in ensemble.members]
    whole = compute_logits(ensemble, rows, CPU)
    logarithms = [np.log(softmax(part["fused"])) for part in parts]
    expected = sum(w * part for w, part in zip((0.25, 0, 0.5, 0.25), logarithms, strict=True))
    np.testing.assert_allclose(softmax(whole["fused"]), softmax(np.asarray(expected)), atol=1e-6)
    heads = (np.log(softmax(parts[0]["series"])) + np.log(softmax(parts[1]["series"]))) / 2
    np.testing.assert_allclose(softmax(whole["series"]), softmax(heads), atol=1e-6)
    ensemble.save_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(compute_logits(load_model(tmp_path / "model"), rows, CPU)["fused"], whole["fused"])


def test_heads_may_have_weights_of_their_own(tmp_path: Path) -> None:
    """log p = sum of the members' and 0.6 times the mean of the networks' heads of the series; where the series is
    missing, of their fused logarithms."""
    plain, rows = with_references(), table(30, 9)
    config = plain.config.model_copy(update={"head_weights": {"series": 0.6}})
    ensemble = Ensemble(config, list(plain.members)).eval()
    present = np.arange(30) % 3 > 0
    inputs = {name: torch.from_numpy(array) for name, array in rows.arrays.items()}
    with torch.no_grad():
        parts = [member(inputs, {"series": torch.from_numpy(present)}) for member in ensemble.members]
        found = ensemble(inputs, {"series": torch.from_numpy(present)})
    logarithms = [{n: np.log(softmax(v.numpy())) for n, v in part.items()} for part in parts]
    fused = sum(w * part["fused"] for w, part in zip((0.25, 0, 0.5, 0.25), logarithms, strict=True))
    heads, instead = ((logarithms[0][name] + logarithms[1][name]) / 2 for name in ("series", "fused"))
    expected = fused + 0.6 * np.where(present[:, None], heads, instead)
    np.testing.assert_allclose(softmax(found["fused"].numpy()), softmax(np.asarray(expected)), atol=1e-6)
    assert ensemble.shares["series head"] == pytest.approx(0.6 / 1.6)
    assert sum(ensemble.shares.values()) == pytest.approx(1)
    ensemble.save_pretrained(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded(inputs)["fused"].detach(), ensemble(inputs)["fused"].detach())
    with pytest.raises(ValidationError, match="head_weights names 'sound'; expected some of picture, series"):
        EnsembleConfig.model_validate({**config.model_dump(), "head_weights": {"sound": 1.0}})


def test_modality_that_references_read_is_left_out_too() -> None:
    ensemble, rows, other = with_references(), table(30, 9), table(30, 9)
    other.arrays["series"] = rows.arrays["series"][::-1].copy()
    with ensemble.left_out("series"):
        np.testing.assert_array_equal(*(compute_logits(ensemble, t, CPU)["fused"] for t in (rows, other)))


def test_single_model_is_loaded_as_one(tmp_path: Path) -> None:
    member = make().members[0]
    member.save_pretrained(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, MultimodalMixer)
    assert member_architectures(loaded) == (member.architecture,)


def test_modality_that_is_left_out_has_no_effect() -> None:
    ensemble, rows = make(), table(30, 9)
    other = table(30, 9)
    other.arrays["series"] = rows.arrays["series"][::-1].copy()
    with ensemble.left_out("series"):
        np.testing.assert_array_equal(*(compute_logits(ensemble, t, CPU)["fused"] for t in (rows, other)))
    assert (compute_logits(ensemble, rows, CPU)["fused"] != compute_logits(ensemble, other, CPU)["fused"]).any()


@pytest.mark.parametrize(("weights", "words"), [((0.5, 0.5), "one each"), ((0.0, 0.0, 0.0), "expected more than 0")])
def test_wrong_weights_are_refused(weights: tuple[float, ...], words: str) -> None:
    plan = architecture()
    with pytest.raises(ValidationError, match=words):
        EnsembleConfig(architecture=plan, members=(plan,) * 3, weights=weights)


def test_weights_of_a_regression_add_up_to_one() -> None:
    targets = {"task": "regression", "classes": ("y",), "targets": {"mean": [0.0], "std": [1.0]}}
    plan = Architecture.model_validate(architecture().model_dump() | targets)
    with pytest.raises(ValidationError, match=r"add up to 1\.5; expected 1"):
        EnsembleConfig(architecture=plan, members=(plan,), weights=(1.5,))
