"""Rows from a file, the model's decisions about them, and the figure of the contributions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import FUSED
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.predict import nodes
from mixmas_pipeline.pipelines.predict.results import ClassContribution, PredictionSummary, ValueContribution
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.references import fit_reference


def test_rows_have_the_schema_of_the_training_data_and_the_values_of_the_file(
    make_table: Callable, tmp_path: Path
) -> None:
    train, new = make_table(rows=2), make_table(rows=5, seed=1)
    np.savez(tmp_path / "new.npz", **new.arrays)
    rows = nodes.read_new_rows(tmp_path / "new.npz", train)
    assert rows.schema == train.schema
    assert list(rows.ids) == list("01234")
    assert not rows.labelled
    for name, array in new.arrays.items():
        np.testing.assert_array_equal(rows.arrays[name], array)


def test_rows_of_another_shape_are_refused(make_table: Callable, tmp_path: Path) -> None:
    train = make_table(rows=2)
    np.savez(tmp_path / "new.npz", image=np.zeros((3, 6, 7), np.uint8), series=np.zeros((3, 5, 3), np.float32))
    with pytest.raises(ValueError, match=r"new\.npz: column 'image' .*\(3, 6, 7\); expected .*\(3, 6, 6\)"):
        nodes.read_new_rows(tmp_path / "new.npz", train)


def test_the_class_with_the_largest_output_is_predicted(make_table: Callable, make_architecture: Callable) -> None:
    model, rows = initialised(MultimodalMixer, 3, make_architecture()), make_table(rows=7)
    predicted, contributions, summary = nodes.predict_new_rows(rows, {}, searched=model)
    inputs = {name: torch.from_numpy(np.array(array)) for name, array in rows.arrays.items()}
    with torch.no_grad():
        largest = model.cpu().eval()(inputs)[FUSED].argmax(dim=1)
    assert list(predicted["predicted"]) == ["abc"[c] for c in largest]
    assert list(predicted["id"]) == list(rows.ids)
    assert set(contributions["modality"]) == set(summary.modalities) == {"image", "series"}
    assert summary.rows == 7


def test_thresholds_decide_which_labels_are_predicted(make_table: Callable, make_architecture: Callable) -> None:
    model, rows = initialised(MultimodalMixer, 3, make_architecture(task="multilabel")), make_table(3, "multilabel")
    predicted, _, _ = nodes.predict_new_rows(rows, {"a": 0.0, "b": 1.0, "c": 0.0}, searched=model)
    assert list(predicted["predicted"]) == ["a, c"] * 3


@pytest.mark.parametrize("kind", ["linear", "trees"])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_reference_predicts_what_its_logits_say(kind: Any, task: str, make_table: Callable) -> None:
    """By hand from the logits. Thresholds of the searched model do not apply to it, and it has no heads."""
    model, rows = fit_reference(kind, make_table(60, task), ["image", "series"], 0), make_table(9, task, seed=1)
    predicted, contributions, summary = nodes.predict_new_rows(rows, {"a": 1.0}, **{kind: [model]})
    logits = torch.from_numpy(compute_logits(model, rows, torch.device("cpu"))[FUSED]).double()
    with model.left_out("series"):
        left_out = torch.from_numpy(compute_logits(model, rows, torch.device("cpu"))[FUSED]).double()
    chances, without = (x.sigmoid() if task == "multilabel" else x.softmax(dim=1) for x in (logits, left_out))
    np.testing.assert_allclose(predicted[[f"probability_{c}" for c in "abc"]], chances, atol=1e-6)
    if task == "multilabel":
        decided = [", ".join(c for c, p in zip("abc", row, strict=True) if p > 0.5) for row in chances.tolist()]
    else:
        best = chances.argmax(dim=1)
        decided = ["abc"[c] for c in best]
        lost = (chances - without)[torch.arange(9), best]
        np.testing.assert_allclose(predicted["series_contribution"], lost, atol=1e-6)
    assert list(predicted["predicted"]) == decided
    assert not [name for name in predicted if "head" in name]
    assert set(contributions["modality"]) == {"image", "series"}
    assert (summary.model, summary.model_name) == (
        kind,
        "the linear model" if kind == "linear" else "the tree ensemble",
    )
    assert [row.head_agrees for row in summary.modalities.values()] == [None, None]  # type: ignore[union-attr]


def test_a_reference_of_one_modality_reads_only_that(make_table: Callable) -> None:
    model, rows = fit_reference("linear", make_table(60), ["series"], 0), make_table(9, seed=1)
    other = make_table(9, seed=2)
    swapped = MultimodalTable(rows.schema, {**rows.arrays, "image": other.arrays["image"]}, rows.labels, rows.ids)
    found, same = (nodes.predict_new_rows(table, linear=[model]) for table in (rows, swapped))
    pd.testing.assert_frame_equal(found[0], same[0])
    assert found[1].empty
    assert found[2].modalities == {}


@pytest.mark.parametrize("classes", [True, False])
def test_boxes_hold_the_contributions_and_name_the_flips_of_classes(classes: bool) -> None:
    contributions = pd.DataFrame({"modality": ["plot", "sound", "plot"], "contribution": [0.5, -0.25, 0.125]})
    values = {"rows": 2, "mean_contribution": 0.0, "mean_absolute_contribution": 0.0}
    flips = {"plot": 0.5, "sound": 0.0}
    modalities = {
        name: ClassContribution(**values, flipped=flipped, head_agrees=1.0) if classes else ValueContribution(**values)
        for name, flipped in flips.items()
    }
    figure = nodes.draw_contributions(contributions, PredictionSummary(rows=2, modalities=modalities, scores={}))
    plot, sound = figure.data
    assert (list(plot.y), list(sound.y)) == ([0.5, 0.125], [-0.25])
    assert plot.name == ("plot<br>50% flip without it" if classes else "plot")
