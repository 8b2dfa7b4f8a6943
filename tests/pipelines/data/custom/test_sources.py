"""Catalog entries of the files that parameters name, made into data sets by Kedro itself."""

from __future__ import annotations

from typing import Any

import pytest
from kedro.io import DataCatalog, DatasetError

from mixmas_pipeline.pipelines.data.custom.sources import catalog_entries

TABLE: dict[str, Any] = {
    "file": "pets.csv",
    "label": "kind",
    "task": "multiclass",
    "id": "name",
    "split": {"fractions": {"validation": 0.2, "test": 0.2}},
    "modalities": {
        "facts": {"kind": "tabular", "columns": ["age"]},
        "vector": {"kind": "embedding", "file": "vectors.npy"},
        "photo": {"kind": "image", "column": "photo", "folder": "photos", "height": 8, "width": 8},
        "story": {"kind": "text", "column": "story", "encoder": "someone/tiny", "revision": "v1"},
    },
}


def test_a_file_per_table_and_modality_that_has_one() -> None:
    entries = catalog_entries({"dataset": "pets", "pets": {"table": TABLE}, "avmnist": {}})
    files = {name: entry.get("filepath", entry.get("encoder")) for name, entry in entries.items()}
    assert files == {
        "pets.raw_table": "pets.csv",
        **{f"pets.{part}raw_vector": "vectors.npy" for part in ("", "predict.")},
        **{f"pets.{part}raw_photo": "photos" for part in ("", "predict.")},
        **{f"pets.{part}raw_story": "someone/tiny" for part in ("", "predict.")},
    }
    assert entries["pets.raw_story"]["revision"] == "v1"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("pets.raw_table", "pets.table.file"),
        ("pets.raw_vector", "pets.table.modalities.vector.file"),
        ("pets.raw_photo", "pets.table.modalities.photo.folder"),
        ("pets.predict.raw_vector", "pets.predict.sources.vector"),
    ],
)
def test_a_file_that_is_not_there_is_named_by_its_key(name: str, key: str) -> None:
    section = {"table": TABLE, "predict": {"sources": {"vector": "new.npy"}}}
    catalog = DataCatalog.from_config(catalog_entries({"pets": section}))
    with pytest.raises(DatasetError, match=rf"does not exist; {key} names it"):
        catalog.load(name)


@pytest.mark.parametrize("section", [None, {}, {"tabel": TABLE}, {"table": {**TABLE, "task": "what"}}])
def test_sections_without_a_right_table_have_no_files(section: Any) -> None:
    assert catalog_entries({"pets": section}) == {}
