"""A node's task on its way to another process."""

from __future__ import annotations

from pathlib import Path

import probes
import pytest
from kedro.pipeline import Node, Pipeline


def test_a_node_that_cannot_be_sent_is_named(tmp_path: Path) -> None:
    nodes = [Node(lambda x: x, "params:a", name, name=name, tags="trial") for name in ("one", "two")]
    with pytest.raises(ValueError, match=r"(one|two) cannot be sent to another process .*top level"):
        probes.run(tmp_path, Pipeline(nodes), {"params:a": 1}, cores=2)
