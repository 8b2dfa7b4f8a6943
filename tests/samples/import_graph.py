"""Which modules of a package import which, in any form that Python knows, without importing any."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

Graph = dict[str, set[str]]


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file of every module of the package in the folder ``root``."""
    names = {}
    for file in sorted(root.rglob("*.py")):
        parts = [root.name, *file.relative_to(root).with_suffix("").parts]
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


def imports(root: Path) -> Graph:
    """Module -> the package's modules that it imports, at its top or late, for types only, or by a name in a string."""
    files = modules(root)
    graph: Graph = {}
    for name, file in files.items():
        package = name if file.stem == "__init__" else name.rpartition(".")[0]
        named = set(_named(ast.parse(file.read_text()), package))
        graph[name] = {module for reference in named if (module := _module(reference, files))} - {name}
    return graph


def circle(graph: Graph) -> list[str]:
    """A shortest chain of modules that comes back to where it began; empty if there is none."""
    best: list[str] = []
    for start in graph:
        ways, seen = [[start]], {start}
        while ways and not (best and len(ways[0]) >= len(best)):
            way = ways.pop(0)
            for name in sorted(graph.get(way[-1], ())):
                if name == start:
                    best = best if best and len(best) <= len(way) else way
                elif name not in seen:
                    seen.add(name)
                    ways.append([*way, name])
    return best


def _named(tree: ast.Module, package: str) -> Iterator[str]:
    """Every dotted name that an import or a string of the module refers to."""
    root = package.partition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(rf"{root}(\.\w+)+(:\w+)?", node.value):  # "package.module:Class", "package.module"
                yield node.value.replace(":", ".")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attach"):  # lazy_loader's
            yield from (f"{package}.{name}" for name in _attached(node))


def _attached(call: ast.Call) -> Iterator[str]:
    """The submodules that a call of ``lazy_loader.attach`` names: a list of them, or a dict's keys."""
    for value in [*call.args[1:], *(keyword.value for keyword in call.keywords)]:
        keys = value.keys if isinstance(value, ast.Dict) else getattr(value, "elts", [])
        yield from (key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _module(reference: str, files: dict[str, Path]) -> str | None:
    """The module that a dotted name lies in; None if it is not of this package."""
    while reference and reference not in files:
        reference = reference.rpartition(".")[0]
    return reference or None
