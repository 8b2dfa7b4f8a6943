"""Completes the section of a custom data set, from the section ``custom`` of the parameters and from the kinds and
shapes of the modalities.

What is written stays, key by key; so do values of ``--params``.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import ValidationError

from mixmas_pipeline.models.architecture import Fusion, FusionNetwork, Preset
from mixmas_pipeline.pipelines.data.custom.modalities import AudioParameters, ImageParameters
from mixmas_pipeline.pipelines.data.custom.parameters import TABLE, TableParameters
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.utils.parameters import check_keys

DEFAULTS = "custom"  # the section of the defaults
_SECTIONS = ("search", "training", "compare", "validate_search", "predict", "export", "reference")
_TAGS = ("type", "block")  # if they differ, the other keys do not belong together
_TOKENS, _MOST_TOKENS = 8, 16  # along a picture's side


def names(parameters: dict[str, Any]) -> list[str]:
    """The custom data sets, in the order in which they are written."""
    return [name for name, section in parameters.items() if isinstance(section, dict) and TABLE in section]


def complete(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters with every custom data set's section completed.

    A section whose table has a mistake stays as it is: the mistake is reported when its pipeline is made.

    Raises:
        ValueError: the section of the defaults is missing, or has an unknown key.
    """
    completed = dict(parameters)
    for name in names(parameters):
        try:
            table = TableParameters.model_validate(parameters[name][TABLE])
        except ValidationError:
            continue
        if not isinstance(parameters.get(DEFAULTS), dict):
            raise ValueError(
                f"the parameters have no section {DEFAULTS!r}; expected that of conf/base/parameters_custom.yml"
            )
        check_keys(parameters[DEFAULTS], DEFAULTS, ("tasks", "encoders", *_SECTIONS))
        completed[name] = _completed(name, parameters[name], table, parameters[DEFAULTS])
    return completed


def patch(side: int) -> int:
    """The side of a patch: the divisor that cuts a picture's side nearest to 8 patches (by ratio), and into at most
    16."""
    divisors = [d for d in range(1, side + 1) if side % d == 0 and side // d <= _MOST_TOKENS]
    return min(divisors, key=lambda d: abs(math.log(side / d / _TOKENS)))


def merge(old: Any, new: Any) -> Any:
    """``old`` updated with ``new``, key by key; a tokeniser or block of another type replaces the old one."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    if any(tag in old and tag in new and old[tag] != new[tag] for tag in _TAGS):
        return new
    return {**old, **{key: merge(old.get(key), value) for key, value in new.items()}}


def _completed(name: str, section: dict[str, Any], table: TableParameters, defaults: dict[str, Any]) -> dict[str, Any]:
    sections = {key: defaults.get(key) or {} for key in _SECTIONS}
    sections["search"] = merge(sections["search"], {"encoders": _encoders(table, defaults["encoders"])})
    settings = defaults["tasks"][table.task]
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
        pass  # reported when the pipelines are made
    else:
        completed["compare"] = merge({"baseline": baseline}, completed["compare"])
    written = table.model_copy(update={"source": table.source or name})
    return {**completed, TABLE: written.model_dump(mode="json")}


def _encoders(table: TableParameters, templates: dict[str, Any]) -> dict[str, Any]:
    stages = {}
    for name, modality in table.modalities.items():
        stage = templates[modality.form]
        if len(table.modalities) > 1:  # all fused tokens are as wide as the widest: no other candidate could be matched
            own = {candidate: _without_width(override) for candidate, override in stage.get("overrides", {}).items()}
            stage = {**stage, "overrides": own}
        if isinstance(modality, ImageParameters | AudioParameters):
            sides = [patch(side) for side in modality.sides]
            stage = merge(stage, {"tokeniser": {"patch": sides}})
        stages[name] = stage
    return stages


def _without_width(override: Any) -> Any:
    return {k: v for k, v in override.items() if k != "hidden_dim"} if isinstance(override, dict) else override


def _baseline(search: SearchParameters) -> dict[str, Any]:
    """M2-Mixer: every modality's reference encoder, concatenation, the reference fusion network."""
    encoders = {
        name: stage.encoder(stage.reference, stage.reference_candidate) for name, stage in search.encoders.items()
    }
    network = FusionNetwork(depth=search.fusion_network.depth, block=search.fusion_network.reference_candidate)
    fusion = Fusion(function="concat", network=network) if len(encoders) > 1 else None
    return Preset(encoders=encoders, fusion=fusion).model_dump(mode="json", exclude_none=True)
