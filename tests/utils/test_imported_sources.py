"""What a module was imported from, whatever has become of its file."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixmas_pipeline.utils import imported_sources as imported_sources_module
from mixmas_pipeline.utils.imported_sources import imported_sources, keep_sources, reloads


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "kept_package"
    (folder / "inner").mkdir(parents=True)
    for name in ("__init__", "one", "inner/__init__", "inner/two"):
        (folder / f"{name}.py").write_text(f"VALUE = '{name}'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(imported_sources_module, "_sources", {})
    monkeypatch.setattr(imported_sources_module, "_reloads", 0)
    keep_sources("kept_package")
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "kept_package"]:
        del sys.modules[name]


def kept() -> dict[str, bytes]:
    return {name: text for name, text in imported_sources().items() if name.startswith("kept_package")}


def test_the_source_is_that_of_the_import(package: Path) -> None:
    importlib.import_module("kept_package.inner.two")
    (package / "inner" / "two.py").write_text("VALUE = 'edited'\n")
    assert kept() == {
        "kept_package.inner": b"VALUE = 'inner/__init__'\n",
        "kept_package.inner.two": b"VALUE = 'inner/two'\n",
    }


def test_a_module_that_is_imported_again_has_its_new_source(package: Path) -> None:
    module = importlib.import_module("kept_package.one")
    before = reloads()
    importlib.reload(module)
    assert reloads() == before
    (package / "one.py").write_text("VALUE = 'edited later'\n")
    importlib.reload(module)
    assert kept()["kept_package.one"] == b"VALUE = 'edited later'\n"
    assert module.VALUE == "edited later"
    assert reloads() == before + 1


def test_a_file_saved_during_its_import_is_read_again(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is what the code was made from."""
    compiled = importlib.machinery.SourceFileLoader.source_to_code
    edits = iter(["VALUE = 'second'\n"])

    def save_meanwhile(self: object, data: bytes, path: str, **options: int) -> object:
        for text in edits:
            (package / "one.py").write_text(text)
        return compiled(self, data, path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(importlib.machinery.SourceFileLoader, "source_to_code", save_meanwhile)
    module = importlib.import_module("kept_package.one")
    assert module.VALUE == "second"
    assert kept()["kept_package.one"] == b"VALUE = 'second'\n"


def test_compiled_code_of_another_source_is_not_used(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same size and time, as after two edits in one second, or of files that keep their times."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = package / "one.py"
    os.utime(file, (10**9, 10**9))
    module = importlib.import_module("kept_package.one")
    assert Path(importlib.util.cache_from_source(str(file))).exists()
    file.write_text("VALUE = 'two'\n")
    os.utime(file, (10**9, 10**9))
    importlib.reload(module)
    assert module.VALUE == "two"
    assert kept()["kept_package.one"] == b"VALUE = 'two'\n"


def test_the_finder_finds_no_distributions_twice(package: Path) -> None:
    names = [
        found.metadata["Name"] for found in importlib.metadata.distributions() if found.metadata["Name"] == "torch"
    ]
    assert names == ["torch"]
