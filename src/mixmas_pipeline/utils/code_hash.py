"""A hash of this project's code, so that a result is known to be of the code that is there now."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = __name__.split(".")[0]
# What only shows artefacts: no result depends on it.
_SHOWING = {f"{PACKAGE}.datasets.previews", f"{PACKAGE}.datasets.contents"}


@cache
def code_hash(module: str) -> str:
    """Hash of a module of this project and of all of this project's modules that it imports, wherever it does so.

    Comments, docstrings and layout do not count, and neither do the modules that draw previews.
    """
    digest = hashlib.blake2b(digest_size=20)
    for name in sorted(_reachable(module)):
        digest.update(name.encode())
        digest.update(_own_hash(name))
    return digest.hexdigest()


def _reachable(module: str) -> set[str]:
    seen: set[str] = set()
    stack = [module]
    while stack:
        name = stack.pop()
        if name not in seen | _SHOWING and _source(name) is not None:
            seen.add(name)
            stack.extend(_imports(name))
    return seen


@cache
def _imports(module: str) -> frozenset[str]:
    """Names of this project's modules (or of what is in them) that a module imports, or names as "module:Class"."""
    names: set[str] = set()
    for statement in ast.walk(_syntax(module)):
        if isinstance(statement, ast.ImportFrom) and statement.module:
            names |= {statement.module, *(f"{statement.module}.{alias.name}" for alias in statement.names)}
        elif isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.Constant) and isinstance(statement.value, str):
            names.add(statement.value.partition(":")[0])
    return frozenset(name for name in names if name.startswith(f"{PACKAGE}."))


@cache
def _own_hash(module: str) -> bytes:
    return hashlib.blake2b(ast.dump(_syntax(module)).encode(), digest_size=20).digest()


@cache
def _source(module: str) -> Path | None:
    """The file of one of this project's modules, found without importing anything; None for what is no module."""
    base = Path(__file__).parents[1].joinpath(*module.split(".")[1:])
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


@cache
def _syntax(module: str) -> ast.AST:
    path = _source(module)
    assert path is not None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and body:
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = body[1:] or [ast.Pass()]
    return tree
