"""Modules of a package as they are written: their definitions, imports and effects. Nothing is imported."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

STAR = "*"
PROGRESS = "utils.progress"


class Target(NamedTuple):
    """What an import binds a name to: a module of the package, or what the module calls ``name``.

    Attributes:
        module: without the package's name, "training.trial"; "" is the package's ``__init__``.
        name: None for the module itself.
    """

    module: str
    name: str | None


class Binding(NamedTuple):
    """A name that an import statement binds.

    Attributes:
        name: "*" for all names.
        target: None if that is not of the package.
        runs: what the statement imports, perhaps: a name may be a module or something in one.
        origin: what is bound, in words, of other packages too.
    """

    name: str
    target: Target | None
    runs: frozenset[str]
    origin: str


@dataclass
class Module:
    """The top level of a module.

    Attributes:
        name: without the package's.
        package: the package's name.
        source: its text.
        is_package: whether it is an ``__init__``.
        definitions: name -> the statements that make it.
        imports: name -> what it is bound to, if that is of the package.
        origins: name -> what it is bound to, in words.
        imported: modules that run when this one is imported, perhaps.
        effects: statements that do something when the module is imported.
        decorated: name -> decorators.
        main: what runs when the module is a program.
        loggers: names of loggers.
    """

    name: str
    package: str
    source: str
    is_package: bool
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Target] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)
    effects: list[ast.stmt] = field(default_factory=list)
    decorated: dict[str, list[ast.expr]] = field(default_factory=dict)
    main: list[ast.stmt] = field(default_factory=list)
    loggers: set[str] = field(default_factory=set)

    @cached_property
    def reports_progress(self) -> bool:
        """Whether it may report progress."""
        return PROGRESS.rpartition(".")[2] in self.source

    def global_names(self, definition: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> set[str]:
        """The names in the body of a definition at the top level that are not local variables there."""
        table = self._tables[definition.name, definition.lineno]
        return {name for inner in _nested(table) for name in _global_names(inner)}

    @cached_property
    def _tables(self) -> dict[tuple[str, int], symtable.SymbolTable]:
        children = symtable.symtable(self.source, self.name, "exec").get_children()
        return {(child.get_name(), child.get_lineno()): child for child in children}

    def bindings(self, statement: ast.Import | ast.ImportFrom) -> Iterator[Binding]:
        """What an import statement of the module binds."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                local = local_name(self.package, alias.name)
                name = alias.asname or alias.name.partition(".")[0]
                if local is None:
                    yield Binding(name, None, frozenset(), alias.name)
                else:
                    yield Binding(name, Target(local if alias.asname else "", None), frozenset({local}), alias.name)
            return
        source = self._source(statement)
        for alias in statement.names:
            name, origin = alias.asname or alias.name, f"{statement.module} {alias.name}"
            if source is None:
                yield Binding(name, None, frozenset(), origin)
            elif alias.name == STAR:
                yield Binding(STAR, Target(source, None), frozenset({source}), origin)
            else:
                runs = frozenset({source, f"{source}.{alias.name}".strip(".")})
                yield Binding(name, Target(source, alias.name), runs, origin)

    def _source(self, statement: ast.ImportFrom) -> str | None:
        """The module that a ``from`` statement names; None if it is not of the package."""
        if not statement.level:
            return local_name(self.package, statement.module or "")
        parts = self.name.split(".") if self.name else []
        parts = parts[: len(parts) - statement.level + self.is_package]
        return ".".join([*parts, *(statement.module.split(".") if statement.module else [])])


def local_name(package: str, name: str) -> str | None:
    """A dotted name without the package's; None if it is not in the package."""
    head, _, rest = name.partition(".")
    return rest if head == package else None


def read_module(name: str, package: str, source: str, *, is_package: bool) -> Module:
    """Sort the top-level statements of a module.

    Args:
        name: of the module, without the package's.
        source: its text.
    """
    module = Module(name, package, source, is_package)
    _Scanner(module).scan(ast.parse(source).body)
    return module


class _Scanner:
    """Sorts the top-level statements of a module."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def scan(self, statements: list[ast.stmt], *, runs: bool = True) -> None:
        """Take in statements; ``runs`` is false for imports that only type checkers see."""
        for statement in statements:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self._import(statement, runs)
            elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self._define(statement.name, statement)
                if statement.decorator_list:
                    self._module.decorated[statement.name] = statement.decorator_list
            elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
                self._assign(statement)
            elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
                self.scan(statement.body, runs=False)
                self.scan(statement.orelse)
            elif isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test):
                self._module.main.append(statement)
            elif not has_no_effect(statement):
                self._effect(statement)

    def _define(self, name: str, statement: ast.stmt) -> None:
        self._module.definitions.setdefault(name, []).append(statement)

    def _assign(self, statement: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = [node for target in targets for node in ast.walk(target) if isinstance(node, ast.expr)]
        if any(isinstance(node, ast.Attribute | ast.Subscript) for node in names):
            self._module.effects.append(statement)
            return
        for node in names:
            if isinstance(node, ast.Name) and node.id != "__all__":
                self._define(node.id, statement)
                if _makes_logger(statement.value):
                    self._module.loggers.add(node.id)

    def _effect(self, statement: ast.stmt) -> None:
        self._module.effects.append(statement)
        for node in ast.walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node, True)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self._define(node.name, statement)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._define(node.id, statement)

    def _import(self, statement: ast.Import | ast.ImportFrom, runs: bool) -> None:
        for binding in self._module.bindings(statement):
            if binding.name == STAR:
                self._module.effects.append(statement)
            elif binding.target is not None:
                self._module.imports[binding.name] = binding.target
            self._module.origins[binding.name] = f"{self._module.origins.get(binding.name, '')} {binding.origin}"
            if runs:
                self._module.imported |= binding.runs


def _nested(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _nested(child)


def _global_names(table: symtable.SymbolTable) -> Collection[str]:
    # The body of a class takes a name from the module as long as it has not bound it itself.
    return table.get_globals() if isinstance(table, symtable.Function) else table.get_identifiers()


def has_no_effect(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _makes_logger(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and chain(value.func) in (("logging", ("getLogger",)), ("getLogger", ()))


def chain(node: ast.expr | None) -> tuple[str | None, tuple[str, ...]]:
    """The name that an expression such as ``a.b.c`` begins with, and the attributes; None if it begins otherwise."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, tuple(reversed(attributes))) if isinstance(node, ast.Name) else (None, ())


def dotted(node: ast.expr) -> str:
    """The text of an expression such as ``a.b.c``; "" of another."""
    base, attributes = chain(node)
    return "" if base is None else ".".join((base, *attributes))
