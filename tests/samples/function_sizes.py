"""How long functions are, and how deep their statements nest."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NESTING = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Size:
    """Of one function.

    Attributes:
        name: "class.function", or "function.inner function".
        lines: from ``def`` to its end, docstring and blank lines included.
        depth: of the deepest statement: 0 without any ``if``, ``for``, ``while``, ``with``, ``try`` or ``match``.
    """

    name: str
    lines: int
    depth: int


def sizes(file: Path) -> list[Size]:
    """Of every function and method of a module, inner functions included."""
    return list(_sizes(ast.parse(file.read_text()), ""))


def _sizes(node: ast.AST, prefix: str) -> Iterator[Size]:
    for child in ast.iter_child_nodes(node):
        name = prefix
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}.{child.name}".lstrip(".")
        if isinstance(child, _FUNCTION):
            assert child.end_lineno is not None
            yield Size(
                name,
                child.end_lineno - child.lineno + 1,
                max((_depth(statement) for statement in child.body), default=0),
            )
        yield from _sizes(child, name)


def _depth(statement: ast.AST) -> int:
    """An inner function or class begins anew; ``elif`` is as deep as its ``if``."""
    if isinstance(statement, (*_FUNCTION, ast.ClassDef)):
        return 0
    deeper = isinstance(statement, _NESTING)
    depths = []
    for child in ast.iter_child_nodes(statement):
        chained = isinstance(statement, ast.If) and statement.orelse == [child] and isinstance(child, ast.If)
        depths.append(_depth(child) - chained)
    return deeper + max(depths, default=0)
