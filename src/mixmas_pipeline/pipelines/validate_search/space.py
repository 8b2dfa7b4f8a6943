"""The sub-space as a list of combinations: one candidate per stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from mixmas_pipeline.models.block_reader import CHECKED
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.search.results import FUSION_FUNCTION, FUSION_NETWORK
from mixmas_pipeline.pipelines.validate_search.results import SubSpace

Space = SearchParameters | SubSpace


def sub_space(search: Mapping[str, Any], candidates: Mapping[str, Sequence[str]]) -> SubSpace:
    """The part of the search space that has only the named candidates in the named stages.

    Args:
        search: ``SearchParameters``.
        candidates: stage -> names.

    Raises:
        ValueError: there is no such stage or candidate.
    """
    space = SearchParameters.model_validate(search, context=CHECKED)
    part = space.only({stage: tuple(names) for stage, names in candidates.items()})
    return SubSpace.model_validate({name: getattr(part, name) for name in SubSpace.model_fields})


def stages(space: Space) -> dict[str, list[str]]:
    """Stage -> candidates, in the order of the search."""
    by_stage = {name: stage.names for name, stage in space.encoders.items()}
    if len(by_stage) > 1:
        by_stage |= {FUSION_FUNCTION: list(space.fusion_functions), FUSION_NETWORK: space.fusion_network.names}
    return by_stage


def count(space: Space) -> int:
    """Number of combinations."""
    return math.prod(map(len, stages(space).values()))


def combinations(space: Space) -> dict[str, dict[str, str]]:
    """Each combination by name: stage -> candidate."""
    by_stage = stages(space)
    choices = (dict(zip(by_stage, names, strict=True)) for names in product(*by_stage.values()))
    return {name_of(choice): choice for choice in choices}


def name_of(choice: Mapping[str, str]) -> str:
    """The candidates' names, in the order of the stages."""
    return "__".join(choice.values())
