"""A hash of this project's code, so that a result is known to be of the code that is there now."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import cache
from pathlib import Path

PACKAGE = __name__.split(".")[0]


@cache
def code_hash(module: str) -> str:
    """Hash of a module of this project and of all of this project's modules that it imports, wherever it does so.

    Comments, docstrings and layout do not count.
    """
    digest = hashlib.blake2b(digest_size=20)
    for name in sorted(_reachable(module)):
        digest.update(name.encode())
        digest.update(ast.dump(_syntax(name)).encode())
    return digest.hexdigest()


def _reachable(module: str) -> set[str]:
    seen: set[str] = set()
    stack = [module]
    while stack:
        name = stack.pop()
        if name in seen or _source(name) is None:
            continue
        seen.add(name)
        for statement in ast.walk(_syntax(name)):
            if isinstance(statement, ast.ImportFrom) and statement.module:
                names = [statement.module, *(f"{statement.module}.{alias.name}" for alias in statement.names)]
            elif isinstance(statement, ast.Import):
                names = [alias.name for alias in statement.names]
            elif isinstance(statement, ast.Constant) and isinstance(statement.value, str):
                names = [statement.value.partition(":")[0]]  # "package.module:Class", resolved when it is needed
            else:
                continue
            stack.extend(n for n in names if n.startswith(f"{PACKAGE}."))
    return seen


@cache
def _source(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


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
