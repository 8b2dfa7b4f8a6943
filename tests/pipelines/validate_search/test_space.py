"""The sub-space as a list of combinations."""

from __future__ import annotations

from itertools import product

import pytest
from planted_films import space

from mixmas_pipeline.pipelines.validate_search.space import combinations, count, name_of, stages, sub_space


def test_combinations_are_the_product_of_the_stages() -> None:
    """Two, three and one encoders, two functions, one network."""
    found = combinations(space())
    assert count(space()) == len(found) == 2 * 3 * 1 * 2 * 1
    assert list(found.values()) == [
        {"poster": poster, "plot": plot, "sound": "mlp_mixer", "fusion_function": function, "fusion_network": network}
        for poster, plot, function, network in product(
            ("mlp_mixer", "ramlp"), ("mlp_mixer", "hyper_mixer", "monarch_mixer"), ("concat", "max"), ("mlp_mixer",)
        )
    ]
    assert all(name == name_of(choice) for name, choice in found.items())


def test_a_sub_space_has_the_named_candidates_in_the_spaces_order() -> None:
    part = sub_space(space().model_dump(), {"plot": ["monarch_mixer", "mlp_mixer"], "fusion_function": ["max"]})
    assert stages(part)["plot"] == ["mlp_mixer", "monarch_mixer"]
    assert stages(part)["fusion_function"] == ["max"]
    assert stages(part)["poster"] == ["mlp_mixer", "ramlp"]


def test_candidates_that_the_space_lacks_are_named() -> None:
    with pytest.raises(ValueError, match="unknown stage 'image': expected some of poster, plot, sound"):
        sub_space(space().model_dump(), {"image": ["mlp_mixer"]})
