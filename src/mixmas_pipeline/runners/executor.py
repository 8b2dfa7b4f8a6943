"""What the runner asks of an executor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

from kedro.pipeline.node import Node


@dataclass(frozen=True)
class NodeResult:
    """A node that has ended, and its error if it had one."""

    node: Node
    error: Exception | None = None


class Executor(Protocol):
    """Runs nodes, in this process or in others."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: Any) -> None:
        """Stop the nodes that still run."""

    def leaves_this_process(self, node: Node) -> bool:
        """Whether the node may run in another process."""

    def submit(self, node: Node) -> bool:
        """Accept a node, which then runs at the latest during ``wait``. False: there is no room for it now. An executor
        without nodes always has room."""

    def wait(self) -> list[NodeResult]:
        """Wait until at least one accepted node has ended."""
