"""A data set's section of the parameters, completed: everything that is not written there, from the section ``own`` and
from the kinds and shapes of the modalities.

What is written stays, key by key; so do values of ``--params``.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import ValidationError

from mixmas_pipeline.models.architecture import Encoder, Fusion, FusionNetwork, Preset
from mixmas_pipeline.pipelines.data.custom.parameters import TABLE, AudioParameters, ImageParameters, TableParameters
from mixmas_pipeline.pipelines.search.parameters import SearchParameters

OWN = "own"  # the section of the defaults
_TAGS = ("type", "block")  # of what has other keys if it is another one
_TOKENS, _MOST_TOKENS = 8, 16  # of a picture's side


def own_names(parameters: dict[str, Any]) -> list[str]:
    """The data sets of the user's own, in the order in which they are written."""
    return [name for name, section in parameters.items() if isinstance(section, dict) and TABLE in section]


def complete(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters with every own data set's section completed. A section whose table has an error stays as it is:
    the error is raised when its pipeline is made."""
    found = dict(parameters)
    for name in own_names(parameters):
        try:
            table = TableParameters.model_validate(parameters[name][TABLE])
        except ValidationError:
            continue
        if not isinstance(parameters.get(OWN), dict):
            raise ValueError(f"the parameters have no section {OWN!r}; expected that of conf/base/parameters_own.yml")
        found[name] = _completed(name, parameters[name], table, parameters[OWN])
    return found


def patch(side: int) -> int:
    """The side of a patch: of a picture's divisors the one that cuts it nearest to 8 patches (by ratio; never more than
    16)."""
    divisors = [d for d in range(1, side + 1) if side % d == 0 and side // d <= _MOST_TOKENS]
    return min(divisors, key=lambda d: abs(math.log(side / d / _TOKENS)))


def merge(old: Any, new: Any) -> Any:
    """``old`` with what ``new`` says, key by key; a tokeniser or block of another type replaces the old one."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    if any(tag in old and tag in new and old[tag] != new[tag] for tag in _TAGS):
        return new
    return {**old, **{key: merge(old.get(key), value) for key, value in new.items()}}


def _completed(name: str, section: dict[str, Any], table: TableParameters, own: dict[str, Any]) -> dict[str, Any]:
    sections = {key: own[key] for key in ("search", "training", "compare", "validate_search", "predict")}
    sections["search"] = merge(sections["search"], {"encoders": _encoders(table, own["encoders"])})
    settings = own["tasks"][table.task]
    sections["search"] = merge(
        sections["search"],
        {"selection": {"metric": settings["metric"]}, "budget": {"balance": settings["balance"]}},
    )
    sections["training"] = {**sections["training"], **settings}
    sections["validate_search"] = merge(sections["validate_search"], {"truth": {"balance": settings["balance"]}})
    completed = merge(sections, section)
    try:
        baseline = _baseline(SearchParameters.model_validate(completed["search"]))
    except ValidationError:
        pass  # raised when the pipelines are made
    else:
        completed["compare"] = merge({"baseline": baseline}, completed["compare"])
    written = table.model_copy(update={"source": table.source or name})
    return {**completed, TABLE: written.model_dump(mode="json")}


def _encoders(table: TableParameters, templates: dict[str, Any]) -> dict[str, Any]:
    stages = {}
    for name, modality in table.modalities.items():
        stage = templates[modality.form]
        if isinstance(modality, ImageParameters | AudioParameters):
            sides = [patch(side) for side in modality.sides]
            stage = merge(stage, {"tokeniser": {"patch": sides}})
        stages[name] = stage
    return stages


def _baseline(search: SearchParameters) -> dict[str, Any]:
    """M2-Mixer: every modality's reference encoder, their tokens side by side, the reference fusion network."""
    encoders = {
        name: Encoder(
            tokeniser=stage.tokenisers.get(stage.reference, stage.tokeniser),
            hidden_dim=stage.hidden_dim,
            depth=stage.depth,
            block=stage.reference_block,
        )
        for name, stage in search.encoders.items()
    }
    network = FusionNetwork(depth=search.fusion_network.depth, block=search.fusion_network.reference_block)
    fusion = Fusion(function="concat", network=network) if len(encoders) > 1 else None
    return Preset(encoders=encoders, fusion=fusion).model_dump(mode="json", exclude_none=True)
