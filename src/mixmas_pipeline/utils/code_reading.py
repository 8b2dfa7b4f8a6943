"""Read a definition: what of it counts for a result, and which names it uses.

Only the syntax is looked at. ``mixmas_pipeline.utils.code_hash`` finds what the names stand for.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mixmas_pipeline.utils.code_modules import STAR, Module, Target, chain
from mixmas_pipeline.utils.code_reports import Reports

_SHOWING = {"preview", "__repr__", "extra_repr", "_describe"}
_BODIES = {"body", "orelse", "finalbody"}


# A name that is loaded, and the attributes taken from it: ``a.b.c`` is ("a", ("b", "c")).
Load = tuple[str, tuple[str, ...]]


class Use(NamedTuple):
    """Use of an imported name, and the attributes taken from it."""

    target: Target
    attributes: tuple[str, ...]


class Reading(NamedTuple):
    """A definition.

    Attributes:
        text: all that counts of it.
        names: of the module's top level that it uses, each with the attributes taken from it.
        uses: of what it imports itself.
        runs: modules that it imports itself.
        strings: that begin with the package's name.
    """

    text: str
    names: frozenset[Load]
    uses: frozenset[Use]
    runs: frozenset[str]
    strings: frozenset[str]


def read_definition(module: Module, statements: Sequence[ast.stmt]) -> Reading:
    """Read the statements of a module's top level that make a definition."""
    return _Reader(module, statements).read()


@dataclass
class _Text:
    """A text or a function inside a function that counts only if something else there uses it."""

    name: str
    parts: list[Any]
    loads: list[Load]


class _Reader:
    """Writes out what counts of a definition, and collects the names that it loads."""

    def __init__(self, module: Module, statements: Sequence[ast.stmt]) -> None:
        self._module, self._statements = module, statements
        self._reports = Reports(module, statements)
        self._out: list[Any] = []
        self._loads: list[Load] = []
        self._imports: dict[str, list[Target]] = {}
        self._used: set[Use] = set()
        self._runs: set[str] = set()
        self._strings: set[str] = set()
        self._texts: list[_Text] | None = None  # of the function around; None outside of functions
        self._has_texts = False
        self._depth = 0  # of definitions

    def read(self) -> Reading:
        """Read the definition."""
        self._body(self._statements)
        loads = frozenset(self._loads)
        self._used |= {Use(target, attributes) for name, attributes in loads for target in self._imports.get(name, [])}
        origins = {name: self._module.origins[name] for name, _ in loads if name in self._module.origins}
        parts = list(_flat(self._out)) if self._has_texts else self._out
        text = repr([*parts, *sorted(origins.items())])
        return Reading(text, loads, frozenset(self._used), frozenset(self._runs), frozenset(self._strings))

    def _body(self, statements: Sequence[ast.stmt]) -> None:
        self._out.append("{")
        for statement in statements:
            if self._reports.is_idle(statement):
                continue
            if self._texts is not None and (name := _text_name(statement)):
                self._text(name, statement, self._texts)
            else:
                self._emit(statement)
        self._out.append("}")

    def _text(self, name: str, statement: ast.stmt, texts: list[_Text]) -> None:
        self._has_texts = True
        out, before = self._out, len(self._loads)
        self._out = []
        self._emit(statement)
        texts.append(_Text(name, self._out, self._loads[before:]))
        del self._loads[before:]
        out.append(self._out)
        self._out = out

    # --- the syntax tree --------------------------------------------------------------------------------------------

    def _emit(self, node: ast.AST) -> None:
        if handler := _HANDLERS.get(type(node)):
            handler(self, node)
        else:
            self._generic(node)

    def _generic(self, node: ast.AST) -> None:
        out = self._out
        out.append(type(node).__name__)
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                if not isinstance(value, ast.expr_context):
                    self._emit(value)
            elif not isinstance(value, list):
                out.append(value)
            elif name in _BODIES and (not value or isinstance(value[0], ast.stmt)):
                self._body(value)
            else:
                self._list(value)

    def _list(self, values: Sequence[Any]) -> None:
        self._out.append(len(values))
        for entry in values:
            if isinstance(entry, ast.AST):
                self._emit(entry)
            else:
                self._out.append(entry)

    def _name(self, node: ast.Name) -> None:
        self._out += ("Name", node.id)
        if isinstance(node.ctx, ast.Load):
            self._loads.append((node.id, ()))

    def _attribute(self, node: ast.Attribute) -> None:
        base, attributes = chain(node)
        if base is None:
            self._generic(node)
        else:
            self._out += ("Attribute", base, *attributes)
            self._loads.append((base, attributes))

    def _constant(self, node: ast.Constant) -> None:
        self._out += ("Constant", node.value)
        if isinstance(node.value, str) and node.value.startswith(self._module.package):
            self._strings.add(node.value)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._out += (type(node).__name__, node.name)
        self._list([*node.decorator_list, node.returns, node.args, *getattr(node, "type_params", [])])
        outside, self._texts = self._texts, []
        before = len(self._loads)
        self._inside(node, node.body, lambda: self._drop_texts(self._texts or [], before))
        self._texts = outside

    def _class(self, node: ast.ClassDef) -> None:
        self._out += ("ClassDef", node.name)
        self._list([*node.decorator_list, *node.bases, *node.keywords, *getattr(node, "type_params", [])])
        outside, self._texts = self._texts, None
        self._inside(node, [entry for entry in node.body if getattr(entry, "name", None) not in _SHOWING])
        self._texts = outside

    def _inside(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
        body: Sequence[ast.stmt],
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        """Emit the body of a definition. Of one at the top level keep the names that are not its local variables."""
        before = len(self._loads)
        self._depth += 1
        self._body(body)
        self._depth -= 1
        finish()
        if not self._depth:
            visible = self._module.global_names(node) | set(self._imports)
            self._loads[before:] = [load for load in self._loads[before:] if load[0] in visible]

    def _drop_texts(self, texts: list[_Text], start: int) -> None:
        """Leave out the texts of a function that nothing else in it uses.

        Args:
            start: index of the function's first load.
        """
        if {"locals", "vars", "eval", "exec"} & {name for name, _ in self._loads[start:]}:  # these use every name
            self._loads += [load for text in texts for load in text.loads]
            return
        while used := {name for name, _ in self._loads[start:]} & {text.name for text in texts}:
            self._loads += [load for text in texts if text.name in used for load in text.loads]
            texts = [text for text in texts if text.name not in used]
        for text in texts:
            text.parts.clear()

    def _argument(self, node: ast.arg) -> None:
        self._out += ("arg", node.arg)
        if node.annotation is not None:
            self._emit(node.annotation)

    def _declared(self, node: ast.Global | ast.Nonlocal) -> None:
        self._generic(node)
        self._loads += [(name, ()) for name in node.names]

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self._out.append(ast.dump(node))
        for name, target, runs, _ in self._module.bindings(node):
            self._runs |= runs
            if target is not None and name == STAR:
                self._used.add(Use(target, ()))
            elif target is not None:
                self._imports.setdefault(name, []).append(target)

    def _withitem(self, node: ast.withitem) -> None:
        if isinstance(node.context_expr, ast.Call) and self._reports.is_progress(node.context_expr.func):
            self._target_of_progress(node.optional_vars)
        else:
            self._generic(node)

    def _assignment(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Call) and self._reports.is_progress(node.value.func) and len(node.targets) == 1:
            self._target_of_progress(node.targets[0])
        else:
            self._generic(node)

    def _target_of_progress(self, target: ast.expr | None) -> None:
        if target is not None and not isinstance(target, ast.Name):
            self._emit(target)

    def _call(self, node: ast.Call) -> None:
        if chain(node.func)[0] in ("Field", "pydantic"):  # a description is documentation
            node = ast.Call(node.func, node.args, [k for k in node.keywords if k.arg != "description"])
        self._generic(node)


_HANDLERS: dict[type, Any] = {
    ast.Name: _Reader._name,
    ast.Attribute: _Reader._attribute,
    ast.Constant: _Reader._constant,
    ast.FunctionDef: _Reader._function,
    ast.AsyncFunctionDef: _Reader._function,
    ast.ClassDef: _Reader._class,
    ast.arg: _Reader._argument,
    ast.Global: _Reader._declared,
    ast.Nonlocal: _Reader._declared,
    ast.Import: _Reader._import,
    ast.ImportFrom: _Reader._import,
    ast.withitem: _Reader._withitem,
    ast.Assign: _Reader._assignment,
    ast.Call: _Reader._call,
}


def _flat(parts: list[Any]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, list):
            yield from _flat(part)
        else:
            yield part


def _text_name(statement: ast.stmt) -> str | None:
    """The name of a text or a function that the statement makes, which has no other effect."""
    if isinstance(statement, ast.FunctionDef) and not statement.decorator_list:
        return statement.name
    if not isinstance(statement, ast.Assign) or len(statement.targets) > 1:
        return None
    target, value = statement.targets[0], statement.value
    is_text = isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str))
    return target.id if is_text and isinstance(target, ast.Name) else None
