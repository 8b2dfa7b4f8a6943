"""Messages about mistakes in parameters: the key as it is written, what was found, what was expected."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from mixmas_pipeline.utils.parameters import Count, Distinct, Fraction, Parameters, Seed, check, check_keys, suggestion


class Patches(Parameters):
    type: Literal["patches"] = "patches"
    patch: Count


class Vector(Parameters):
    type: Literal["vector"] = "vector"


class Stage(Parameters):
    tokeniser: Annotated[Patches | Vector, Field(discriminator="type")]
    depth: Count = 1


class Section(Parameters):
    seeds: Annotated[tuple[Seed, ...], Distinct] = (0,)
    share: Fraction = 0.5
    stages: dict[str, Stage] = Field(default_factory=dict)
    extra: Stage | None = None


VALID = {"stages": {"image": {"tokeniser": {"type": "patches", "patch": 2}}}}


def test_a_valid_section_becomes_its_model() -> None:
    section = check(VALID, "a.search", Section)
    assert section.stages["image"].depth == 1
    assert section.share == 0.5


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"sead": 1}, "a.search.sead: Extra inputs are not permitted (found: 1); did you mean seeds?"),
        ({"xyz": 1}, "(found: 1); expected one of seeds, share, stages, extra"),
        ({"share": 1}, "a.search.share: Input should be less than 1 (found: 1)"),
        ({"seeds": [1, 1]}, "a.search.seeds: Value error, (1, 1) repeats one (found: [1, 1])"),
        ({"seeds": [-1]}, "a.search.seeds.0: Input should be greater than or equal to 0 (found: -1)"),
        (
            {"stages": {"image": {"tokeniser": {"type": "patches", "patch": 1, "pach": 2}}}},
            "a.search.stages.image.tokeniser.pach: Extra inputs are not permitted (found: 2); did you mean patch?",
        ),
        (
            {"stages": {"image": {"tokeniser": {"type": "vector"}, "deph": 2}}},
            "a.search.stages.image.deph: Extra inputs are not permitted (found: 2); did you mean depth?",
        ),
        (
            {"extra": {"tokeniser": {"type": "vector"}, "deph": 2}},
            "a.search.extra.deph: Extra inputs are not permitted (found: 2); did you mean depth?",
        ),
        (
            {"stages": {"image": {"tokeniser": {"type": "word"}}}},
            "a.search.stages.image.tokeniser: 'type' is 'word'; expected one of 'patches', 'vector'",
        ),
        (
            {"stages": {"image": {"tokeniser": {"typ": "vector"}}}},
            "a.search.stages.image.tokeniser: the key 'type' is missing (found: {'typ': 'vector'})",
        ),
        ("text", "a.search: Input should be a valid dictionary"),
        ({"share": "x" * 100}, f"(found: '{'x' * 76}...)"),
    ],
)
def test_a_mistake_is_named(section: Any, message: str) -> None:
    with pytest.raises(ValueError, match="the search parameters have 1 error") as error:
        check(section, "a.search", Section)
    assert message in str(error.value)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"2 error\(s\)") as error:
        check({"share": 2, "seeds": "x"}, "search", Section)
    assert "search.share" in str(error.value)
    assert "search.seeds" in str(error.value)


def test_infinity_and_changes_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        check({"share": float("nan")}, "search", Section)
    with pytest.raises(ValueError, match="frozen"):
        Section().share = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "unknown parameter serch: expected one of search, training; did you mean search?"),
        ("pets", "unknown parameter pets.serch: expected one of search, training; did you mean pets.search?"),
    ],
)
def test_an_unknown_key_is_named_with_its_path(path: str, message: str) -> None:
    check_keys(["training"], path, ["training", "search"])
    with pytest.raises(ValueError, match="unknown parameter") as error:
        check_keys(["serch"], path, ["training", "search"])
    assert str(error.value) == message


def test_nothing_is_suggested_for_what_is_like_nothing() -> None:
    assert suggestion("xyz", ["search", "training"]) == "expected one of search, training"
