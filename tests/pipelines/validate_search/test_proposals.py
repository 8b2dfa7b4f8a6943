"""A sub-space is a part of the space: the same architectures, only fewer; for one modality and for many."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from planted_films import space, table

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.validate_search.nodes import narrow
from mixmas_pipeline.pipelines.validate_search.proposals import Builder
from mixmas_pipeline.pipelines.validate_search.results import SubSpace
from mixmas_pipeline.pipelines.validate_search.space import combinations, name_of, stages

TABLE = table(40, 0)


def whole_space() -> SearchParameters:
    raw = space().model_dump()
    raw["encoders"]["poster"]["candidates"]["mlp_mixer"]["channel_dim"] = 200  # so that matching has something to do
    raw["fusion_network"]["candidates"]["hyper_mixer"] = {"block": "hyper_mixer", "channel_dim": 50}
    raw["encoders"]["plot"]["overrides"] = {"hyper_mixer": {"tokeniser": {"type": "values"}}}
    return SearchParameters.model_validate(raw)


SUB_SPACES: list[dict[str, tuple[str, ...]]] = [
    {},
    {"poster": ("ramlp",), "fusion_network": ("hyper_mixer",)},  # both references are left out
    {"plot": ("mlp_mixer", "monarch_mixer"), "fusion_function": ("max",)},  # so is one with its own tokeniser
]


@pytest.mark.parametrize("chosen", SUB_SPACES)
def test_architectures_of_a_sub_space_are_those_of_the_space(chosen: dict[str, tuple[str, ...]]) -> None:
    search = whole_space()
    everything, part = combinations(search), combinations(search.only(chosen))
    assert list(part) == [
        name for name, c in everything.items() if all(c[stage] in names for stage, names in chosen.items())
    ]
    whole, narrowed = Builder(TABLE, search), Builder(TABLE, search.only(chosen))
    for choice in list(part.values())[:: max(1, len(part) // 4)]:
        assert narrowed.complete(choice) == whole.complete(choice)
    # The searches get the same sub-space, after a round trip through JSON.
    part_of_space = narrow(search.model_dump(), {stage: list(names) for stage, names in chosen.items()})
    again = SubSpace.model_validate(json.loads(json.dumps(part_of_space.model_dump(mode="json"))))
    assert stages(again) == stages(search.only(chosen))
    choice = next(iter(part.values()))
    assert Builder(TABLE, again).complete(choice) == whole.complete(choice)


def test_one_modality_has_no_fusion_stages() -> None:
    raw: dict[str, Any] = space().model_dump()
    raw["encoders"] = {"plot": raw["encoders"]["plot"]}
    search = SearchParameters.model_validate(raw)
    schema = replace(TABLE.schema, modalities={"plot": TABLE.schema.modalities["plot"]})
    single = MultimodalTable(schema, {"plot": TABLE.arrays["plot"]}, TABLE.labels, TABLE.ids)
    assert list(combinations(search)) == ["mlp_mixer", "hyper_mixer", "monarch_mixer"]
    for choice in combinations(search).values():
        architecture = Builder(single, search).complete(choice).architecture
        assert architecture.fusion is None
        assert architecture.encoders["plot"].block.block == name_of(choice)
