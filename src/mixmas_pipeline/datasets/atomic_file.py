"""Kedro's data sets of one file, made atomic and versioned."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError, Version
from kedro.io.core import parse_dataset_definition
from kedro.utils import load_obj

from mixmas_pipeline.datasets.atomic import AtomicDataset


class AtomicFile(AtomicDataset):
    """A file that another data set reads and writes, saved atomically, versioned, and in an object store if wanted:

        type: mixmas_pipeline.datasets.AtomicFile
        dataset: {type: json.JSONDataset, save_args: {indent: 1}}
        filepath: data/scores.json
        versioned: true

    Args:
        filepath: see ``AtomicDataset``.
        dataset: type and options of the other data set, without its filepath. It is imported when it is first used.
        preview: dotted path of a function that shows the file in kedro-viz, from its path on this machine. Default
            None: the other data set's own preview.
        version, metadata: see ``AtomicDataset``.

    Attributes:
        file_options: ``dataset``.
    """

    def __init__(
        self,
        *,
        filepath: str,
        dataset: dict[str, Any],
        preview: str | None = None,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.file_options, self._preview = dataset, preview
        super().__init__(filepath=filepath, version=version, metadata=metadata)

    def configured_classes(self) -> list[str]:
        """The other data set's class, as the catalog names it."""
        return [str(self.file_options["type"])]

    def _read(self, path: Path) -> Any:
        return _unwrapped(self._at(path).load)

    def _write(self, path: Path, data: Any) -> None:
        _unwrapped(self._at(path).save, data)

    def _at(self, path: Path) -> Any:
        return AbstractDataset.from_config("", {**self.file_options, "filepath": str(path)})

    @property
    def preview(self) -> Callable[[], Any]:
        """Show the newest version. kedro-viz takes the kind of preview from the annotation of what it calls."""
        kind: Any = parse_dataset_definition({**self.file_options})[0]
        show = load_obj(self._preview) if self._preview else kind.preview

        @wraps(show)
        def preview() -> Any:
            path = self._local_copy()
            return show(path) if self._preview else self._at(path).preview()

        return preview

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "dataset": self.file_options["type"]}


def _unwrapped(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call a data set. Kedro's ``DatasetError`` would name the temporary path; its cause says what is wrong."""
    try:
        return call(*arguments)
    except DatasetError as error:
        raise (error.__cause__ or error) from None
