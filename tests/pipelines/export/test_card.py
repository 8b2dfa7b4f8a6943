"""The card's metadata and tables against the numbers that they come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from export_samples import artefacts, report
from reference_samples import recommending

from mixmas_pipeline.data.schema import StoredInput
from mixmas_pipeline.models.exported import ExportedConfig
from mixmas_pipeline.pipelines.export.card import write_card
from mixmas_pipeline.pipelines.export.parameters import ExportParameters
from mixmas_pipeline.pipelines.export.searched_card import about_searched

INPUTS = {
    "image": StoredInput(kind="image", shape=(6, 6), dtype="uint8", scale=0.5, offset=-1, unit="grey|level"),
    "series": StoredInput(kind="time_series", shape=(5, 3), dtype="float32", optional=True),
}
ROWS = {"training": 8, "validation": 3, "test": 2}


@pytest.fixture
def card(make_architecture: Callable) -> Callable[..., str]:
    def make(source: str = "films", changes: dict[str, Any] | None = None, **export: Any) -> str:
        config = ExportedConfig(version="1", task="multiclass", classes=("a", "b", "c"), inputs=INPUTS, files={})
        results = artefacts(make_architecture(), **(changes or {}))
        return write_card(config, source, ROWS, report(), about_searched(results), ExportParameters(**export))

    return make


def test_the_metadata_hold_the_fused_scores_of_the_test_split(card: Callable[..., str]) -> None:
    metadata = yaml.safe_load(card(source="films: a study", licence="mit").split("---\n")[1])
    assert metadata["license"] == "mit"
    (entry,) = metadata["model-index"]
    assert entry["name"] == "MixMAS on films: a study"
    assert entry["results"][0]["metrics"] == [{"type": "accuracy", "name": "accuracy", "value": 0.625}]
    assert yaml.safe_load(card().split("---\n")[1])["license"] == "unknown"


@pytest.mark.parametrize(
    "row",
    [
        "| image | image | 6 × 6 | uint8 | value × 0.5 − 1 grey&#124;level |  |",
        "| series | time_series | 5 × 3 | float32 | the stored value | optional |",
        "| test | 2 | scores, after everything was chosen |",
        "| a | 6 | 75.0 % |",
        "| image | first, second | first | 0.5000 | 0.1250 | 0, 1 | 10 |",
        "| accuracy | 0.7500 | 0.6250 |",
        "| accuracy, image head alone |  | 0.5000 |",
        "| model.pt2 | 10 | 0 | 0.00012 |",
        "| torch | 1 | 0.500 | 0.750 | 100 |",
    ],
)
def test_the_tables_show_the_numbers(row: str, card: Callable[..., str]) -> None:
    assert row in card().splitlines()


def test_only_exported_formats_are_explained(card: Callable[..., str]) -> None:
    assert "ONNX Runtime" not in card(formats=["torch_export"])
    assert "torch.export.load" not in card(formats=["onnx"])
    assert all(text in card() for text in ("ONNX Runtime", "torch.export.load"))


def test_an_ensemble_is_shown_beside_one_network_and_balanced_classes_are_explained(
    make_architecture: Callable,
) -> None:
    config = ExportedConfig(version="1", task="multiclass", classes=("a", "b", "c"), inputs=INPUTS, files={})
    about = about_searched(artefacts(make_architecture()))
    one = report().model_copy(update={"one_network": (12_345, 67_890)})
    text = write_card(config, "films", ROWS, one, about, ExportParameters())
    assert "One network of the ensemble has 12,345 parameters and 67,890 operations" in " ".join(text.split())
    assert "decision_weights" not in text
    balanced = config.model_copy(update={"decision_weights": (0.5, 2.0, 1.0)})
    text = write_card(balanced, "films", ROWS, report(), about, ExportParameters())
    formula = "Probabilities are the softmax of the fused logits less the logarithm of `decision_weights`"
    assert formula in " ".join(text.split())
    assert "The largest logit decides, which may not be the most probable class." in " ".join(text.split())
    tuned = balanced.model_copy(update={"task": "multilabel", "thresholds": dict.fromkeys("abc", 0.3)})
    text = write_card(tuned, "films", ROWS, report(), about, ExportParameters())
    assert "logit decides" not in text, "thresholds do"
    assert "Each logit above 0" not in text


def test_a_verdict_is_told_where_it_recommends_the_model(make_architecture: Callable) -> None:
    config = ExportedConfig(version="1", task="multiclass", classes=("a", "b", "c"), inputs=INPUTS, files={})
    about = about_searched(artefacts(make_architecture()))
    arguments = (config, "films", ROWS, report(), about, ExportParameters())
    verdict = recommending("network", "image + series")
    assert f"## Why this model\n\n{verdict.sentences[0]} {verdict.sentences[1]}" in write_card(*arguments, verdict)
    assert "Why this model" not in write_card(*arguments)
