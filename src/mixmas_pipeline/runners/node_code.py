"""The code of a node as the run has read it, to compare with what the process that runs the node has imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from kedro.io import CatalogProtocol
from kedro.pipeline.node import Node

from mixmas_pipeline.runners.fingerprints import code_references
from mixmas_pipeline.utils.code_hash import PACKAGE, digest, package_code, read_package_code
from mixmas_pipeline.utils.imported_sources import imported_sources


class CodeChanged(RuntimeError):
    """A node ran other code than the run has read, so its result cannot be recorded as made from either."""


@dataclass(frozen=True)
class NodeCode:
    """The code that a node's result is recorded as made from.

    Attributes:
        references: what the node is made of, "module:name".
        texts: module -> hash of its text.
        hashes: module, without the package's name -> hash of what counts in it.
    """

    references: tuple[str, ...]
    texts: dict[str, str]
    hashes: dict[str, str]

    @classmethod
    def of(cls, node: Node, catalog: CatalogProtocol) -> Self:
        """The code of a node as its fingerprint has it."""
        references, code = code_references(node, catalog), package_code()
        return cls(tuple(references), code.digests(references), code.hashes(references))

    def check(self, node: str) -> None:
        """Compare with what this process has imported so far. Other comments, for example, are no difference.

        Args:
            node: its name, for the error.

        Raises:
            CodeChanged: something that counts differs.
        """
        imported = imported_sources()
        others = [name for name, text in self.texts.items() if name in imported and digest(imported[name]) != text]
        if not others:
            return
        here = read_package_code().hashes(self.references)
        names = [name.removeprefix(f"{PACKAGE}.") for name in others]
        if changed := sorted(name for name in names if here.get(name) != self.hashes.get(name)):
            raise CodeChanged(
                f"{node}: the code of {', '.join(changed)} is not what it was when this run began; it was edited in "
                "between, or another machine has another version. The node's result is not recorded, since it may come "
                "from either. Finished nodes are kept: run the same command again"
            )
