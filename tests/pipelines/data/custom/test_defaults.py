"""Sections are completed key by key; what is written stays."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixmas_pipeline.pipelines.data.custom.defaults import complete, merge, names, patch


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
