"""The top level of one module."""

from __future__ import annotations

import ast

import pytest

from mixmas_pipeline.utils.code_modules import Binding, Module, Target, local_name, read_module


def module(text: str, name: str = "a.b", *, is_package: bool = False) -> Module:
    return read_module(name, "p", text, is_package=is_package)


@pytest.mark.parametrize(("name", "expected"), [("p", ""), ("p.a.b", "a.b"), ("pp.a", None), ("a.p", None), ("", None)])
def test_names_of_the_package(name: str, expected: str | None) -> None:
    assert local_name("p", name) == expected


@pytest.mark.parametrize(
    ("statement", "is_package", "expected"),
    [
        ("from . import c", False, Target("a", "c")),
        ("from . import c", True, Target("a.b", "c")),
        ("from .c import d as e", False, Target("a.c", "d")),
        ("from .c import d as e", True, Target("a.b.c", "d")),
        ("from .. import c", False, Target("", "c")),
        ("from ..c.d import e", True, Target("a.c.d", "e")),
        ("import p.c", False, Target("", None)),
        ("import p.c as d", False, Target("c", None)),
    ],
)
def test_what_an_import_binds(statement: str, is_package: bool, expected: Target) -> None:
    """By the rules of Python's import system for the module p.a.b."""
    (target,) = module(statement, is_package=is_package).imports.values()
    assert target == expected


def test_an_import_from_elsewhere_binds_nothing_of_the_package() -> None:
    made = module("import numpy as np")
    (statement,) = ast.parse("from numpy import array as a").body
    assert isinstance(statement, ast.ImportFrom)
    assert made.imports == {}
    assert list(made.bindings(statement)) == [Binding("a", None, frozenset(), "numpy array")]


def test_the_top_level_is_sorted() -> None:
    made = module(
        '"""Text."""\n'
        "import logging\nfrom p.c import g\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from p.d import T\n"
        "log = logging.getLogger(__name__)\n"
        "X, Y = 1, 2\n"
        "X += 1\n"
        "REGISTRY['x'] = X\n"
        "@g\ndef f():\n    return X\n"
        "register(f)\n"
        "if __name__ == '__main__':\n    f()\n"
    )
    assert {name: len(statements) for name, statements in made.definitions.items()} == {
        "log": 1,
        "X": 2,
        "Y": 1,
        "f": 1,
    }
    assert made.imports == {"g": Target("c", "g"), "T": Target("d", "T")}
    assert made.imported == {"c", "c.g"}, "not what only type checkers import"
    assert len(made.effects) == 2
    assert (len(made.main), made.loggers, list(made.decorated)) == (1, {"log"}, ["f"])
