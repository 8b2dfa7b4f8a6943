"""Sections are completed key by key; what is written stays."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from graphs import configuration
from hypothesis import given
from hypothesis import strategies as st

from mixmas_pipeline.models.architecture import Architecture, Fusion, FusionNetwork, Input
from mixmas_pipeline.models.block_reader import CHECKED
from mixmas_pipeline.pipelines.data.custom.defaults import complete, merge, names, patch
from mixmas_pipeline.pipelines.search.parameters import MatchParameters, SearchParameters
from mixmas_pipeline.pipelines.search.proposals import fusion_network_proposals


@given(st.integers(4, 600))
def test_patches_cut_a_side_into_at_most_16(side: int) -> None:
    found = patch(side)
    assert side % found == 0
    assert 1 <= side // found <= 16


def test_a_tokeniser_of_another_type_replaces_the_old_one() -> None:
    old = {"tokeniser": {"type": "patches", "patch": 8}, "depth": 2}
    assert merge(old, {"tokeniser": {"type": "values"}}) == {"tokeniser": {"type": "values"}, "depth": 2}
    assert merge(old, {"tokeniser": {"patch": 4}})["tokeniser"] == {"type": "patches", "patch": 4}


@pytest.mark.parametrize(
    ("side", "expected"), [(64, 8), (28, 4), (224, 28), (17, 17), (20, 2), (7, 1)], ids=lambda number: str(number)
)
def test_a_side_is_cut_nearest_to_eight_by_ratio(side: int, expected: int) -> None:
    """Of 28 into 7 rather than 14; 17 into one, since 17 patches are over 16; of 20 into 10 rather than 5."""
    assert patch(side) == expected


TABLE = {
    "file": "pets.csv",
    "label": "kind",
    "task": "multiclass",
    "split": {"fractions": {"validation": 0.2, "test": 0.2}},
    "modalities": {"facts": {"kind": "tabular", "columns": ["age"]}},
}


def test_sections_with_a_table_are_the_data_sets() -> None:
    parameters = {"dataset": "pets", "b": {"table": TABLE}, "avmnist": {"sound": {}}, "a": {"table": {}}, "n": None}
    assert names(parameters) == ["b", "a"]


def test_a_section_whose_table_has_a_mistake_stays_as_it_is() -> None:
    """Its pipeline reports the mistake."""
    parameters = {"pets": {"table": {**TABLE, "task": "what"}, "training": {"max_epochs": 3}}, "other": 1}
    assert complete(parameters) == parameters


@pytest.mark.parametrize("others", [{}, {"custom": None}])
def test_without_defaults_the_file_that_has_them_is_named(others: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no section 'custom'; expected that of conf/base/parameters_custom.yml"):
        complete({"pets": {"table": TABLE}, **others})


def test_what_is_completed_is_new_and_the_parameters_stay() -> None:
    """What is written wins over the task's settings, these over the defaults."""
    given_ = {
        "pets": {"table": TABLE, "training": {"patience": 2, "balance": "classes"}},
        "custom": {
            "training": {"patience": 9, "max_epochs": 7, "metric": "r2"},
            "tasks": {"multiclass": {"metric": "accuracy", "balance": "none"}},
            "encoders": {"features": {"depth": 2}},
        },
    }
    before = deepcopy(given_)
    section = complete(given_)["pets"]
    assert given_ == before
    assert section["training"] == {"patience": 2, "max_epochs": 7, "metric": "accuracy", "balance": "classes"}
    assert section["search"]["encoders"] == {"facts": {"depth": 2}}
    assert section["search"]["budget"] == {"balance": "none"}
    assert section["table"]["source"] == "pets"


@pytest.mark.parametrize(("modalities", "width"), [(("facts",), 256), (("facts", "labs"), 64)])
def test_only_a_table_of_facts_alone_has_a_candidate_of_another_width(modalities: tuple[str, ...], width: int) -> None:
    """Fused tokens are as wide as the widest encoder's. At 256 no hyper_mixer is as small as the reference network."""
    table = {**TABLE, "modalities": {name: {"kind": "tabular", "columns": [name]} for name in modalities}}
    defaults = configuration("base")["parameters"]["custom"]
    completed = complete({"custom": defaults, "pets": {"table": table}})["pets"]
    search = SearchParameters.model_validate(completed["search"], context=CHECKED)
    encoders = {
        name: {candidate: stage.encoder(candidate, block) for candidate, block in stage.blocks.items()}
        for name, stage in search.encoders.items()
    }
    assert [found["real_mlp"].hidden_dim for found in encoders.values()] == [width] * len(modalities)
    if len(modalities) == 1:
        return
    for candidate in encoders["facts"]:
        inputs = {name: Input(shape=(5,), mean=0, std=1) for name in modalities}
        chosen = {name: encoders[name][candidate].fitted((5,)) for name in modalities}
        fusion = Fusion(function="concat", network=FusionNetwork(depth=2, block=search.fusion_network.reference_block))
        architecture = Architecture(
            task="multiclass", classes=("cat", "dog"), inputs=inputs, encoders=chosen, fusion=fusion
        )
        networks = fusion_network_proposals(architecture, search.fusion_network, MatchParameters())
        assert set(networks) == {"mlp_mixer", "hyper_mixer", "linear"}
