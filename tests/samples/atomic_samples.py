"""Data sets of single files as the catalog configures them, and broken ones. It imports no pandas and no plotly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import Version
from omegaconf import OmegaConf

from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.datasets.atomic_file import AtomicFile

_CATALOG = OmegaConf.load(Path(__file__).parents[2] / "conf" / "base" / "catalog.yml")


class _CatalogFile(AtomicFile):
    """A kind of file from ``conf/base/catalog.yml``."""

    kind: str

    def __init__(self, *, filepath: str, version: Version | None = None) -> None:
        options: Any = OmegaConf.to_container(_CATALOG[self.kind], resolve=True)
        options = {key: value for key, value in options.items() if key in ("dataset", "preview")}
        super().__init__(filepath=filepath, version=version, **options)


class JSONFile(_CatalogFile):
    """A JSON document."""

    kind = "_document"


class FrameFile(_CatalogFile):
    """A pandas DataFrame."""

    kind = "_frame"


class FigureFile(_CatalogFile):
    """A plotly figure."""

    kind = "_figure"


class PageFile(_CatalogFile):
    """A page of HTML."""

    kind = "_page"


class Broken(JSONFile):
    """Fails when half of the file is written."""

    error: BaseException = RuntimeError("the lights went out")

    def _write(self, path: Path, data: Any) -> None:
        path.write_text('{"half":')
        raise self.error


class Interrupted(Broken):
    """Is stopped by Ctrl-C when half of the file is written."""

    error = KeyboardInterrupt()


class Folder(AtomicDataset):
    """An artefact of several files."""

    def _write(self, path: Path, data: dict[str, str]) -> None:
        (path / "deep").mkdir(parents=True)
        for name, text in data.items():
            if text == "fail":
                raise RuntimeError("half of the folder is written")
            (path / "deep" / name).write_text(text)

    def _read(self, path: Path) -> dict[str, str]:
        return {file.name: file.read_text() for file in (path / "deep").iterdir()}


def files(folder: Path) -> list[str]:
    """Every file below a folder, by its relative path."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
