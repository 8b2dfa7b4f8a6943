"""Candidates' architectures: matched parameters, tokenisers, and the modalities of the table."""

from __future__ import annotations

from typing import Any

import pytest
from graphs import configuration
from search_samples import brightness_table

from mixmas_pipeline.models.cost import match_parameters
from mixmas_pipeline.pipelines.search import nodes
from mixmas_pipeline.pipelines.search.parameters import MatchParameters


def stage() -> dict[str, Any]:
    return {
        "tokeniser": {"type": "values"},
        "overrides": {"plain": {"tokeniser": {"type": "vector"}}},
        "hidden_dim": 16,
        "depth": 2,
        "reference": "plain",
        "candidates": {"plain": {"block": "mlp"}, "mixer": {"block": "mlp_mixer", "token_dim": 4, "channel_dim": 99}},
    }


def test_a_candidate_may_have_its_own_tokeniser() -> None:
    """A plain MLP on the vector beside a mixer on a token per feature; parameters are matched all the same."""
    sample = brightness_table(40, shape=(5,))
    proposals = nodes.propose_encoders(sample, {"x": stage()}, MatchParameters())
    kinds = {name: p.architecture.encoders["x"].tokeniser.type for name, p in proposals.items()}
    assert kinds == {"x.plain": "vector", "x.mixer": "values"}
    plain, mixer = (proposals[name].parameters for name in ("x.plain", "x.mixer"))
    assert abs(plain - mixer) <= 0.1 * plain


@pytest.mark.parametrize("block", ["linear", "real_mlp"])
def test_some_blocks_keep_their_own_number_of_parameters(block: str) -> None:
    sample = brightness_table(40, shape=(5,))
    written = stage()
    written["candidates"][block] = {"block": block}
    written["overrides"] |= {block: {"tokeniser": {"type": "vector", "clip": 3, "frequencies": 2}}}
    proposals = nodes.propose_encoders(sample, {"x": written}, MatchParameters())
    encoder = proposals[f"x.{block}"].architecture.encoders["x"]
    assert (encoder.block.block, encoder.tokeniser.model_dump()) == (
        block,
        {"type": "vector", "clip": 3.0, "frequencies": 2},
    )
    assert proposals["x.mixer"].architecture.encoders["x"].block.model_dump()["channel_dim"] != 99
    with pytest.raises(ValueError, match=r"has no channel_dim|no channel_dim gives"):
        match_parameters(encoder.block, lambda block: 1000, 10, 0.1)


@pytest.mark.parametrize(("width", "tokeniser"), [(32, "values"), (33, "vector"), (1000, "vector")])
def test_a_wide_table_is_one_token(width: int, tokeniser: str) -> None:
    """The default candidates: a token per value of at most 32. The other two candidates have one token anyway."""
    search = configuration("base")["parameters"]["custom"]["encoders"]["features"]
    proposals = nodes.propose_encoders(brightness_table(40, shape=(width,)), {"x": search}, MatchParameters())
    kinds = {name: p.architecture.encoders["x"].tokeniser.model_dump() for name, p in proposals.items()}
    assert list(kinds) == ["x.mlp_mixer", "x.hyper_mixer", "x.real_mlp", "x.linear"]
    assert [kind["type"] for kind in kinds.values()] == [tokeniser, tokeniser, "vector", "vector"]
    assert kinds["x.mlp_mixer"].get("most") is None


def test_a_candidate_may_have_its_own_width_and_depth() -> None:
    sample = brightness_table(40, shape=(5,))
    written = stage() | {"overrides": {"mixer": {"hidden_dim": 24, "depth": 1}, "plain": None}}
    proposals = nodes.propose_encoders(sample, {"x": written}, MatchParameters(tolerance=None))
    sizes = {
        name: (p.architecture.encoders["x"].hidden_dim, p.architecture.encoders["x"].depth)
        for name, p in proposals.items()
    }
    assert sizes == {"x.plain": (16, 2), "x.mixer": (24, 1)}


def test_overrides_of_an_unknown_candidate_are_named() -> None:
    misspelt = {**stage(), "overrides": {"plian": {"depth": 1}}}
    with pytest.raises(ValueError, match=r"overrides names 'plian', which is not among the candidates"):
        nodes.propose_encoders(brightness_table(40, shape=(5,)), {"x": misspelt}, MatchParameters())


def test_space_and_table_must_name_the_same_modalities() -> None:
    with pytest.raises(ValueError, match=r"\['y'\].*the table has \['x'\]"):
        nodes.propose_encoders(brightness_table(40), {"y": stage()}, MatchParameters())
