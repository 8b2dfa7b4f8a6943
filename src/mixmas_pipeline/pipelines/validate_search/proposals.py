"""Architectures of the sub-space, each built once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.search.proposals import (
    encoder_proposals,
    fusion_function_proposals,
    fusion_network_proposals,
)
from mixmas_pipeline.pipelines.search.results import FUSION_FUNCTION, Proposal
from mixmas_pipeline.pipelines.validate_search.space import Space, name_of


class Builder:
    """Proposals of the search's stages on one table, each built once.

    Args:
        table: gives shapes and statistics.
        space: the candidates.
    """

    def __init__(self, table: MultimodalTable, space: Space) -> None:
        self._table, self._space = table, space
        self._functions: dict[str, dict[str, Proposal]] = {}
        self._networks: dict[str, dict[str, Proposal]] = {}

    @cached_property
    def _encoders(self) -> dict[str, Proposal]:
        return encoder_proposals(self._table, self._space.encoders, self._space.match)

    def stage(self, stage: str, chosen: Mapping[str, str]) -> dict[str, Proposal]:
        """A stage's candidates after the choices of the stages before it.

        Args:
            stage: a modality, "fusion_function" or "fusion_network".
            chosen: earlier stage -> candidate.

        Returns:
            Candidate -> proposal.
        """
        if stage in self._space.encoders:
            return {name: self._encoders[f"{stage}.{name}"] for name in self._space.encoders[stage].names}
        encoders = {name: chosen[name] for name in self._space.encoders}
        return self._fusion_functions(encoders) if stage == FUSION_FUNCTION else self._fusion_networks(encoders, chosen)

    def complete(self, choice: Mapping[str, str]) -> Proposal:
        """The complete architecture of a combination."""
        last = list(choice)[-1]
        return self.stage(last, choice)[choice[last]]

    def _fusion_functions(self, encoders: dict[str, str]) -> dict[str, Proposal]:
        if (key := name_of(encoders)) not in self._functions:
            architectures = {name: self._encoders[f"{name}.{c}"].architecture for name, c in encoders.items()}
            self._functions[key] = fusion_function_proposals(
                self._table, self._space.fusion_functions, self._space.fusion_network, architectures
            )
        return self._functions[key]

    def _fusion_networks(self, encoders: dict[str, str], chosen: Mapping[str, str]) -> dict[str, Proposal]:
        function = chosen[FUSION_FUNCTION]
        key = name_of(encoders | {FUSION_FUNCTION: function})
        if key not in self._networks:
            fused = self._fusion_functions(encoders)[function].architecture
            self._networks[key] = fusion_network_proposals(fused, self._space.fusion_network, self._space.match)
        return self._networks[key]
