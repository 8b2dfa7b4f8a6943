"""The tables that benchmarks/mimic.py generates."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mixmas_pipeline.pipelines.data.mimic import nodes
from mixmas_pipeline.pipelines.data.mimic.parameters import CohortParameters, LabelParameters
from mixmas_pipeline.pipelines.data.mimic.sources import MimicTablesDataset

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "mimic.py"


@pytest.mark.parametrize("edges", [(24, 48, 72, 168, 8760), (720, 8760)])
def test_generated_tables_have_every_class(edges: tuple[float, ...], tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("benchmark_mimic", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    benchmark.generate(tmp_path, rows=2000, stays=1000, seed=0)
    stays = nodes.select_stays(MimicTablesDataset(filepath=str(tmp_path), mirror="none").load(), CohortParameters())
    taken = stays[stays["left_out"] == ""]
    assert len(taken) == 1000
    labels = LabelParameters(edges=edges)
    counts = np.bincount(nodes._labels(taken, labels), minlength=len(labels.classes))
    assert (counts >= 10).all(), counts
