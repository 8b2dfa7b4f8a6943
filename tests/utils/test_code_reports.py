"""Which statements only log or report progress."""

from __future__ import annotations

import ast

import pytest

from mixmas_pipeline.utils.code_modules import read_module
from mixmas_pipeline.utils.code_reports import Reports

HEAD = "import logging\nfrom p.utils.progress import Progress, tell\nlog = logging.getLogger()\n"


def reports(body: str) -> tuple[Reports, ast.stmt]:
    """The reports of a function, and its last statement."""
    module = read_module("a", "p", f"{HEAD}def f(x, other):\n    {body}\n", is_package=False)
    (function,) = module.definitions["f"]
    assert isinstance(function, ast.FunctionDef)
    return Reports(module, [function]), function.body[-1]


@pytest.mark.parametrize(
    ("statement", "idle"),
    [
        ("pass", True),
        ("'a text'", True),
        ("log.info('%s of %s', len(x), round(x.mean(), 2))", True),
        ("log.info(x.pop())", False),  # takes something away
        ("log.info(y := 1)", False),  # binds a name
        ("log.setLevel(10)", False),
        ("other.info(x)", False),
        ("tell(x)", True),
        ("tell(next(x))", False),
        ("if isinstance(x, int): log.info(x)", True),
        ("if x.pop(): log.info(x)", False),
        ("if x: x.append(1)", False),
        ("return x", False),
    ],
)
def test_idle_statements(statement: str, idle: bool) -> None:
    known, last = reports(statement)
    assert known.is_idle(last) is idle


def test_a_name_bound_again_is_no_logger() -> None:
    known, last = reports("log = other; log.info(x)")
    assert not known.is_idle(last)


@pytest.mark.parametrize(
    ("value", "makes"),
    [("Progress(3, 'rows')", True), ("Progress(next(x), 'rows')", False), ("other.Progress(3)", False), ("x", False)],
)
def test_what_makes_a_report_of_progress(value: str, makes: bool) -> None:
    known, last = reports(f"y = {value}")
    assert isinstance(last, ast.Assign)
    assert known.makes_progress(last.value) is makes


def test_a_lambda_acts_only_when_it_is_called() -> None:
    known, _ = reports("pass")
    assert not known.may_act(ast.parse("lambda: x.pop()", mode="eval").body)
    assert known.may_act(ast.parse("(lambda: x)()", mode="eval").body)
