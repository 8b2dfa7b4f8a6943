"""Read the definitions of a module: what of them counts for a result, and which names they use.

Only the syntax is looked at. ``mixmas_pipeline.utils.code_hash`` finds what the names stand for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

STAR = "*"
_PROGRESS = "utils.progress"
_SHOWING = {"preview", "__repr__", "extra_repr", "_describe"}
_LOGGING = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# Tests in which these alone are called have no effect.
_PURE = {"all", "any", "isinstance", "len"}
# Functions and methods that the arguments of a log statement may call. Another call may draw a random number or take
# from an iterator, so the statement counts.
_FOR_TEXTS = _PURE | {"counted", "duration", "float", "format", "int", "items", "join", "keys", "max", "mean", "min"}
_FOR_TEXTS |= {"nunique", "repr", "round", "rstrip", "sorted", "str", "strip", "sum", "tolist", "values"}
_BODIES = {"body", "orelse", "finalbody"}
_BINDS = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)


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
    names: frozenset[tuple[str, tuple[str, ...]]]
    uses: frozenset[Use]
    runs: frozenset[str]
    strings: frozenset[str]


@dataclass
class Module:
    """The top level of a module.

    Attributes:
        name: without the package's.
        package: the package's name.
        is_package: whether it is an ``__init__``.
        mentions_progress: whether it may report progress.
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
    is_package: bool
    mentions_progress: bool = False
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Target] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)
    effects: list[ast.stmt] = field(default_factory=list)
    decorated: dict[str, list[ast.expr]] = field(default_factory=dict)
    main: list[ast.stmt] = field(default_factory=list)
    loggers: set[str] = field(default_factory=set)

    def read(self, statements: Sequence[ast.stmt]) -> Reading:
        """Read statements of the module's top level."""
        return _Reader(self, statements).read()

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
    module = Module(name, package, is_package, mentions_progress=_PROGRESS.rpartition(".")[2] in source)
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
            elif not _has_no_effect(statement):
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


@dataclass
class _Names:
    """Names that the functions of a definition bind.

    Attributes:
        imports: by import statements; None if the target is not of the package.
        progress: to reports of progress only.
        stored: to something else.
    """

    imports: dict[str, list[Target | None]] = field(default_factory=dict)
    progress: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)


@dataclass
class _Text:
    """A text or a function inside a function that counts only if something else there uses it."""

    name: str
    parts: list[Any]
    loads: list[tuple[str, tuple[str, ...]]]


@dataclass
class _Scope:
    """What a function (or comprehension) binds and loads."""

    bound: set[str] = field(default_factory=set)
    free: set[str] = field(default_factory=set)  # global or nonlocal
    loads: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    imports: dict[str, list[Target]] = field(default_factory=dict)
    texts: list[_Text] = field(default_factory=list)
    is_function: bool = False


class _Reader:
    def __init__(self, module: Module, statements: Sequence[ast.stmt]) -> None:
        self._module, self._statements = module, statements
        self._scopes = [_Scope()]
        self._out: list[Any] = []
        self._used: set[Use] = set()
        self._runs: set[str] = set()
        self._strings: set[str] = set()

    def read(self) -> Reading:
        self._body(self._statements)
        scope = self._scopes[0]
        for name, attributes in scope.loads:
            self._used |= {Use(target, attributes) for target in scope.imports.get(name, [])}  # in a class's body
        loads = frozenset(scope.loads)
        origins = {name: self._module.origins[name] for name, _ in loads if name in self._module.origins}
        text = repr([*_flat(self._out), *sorted(origins.items())])
        return Reading(text, loads, frozenset(self._used), frozenset(self._runs), frozenset(self._strings))

    # --- what counts ------------------------------------------------------------------------------------------------

    def _body(self, statements: Sequence[ast.stmt]) -> None:
        self._out.append("{")
        for statement in statements:
            if self._is_idle(statement):
                continue
            if self._scopes[-1].is_function and (name := self._text_name(statement)):
                self._text(name, statement)
            else:
                self._emit(statement)
        self._out.append("}")

    def _is_idle(self, statement: ast.stmt) -> bool:
        """Whether the statement does nothing, only logs or only reports progress."""
        if _has_no_effect(statement):
            return True
        if isinstance(statement, ast.If):
            calls = [node for node in ast.walk(statement.test) if isinstance(node, (ast.Call, *_BINDS))]
            pure = all(isinstance(c, ast.Call) and isinstance(c.func, ast.Name) and c.func.id in _PURE for c in calls)
            return pure and all(self._is_idle(inner) for inner in (*statement.body, *statement.orelse))
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
            return False
        if self._may_act(*_arguments(statement.value)):
            return False
        call = statement.value.func
        if isinstance(call, ast.Attribute) and (name := _dotted(call.value)):
            if name in self._module.loggers and call.attr in _LOGGING:
                return name not in self._names.stored
            if self._reports and name in self._names.progress:
                return True
        return self._is_progress(call)

    def _may_act(self, *expressions: ast.expr) -> bool:
        """Whether evaluating the expressions may do something, beside giving values for a text."""
        stack: list[ast.AST] = list(expressions)
        while stack:
            node = stack.pop()
            if isinstance(node, _BINDS) or (isinstance(node, ast.Call) and not self._is_for_texts(node.func)):
                return True
            if not isinstance(node, ast.Lambda):
                stack += ast.iter_child_nodes(node)
        return False

    def _is_for_texts(self, function: ast.expr) -> bool:
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        return name in _FOR_TEXTS or self._is_progress(function)

    def _is_progress(self, function: ast.expr) -> bool:
        """Whether the function (or class) comes from the module of progress."""
        base, attributes = _chain(function)
        if not self._reports or base is None:
            return False
        return base not in self._names.stored and self._is_imported_progress(self._names, base, attributes)

    @property
    def _reports(self) -> bool:
        return self._module.mentions_progress

    def _is_imported_progress(self, names: _Names, base: str | None, attributes: tuple[str, ...]) -> bool:
        targets = [*names.imports.get(base or "", [])]
        if base in self._module.imports:
            targets.append(self._module.imports[base])
        return bool(targets) and all(target is not None and _is_progress(target, attributes) for target in targets)

    @cached_property
    def _names(self) -> _Names:
        """What the definition binds, in whichever of its functions."""
        names = _Names()
        values: dict[int, ast.expr] = {}
        bound: dict[str, list[ast.expr | None]] = {}
        nodes = [node for statement in self._statements for node in ast.walk(statement)]
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name, target, *_ in self._module.bindings(node):
                    names.imports.setdefault(name, []).append(target)
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                values[id(node.optional_vars)] = node.context_expr
            elif isinstance(node, ast.Assign):
                values[id(node.targets[0])] = node.value
        for node in nodes:
            if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load):
                bound.setdefault(_dotted(node), []).append(values.get(id(node)))
            elif isinstance(node, ast.arg):
                bound.setdefault(node.arg, []).append(node.annotation)
            elif (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler)
                and node.name
            ):
                bound.setdefault(node.name, []).append(None)
        for name, expressions in bound.items():
            made = [expression.func if isinstance(expression, ast.Call) else expression for expression in expressions]
            meter = all(self._is_imported_progress(names, *_chain(function)) for function in made)
            (names.progress if meter else names.stored).add(name)
        return names

    def _text_name(self, statement: ast.stmt) -> str | None:
        """The name of a text or a function that the statement makes, which has no other effect."""
        if isinstance(statement, ast.FunctionDef) and not statement.decorator_list:
            arguments = statement.args
            defaults = [default for default in (*arguments.defaults, *arguments.kw_defaults) if default is not None]
            return None if self._may_act(*defaults) else statement.name
        if not isinstance(statement, ast.Assign) or len(statement.targets) > 1:
            return None
        target, value = statement.targets[0], statement.value
        is_text = isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str))
        return target.id if is_text and isinstance(target, ast.Name) and not self._may_act(value) else None

    def _text(self, name: str, statement: ast.stmt) -> None:
        scope, out = self._scopes[-1], self._out
        before = len(scope.loads)
        self._out = []
        self._emit(statement)
        scope.texts.append(_Text(name, self._out, scope.loads[before:]))
        del scope.loads[before:]
        out.append(self._out)
        self._out = out

    # --- the syntax tree --------------------------------------------------------------------------------------------

    def _emit(self, node: ast.AST) -> None:
        kind = type(node)
        if handler := _HANDLERS.get(kind):
            handler(self, node)
        else:
            self._generic(node, node._fields)

    def _generic(self, node: ast.AST, fields: Iterable[str]) -> None:
        out = self._out
        out.append(type(node).__name__)
        for name in fields:
            value = getattr(node, name)
            if isinstance(value, ast.AST):
                if not isinstance(value, ast.expr_context):
                    self._emit(value)
            elif not isinstance(value, list):
                out.append(value)
            elif name in _BODIES and (not value or isinstance(value[0], ast.stmt)):
                self._body(value)
            else:
                out.append(len(value))
                for entry in value:
                    if isinstance(entry, ast.AST):
                        self._emit(entry)
                    else:
                        out.append(entry)

    def _name(self, node: ast.Name) -> None:
        self._out += ("Name", node.id)
        scope = self._scopes[-1]
        if isinstance(node.ctx, ast.Load):
            scope.loads.append((node.id, ()))
        else:
            scope.bound.add(node.id)

    def _attribute(self, node: ast.Attribute) -> None:
        base, attributes = _chain(node)
        if base is None:
            self._generic(node, node._fields)
        else:
            self._out += ("Attribute", base, *attributes)
            self._scopes[-1].loads.append((base, attributes))

    def _constant(self, node: ast.Constant) -> None:
        self._out += ("Constant", node.value)
        if isinstance(node.value, str) and node.value.startswith(self._module.package):
            self._strings.add(node.value)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        arguments = node.args
        self._out.append(type(node).__name__)
        if not isinstance(node, ast.Lambda):
            self._out += (node.name, len(node.decorator_list))
            self._scopes[-1].bound.add(node.name)
            for decorator in node.decorator_list:
                self._emit(decorator)
            if node.returns is not None:
                self._emit(node.returns)
        self._generic(arguments, arguments._fields)  # annotations and defaults belong to the scope around
        scope = _Scope(is_function=True)
        everyone = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        scope.bound |= {argument.arg for argument in everyone if argument is not None}
        self._scopes.append(scope)
        if isinstance(node, ast.Lambda):
            self._emit(node.body)
        else:
            self._body(node.body)
        self._close()

    def _argument(self, node: ast.arg) -> None:
        self._out += ("arg", node.arg)
        if node.annotation is not None:
            self._emit(node.annotation)

    def _class(self, node: ast.ClassDef) -> None:
        self._out += ("ClassDef", node.name, len(node.decorator_list), len(node.bases))
        self._scopes[-1].bound.add(node.name)
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self._emit(part)
        # Methods do not see what the class's body binds, so it has no scope of its own here.
        function, self._scopes[-1].is_function = self._scopes[-1].is_function, False
        bound = set(self._scopes[-1].bound)
        self._body([entry for entry in node.body if getattr(entry, "name", None) not in _SHOWING])
        self._scopes[-1].bound = bound
        self._scopes[-1].is_function = function

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self._out.append(type(node).__name__)
        self._emit(node.generators[0].iter)  # belongs to the scope around
        self._scopes.append(_Scope())
        for number, generator in enumerate(node.generators):
            self._emit(generator.target)
            if number:
                self._emit(generator.iter)
            self._out += (len(generator.ifs), generator.is_async)
            for test in generator.ifs:
                self._emit(test)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self._emit(part)
        self._close()

    def _named_expression(self, node: ast.NamedExpr) -> None:
        self._out += ("NamedExpr", node.target.id)  # in a comprehension it binds a name of the function around
        self._emit(node.value)

    def _except(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._scopes[-1].bound.add(node.name)
        self._generic(node, node._fields)

    def _free(self, node: ast.Global | ast.Nonlocal) -> None:
        self._generic(node, node._fields)
        self._scopes[-1].free |= set(node.names)
        self._scopes[-1].loads += [(name, ()) for name in node.names]

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self._out.append(ast.dump(node))
        scope = self._scopes[-1]
        for name, target, runs, _ in self._module.bindings(node):
            self._runs |= runs
            scope.bound.add(name)
            if target is not None and name == STAR:
                self._used.add(Use(target, ()))
            elif target is not None:
                scope.imports.setdefault(name, []).append(target)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        self._out.append(type(node).__name__)
        for item in node.items:
            if self._makes_progress(item.context_expr):
                self._bind_progress(item.optional_vars)
            else:
                self._emit(item)
        self._body(node.body)

    def _makes_progress(self, value: ast.expr) -> bool:
        return isinstance(value, ast.Call) and self._is_progress(value.func) and not self._may_act(*_arguments(value))

    def _bind_progress(self, target: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self._scopes[-1].bound.add(target.id)
        elif target is not None:
            self._emit(target)

    def _assignment(self, node: ast.Assign) -> None:
        if self._makes_progress(node.value) and len(node.targets) == 1:
            self._bind_progress(node.targets[0])
        else:
            self._generic(node, node._fields)

    def _call(self, node: ast.Call) -> None:
        if _chain(node.func)[0] in ("Field", "pydantic"):  # a description is documentation
            keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
            node = ast.Call(node.func, node.args, keywords)
        self._generic(node, node._fields)

    def _close(self) -> None:
        """End a scope: what it does not bind itself is loaded from the scope around."""
        scope = self._scopes.pop()
        self._drop_texts(scope)
        bound = scope.bound - scope.free
        for name, attributes in scope.loads:
            self._used |= {Use(target, attributes) for target in scope.imports.get(name, [])}
            if name not in bound:
                self._scopes[-1].loads.append((name, attributes))

    @staticmethod
    def _drop_texts(scope: _Scope) -> None:
        """Leave out the texts that nothing uses any more."""
        texts = scope.texts
        if {"locals", "vars", "eval", "exec"} & {name for name, _ in scope.loads}:  # these use every name
            scope.loads += [load for text in texts for load in text.loads]
            return
        while used := {name for name, _ in scope.loads} & {text.name for text in texts}:
            for text in texts:
                if text.name in used:
                    scope.loads += text.loads
            texts = [text for text in texts if text.name not in used]
        for text in texts:
            text.parts.clear()


_HANDLERS: dict[type, Any] = {
    ast.Name: _Reader._name,
    ast.Attribute: _Reader._attribute,
    ast.Constant: _Reader._constant,
    ast.FunctionDef: _Reader._function,
    ast.AsyncFunctionDef: _Reader._function,
    ast.Lambda: _Reader._function,
    ast.arg: _Reader._argument,
    ast.ClassDef: _Reader._class,
    ast.ListComp: _Reader._comprehension,
    ast.SetComp: _Reader._comprehension,
    ast.GeneratorExp: _Reader._comprehension,
    ast.DictComp: _Reader._comprehension,
    ast.NamedExpr: _Reader._named_expression,
    ast.ExceptHandler: _Reader._except,
    ast.Global: _Reader._free,
    ast.Nonlocal: _Reader._free,
    ast.Import: _Reader._import,
    ast.ImportFrom: _Reader._import,
    ast.With: _Reader._with,
    ast.AsyncWith: _Reader._with,
    ast.Assign: _Reader._assignment,
    ast.Call: _Reader._call,
}


def _flat(parts: list[Any]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, list):
            yield from _flat(part)
        else:
            yield part


def _has_no_effect(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _is_progress(target: Target, attributes: tuple[str, ...]) -> bool:
    path = ".".join(filter(None, (*target, *attributes)))
    return f"{path}.".startswith(f"{_PROGRESS}.")


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _makes_logger(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and _chain(value.func) in (("logging", ("getLogger",)), ("getLogger", ()))


def _chain(node: ast.expr | None) -> tuple[str | None, tuple[str, ...]]:
    """The name that an expression such as ``a.b.c`` begins with, and the attributes; None if it begins otherwise."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, tuple(reversed(attributes))) if isinstance(node, ast.Name) else (None, ())


def _dotted(node: ast.expr) -> str:
    """The text of an expression such as ``a.b.c``; "" of another."""
    base, attributes = _chain(node)
    return "" if base is None else ".".join((base, *attributes))
