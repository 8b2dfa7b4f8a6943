"""Results that do not belong to the model are refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from export_samples import artefacts, record

from mixmas_pipeline.models.architecture import FUSED
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.export.artefacts import check_same_training


def test_another_architecture_is_refused(make_table: Callable, make_architecture: Callable) -> None:
    model, rows = initialised(MultimodalMixer, 3, make_architecture()), make_table(rows=4)
    check_same_training(model, rows, artefacts(make_architecture()))
    with pytest.raises(ValueError, match=r"another architecture than the model's \(its fusion\); .*=training"):
        check_same_training(model, rows, artefacts(make_architecture(function="max")))


@pytest.mark.parametrize("name", ["metrics", "thresholds", "predictions", "patterns"])
def test_results_of_another_model_are_refused(name: str, make_table: Callable, make_architecture: Callable) -> None:
    architecture = make_architecture()
    other = record(name, inputs={"model": "content of another model"})
    with pytest.raises(ValueError, match=rf"the newest {name} are not of the newest model \(run r1\)"):
        check_same_training(
            initialised(MultimodalMixer, 3, architecture),
            make_table(rows=4),
            artefacts(architecture, **{f"{name}_record": other}),
        )


@pytest.mark.parametrize("unrecorded", ["record", "patterns_record"])
def test_without_a_record_the_score_decides(unrecorded: str, make_table: Callable, make_architecture: Callable) -> None:
    architecture, rows = make_architecture(), make_table(rows=20)
    model = initialised(MultimodalMixer, 3, architecture).eval()
    with torch.no_grad():
        logits = model({name: torch.from_numpy(np.array(array)) for name, array in rows.arrays.items()})[FUSED]
    accuracy = float((logits.argmax(dim=1).numpy() == rows.labels).mean())
    same, other = ({"validation": {"accuracy": value}} for value in (accuracy, accuracy + 0.05))
    check_same_training(model, rows, artefacts(architecture, metrics=same, **{unrecorded: None}))
    with pytest.raises(ValueError, match=rf"is {accuracy:.4f}; the metrics have {accuracy + 0.05:.4f}"):
        check_same_training(model, rows, artefacts(architecture, metrics=other, **{unrecorded: None}))
