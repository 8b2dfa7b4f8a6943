"""What a result was made from, so that it is reused exactly as long as nothing of that has changed.

A node's fingerprint has four parts: its code (this project's modules that the node's module imports, directly or
not, without comments and docstrings), its parameters, the content of its inputs, and the versions of the libraries
that compute. Beside every saved version lies ``provenance.json`` with the fingerprint it was made under and a hash
of its own content; that hash is what nodes further down see, so a node that is run again and makes the same thing
does not make anything else run again.
"""

from __future__ import annotations

import importlib.metadata
import json
import time
from functools import cache, partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from kedro.io import CatalogProtocol, DatasetError
from kedro.io.core import AbstractVersionedDataset, VersionNotFoundError
from kedro.pipeline.node import Node

from mixmas_pipeline.runners.resources import ComputeParameters
from mixmas_pipeline.storage.atomic import is_complete, write_atomically
from mixmas_pipeline.storage.hashing import hash_path
from mixmas_pipeline.storage.object_store import object_keys
from mixmas_pipeline.storage.paths import read_bytes
from mixmas_pipeline.utils.code_hash import code_hash

if TYPE_CHECKING:
    from mixmas_pipeline.storage.paths import AnyPath

PROVENANCE_FILE = "provenance.json"
SEEN_WITHIN = 60.0  # seconds in which a network's file system shows what another machine has saved
_LIBRARIES = (
    "torch",
    "torchaudio",
    "torchmetrics",
    "pytorch-lightning",
    "numpy",
    "scipy",
    "duckdb",
    "soundfile",
    "pandas",
    "pyarrow",
    "pillow",
    "plotly",
    "matplotlib",
    "jinja2",
)

# Inputs that no result depends on: the folder that a killed training resumes from.
_WITHOUT_EFFECT = ("params:checkpoints",)

Fingerprint = dict[str, dict[str, str]]


def fingerprint(node: Node, catalog: CatalogProtocol, compute: ComputeParameters) -> Fingerprint | None:
    """The node's fingerprint, or None when an input has no known content (it lives in memory only).

    The number of cores counts as it is written in ``compute``, since the bits of a result depend on the number of
    threads: "all" is the same thing on every machine.
    """
    parts: Fingerprint = {
        "code": {node.func.__module__: code_hash(node.func.__module__)},
        "libraries": _versions(),
        "parameters": {},
        "inputs": {},
        "node": {"name": node.name, "function": node.func.__qualname__, "inputs": json.dumps(_order(node))},
    }
    if compute.tag(node):
        parts["node"]["cpus"] = str(compute.share(node).cpus)
    for name in node.inputs:
        if name in _WITHOUT_EFFECT:
            continue
        if name == "parameters" or name.startswith("params:"):
            parts["parameters"][name] = _dump(catalog.load(name))
        elif (content := input_hash(catalog.get(name))) is not None:
            parts["inputs"][name] = content
        else:
            return None
    return parts


def up_to_date(node: Node, wanted: Fingerprint | None, catalog: CatalogProtocol) -> str:
    """Why the node has to run; empty if every output's newest version was made under the fingerprint."""
    if wanted is None:
        return "an input is not kept"
    for name in node.outputs:
        dataset = catalog.get(name)
        if (path := _newest(dataset)) is None:
            return f"{name} is not there"
        known = provenance(dataset)
        if known is None:
            return f"{name} has no record of how it was made"
        if known["stat"] != _stat(path) and known["content"] != hash_path(path):
            return f"{name} was altered"
        if known["fingerprint"] is None:
            return f"{name} was made from an input that was not kept"
        if differences := _differences(known["fingerprint"], wanted):
            return f"{differences} changed"
    return ""


def record(node: Node, made_from: Fingerprint | None, catalog: CatalogProtocol, run_id: str | None) -> None:
    """Write the provenance of the versions that the node has just saved.

    Raises:
        DatasetError: a version is not seen here, though it was saved. (On a network file system it may take a while,
            and what is the newest so far must not get the record of another.)
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
                "fingerprint": made_from,
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
        known = json.loads(read_bytes(path.parent / PROVENANCE_FILE))
    except (FileNotFoundError, ValueError):
        return None
    return known if {"content", "stat", "fingerprint"} <= set(known) else None


def input_hash(dataset: Any) -> str | None:
    """Identity of a data set's content: declared by a source, recorded beside a version, or hashed now."""
    if hasattr(dataset, "fingerprint"):
        return f"{dataset.fingerprint()} {code_hash(type(dataset).__module__)}"
    if known := provenance(dataset):
        return known["content"]
    path = _newest(dataset)
    return None if path is None else hash_path(path)


def _stat(path: AnyPath) -> list[list[Any]]:
    """What tells without reading that a file, or every file of a folder, is what it was: size and time, or what an
    object store says of it (ETag, size, time).
    """
    if not isinstance(path, Path):
        return [[name, key] for name, key in sorted((object_keys(path) or {}).items())]
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return [[file.stat().st_size, file.stat().st_mtime_ns] for file in files]


@cache
def _versions() -> dict[str, str]:
    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "absent"
    return found


def _saved(name: str, dataset: Any) -> AnyPath | None:
    """The version that this run has saved; None of what has no versions."""
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


def _order(node: Node) -> Any:
    return node._inputs if isinstance(node._inputs, str | list | dict) else node.inputs


def _dump(value: Any) -> str:
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, default=str)


def _differences(old: Fingerprint, new: Fingerprint) -> str:
    changed = []
    for part, what in (
        ("parameters", ""),
        ("inputs", ""),
        ("code", "code of "),
        ("libraries", "version of "),
        ("node", ""),
    ):
        before, after = old.get(part, {}), new[part]
        changed += [
            what + (key if part != "node" else f"the node's {key}")
            for key in sorted({*before, *after})
            if before.get(key) != after.get(key)
        ]
    return ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
