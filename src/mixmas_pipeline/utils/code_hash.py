"""Hash the code that can change a result.

The unit is a top-level definition of a module: a function, a class or a constant. From a definition the closure follows
every name that it loads, through each form of import, to the definitions behind these names. What cannot be resolved
counts as its whole module: a needless run is only slow, a stale result is a silent wrong answer.

Not counted are comments, docstrings and layout; statements that only log or report progress (a call in them that may do
more than give a value for the text counts), and texts made for them alone; descriptions of fields; methods that only
show an object; and the modules in ``SILENT``.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.util import decode_source
from pathlib import Path
from typing import NamedTuple

from mixmas_pipeline.utils.code_modules import Module, Target, local_name, read_module
from mixmas_pipeline.utils.code_reading import Reading, read_definition
from mixmas_pipeline.utils.imported_sources import STARTED_NS, imported_sources, reloads

PACKAGE = __name__.split(".")[0]
# Modules and packages that never change what a node makes: they run nodes, show artefacts, log, or move bytes.
# (Not ``datasets.atomic_file`` and ``storage.memory_maps``: they decide which bytes are written.)
SILENT = (
    *("cli", "hooks", "runners"),
    *("datasets.atomic", "datasets.contents", "datasets.errors", "datasets.previews"),
    *("storage.atomic", "storage.cache", "storage.errors", "storage.event_file", "storage.hashing", "storage.locks"),
    *("storage.object_store", "storage.paths", "storage.retention"),
    *("utils.code_hash", "utils.code_modules", "utils.code_reading", "utils.code_reports"),
    "utils.imported_sources",
    *("utils.logs", "utils.packaged_project", "utils.progress", "utils.remote_logs"),
)
# A table of classes of which the data says which are used (see ``runners.fingerprints``): the table itself counts for
# nothing, so that another entry in it changes no result.
LATE = "models.blocks:BLOCKS"
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*(:[\w.]+)?")
_WHOLE, _EFFECTS, _MAIN = "*", "", "__main__"


class Definition(NamedTuple):
    """A top-level definition.

    Attributes:
        module: without the package's name, "training.trial"; "" is the package's ``__init__``.
        name: of the definition; "*" is the whole module, "" what happens when the module is imported.
    """

    module: str
    name: str


class Source(NamedTuple):
    """The text of a module, and whether it is a package."""

    text: bytes
    is_package: bool


class PackageCode:
    """The source of a package, read when this is made.

    Args:
        root: folder of the package.
        package: its name.
        silent: modules and packages that are not followed.
        late: "module:name" of a table that is left out together with what it names.
        imported: module, with the package's name -> the text that it was imported from. The file of another module is
            read.
    """

    def __init__(
        self,
        root: Path,
        package: str,
        silent: Sequence[str] = SILENT,
        late: str = LATE,
        imported: Mapping[str, bytes] | None = None,
    ) -> None:
        self._package = package
        self._silent, self._late = frozenset(silent), Definition(*late.split(":"))
        self._sources = dict(_read_sources(root, package, imported or {}))
        self._modules: dict[str, Module | None] = {}
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
            hashes = {module: digest("\n".join(texts)) for module, texts in by_module.items()}
            others = {reference.partition(":")[0] for reference in key if self._local(reference) is None}
            self._hashes[key] = hashes | {module: _file_hash(module) for module in sorted(others)}
        return self._hashes[key]

    def digests(self, references: Iterable[str]) -> dict[str, str]:
        """Module, with the package's name -> hash of its whole text, for the modules that the references depend on."""
        modules = {definition.module for definition in self.closure(references)}
        return {f"{self._package}.{module}".strip("."): digest(self._sources[module].text) for module in modules}

    def refers(self, references: Iterable[str], target: str) -> bool:
        """Whether the referenced definitions depend on the target, "module:name".

        Raises:
            ValueError: there is no such target.
        """
        module, _, name = target.partition(":")
        local = local_name(self._package, module)
        source = None if local is None else self._module(local)
        if source is None or name not in source.definitions:
            raise ValueError(f"{target} is not defined")
        return Definition(source.name, name) in self.closure(references)

    def _follow(self, references: frozenset[str]) -> frozenset[Definition]:
        stack = [definition for reference in references for definition in self._named(reference)]
        seen = set(stack)
        while stack:
            for definition in self._definition(stack.pop())[1]:
                if definition not in seen and not self._is_silent(definition.module):
                    seen.add(definition)
                    stack.append(definition)
        return frozenset(seen)

    def _is_silent(self, module: str) -> bool:
        parts = module.split(".")
        return any(".".join(parts[:length]) in self._silent for length in range(1, len(parts) + 1))

    # --- what a definition refers to --------------------------------------------------------------------------------

    def _definition(self, definition: Definition) -> tuple[str, frozenset[Definition]]:
        """The text of a definition, as far as it counts, and what it refers to."""
        if definition not in self._read:
            module = self._module(definition.module)
            assert module is not None
            result: tuple[str, set[Definition]]
            if definition == self._late:
                result = "", set()
            elif definition.name == _WHOLE:
                result = "", self._whole(module)
            elif definition.name == _EFFECTS:
                result = self._effects(module)
            else:
                statements = module.main if definition.name == _MAIN else module.definitions[definition.name]
                reading = read_definition(module, statements)
                result = (
                    reading.text if statements else "",
                    {*self._references(module, reading), *self._run(module.name)},
                )
            self._read[definition] = result[0], frozenset(result[1])
        return self._read[definition]

    def _whole(self, module: Module) -> set[Definition]:
        members = {Definition(module.name, name) for name in (_EFFECTS, _MAIN, *module.definitions)}
        return members.union(*(self._lookup(module, name, ()) for name in module.imports))

    def _effects(self, module: Module) -> tuple[str, set[Definition]]:
        """What happens when the module is imported: its statements, and those of modules that it imports in turn."""
        reading = read_definition(module, module.effects)
        references = self._references(module, reading) | self._run(module.name.rpartition(".")[0], *module.imported)
        for name, decorators in module.decorated.items():
            used = read_definition(module, [ast.Expr(decorator) for decorator in decorators]).names
            if any(used_name in module.definitions or used_name in module.imports for used_name, _ in used):
                references.add(Definition(module.name, name))
        return reading.text if module.effects else "", references

    def _references(self, module: Module, reading: Reading) -> set[Definition]:
        return self._run(*reading.runs).union(
            *(self._lookup(module, name, attributes) for name, attributes in reading.names),
            *(self._imported(target, attributes) for target, attributes in reading.uses),
            *(self._in_string(text) for text in reading.strings),
        )

    def _run(self, *modules: str) -> set[Definition]:
        """What importing the modules runs. A name that is no module runs nothing."""
        return {Definition(module, _EFFECTS) for module in modules if module in self._sources}

    def _lookup(self, module: Module, name: str, attributes: tuple[str, ...]) -> set[Definition]:
        """What a module's name stands for, and the attributes taken from it where that is a module itself."""
        definitions = {Definition(module.name, name)} if name in module.definitions else set()
        if name in module.imports:
            definitions |= {Definition(module.name, _EFFECTS), *self._imported(module.imports[name], attributes)}
        if name == "__name__":
            definitions.add(Definition(module.name, _MAIN))
        return definitions

    def _imported(self, target: Target, attributes: tuple[str, ...]) -> set[Definition]:
        """What an import brings, and the attributes taken from it where that is a module."""
        names = attributes if target.name is None else (target.name, *attributes)
        module = self._module(target.module)
        for position, name in enumerate(names):
            if module is None:
                return set()
            # "from . import nodes" in a package binds what is a module of the package.
            itself = Target(module.name, name)
            if name in module.definitions or module.imports.get(name, itself) != itself:
                return self._lookup(module, name, names[position + 1 :])
            inner = self._module(f"{module.name}.{name}".strip("."))
            if inner is None:
                return {Definition(module.name, _WHOLE), *self._late_exports(module, name)}
            module = inner
        return set() if module is None else {Definition(module.name, _WHOLE)}

    def _late_exports(self, package: Module, name: str) -> set[Definition]:
        """What a package may give by its ``__getattr__``: what its modules call so; if none does, all of them."""
        if not package.is_package or "__getattr__" not in package.definitions:
            return set()
        children = sorted(child for child in self._sources if child and child.rpartition(".")[0] == package.name)
        modules = [module for child in children if (module := self._module(child)) and not module.is_package]
        definitions = {Definition(module.name, name) for module in modules if name in module.definitions}
        return definitions or {Definition(module.name, _WHOLE) for module in modules}

    def _in_string(self, text: str) -> set[Definition]:
        """What a string in the code names: "module:Class" or "module.Class"; nothing if it is another text."""
        return self._named(text) if _REFERENCE.fullmatch(text) else set()

    def _named(self, reference: str) -> set[Definition]:
        local = self._local(reference)
        if local is None:
            return set()
        parts = local.split(".") if local else []
        length = len(parts)
        while length and ".".join(parts[:length]) not in self._sources:
            length -= 1
        return self._imported(Target(".".join(parts[:length]), None), tuple(parts[length : length + 1]))

    def _local(self, reference: str) -> str | None:
        return local_name(self._package, reference.replace(":", "."))

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            self._modules[name] = None
            if source := self._sources.get(name):
                text = decode_source(source.text)
                self._modules[name] = read_module(name, self._package, text, is_package=source.is_package)
        return self._modules[name]


def _read_sources(root: Path, package: str, imported: Mapping[str, bytes]) -> Iterator[tuple[str, Source]]:
    """Module without the package's name -> its source. What no import finds, such as an editor's files, is left out."""
    for file in sorted(root.rglob("*.py"), reverse=True):  # a package replaces a module of its name
        *folders, stem = file.relative_to(root).with_suffix("").parts
        name = ".".join(folders if stem == "__init__" else [*folders, stem])
        text = imported.get(f"{package}.{name}")
        if all(part.isidentifier() for part in (*folders, stem)):
            with suppress(OSError):
                yield name, Source(file.read_bytes() if text is None else text, stem == "__init__")


def package_code() -> PackageCode:
    """The source of this package: as imported, and of other modules as it was when the run began."""
    return _package_code(reloads())


@lru_cache(maxsize=1)
def _package_code(_: int) -> PackageCode:
    return read_package_code()


def read_again() -> None:
    """From now on, modules that are not imported yet are what their files are now."""
    _package_code.cache_clear()


def read_package_code() -> PackageCode:
    """The source of this package: as imported, and of other modules as it is now."""
    return PackageCode(Path(__file__).parents[1], PACKAGE, imported=imported_sources())


def code_hash(module: str, qualname: str = "") -> str:
    """Hash of a module of this package and all that it depends on, or of one definition of it.

    Args:
        qualname: of a function, a class or a method. Default: the whole module.
    """
    return combined_hash([f"{module}:{qualname}".rstrip(":")])


def combined_hash(references: Iterable[str]) -> str:
    """One hash of all that the references, "module:name" or "module", depend on."""
    return digest(json.dumps(package_code().hashes(references), sort_keys=True))


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


def digest(text: str | bytes) -> str:
    """Hash of a text."""
    return hashlib.blake2b(text.encode() if isinstance(text, str) else text, digest_size=10).hexdigest()


def _file_hash(module: str) -> str:
    """Hash of a module's file. If the file was changed after this process began, what was imported is unknown: then the
    result is unlike any other hash."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if not file:
        return "unknown"
    status = Path(file).stat()
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    return digest(Path(file).read_bytes()) if changed < STARTED_NS else f"changed at {changed}"
