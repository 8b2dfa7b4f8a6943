"""Hash the code that can change a result.

The unit is a top-level definition of a module: a function, a class or a constant. From a definition the closure follows
every name that it loads, through each form of import, to the definitions behind these names. What cannot be resolved
counts as its whole module: a needless run is only slow, a stale result is a silent wrong answer.

Not counted are comments, docstrings and layout; statements that only log or report progress, and texts made for them
alone; descriptions of fields; methods that only show an object; and the modules in ``SILENT``.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = __name__.split(".")[0]
# Modules and packages that never change what a node makes: they run nodes, show artefacts, log, or move bytes.
SILENT = (
    *("cli", "hooks", "runners"),
    *("datasets.atomic", "datasets.contents", "datasets.previews"),
    *("storage.event_file", "storage.locks", "storage.paths", "storage.retention"),
    *("utils.code_hash", "utils.log_relay", "utils.logs", "utils.progress"),
)
# Strings that name what is in there are not followed: the data says which block a model has (see ``fingerprints``).
LATE = "models.blocks"
_PROGRESS = "utils.progress"
_SHOWING = {"preview", "__repr__", "extra_repr", "_describe", "code_dependencies"}
_LOGGING = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# Tests in which these alone are called have no effect.
_PURE = {"all", "any", "isinstance", "len"}
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*(:[\w.]+)?")
_WHOLE, _EFFECTS, _MAIN = "*", "", "__main__"


class Definition(NamedTuple):
    """A top-level definition.

    Attributes:
        module: without the package's name, "training.trial"; "" is the package's ``__init__``.
        name: of the definition; "*" is the whole module, "" the statements that run when the module is imported.
    """

    module: str
    name: str


class Import(NamedTuple):
    """What an import binds a name to: the module, or what the module calls ``name``."""

    module: str
    name: str | None


class Binding(NamedTuple):
    """A name that an import statement binds.

    Attributes:
        name: "*" for all names.
        target: what it is bound to; None if that is not of the package.
        runs: the modules that the statement imports.
    """

    name: str
    target: Import | None
    runs: frozenset[str]


@dataclass
class _Module:
    """The top level of a module, by name."""

    name: str
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)  # our modules that run when this one is imported
    effects: list[ast.stmt] = field(default_factory=list)
    decorated: dict[str, list[ast.expr]] = field(default_factory=dict)
    main: list[ast.stmt] = field(default_factory=list)
    loggers: set[str] = field(default_factory=set)
    reporters: set[str] = field(default_factory=set)  # names imported from the module of progress
    imports_progress_late: bool = False  # perhaps: inside a function


class PackageCode:
    """The source of a package. Every file is read once.

    Args:
        root: folder of the package.
        package: its name.
        silent: modules and packages that are not followed.
        late: package whose members are not followed where a string names them.
    """

    def __init__(self, root: Path, package: str, silent: Sequence[str] = SILENT, late: str = LATE) -> None:
        self._root, self._package = root, package
        self._silent, self._late = frozenset(silent), late
        self._files: dict[str, Path | None] = {}
        self._modules: dict[str, _Module | None] = {}
        self._read: dict[Definition, tuple[str, frozenset[Definition]]] = {}
        self._closures: dict[frozenset[str], frozenset[Definition]] = {}
        self._hashes: dict[frozenset[str], dict[str, str]] = {}

    def closure(self, references: Iterable[str]) -> frozenset[Definition]:
        """Every definition that the referenced ones depend on, themselves included.

        Args:
            references: "module:qualified.name", "module.name" or "module", with the package's name. What is in another
                package is left out.
        """
        key = frozenset(references)
        if key not in self._closures:
            with _without_collection():
                self._closures[key] = self._follow(key)
        return self._closures[key]

    def hashes(self, references: Iterable[str]) -> dict[str, str]:
        """Module -> hash of the definitions in it that the referenced ones depend on.

        A module outside of the package is hashed as its whole file.
        """
        key = frozenset(references)
        if key not in self._hashes:
            by_module: dict[str, list[str]] = {}
            for definition in sorted(self.closure(key)):
                if text := self._definition(definition)[0]:
                    by_module.setdefault(definition.module or "__init__", []).append(f"{definition.name} {text}")
            found = {module: _digest("\n".join(texts)) for module, texts in by_module.items()}
            others = {reference.partition(":")[0] for reference in key if self._local(reference) is None}
            self._hashes[key] = found | {module: _file_hash(module) for module in sorted(others)}
        return self._hashes[key]

    def refers(self, references: Iterable[str], target: str) -> bool:
        """Whether the closure of the references has the target in it.

        Raises:
            ValueError: there is no such target.
        """
        module, _, name = target.partition(":")
        found = self._module(self._local(module) or "")
        if found is None or name not in found.definitions:
            raise ValueError(f"{target} is not defined")
        return Definition(found.name, name) in self.closure(references)

    def _follow(self, references: frozenset[str]) -> frozenset[Definition]:
        stack = [found for reference in references for found in self._named(reference)]
        seen = set(stack)
        while stack:
            for found in self._definition(stack.pop())[1]:
                if found not in seen and not self._is_silent(found.module):
                    seen.add(found)
                    stack.append(found)
        return frozenset(seen)

    def _is_silent(self, module: str) -> bool:
        parts = module.split(".")
        return any(".".join(parts[:length]) in self._silent for length in range(1, len(parts) + 1))

    def _definition(self, definition: Definition) -> tuple[str, frozenset[Definition]]:
        """The definition without what does not count, as text; and what it refers to."""
        if definition not in self._read:
            self._read[definition] = self._read_definition(definition)
        return self._read[definition]

    def _read_definition(self, definition: Definition) -> tuple[str, frozenset[Definition]]:
        module = self._module(definition.module)
        assert module is not None
        effects = Definition(module.name, _EFFECTS)
        if definition.name == _WHOLE:
            members = {Definition(module.name, name) for name in (*module.definitions, _MAIN)}
            members |= {found for name in module.imports for found in self.lookup(module.name, name, ())}
            return "", frozenset({*members, effects})
        if definition.name == _EFFECTS:
            reader = _Reader(self, module, module.effects)
            above = module.name.rpartition(".")[0]
            reader.references |= {
                Definition(name, _EFFECTS) for name in (*module.imported, above) if name != module.name
            }
            for name, decorators in module.decorated.items():
                if any(_Reader(self, module, [ast.Expr(decorator)]).ours for decorator in decorators):
                    reader.references.add(Definition(module.name, name))
            return reader.text if module.effects else "", frozenset(reader.references)
        statements = module.main if definition.name == _MAIN else module.definitions[definition.name]
        reader = _Reader(self, module, statements)
        return reader.text if statements else "", frozenset({*reader.references, effects})

    # --- names ------------------------------------------------------------------------------------------------------

    def lookup(self, module: str, name: str, attributes: tuple[str, ...]) -> set[Definition]:
        """What a module's name stands for, and the attributes taken from it where that is a module itself."""
        known = self._module(module)
        assert known is not None
        found = {Definition(module, name)} if name in known.definitions else set()
        if name in known.imports:
            found |= {Definition(module, _EFFECTS), *self.imported(known.imports[name], attributes)}
        if name == "__name__":
            found.add(Definition(module, _MAIN))
        return found

    def imported(self, target: Import, attributes: tuple[str, ...]) -> set[Definition]:
        """What an import brings, and the attributes taken from it where that is a module."""
        names = attributes if target.name is None else (target.name, *attributes)
        module = target.module
        for position, name in enumerate(names):
            known = self._module(module)
            if known is None:
                return set()
            # "from . import nodes" in a package binds what is a module of the package.
            if name in known.definitions or known.imports.get(name, Import(module, name)) != Import(module, name):
                return self.lookup(module, name, names[position + 1 :])
            if self._file(inner := f"{module}.{name}".strip(".")) is None:
                return {Definition(module, _WHOLE)}
            module = inner
        return {Definition(module, _WHOLE)} if self._file(module) else set()

    def named(self, text: str) -> set[Definition]:
        """What a string in the code names: "module:Class" or "module.Class"; nothing if it is another text."""
        if not text.startswith(self._package) or not _REFERENCE.fullmatch(text):
            return set()
        local = self._local(text)
        return set() if local is None or f"{local}.".startswith(f"{self._late}.") else self._named(text)

    def _named(self, reference: str) -> set[Definition]:
        local = self._local(reference)
        if local is None:
            return set()
        parts = local.split(".") if local else []
        length = len(parts)
        while length and self._file(".".join(parts[:length])) is None:
            length -= 1
        return self.imported(Import(".".join(parts[:length]), None), tuple(parts[length : length + 1]))

    def bindings(self, module: str, statement: ast.Import | ast.ImportFrom) -> Iterator[Binding]:
        """What an import statement of a module binds."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                local = self._local(alias.name)
                name = alias.asname or alias.name.partition(".")[0]
                target = None if local is None else Import(local if alias.asname else "", None)
                yield Binding(name, target, self._existing(local))
            return
        source = self._source(module, statement)
        for alias in statement.names:
            if source is None or self._file(source) is None:
                yield Binding(alias.asname or alias.name, None, frozenset())
            elif alias.name == _WHOLE:
                yield Binding(_WHOLE, Import(source, None), frozenset({source}))
            else:
                inner = self._existing(source, f"{source}.{alias.name}".strip("."))
                yield Binding(alias.asname or alias.name, Import(source, alias.name), inner)

    def _existing(self, *names: str | None) -> frozenset[str]:
        return frozenset(name for name in names if name is not None and self._file(name) is not None)

    def _source(self, module: str, statement: ast.ImportFrom) -> str | None:
        """The module of ours that a ``from`` statement names; None if it is another's."""
        if not statement.level:
            return self._local(statement.module or "")
        parts = module.split(".") if module else []
        if (file := self._file(module)) is None or file.name != "__init__.py":
            parts = parts[:-1]
        parts = parts[: len(parts) - statement.level + 1]
        return ".".join([*parts, *(statement.module.split(".") if statement.module else [])])

    def _local(self, name: str) -> str | None:
        """A dotted name without the package's; None if it is not in the package."""
        head, _, rest = name.replace(":", ".").partition(".")
        return rest if head == self._package else None

    # --- files ------------------------------------------------------------------------------------------------------

    def _file(self, module: str) -> Path | None:
        if module not in self._files:
            base = self._root.joinpath(*module.split(".")) if module else self._root
            files = (base / "__init__.py", *([base.with_name(f"{base.name}.py")] if module else []))
            self._files[module] = next((file for file in files if file.is_file()), None)
        return self._files[module]

    def _module(self, name: str) -> _Module | None:
        if name not in self._modules:
            file = self._file(name)
            self._modules[name] = None if file is None else self._scan(name, file)
        return self._modules[name]

    def _scan(self, name: str, file: Path) -> _Module:
        module = _Module(name)
        source = file.read_text(encoding="utf-8")
        _Scanner(self, module).scan(ast.parse(source).body)
        module.reporters = {bound for bound, target in module.imports.items() if _is_progress(target, ())}
        imports = source.count("progress import") + source.count("import progress")
        module.imports_progress_late = imports > bool(module.reporters)
        return module


class _Scanner:
    """Sorts the top-level statements of a module."""

    def __init__(self, code: PackageCode, module: _Module) -> None:
        self._code, self._module = code, module

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
        for binding in self._code.bindings(self._module.name, statement):
            if binding.name == _WHOLE:
                self._module.effects.append(statement)
            elif binding.target is not None:
                self._module.imports[binding.name] = binding.target
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

    imports: dict[str, list[Import | None]] = field(default_factory=dict)
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
    imports: dict[str, list[Import]] = field(default_factory=dict)
    texts: list[_Text] = field(default_factory=list)
    is_function: bool = False


class _Reader:
    """Reads a definition: its text without what does not count, and what it refers to."""

    def __init__(self, code: PackageCode, module: _Module, statements: Sequence[ast.stmt]) -> None:
        self._code, self._module = code, module
        self._statements = statements
        self._scopes = [_Scope()]
        self._out: list[Any] = []
        self.references: set[Definition] = set()
        self.ours = False
        self._body(statements)
        for name, attributes in self._scopes[0].loads:
            self.references |= code.lookup(module.name, name, attributes)
            for target in self._scopes[0].imports.get(name, []):  # in a class's body
                self.references |= code.imported(target, attributes)
            self.ours |= name in module.definitions or name in module.imports
        self.text = repr(self._out)

    # --- what counts ------------------------------------------------------------------------------------------------

    def _body(self, statements: Sequence[ast.stmt]) -> None:
        counted = [statement for statement in statements if not self._is_idle(statement)]
        self._out.append(len(counted))
        for statement in counted:
            if self._scopes[-1].is_function and (name := _text_name(statement)):
                self._text(name, statement)
            else:
                self._emit(statement)

    def _is_idle(self, statement: ast.stmt) -> bool:
        """Whether the statement does nothing, only logs or only reports progress."""
        if _has_no_effect(statement):
            return True
        if isinstance(statement, ast.If):
            calls = [
                node for node in ast.walk(statement.test) if isinstance(node, ast.Call | ast.NamedExpr | ast.Await)
            ]
            pure = all(isinstance(c, ast.Call) and isinstance(c.func, ast.Name) and c.func.id in _PURE for c in calls)
            return pure and all(self._is_idle(inner) for inner in (*statement.body, *statement.orelse))
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
            return False
        call = statement.value.func
        if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name):
            name = call.value.id
            if name in self._module.loggers and call.attr in _LOGGING:
                return name not in self._names.stored
            if self._reports and name in self._names.progress:
                return True
        return self._is_progress(call)

    def _is_progress(self, function: ast.expr) -> bool:
        """Whether the function (or class) comes from the module of progress."""
        base, attributes = _chain(function)
        if not self._reports or base is None:
            return False
        return base not in self._names.stored and self._is_imported_progress(self._names, base, attributes)

    @property
    def _reports(self) -> bool:
        return bool(self._module.reporters) or self._module.imports_progress_late

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
                for name, target, _ in self._code.bindings(self._module.name, node):
                    names.imports.setdefault(name, []).append(target)
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                values[id(node.optional_vars)] = node.context_expr
            elif isinstance(node, ast.Assign):
                values[id(node.targets[0])] = node.value
        for node in nodes:
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                bound.setdefault(node.id, []).append(values.get(id(node)))
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
            elif value and isinstance(value[0], ast.stmt):
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
        if isinstance(node.value, str):
            self.references |= self._code.named(node.value)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        arguments = node.args
        self._out.append(type(node).__name__)
        if not isinstance(node, ast.Lambda):
            self._out.append(node.name)
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
        self._out += ("ClassDef", node.name)
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
        for name, target, runs in self._code.bindings(self._module.name, node):
            self.references |= {Definition(module, _EFFECTS) for module in runs}
            scope.bound.add(name)
            if target is not None and name == _WHOLE:
                self.references |= self._code.imported(target, ())
            elif target is not None:
                scope.imports.setdefault(name, []).append(target)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        self._out.append(type(node).__name__)
        for item in node.items:
            if isinstance(item.context_expr, ast.Call) and self._is_progress(item.context_expr.func):
                self._bind_progress(item.optional_vars)
            else:
                self._emit(item)
        self._body(node.body)

    def _bind_progress(self, target: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self._scopes[-1].bound.add(target.id)
        elif target is not None:
            self._emit(target)

    def _assignment(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Call) and self._is_progress(node.value.func) and len(node.targets) == 1:
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
            for target in scope.imports.get(name, []):
                self.references |= self._code.imported(target, attributes)
            if name not in bound:
                self._scopes[-1].loads.append((name, attributes))

    @staticmethod
    def _drop_texts(scope: _Scope) -> None:
        """Leave out the texts that nothing uses any more."""
        texts = scope.texts
        if {"locals", "vars", "eval", "exec"} & {name for name, _ in scope.loads}:  # these use every name
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


def _has_no_effect(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _is_progress(target: Import, attributes: tuple[str, ...]) -> bool:
    path = ".".join(filter(None, (*target, *attributes)))
    return f"{path}.".startswith(f"{_PROGRESS}.")


def _text_name(statement: ast.stmt) -> str | None:
    """The name of a text or a function that the statement makes, which has no other effect."""
    if isinstance(statement, ast.FunctionDef) and not statement.decorator_list:
        return statement.name
    if not isinstance(statement, ast.Assign) or len(statement.targets) > 1:
        return None
    target, value = statement.targets[0], statement.value
    is_text = isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str))
    return target.id if is_text and isinstance(target, ast.Name) else None


def _makes_logger(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and _chain(value.func) in (("logging", ("getLogger",)), ("getLogger", ()))


def _chain(node: ast.expr | None) -> tuple[str | None, tuple[str, ...]]:
    """The name that an expression such as ``a.b.c`` begins with, and the attributes; None if it begins otherwise."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, tuple(reversed(attributes))) if isinstance(node, ast.Name) else (None, ())


@contextmanager
def _without_collection() -> Iterator[None]:
    """Syntax trees are many objects without cycles: looking for cycles in them takes longer than making them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def _file_hash(module: str) -> str:
    file = getattr(sys.modules.get(module), "__file__", None)
    return _digest(Path(file).read_text(encoding="utf-8")) if file else "unknown"


@cache
def package_code() -> PackageCode:
    """The source of this package."""
    return PackageCode(Path(__file__).parents[1], PACKAGE)


def code_hash(module: str, qualname: str = "") -> str:
    """Hash of a module of this package and all that it depends on, or of one definition of it.

    Args:
        qualname: of a function, a class or a method. Default: the whole module.
    """
    return combined_hash([f"{module}:{qualname}".rstrip(":")])


def combined_hash(references: Iterable[str]) -> str:
    """One hash of all that the references, "module:name" or "module", depend on."""
    return _digest(json.dumps(package_code().hashes(references), sort_keys=True))
