"""What of a definition counts. test_code_hash.py has whole packages."""

from __future__ import annotations

import pytest

from mixmas_pipeline.utils.code_modules import Target, read_module
from mixmas_pipeline.utils.code_reading import Reading, Use, read_definition


def reading(text: str, name: str = "f") -> Reading:
    made = read_module("a.b", "p", text, is_package=False)
    return read_definition(made, made.definitions[name])


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
        ("def f(x):\n    log.info(x.pop())\n    return x + 1\n", False),
        ("def f(x):\n    other.info(x)\n    return x + 1\n", False),
    ],
)
def test_only_what_can_change_a_result_is_in_the_text(text: str, same: bool) -> None:
    head = "import logging\nlog = logging.getLogger()\n"
    assert (reading(head + text).text == reading(BASE).text) == same
