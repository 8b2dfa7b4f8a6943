"""Candidates' architectures: matched parameters, tokenisers, and the modalities of the table."""

from __future__ import annotations

from typing import Any

import pytest
from search_samples import brightness_table

from mixmas_pipeline.pipelines.search import nodes
from mixmas_pipeline.pipelines.search.parameters import MatchParameters


def stage() -> dict[str, Any]:
    return {
        "tokeniser": {"type": "values"},
        "tokenisers": {"plain": {"type": "vector"}},
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


def test_a_tokeniser_of_an_unknown_candidate_is_named() -> None:
    misspelt = {**stage(), "tokenisers": {"plian": {"type": "vector"}}}
    with pytest.raises(ValueError, match=r"tokenisers names 'plian', which is not among the candidates"):
        nodes.propose_encoders(brightness_table(40, shape=(5,)), {"x": misspelt}, MatchParameters())


def test_space_and_table_must_name_the_same_modalities() -> None:
    with pytest.raises(ValueError, match=r"\['y'\].*the table has \['x'\]"):
        nodes.propose_encoders(brightness_table(40), {"y": stage()}, MatchParameters())
