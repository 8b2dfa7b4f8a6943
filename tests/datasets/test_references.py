"""Fitted references in the catalog."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from planted import planted

from mixmas_pipeline.datasets.references import ReferencesDataset
from mixmas_pipeline.training.inference import compute_logits
from mixmas_pipeline.training.references import fit_reference


def test_loaded_references_are_those_that_were_saved_in_their_order(tmp_path: Path) -> None:
    table = planted("binary", ("facts", "graph"), 60, 0)
    sets = [("facts", "graph"), ("facts",), ("graph",)] * 4  # more than ten: 10 comes after 9
    models = [fit_reference("linear", table, names, 0) for names in sets]
    dataset = ReferencesDataset(filepath=str(tmp_path / "linear"))
    dataset.save(models)
    loaded = dataset.load()
    assert [model.architecture for model in loaded] == [model.architecture for model in models]
    for before, after in zip(models, loaded, strict=True):
        first, second = (compute_logits(m, table, torch.device("cpu"))["fused"] for m in (before, after))
        np.testing.assert_array_equal(first, second)
    shown = json.loads(dataset.preview())
    assert [list(one["inputs"]) for one in shown] == [list(names) for names in sets]
