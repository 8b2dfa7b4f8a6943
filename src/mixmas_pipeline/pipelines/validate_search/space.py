"""The sub-space as a list of combinations, and the architecture of each."""

from __future__ import annotations

import math
from functools import cached_property
from itertools import product
from typing import Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.search.nodes import (
    FUSION_FUNCTION,
    FUSION_NETWORK,
    propose_encoders,
    propose_fusion_functions,
    propose_fusion_networks,
)
from mixmas_pipeline.pipelines.search.parameters import SearchParameters

Combination = dict[str, str]
Proposal = dict[str, Any]


def stages(search: SearchParameters) -> dict[str, list[str]]:
    """Stage -> candidates, in the order in which the search goes through them."""
    by_stage = {name: stage.names for name, stage in search.encoders.items()}
    if len(by_stage) > 1:
        by_stage |= {FUSION_FUNCTION: list(search.fusion_functions), FUSION_NETWORK: search.fusion_network.names}
    return by_stage


def count(search: SearchParameters) -> int:
    """How many combinations there are."""
    return math.prod(map(len, stages(search).values()))


def combinations(search: SearchParameters) -> dict[str, Combination]:
    """Every combination by name: one candidate of each stage."""
    by_stage = stages(search)
    choices = (dict(zip(by_stage, names, strict=True)) for names in product(*by_stage.values()))
    return {name_of(choice): choice for choice in choices}


def name_of(choice: Combination) -> str:
    """The candidates' names, in the order of the stages."""
    return "__".join(choice.values())


class Builder:
    """Proposals of the search's stages on one table, each made once.

    Args:
        table: gives shapes and statistics.
        search: the space.
    """

    def __init__(self, table: MultimodalTable, search: SearchParameters) -> None:
        self._table, self._search = table, search
        self._functions: dict[str, dict[str, Proposal]] = {}
        self._networks: dict[str, dict[str, Proposal]] = {}

    @cached_property
    def _encoders(self) -> dict[str, Proposal]:
        encoders = {name: stage.model_dump() for name, stage in self._search.encoders.items()}
        return propose_encoders(self._table, encoders, self._search.match)

    def stage(self, stage: str, chosen: Combination) -> dict[str, Proposal]:
        """The candidates of a stage after the choices of the stages before it."""
        if stage in self._search.encoders:
            return {name: self._encoders[f"{stage}.{name}"] for name in self._search.encoders[stage].names}
        encoders = {name: chosen[name] for name in self._search.encoders}
        if stage == FUSION_FUNCTION:
            if (key := name_of(encoders)) not in self._functions:
                choices = {name: self._encoders[f"{name}.{candidate}"] for name, candidate in encoders.items()}
                self._functions[key] = propose_fusion_functions(
                    self._table, list(self._search.fusion_functions), self._search.fusion_network, **choices
                )
            return self._functions[key]
        key = name_of(encoders | {FUSION_FUNCTION: chosen[FUSION_FUNCTION]})
        if key not in self._networks:
            choice = self.stage(FUSION_FUNCTION, chosen)[chosen[FUSION_FUNCTION]]
            self._networks[key] = propose_fusion_networks(choice, self._search.fusion_network, self._search.match)
        return self._networks[key]

    def whole(self, choice: Combination) -> Proposal:
        """The complete architecture of a combination."""
        last = list(choice)[-1]
        return self.stage(last, choice)[choice[last]]
