"""Pydantic models as JSON documents: what nodes hand on has a type, and the catalog keeps it readable."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from kedro.io import Version
from kedro.utils import load_obj
from kedro_datasets._typing import ImagePreview, JSONPreview
from pydantic import BaseModel

from mixmas_pipeline.datasets.atomic import AtomicDataset
from mixmas_pipeline.datasets.contents import document
from mixmas_pipeline.models.block_reader import UNCHECKED


class DocumentDataset(AtomicDataset):
    """A pydantic model as a JSON document. Loading validates it; NaN and infinity are refused when saving.

    Args:
        filepath: a path, or the URL of an object store.
        model: dotted path of the model's class.
    """

    def __init__(
        self, *, filepath: str, model: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._model = model
        super().__init__(filepath=filepath, version=version, metadata=metadata)

    def load_to_show(self) -> BaseModel:
        """Load the newest version without importing the blocks that it names. It can be shown, not built."""
        return self._parse(self._local_copy(), UNCHECKED)

    def _read(self, path: Path) -> BaseModel:
        return self._parse(path)

    def _parse(self, path: Path, context: Any = None) -> BaseModel:
        model: type[BaseModel] = load_obj(self._model)
        return model.model_validate(json.loads(path.read_text(encoding="utf-8")), context=context)

    def _write(self, path: Path, data: BaseModel) -> None:
        model: type[BaseModel] = load_obj(self._model)
        if not isinstance(data, model):
            raise TypeError(f"a {type(data).__name__} was to be saved; expected a {model.__name__}")
        document = json.dumps(data.model_dump(mode="json"), indent=1, allow_nan=False)
        path.write_text(document, encoding="utf-8")

    def configured_classes(self) -> list[str]:
        """The model's class, whose code decides what is read and written."""
        return [self._model]

    def preview(self) -> JSONPreview:
        """The document; of longer lists the beginning."""
        return document(self._local_copy())


class DrawnDocumentDataset(DocumentDataset):
    """A ``DocumentDataset`` that is previewed as a drawing. (kedro-viz takes a preview's kind from the class.)

    Args:
        filepath, model: as for ``DocumentDataset``.
        drawing: dotted path of a function from the model to the bytes of a PNG file.
    """

    def __init__(
        self,
        *,
        filepath: str,
        model: str,
        drawing: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._drawing = drawing
        super().__init__(filepath=filepath, model=model, version=version, metadata=metadata)

    def preview(self) -> ImagePreview:  # type: ignore[override]
        """The drawing."""
        return ImagePreview(base64.b64encode(load_obj(self._drawing)(self.load())).decode())
