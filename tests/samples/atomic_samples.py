"""Data sets whose saves fail halfway, and one of several files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixmas_pipeline.datasets.artefacts import JSONDataset
from mixmas_pipeline.datasets.atomic import AtomicDataset


class Broken(JSONDataset):
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
