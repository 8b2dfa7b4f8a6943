"""Small artefacts: what is saved is what is loaded, damage is named, and kedro-viz gets what it draws."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from artefact_samples import DATASETS, assert_same, sample
from atomic_samples import FrameFile, JSONFile, PageFile
from kedro.io import DatasetError
from kedro.io.core import Version


@pytest.mark.parametrize("kind", DATASETS)
def test_round_trip_unversioned(kind: str, tmp_path: Path) -> None:
    dataset = DATASETS[kind](filepath=str(tmp_path / "sub" / "artefact"))
    assert not dataset.exists()
    for seed in (1, 2):  # the second save overwrites
        dataset.save(sample(kind, seed))
        assert dataset.exists()
        assert_same(kind, dataset.load(), sample(kind, seed))
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["artefact"]


@pytest.mark.parametrize("kind", DATASETS)
def test_round_trip_versioned(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "artefact"
    for seed, version in ((1, "v1"), (2, "v2")):
        dataset = DATASETS[kind](filepath=str(path), version=Version(None, version))
        dataset.save(sample(kind, seed))
        assert_same(kind, dataset.load(), sample(kind, seed))
    newest = DATASETS[kind](filepath=str(path), version=Version(None, None))
    assert_same(kind, newest.load(), sample(kind, 2))
    assert newest.list_versions(full_path=False) == ["v2", "v1"]
    pinned = DATASETS[kind](filepath=str(path), version=Version("v1", None))
    assert_same(kind, pinned.load(), sample(kind, 1))
    assert sorted(str(p.relative_to(path)) for p in path.glob("*/*")) == [
        "v1/artefact",
        "v2/artefact",
    ]


@pytest.mark.parametrize("kind", DATASETS)
def test_a_version_is_never_overwritten(kind: str, tmp_path: Path) -> None:
    dataset = DATASETS[kind](filepath=str(tmp_path / "artefact"), version=Version(None, "v1"))
    dataset.save(sample(kind, 1))
    with pytest.raises(DatasetError, match="must not exist"):
        dataset.save(sample(kind, 2))
    assert_same(kind, dataset.load(), sample(kind, 1))


@pytest.mark.parametrize("kind", DATASETS)
def test_loading_what_is_not_there_names_the_path(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "nothing here"
    with pytest.raises(DatasetError) as caught:
        DATASETS[kind](filepath=str(path)).load()
    assert str(path) in str(caught.value)
    assert "does not exist" in str(caught.value)
    with pytest.raises(DatasetError):
        DATASETS[kind](filepath=str(path), version=Version(None, None)).load()


@pytest.mark.parametrize("kept", [0, 0.3, 0.9])
@pytest.mark.parametrize("kind", ["json", "frame", "plotly", "arrays", "table"])
def test_loading_a_truncated_file_names_the_path(kind: str, kept: float, tmp_path: Path) -> None:
    path = tmp_path / "artefact"
    dataset = DATASETS[kind](filepath=str(path))
    dataset.save(sample(kind))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DatasetError) as caught:
        dataset.load()
    assert str(path) in str(caught.value)
    assert "cannot be read" in str(caught.value)


@pytest.mark.parametrize("kind", ["frame", "arrays", "table"])
def test_loading_another_kind_of_file_names_the_path(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "artefact"
    path.write_text("this is a text, and quite another thing " * 50)
    with pytest.raises(DatasetError) as caught:
        DATASETS[kind](filepath=str(path)).load()
    assert str(path) in str(caught.value)


def test_html_keeps_every_character(tmp_path: Path) -> None:
    """Line ends too: a page's embedded scripts and data must come back as they were."""
    dataset = PageFile(filepath=str(tmp_path / "page.html"))
    dataset.save("<pre>one\r\ntwo\rthree\n</pre>")
    assert dataset.load() == "<pre>one\r\ntwo\rthree\n</pre>"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_json_cannot_hold(value: float, tmp_path: Path) -> None:
    path = tmp_path / "artefact.json"
    dataset = JSONFile(filepath=str(path))
    dataset.save({"loss": 1.0})
    with pytest.raises(DatasetError) as caught:
        dataset.save({"loss": [1.0, value]})
    assert str(path) in str(caught.value)
    assert dataset.load() == {"loss": 1.0}


def test_clips_of_different_lengths_keep_their_type_in_a_frame(tmp_path: Path) -> None:
    """Sound between two nodes: rows of int16 arrays of different lengths."""
    rng = np.random.default_rng(0)
    waves = [rng.integers(-32768, 32768, length, dtype=np.int16) for length in (5, 1, 4000)]
    dataset = FrameFile(filepath=str(tmp_path / "clips.parquet"))
    dataset.save(pd.DataFrame({"digit": ["0", "1", "2"], "waveform": waves}))
    loaded = dataset.load()
    assert loaded["digit"].tolist() == ["0", "1", "2"]
    for found, expected in zip(loaded["waveform"], waves, strict=True):
        assert found.dtype == np.int16
        np.testing.assert_array_equal(found, expected)


def test_other_programs_read_the_files(tmp_path: Path) -> None:
    """The formats are what their names promise: read by the libraries that define them."""
    import pyarrow.parquet
    from safetensors import safe_open

    for kind in ("frame", "arrays"):
        DATASETS[kind](filepath=str(tmp_path / kind)).save(sample(kind))
    assert pyarrow.parquet.read_table(tmp_path / "frame").column("count").to_pylist() == [1, 2, 0]
    with safe_open(tmp_path / "arrays", framework="numpy") as file:
        assert sorted(file.keys()) == ["a", "b"]
        np.testing.assert_array_equal(file.get_tensor("b"), np.arange(5))


@pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")
@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize("kind", DATASETS)
def test_previews_are_what_kedro_viz_draws(kind: str, versioned: bool, tmp_path: Path) -> None:
    """kedro-viz's own model takes the preview, recognises its type, and its own encoder accepts it."""
    from kedro_viz.api.rest.responses.utils import EnhancedORJSONResponse
    from kedro_viz.models.flowchart.node_metadata import DataNodeMetadata
    from kedro_viz.models.flowchart.nodes import GraphNode

    dataset = DATASETS[kind](filepath=str(tmp_path / "artefact"), version=Version(None, "v1") if versioned else None)
    dataset.save(sample(kind))
    node = GraphNode.create_data_node(
        dataset_id="n", dataset_name="n", layer=None, tags=set(), dataset=dataset, modular_pipelines=set()
    )
    metadata = DataNodeMetadata(data_node=node)
    types = {
        "json": "JSON",
        "frame": "Table",
        "plotly": "Plotly",
        "png": "Image",
        "html": "HTML",
        "arrays": "Image",
        "table": "HTML",
        "folder": "Table",
    }
    assert metadata.preview_type == f"{types[kind]}Preview"
    assert metadata.preview == dataset.preview()
    assert json.loads(EnhancedORJSONResponse(None).render(metadata.preview)) is not None


def test_previews_show_the_content(tmp_path: Path) -> None:
    previews: dict[str, Any] = {}
    for kind in ("json", "plotly", "png", "html"):
        dataset = DATASETS[kind](filepath=str(tmp_path / kind))
        dataset.save(sample(kind))
        previews[kind] = dataset.preview()  # type: ignore[attr-defined]
    assert json.loads(previews["json"]) == sample("json")
    assert {"data", "layout"} <= previews["plotly"].keys()
    assert previews["plotly"]["data"][0]["y"] == [0, 5.5, 6]
    assert base64.b64decode(previews["png"], validate=True) == sample("png")
    assert previews["html"] == " <p>line</p> "
