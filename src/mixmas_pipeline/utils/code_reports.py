"""Statements that only log or report progress: they change no result."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cached_property

from mixmas_pipeline.utils.code_modules import PROGRESS, Module, Target, chain, dotted, has_no_effect

_LOGGING = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# Tests in which these alone are called have no effect.
_PURE = {"all", "any", "isinstance", "len"}
_BINDS = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)


class Reports:
    """Which statements of a definition only log or report progress."""

    def __init__(self, module: Module, statements: Sequence[ast.stmt]) -> None:
        self._module, self._statements = module, statements

    def is_idle(self, statement: ast.stmt) -> bool:
        """Whether the statement does nothing, only logs or only reports progress."""
        if has_no_effect(statement):
            return True
        if isinstance(statement, ast.If):
            calls = [node for node in ast.walk(statement.test) if isinstance(node, (ast.Call, *_BINDS))]
            pure = all(isinstance(c, ast.Call) and isinstance(c.func, ast.Name) and c.func.id in _PURE for c in calls)
            return pure and all(self.is_idle(inner) for inner in (*statement.body, *statement.orelse))
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
            return False
        function = statement.value.func
        if self._logs(function) or self.is_progress(function):
            return not any(isinstance(node, _BINDS) for node in ast.walk(statement))
        return False

    def _logs(self, function: ast.expr) -> bool:
        """Whether it is a method of a logger, or of what reports progress."""
        name = dotted(function.value) if isinstance(function, ast.Attribute) else ""
        if isinstance(function, ast.Attribute) and name in self._module.loggers and function.attr in _LOGGING:
            return name not in self._bound
        return bool(name) and self._module.reports_progress and self._is_meter(name)

    def is_progress(self, function: ast.expr) -> bool:
        """Whether the function (or class) comes from the module of progress."""
        if not self._module.reports_progress:
            return False
        base, attributes = chain(function)
        return base is not None and base not in self._bound and self._is_imported(base, attributes)

    def _is_meter(self, name: str) -> bool:
        """Whether the name, such as "self.progress", is bound to reports of progress only."""
        return name in self._bound and all(
            self._is_imported(*chain(value.func if isinstance(value, ast.Call) else value))
            for value in self._bound[name]
        )

    def _is_imported(self, base: str | None, attributes: tuple[str, ...]) -> bool:
        targets = list(self._imports.get(base or "", []))
        if base in self._module.imports:
            targets.append(self._module.imports[base])
        return len(targets) > 0 and all(target is not None and _is_progress(target, attributes) for target in targets)

    @cached_property
    def _nodes(self) -> list[ast.AST]:
        return [node for statement in self._statements for node in ast.walk(statement)]

    @cached_property
    def _imports(self) -> dict[str, list[Target | None]]:
        """What the definition's own imports bind, in whichever of its functions."""
        imports: dict[str, list[Target | None]] = {}
        for node in self._nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                for binding in self._module.bindings(node):
                    imports.setdefault(binding.name, []).append(binding.target)
        return imports

    @cached_property
    def _bound(self) -> dict[str, list[ast.expr | None]]:
        """What the definition binds otherwise, and to what: a value, the annotation of an argument, None if unknown."""
        bound: dict[str, list[ast.expr | None]] = {}
        values: dict[int, ast.expr] = {}
        for node in self._nodes:
            if isinstance(node, ast.withitem) and node.optional_vars is not None:
                values[id(node.optional_vars)] = node.context_expr
            elif isinstance(node, ast.Assign):
                values[id(node.targets[0])] = node.value
        for node in self._nodes:
            if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load):
                bound.setdefault(dotted(node), []).append(values.get(id(node)))
            elif isinstance(node, ast.arg):
                bound.setdefault(node.arg, []).append(node.annotation)
            elif (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler)
                and node.name
            ):
                bound.setdefault(node.name, []).append(None)
        return bound


def _is_progress(target: Target, attributes: tuple[str, ...]) -> bool:
    path = ".".join(filter(None, (*target, *attributes)))
    return f"{path}.".startswith(f"{PROGRESS}.")
