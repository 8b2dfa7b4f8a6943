"""Typed documents: what is saved is what is loaded, and anything else is refused with the path."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import search_samples
from kedro.io import DatasetError
from kedro.io.core import Version
from pydantic import BaseModel
from search_samples import LABELS, decision, result

from mixmas_pipeline.datasets.document import DocumentDataset, DrawnDocumentDataset
from mixmas_pipeline.pipelines.validate_search.results import SearchOutcomes

SEARCH = "mixmas_pipeline.pipelines.search.results"
OUTCOME = {
    **{"method": "stage by stage", "rows": 50, "epochs": 1, "replicate": 0, "learning_rate": 0.002, "seeds": 2},
    **{"reference": "mlp_mixer", "choice": {"image": "ramlp"}, "scores": {}, "flops": 1e9, "seconds": 0.5},
}
DOCUMENTS: dict[str, tuple[str, BaseModel]] = {
    "candidate_result": (f"{SEARCH}.CandidateResult", result("a", 0.7, 9)),
    "decision": (f"{SEARCH}.StageDecision", decision(dropped={"a": "behind"}, finish=("b", "c"))),
    "architecture": ("mixmas_pipeline.models.architecture.Architecture", search_samples.architecture()),
    "outcomes": (
        "mixmas_pipeline.pipelines.validate_search.results.SearchOutcomes",
        SearchOutcomes.model_validate([OUTCOME, OUTCOME]),
    ),
}


def draw(document: Any) -> bytes:
    """The name of a candidate stands for its drawing."""
    return str(document.candidate).encode()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_saved_is_what_is_loaded(name: str, tmp_path: Path) -> None:
    model, document = DOCUMENTS[name]
    dataset = DocumentDataset(filepath=str(tmp_path / "a.json"), model=model, version=Version(None, "v1"))
    dataset.save(document)
    assert dataset.load() == document
    assert type(dataset.load()) is type(document)
    (file,) = tmp_path.glob("a.json/v1/a.json")
    assert json.loads(file.read_text()) == document.model_dump(mode="json")


def test_a_document_of_another_kind_is_refused(tmp_path: Path) -> None:
    dataset = DocumentDataset(filepath=str(tmp_path / "a.json"), model=f"{SEARCH}.Choice")
    with pytest.raises(DatasetError, match="a StageDecision was to be saved; expected a Choice"):
        dataset.save(decision())
    assert not dataset.exists()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"extend": False, "at_chance": [], "dropped": {}}, r"a\.json cannot be read.*finish"),
        ({"extend": 3, "at_chance": [], "dropped": {}, "finish": []}, r"a\.json cannot be read.*extend"),
        ([], r"a\.json cannot be read"),
    ],
    ids=["missing_key", "wrong_type", "not_an_object"],
)
def test_a_damaged_document_names_the_path_and_the_key(document: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    dataset = DocumentDataset(filepath=str(path), model=f"{SEARCH}.StageDecision")
    with pytest.raises(DatasetError, match=f"(?s){message}"):
        dataset.load()


def test_numbers_that_json_cannot_hold_are_refused(tmp_path: Path) -> None:
    """``model_copy`` does not validate, so that such a number can get into a model."""
    broken = result("a", 0.7, 9).model_copy(update={"earlier_seconds": float("inf")})
    dataset = DocumentDataset(filepath=str(tmp_path / "a.json"), model=f"{SEARCH}.CandidateResult")
    with pytest.raises(DatasetError, match=r"a\.json"):
        dataset.save(broken)
    assert not dataset.exists()


@pytest.mark.parametrize("drawn", [False, True], ids=["json", "drawing"])
def test_kedro_viz_shows_the_document_or_its_drawing(drawn: bool, tmp_path: Path) -> None:
    from kedro_viz.models.flowchart.node_metadata import DataNodeMetadata
    from kedro_viz.models.flowchart.nodes import GraphNode

    arguments = {"filepath": str(tmp_path / "a.json"), "model": f"{SEARCH}.CandidateResult"}
    dataset = DrawnDocumentDataset(**arguments, drawing=f"{__name__}.draw") if drawn else DocumentDataset(**arguments)
    dataset.save(result("somebody", 0.7, 9))
    node = GraphNode.create_data_node(
        dataset_id="n", dataset_name="n", layer=None, tags=set(), dataset=dataset, modular_pipelines=set()
    )
    metadata = DataNodeMetadata(data_node=node)
    assert metadata.preview_type == ("ImagePreview" if drawn else "JSONPreview")
    if drawn:
        assert base64.b64decode(metadata.preview) == b"somebody"
    else:
        shown = json.loads(metadata.preview)
        assert shown["candidate"] == "somebody"
        assert len(shown["trials"][0]["predicted"]) < len(LABELS)
