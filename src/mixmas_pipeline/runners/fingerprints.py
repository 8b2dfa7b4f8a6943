"""Why a node is reused or runs again (``reason_to_run``): a result is reused until something it was made from changes.

A node's fingerprint has the hash of its code, its parameters, the content of its inputs, and the versions of the
libraries that compute. Its code is every definition that its function, its data sets and their validators depend on
(see ``mixmas_pipeline.utils.code_hash``), and the blocks that it builds: the code builds whatever block is named, so
these are the blocks that the node's inputs and parameters name.

Beside every saved version lies ``provenance.json`` with the fingerprint it was made under and a hash of its content.
That hash is what later nodes see: a node that runs again and makes the same thing makes no other node run again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from functools import cache, partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Self

from kedro.io import CatalogProtocol, DatasetError
from kedro.io.core import AbstractVersionedDataset, VersionNotFoundError
from kedro.pipeline.node import Node

from mixmas_pipeline.models.blocks import BLOCKS
from mixmas_pipeline.models.implementations import implementations
from mixmas_pipeline.storage.atomic import is_complete, write_atomically
from mixmas_pipeline.storage.downloads import ask_again
from mixmas_pipeline.storage.hashing import hash_path
from mixmas_pipeline.storage.object_store import object_keys
from mixmas_pipeline.storage.paths import read_bytes, without_secrets
from mixmas_pipeline.utils.code_hash import PACKAGE, PackageCode, package_code, read_again
from mixmas_pipeline.utils.resources import ComputeParameters

if TYPE_CHECKING:
    from kedro.validation.core import ValidatorSpec

    from mixmas_pipeline.storage.paths import AnyPath

PROVENANCE_FILE = "provenance.json"
SEEN_WITHIN = 60.0  # seconds in which a network's file system shows what another machine has saved
SMALL = 1 << 20  # bytes of a file that is read to see whether it is what was saved
_LIBRARIES = (
    "torch",
    "torchaudio",
    "torchmetrics",
    "pytorch-lightning",
    "numpy",
    "scipy",
    "duckdb",
    "openpyxl",
    "soundfile",
    "pandas",
    "pyarrow",
    "pillow",
    "plotly",
    "matplotlib",
    "jinja2",
)

# Fits with scikit-learn, whose version counts for nodes that use it and for no others.
USES_SCIKIT_LEARN = f"{PACKAGE}.training.references:fit_reference"

# Inputs that no result depends on: the folder that a killed training resumes from.
_WITHOUT_EFFECT = ("params:checkpoints",)
_LIBRARY_DATASETS = ("kedro", "kedro_datasets", "builtins")
# Builds the blocks of a model. What they are is in the architecture.
BUILDS_BLOCKS = f"{PACKAGE}.models.encoder:MixerStack"
# Builds an architecture that is written down in the code, so that neither input nor parameter names its blocks.
BUILDS_PRESETS = f"{PACKAGE}.models.presets:build"


@dataclass(frozen=True)
class Fingerprint:
    """What a result is made from.

    Attributes:
        code: module -> hash of the definitions in it that count.
        libraries: name -> version.
        parameters: name -> JSON.
        inputs: name of the data set -> hash of its content.
        node: what the graph says of the node.
    """

    code: dict[str, str]
    libraries: dict[str, str]
    parameters: dict[str, str]
    inputs: dict[str, str]
    node: dict[str, str]

    def to_json(self) -> dict[str, dict[str, str]]:
        """The parts by name, as they are kept in ``provenance.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, dict[str, str]]) -> Self:
        """Reads what ``to_json`` gives. A part that is missing is empty, and one that is unknown is left out."""
        return cls(**{part.name: document.get(part.name, {}) for part in fields(cls)})

    def differences(self, other: Fingerprint) -> list[str]:
        """What differs, in words: parameters and inputs first, then code, libraries and the node."""
        named = {"parameters": "", "inputs": "", "code": "code of ", "libraries": "version of ", "node": "the node's "}
        return [
            what + key
            for part, what in named.items()
            for before, after in [(getattr(self, part), getattr(other, part))]
            for key in sorted({*before, *after})
            if before.get(key) != after.get(key)
        ]


def begin_run() -> None:
    """At the beginning of a run, forget what was read of code that is not imported yet, and of files on the web."""
    read_again()
    ask_again()


def fingerprint(node: Node, catalog: CatalogProtocol, compute: ComputeParameters) -> Fingerprint | None:
    """The node's fingerprint, or None when an input has no known content (it lives in memory only).

    The number of cores counts as it is written in ``compute``, since the bits of a result depend on the number of
    threads: "all" is the same thing on every machine.
    """
    order = node._inputs if isinstance(node._inputs, str | list | dict) else node.inputs
    wiring = {"name": node.name, "function": node.func.__qualname__, "inputs": json.dumps(order)}
    if compute.tag(node):
        wiring["cpus"] = str(compute.share(node).cpus)
    for name, mode in _datasets(node):
        if options := _options(name, mode, catalog):
            wiring[f"data set {name}"] = json.dumps(options, sort_keys=True)
    parameters: dict[str, str] = {}
    inputs: dict[str, str] = {}
    for name in node.inputs:
        if name in _WITHOUT_EFFECT:
            continue
        if _is_parameter(name):
            parameters[name] = _dump(catalog.load(name))
        elif (content := input_hash(catalog.get(name))) is not None:
            inputs[name] = content
        else:
            return None
    references = code_references(node, catalog)
    libraries = (*_LIBRARIES, "scikit-learn") if package_code().refers(references, USES_SCIKIT_LEARN) else _LIBRARIES
    return Fingerprint(package_code().hashes(references), _versions(libraries), parameters, inputs, wiring)


def code_references(node: Node, catalog: CatalogProtocol, code: PackageCode | None = None) -> list[str]:
    """The parts of a node's code, "module:name": its function, its data sets and their validators, its blocks.

    A node builds the blocks that its inputs and parameters name. If it builds blocks and nothing names them, all count.

    Args:
        code: the source. Default: this package's.
    """
    code = code or package_code()
    used = {reference for name, mode in _datasets(node) for reference in _dataset_code(name, mode, catalog)}
    references = [_reference(node.func), *sorted(used)]
    if not code.refers(references, BUILDS_BLOCKS):
        return references
    blocks: set[str] = set()
    for name in node.inputs:
        if _is_parameter(name):
            blocks |= set(implementations(json.loads(_dump(catalog.load(name)))))
        else:
            blocks |= set(_named_blocks(catalog.get(name)))
    if not blocks or code.refers(references, BUILDS_PRESETS):
        blocks = set(BLOCKS.values())
    return [*references, *sorted(blocks)]


def reason_to_run(node: Node, current: Fingerprint | None, catalog: CatalogProtocol) -> str:
    """Why the node has to run; empty if it is reused: every output's newest version has the current fingerprint."""
    if current is None:
        return "an input is not kept"
    for name in node.outputs:
        dataset = catalog.get(name)
        if (path := _newest(dataset)) is None:
            return f"{name} is not there"
        recorded = provenance(dataset)
        if recorded is None:
            return f"{name} has no record of how it was made"
        if (_is_small(path) or recorded["stat"] != _stat(path)) and recorded["content"] != hash_path(path):
            return f"{name} was altered"
        if recorded["fingerprint"] is None:
            return f"{name} was made from an input that was not kept"
        if differences := Fingerprint.from_json(recorded["fingerprint"]).differences(current):
            return f"{_shortened(differences)} changed"
    return ""


def record(node: Node, made_from: Fingerprint | None, catalog: CatalogProtocol, run_id: str | None) -> None:
    """Write the provenance of the versions that the node has just saved.

    Raises:
        DatasetError: a saved version is not visible here. (On a network file system that takes a while; an older
            version must not get its record.)
    """
    for name in node.outputs:
        if (path := _saved(name, catalog.get(name))) is None:
            continue
        text = json.dumps(
            {
                "dataset": name,
                "node": node.name,
                "run": run_id,
                "content": hash_path(path),
                "stat": _stat(path),
                "fingerprint": made_from and made_from.to_json(),
            },
            indent=1,
        )
        write_atomically(path.parent / PROVENANCE_FILE, partial(Path.write_text, data=text))


def provenance(dataset: Any) -> dict[str, Any] | None:
    """The record beside a data set's newest version; None if there is no version or no whole record."""
    path = _newest(dataset)
    if path is None:
        return None
    try:
        recorded = json.loads(read_bytes(path.parent / PROVENANCE_FILE))
    except (FileNotFoundError, ValueError):
        return None
    return recorded if {"content", "stat", "fingerprint"} <= set(recorded) else None


def input_hash(dataset: Any) -> str | None:
    """Identity of a data set's content: declared by a source, recorded beside a version, or hashed now."""
    if hasattr(dataset, "fingerprint"):
        return dataset.fingerprint()
    if recorded := provenance(dataset):
        return recorded["content"]
    path = _newest(dataset)
    return None if path is None else hash_path(path)


def _stat(path: AnyPath) -> list[list[Any]]:
    """Size and time of a file, or of every file of a folder; in an object store its ETag, size and time. If they are
    the same, the file is taken as unchanged without being read."""
    if not isinstance(path, Path):
        return [[name, key] for name, key in sorted((object_keys(path) or {}).items())]
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return [[file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _is_small(path: AnyPath) -> bool:
    """Whether the file is read instead of trusting its size and time: that costs next to nothing."""
    return isinstance(path, Path) and path.is_file() and path.stat().st_size <= SMALL


@cache
def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for library in libraries:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "absent"
    return found


def _saved(name: str, dataset: Any) -> AnyPath | None:
    """The version that this run has saved; None if the data set has no versions."""
    if not isinstance(dataset, AbstractVersionedDataset) or dataset._version is None:
        return None
    path: Any = dataset._get_versioned_path(dataset.resolve_save_version() or "")
    path = Path(path) if isinstance(path, PurePath) else path
    deadline = time.monotonic() + SEEN_WITHIN
    while not is_complete(path):
        if time.monotonic() > deadline:
            raise DatasetError(f"{name}: {path} was saved, and is still not seen here after {SEEN_WITHIN:.0f} seconds")
        time.sleep(0.2)
    return path


def _newest(dataset: Any) -> AnyPath | None:
    if not isinstance(dataset, AbstractVersionedDataset) or dataset._version is None:
        return None
    try:
        path = dataset._get_load_path()
        return Path(path) if isinstance(path, PurePath) else path
    except VersionNotFoundError:
        return None


def _datasets(node: Node) -> list[tuple[str, str]]:
    """The node's data sets, each with what the node does with it: "load" or "save"."""
    loaded = [(name, "load") for name in node.inputs if not _is_parameter(name)]
    return [*loaded, *((name, "save") for name in node.outputs)]


def _validator(name: str, mode: str, catalog: CatalogProtocol) -> ValidatorSpec | None:
    """The validator that the catalog runs when a data set is loaded, or saved; None if there is none."""
    specs: dict[str, ValidatorSpec] = getattr(catalog, "validator_specs", {})
    validator = specs.get(name)
    return validator if validator is not None and validator.enabled and mode in validator.on else None


def _dataset_code(name: str, mode: str, catalog: CatalogProtocol) -> Iterator[str]:
    """The code that loads and saves a data set: its class, and what the catalog names of this package."""
    dataset: Any = catalog.get(name)
    if type(dataset).__module__.partition(".")[0] not in _LIBRARY_DATASETS:
        yield _reference(type(dataset))
    named = dataset.configured_classes() if hasattr(dataset, "configured_classes") else []
    if validator := _validator(name, mode, catalog):
        named = [*named, validator.class_path]
    yield from (path for path in named if path.startswith(f"{PACKAGE}."))


def _options(name: str, mode: str, catalog: CatalogProtocol) -> dict[str, Any]:
    """The catalog's options to load and save a data set; empty if its class decides alone."""
    dataset: Any = catalog.get(name)
    options: dict[str, Any] = {"dataset": dataset.file_options} if hasattr(dataset, "file_options") else {}
    if validator := _validator(name, mode, catalog):
        options["validator"] = validator.to_config()
    return options


def _named_blocks(dataset: Any) -> list[str]:
    """The blocks that a data set names, "module:Class": as it declares, or in the JSON of its newest version."""
    if hasattr(dataset, "blocks"):
        return dataset.blocks()
    path = _newest(dataset)
    return implementations(json.loads(read_bytes(path))) if path is not None and path.suffix == ".json" else []


def _is_parameter(name: str) -> bool:
    return name == "parameters" or name.startswith("params:")


def _reference(definition: Any) -> str:
    return f"{definition.__module__}:{definition.__qualname__}"


def _dump(value: Any) -> str:
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    return json.dumps(_without_secrets(value), sort_keys=True, default=str)  # it is written beside results


def _without_secrets(value: Any) -> Any:
    """Cut each address to what may be shown, and add a hash, so that a change of the rest is noticed."""
    if isinstance(value, dict):
        return {key: _without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    if not isinstance(value, str) or (shown := without_secrets(value)) == value:
        return value
    return f"{shown} ({hashlib.blake2b(value.encode(), digest_size=8).hexdigest()})"


def _shortened(differences: list[str]) -> str:
    more = len(differences) - 3
    return ", ".join(differences[:3]) + (f" and {more} more" if more > 0 else "")
