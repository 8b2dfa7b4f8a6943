"""The contenders of a small comparison."""

from __future__ import annotations

import pytest
from compare_samples import TRAIN, preset, searched

from mixmas_pipeline.pipelines.compare import nodes
from mixmas_pipeline.pipelines.compare.results import Contender


@pytest.fixture(scope="module")
def contenders() -> dict[str, Contender]:
    return nodes.propose_contenders(TRAIN, searched(), preset())
