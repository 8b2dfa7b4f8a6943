"""The search space: what is refused with its name, and parts of the space."""

from __future__ import annotations

from typing import Any

import pytest
from planted_films import space
from pydantic import ValidationError

from mixmas_pipeline.models.block_reader import CHECKED
from mixmas_pipeline.pipelines.search.parameters import EncoderStage, SearchParameters

MIXER = {"block": "mlp_mixer", "channel_dim": 8}


def stage(**changes: Any) -> dict[str, Any]:
    """An encoder stage of two candidates."""
    return {
        "tokeniser": {"type": "projection"},
        "hidden_dim": 8,
        "depth": 1,
        "reference": "small",
        "candidates": {"small": MIXER, "large": {**MIXER, "channel_dim": 64}},
    } | changes


@pytest.mark.parametrize("name", ["Large", "2d", "a-b", "a.b", "", "holdout", "fusion_network"])
def test_names_of_candidates_and_modalities(name: str) -> None:
    """They name nodes and files, and must not be arguments of the search's nodes."""
    with pytest.raises(ValidationError, match=rf"'{name}' cannot name a candidate or modality; expected small letters"):
        EncoderStage.model_validate(stage(candidates={"small": MIXER, name: MIXER}))
    with pytest.raises(ValidationError, match=rf"'{name}' cannot name a candidate or modality"):
        SearchParameters.model_validate({**space().model_dump(), "encoders": {name: stage()}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidates": {"small": None, "large": None}}, "no candidate is left"),
        (
            {"candidates": {"small": None, "large": MIXER}},
            r"the reference 'small' is not among the candidates",
        ),
        ({"reference": "smal"}, r"the reference 'smal' is not among the candidates \['small', 'large'\]"),
        ({"depth": 0}, r"depth\n.*greater than or equal to 1"),
        ({"overrides": {"lage": {"depth": 2}}}, r"overrides names 'lage', which is not among"),
    ],
)
def test_stages_that_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EncoderStage.model_validate(stage(**changes))


def test_a_fusion_network_that_needs_a_grid_is_refused_once_blocks_are_checked() -> None:
    whole = space().model_dump()
    whole["fusion_network"]["candidates"]["regions"] = {"block": "ramlp", "channel_dim": 8}
    assert SearchParameters.model_validate(whole).fusion_network.names == ["mlp_mixer", "regions"]
    with pytest.raises(ValidationError, match=r"fusion network 'regions': ramlp needs a grid; fused tokens have none"):
        SearchParameters.model_validate(whole, context=CHECKED)


def test_a_removed_candidate_leaves_the_others_in_their_order() -> None:
    found = EncoderStage.model_validate(stage(candidates={"c": MIXER, "small": MIXER, "b": None, "a": MIXER}))
    assert found.names == list(found.blocks) == ["c", "small", "a"]


def test_a_part_of_the_space_keeps_the_reference() -> None:
    search = space()
    part = search.only({"plot": ("hyper_mixer",), "fusion_function": ("max",)})
    assert part.encoders["plot"].names == ["hyper_mixer"]
    assert part.encoders["plot"].reference == "mlp_mixer"
    assert part.encoders["plot"].reference_block == search.encoders["plot"].reference_block
    assert part.fusion_functions == ("max",)
    assert part.encoders["poster"] == search.encoders["poster"]
    assert search.fusion_functions == ("concat", "max"), "the whole space is as it was"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"plots": ("mlp_mixer",)}, "unknown stage 'plots': expected some of poster, plot, sound, fusion_function"),
        ({"plot": ("ramlp",)}, "unknown candidate 'ramlp': expected some of mlp_mixer, hyper_mixer, monarch_mixer"),
        ({"fusion_function": ("sum",)}, "unknown fusion function 'sum': expected some of concat, max"),
    ],
)
def test_parts_that_are_not_in_the_space(part: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        space().only(part)
