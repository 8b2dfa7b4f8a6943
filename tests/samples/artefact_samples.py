"""One sample of what each file data set holds, and how two of them are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from atomic_samples import FigureFile, FrameFile, JSONFile, PageFile

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.datasets.arrays import ArraysDataset
from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.datasets.folder import FolderDataset
from mixmas_pipeline.datasets.png import PNGDataset
from mixmas_pipeline.datasets.table import TableDataset

DATASETS: dict[str, type[AtomicDataset]] = {
    "json": JSONFile,
    "frame": FrameFile,
    "plotly": FigureFile,
    "png": PNGDataset,
    "html": PageFile,
    "arrays": ArraysDataset,
    "folder": FolderDataset,
    "table": TableDataset,
}


def small_table(rows: int = 6, seed: int = 0) -> MultimodalTable:
    """A multiclass table of an image and a vector, with one extra column."""
    rng = np.random.default_rng(seed)
    modalities = {
        "image": Modality("image", (4, 5), "uint8", 0.5, -1.0, "grey level"),
        "vector": Modality("tabular", (3,), "float32"),
    }
    return MultimodalTable(
        TableSchema(modalities, "multiclass", ("cat", "dog", "cow"), "made up"),
        {
            "image": rng.integers(0, 256, (rows, 4, 5), dtype=np.uint8),
            "vector": rng.standard_normal((rows, 3)).astype(np.float32),
        },
        np.arange(rows) % 3,
        [f"row-{i}" for i in range(rows)],
        {"origin": np.array([f"file {i}" for i in range(rows)], dtype=object)},
    )


def sample(kind: str, seed: int = 0) -> Any:
    """Data for the data set ``kind``; another seed gives other data."""
    rng = np.random.default_rng(seed)
    makers: dict[str, Callable[[], Any]] = {
        "json": lambda: {"seed": seed, "text": "é × –", "nested": [1, 2.5, None, {"deep": True}]},
        "frame": lambda: pd.DataFrame(
            {
                "name": ["a", "b", "ü"],
                "value": rng.random(3),
                "count": [1, 2, seed],
                "list": [[1.0], [2.0, 3.0], []],
            }
        ),
        "plotly": lambda: go.Figure(go.Scatter(x=[1, 2, 3], y=[seed, 5.5, 6]), layout={"title": {"text": "curve"}}),
        "folder": lambda: {"a.bin": rng.bytes(50), "b.txt": f"é {seed}".encode()},
        "png": lambda: b"\x89PNG\r\n\x1a\n" + rng.bytes(200),
        "html": lambda: f"<!doctype html><title>é × – {seed}</title>\n<p>line</p>\n",
        "arrays": lambda: {
            "a": rng.random((3, 4)).astype(np.float32),
            "b": np.arange(5, dtype=np.int64) + seed,
        },
        "table": lambda: small_table(seed=seed),
    }
    return makers[kind]()


def assert_same(kind: str, found: Any, expected: Any) -> None:
    """Fail unless both are equal in content, types included."""
    if kind == "frame":
        assert list(found.columns) == list(expected.columns)
        assert [list(value) for value in found["list"]] == [list(value) for value in expected["list"]]
        pd.testing.assert_frame_equal(found.drop(columns="list"), expected.drop(columns="list"))
    elif kind == "plotly":
        assert isinstance(found, go.Figure)
        assert found.to_plotly_json() == expected.to_plotly_json()
    elif kind == "arrays":
        assert_same_arrays(found, expected)
    elif kind == "table":
        assert_same_table(found, expected)
    else:
        assert type(found) is type(expected)
        assert found == expected


def assert_same_arrays(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Equal keys, types and values."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def assert_same_table(found: MultimodalTable, expected: MultimodalTable) -> None:
    """Equal schema, arrays, labels, ids and extra columns."""
    assert found.schema == expected.schema
    assert_same_arrays(found.arrays, expected.arrays)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.labels.dtype == expected.labels.dtype
    assert list(found.ids) == list(expected.ids)
    assert found.extra.keys() == expected.extra.keys()
    for name, column in expected.extra.items():
        np.testing.assert_array_equal(found.extra[name], column)
