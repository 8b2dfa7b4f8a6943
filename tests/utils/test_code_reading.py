"""One module at a time: its top level, and what of a definition counts. test_code_hash.py has whole packages."""

from __future__ import annotations

import ast

import pytest

from mixmas_pipeline.utils.code_reading import Binding, Module, Reading, Target, Use, local_name, read_module


def module(text: str, name: str = "a.b", *, is_package: bool = False) -> Module:
    return read_module(name, "p", text, is_package=is_package)


def reading(text: str, name: str = "f") -> Reading:
    made = module(text)
    return made.read(made.definitions[name])


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


def test_names_are_those_of_the_scope_around() -> None:
    """Parameters, assigned names, loop variables and nested functions are the function's own."""
    found = reading(
        "def f(a, *rest, b=DEFAULT):\n"
        "    c = a + OUTER.part\n"
        "    def inner(d):\n        return c + d + DEEP\n"
        "    return inner(sum(e for e in rest if e in SEEN))\n"
    )
    assert found.names == {("DEFAULT", ()), ("OUTER", ("part",)), ("DEEP", ()), ("sum", ()), ("SEEN", ())}


def test_imports_inside_a_function_are_its_own_uses() -> None:
    found = reading("def f():\n    from p.c import g\n    import numpy\n    return g.x(numpy.pi), 'p.d:h', 'q.d'\n")
    assert found.uses == {Use(Target("c", "g"), ("x",))}
    assert found.runs == {"c", "c.g"}
    assert found.strings == {"p.d:h"}


BASE = "import logging\nlog = logging.getLogger()\ndef f(x):\n    return x + 1\n"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("def f(x):\n    # Why.\n    return (x +\n        1)\n", True),
        ("def f(x):\n    '''Text.'''\n    log.info('x is %s', x)\n    return x + 1\n", True),
        ("def f(x):\n    text = f'{x}'\n    log.info(text)\n    return x + 1\n", True),
        ("def f(x):\n    return x + 2\n", False),
        ("def f(x):\n    return x + True\n", False),
        ("def f(y):\n    return y + 1\n", False),
        ("def f(x):\n    log.info(x.pop())\n    return x + 1\n", True),
        ("def f(x):\n    other.info(x)\n    return x + 1\n", False),
    ],
)
def test_only_what_can_change_a_result_is_in_the_text(text: str, same: bool) -> None:
    head = "import logging\nlog = logging.getLogger()\n"
    assert (reading(head + text).text == reading(BASE).text) == same
