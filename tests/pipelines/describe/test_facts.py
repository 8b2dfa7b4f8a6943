"""The facts equal those of plain numpy on the whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from described import changed, described, made

from mixmas_pipeline.data import table as tables
from mixmas_pipeline.data.table import Modality, TableSchema


def test_facts_are_those_of_the_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever chunks they are read, without padding, and without the rows that lack the modality."""
    monkeypatch.setattr(tables, "CHUNK_BYTES", 1000)
    splits = made("binary", ("photo", "notes"), missing={"photo": 0.25})
    photo = splits["train"].schema.modalities["photo"]
    scaled = Modality("image", photo.shape, "uint8", scale=0.5, offset=-3, unit="K", optional=True)
    schema = TableSchema({**splits["train"].schema.modalities, "photo": scaled}, "binary", ("well", "ill"), "planted")
    splits = {split: changed(table, schema=schema) for split, table in splits.items()}
    description, _ = described(splits)
    for split, table in splits.items():
        seen = table.arrays["photo"][table.present["photo"]] * 0.5 - 3
        own = description.modalities["photo"].splits[split]
        found = [getattr(own, name) for name in ("minimum", "maximum", "mean", "std", "missing")]
        expected = [seen.min(), seen.max(), seen.mean(), seen.std(), 1 - table.present["photo"].mean()]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        notes = table.arrays["notes"].astype(float)
        steps = notes.any(axis=-1)
        own = description.modalities["notes"].splits[split]
        np.testing.assert_allclose([own.mean, own.std], [notes[steps].mean(), notes[steps].std()], rtol=1e-9)
        lengths = steps.sum(axis=1)
        assert own.padding.model_dump() == {
            "steps": 6, "shortest": lengths.min(), "median": np.median(lengths), "longest": lengths.max(),
            "full": pytest.approx((lengths == 6).mean()), "share": pytest.approx(1 - steps.mean()),
        }  # fmt: skip
        assert description.patterns[split] == {
            "photo + notes": table.present["photo"].sum(),
            "notes": (~table.present["photo"]).sum(),
        }
        assert description.labels.classes[split] == {"well": (table.labels == 0).sum(), "ill": table.labels.sum()}
