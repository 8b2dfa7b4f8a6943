"""Mistakes in the parameters: the pipelines are made, or an error names the key.

``MIXMAS_FUZZ=2000`` draws that many examples, from a random seed.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

from fuzzing import examples
from graphs import configuration
from hypothesis import event, given
from hypothesis import strategies as st

from mixmas_pipeline import pipeline_registry
from mixmas_pipeline.config_loader import complete

OWN: dict[str, Any] = {
    "table": {
        "file": "pets.csv",
        "id": "name",
        "label": "outcome",
        "task": "binary",
        "positive": "ill",
        "split": {"fractions": {"validation": 0.2, "test": 0.2}, "group": "owner"},
        "modalities": {
            "facts": {"kind": "tabular", "columns": ["age", "kind"], "categories": ["kind"]},
            "photo": {"kind": "image", "column": "photo", "folder": "photos", "height": 16, "width": 16},
            "sound": {"kind": "audio", "column": "sound", "folder": "sounds", "optional": True},
            "story": {"kind": "words", "column": "story", "size": 50},
            "pulse": {"kind": "time_series", "columns": ["p1", "p2"]},
        },
    }
}
Path = tuple[str | int, ...]
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 1, 0.5, 1e9, 2**31, 2**63])
LEAVES = (
    st.none()
    | st.booleans()
    | NUMBERS
    | st.text(max_size=8)
    | st.sampled_from(["auto", "none", "yes", "*", "${x}", ""])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@cache
def parameters() -> dict[str, Any]:
    """Those of conf/base with a data set of one's own, complete."""
    return complete({**configuration("base")["parameters"], "dataset": "pets", "pets": OWN})


def paths(tree: Any, path: Path = ()) -> Iterator[Path]:
    """Every key, at any depth."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from paths(value, (*path, key))


@cache
def places() -> list[Path]:
    return [
        *(("pets", *path) for path in paths(parameters()["pets"])),
        *(("compute", *p) for p in paths(parameters()["compute"])),
    ]


@st.composite
def mistakes(draw: st.DrawFn) -> tuple[Path, dict[str, Any]]:
    """Where something was changed, and the parameters: another value, no value, or another name of a key."""
    changed = copy.deepcopy(parameters())
    path = draw(st.sampled_from(places()))
    parent: Any = changed
    for key in path[:-1]:
        parent = parent[key]
    match draw(st.sampled_from(["value", "value", "value", "left out", "name"])):
        case "value":
            parent[path[-1]] = draw(VALUES)
        case "left out":
            del parent[path[-1]]
        case "name" if isinstance(parent, dict):
            parent[f"{path[-1]}_"] = parent.pop(path[-1])
    return path, changed


def outcome(changed: dict[str, Any]) -> str:
    """The error's text; "" if there is none."""
    pipeline_registry.use_parameters(changed)
    try:
        pipeline_registry.register_pipelines()
        pipeline_registry.check_remaining_parameters()
    except ValueError as error:
        return str(error) or "no text"
    finally:
        pipeline_registry.use_parameters(None)
    return ""


def test_the_parameters_are_right_as_they_are() -> None:
    assert outcome(copy.deepcopy(parameters())) == ""


@examples(150)
@given(mistake=mistakes())
def test_a_mistake_is_named(mistake: tuple[Path, dict[str, Any]]) -> None:
    path, changed = mistake
    logging.disable(logging.WARNING)
    try:
        found = outcome(changed)
    finally:
        logging.disable(logging.NOTSET)
    event("refused" if found else "taken")
    last = next(key for key in reversed(path) if isinstance(key, str))  # of an element its list's
    named = not found or last in found
    assert named, f"{path}: {found}"
