"""Fingerprints of the nodes of the demo's pipelines, of this package's source and of an edited copy."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphs import configuration, pipelines
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline.node import Node
from project_runs import ROOT

from mixmas_pipeline.runners.fingerprints import code_references
from mixmas_pipeline.utils.code_hash import PACKAGE, PackageCode

SOURCE = ROOT / "src" / PACKAGE
VERSION = "2026-01-01T00.00.00.000Z"
# What the search of these samples has chosen.
IMAGE, AUDIO, NETWORK = "hyper_mixer", "mlp_mixer", "mlp_mixer"
_BLOCKS = (
    (r"search\.(?:image|audio)\.(\w+)_(?:architecture|first|result)", ()),
    (r"search\.image\.choice", (IMAGE,)),
    (r"search\.audio\.choice", (AUDIO,)),
    (r"search\.fusion_function\.(?:choice|[a-z]+_(?:architecture|first|result))", (IMAGE, AUDIO, NETWORK)),
    (r"search\.fusion_network\.(\w+)_(?:architecture|first|result)", (IMAGE, AUDIO)),
    (r"search\.fusion_network\.choice|architecture|model", (IMAGE, AUDIO, NETWORK)),
    (r"training\.(?:architecture|member_\d+(?:\.all_epochs)?\.(?:plan|model))", (IMAGE, AUDIO, NETWORK)),
    (r"compare\.searched\.(?:contender|seed_\d+_model)", (IMAGE, AUDIO, NETWORK)),
    (r"compare\.image_alone\.(?:contender|seed_\d+_model)", (IMAGE,)),
    (r"compare\.audio_alone\.(?:contender|seed_\d+_model)", (AUDIO,)),
    (r"compare\.baseline\.(?:contender|seed_\d+_model)", ("mlp_mixer",)),
    (r"validate_search\.truth\.([a-z_]+?)__([a-z_]+?)__[a-z]+__([a-z_]+)_architecture", ()),
    (r"validate_search\.space", ("mlp_mixer", "hyper_mixer", "ramlp")),
)


@dataclass(frozen=True)
class Edit:
    """A change of one text in a file of the package.

    Attributes:
        name: of the edit, for the test's id.
        file: in the package.
        old, new: the text, which occurs once, and what takes its place.
        changed: the nodes whose code changes, by function: "search.choose".
    """

    name: str
    file: str
    old: str
    new: str
    changed: set[str] = field(default_factory=set)


def blocks_of(name: str) -> list[str]:
    """The blocks that a data set of the demo names."""
    for pattern, blocks in _BLOCKS:
        if found := re.fullmatch(rf"avmnist\.(?:{pattern})", name):
            return [*(block for block in found.groups() if block), *blocks]
    return []


def function_of(node: Node) -> str:
    """The pipeline and the function of a node: "search.choose"."""
    module = node.func.__module__.removeprefix(f"{PACKAGE}.pipelines.").removeprefix("data.")
    return f"{module.partition('.')[0]}.{node.func.__name__}"


class Demo:
    """The demo's nodes, and a catalog that has their documents.

    Args:
        folder: is written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._copy = folder / "copy" / PACKAGE
        shutil.copytree(SOURCE, self._copy, ignore=shutil.ignore_patterns("__pycache__", "project"))
        everything = pipelines("base")
        names = ("__default__", "describe", "predict", "export", "compare", "validate_search", "mimic", "mmimdb")
        nodes = {node.name: node for name in names for node in everything[name].nodes}
        self.nodes: list[Node] = list(nodes.values())
        self.catalog = self._make_catalog()
        self._code = PackageCode(self._copy, PACKAGE)
        self._before = self._hashes(self._code)

    def changed(self, edit: Edit) -> set[str]:
        """Names of the nodes whose code is another after an edit.

        Raises:
            AssertionError: the file does not have the old text, or more than once.
        """
        path = self._copy / edit.file
        whole = path.read_text(encoding="utf-8")
        assert whole.count(edit.old) == 1, f"{edit.old!r} is in {edit.file} {whole.count(edit.old)} times, not once"
        path.write_text(whole.replace(edit.old, edit.new), encoding="utf-8")
        try:
            code = PackageCode(self._copy, PACKAGE)
            edited = ".".join(Path(edit.file).with_suffix("").parts).removesuffix("__init__").strip(".")
            # The other files are not parsed again.
            code._modules |= {name: module for name, module in self._code._modules.items() if name != edited}
            after = self._hashes(code)
        finally:
            path.write_text(whole, encoding="utf-8")
        return {name for name, hashes in after.items() if hashes != self._before[name]}

    def functions(self, names: set[str]) -> set[str]:
        """The functions of nodes, "search.choose". Either all nodes of a function are named or none.

        Raises:
            AssertionError: some nodes of a function are named, and some are not.
        """
        by_function: dict[str, set[str]] = {}
        for node in self.nodes:
            by_function.setdefault(function_of(node), set()).add(node.name)
        partly = {function for function, nodes in by_function.items() if nodes & names and nodes - names}
        assert not partly, f"some nodes of {partly} are named, and some are not"
        return {function for function, nodes in by_function.items() if nodes & names}

    def _hashes(self, code: PackageCode) -> dict[str, dict[str, str]]:
        return {node.name: code.hashes(code_references(node, self.catalog, code)) for node in self.nodes}

    def _make_catalog(self) -> DataCatalog:
        config = configuration("base")
        root, parameters = str(config["globals"]["data_root"]), config["parameters"]
        entries = {
            name: {key: self._moved(value, root) if key == "filepath" else value for key, value in entry.items()}
            for name, entry in config["catalog"].items()
        }
        catalog = DataCatalog.from_config(entries, save_version=VERSION)
        for name in sorted({name for node in self.nodes for name in (*node.inputs, *node.outputs)}):
            if name.startswith("params:"):
                value: Any = parameters
                for key in name.removeprefix("params:").split("."):
                    value = value[key]
                catalog[name] = MemoryDataset(value)
            elif blocks := blocks_of(name):
                encoders = {f"m{number}": {"block": {"block": block}} for number, block in enumerate(blocks)}
                self._write(catalog.get(name), json.dumps({"architecture": {"encoders": encoders}}))
        return catalog

    @staticmethod
    def _write(dataset: Any, document: str) -> None:
        """As a version of a document, or of a model of which only the architecture is read."""
        path = Path(dataset._get_save_path())
        if hasattr(dataset, "blocks"):
            path = path / "architecture.json"
        if path.suffix == ".json":
            path.parent.mkdir(parents=True)
            path.write_text(document)

    def _moved(self, path: Any, root: str) -> Any:
        return str(self._folder / "data" / path.removeprefix(root).lstrip("/")) if isinstance(path, str) else path
