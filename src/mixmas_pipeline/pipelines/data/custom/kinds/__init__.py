"""The kinds of modalities that a table may have: a module each, with the same two functions.

``learn(parameters, rows, source)`` says, as JSON, what is learnt of the training rows; {} where that is nothing.
``prepare(parameters, learnt, rows, source)`` makes a ``Column`` of any rows.

``rows`` has all columns of the table as they were read (text files: texts), the rows' ids under ``cells.ID``, and their
numbers in the file as its index: those of the training rows, of another split, or of new rows in another file.
``source`` is what the modality's files beside the table load as (``Source``), or None: the path, on this machine, of
what the parameters' ``source_key`` names (of a .npz table's ``array``: of the table); of a text its ``EncoderFiles``.

The array of a row that lacks the modality is zeros. That a row lacks one which is not optional is an error that the
caller finds. ``learn`` says under "columns" which ones of the table the modality is made of, if the parameters have
patterns of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.text_embedding import EncoderFiles
from mixmas_pipeline.pipelines.data.custom.kinds import audio, embedding, image, tabular, text, time_series, words

if TYPE_CHECKING:
    import pandas as pd

Source = Path | EncoderFiles


class Kind(Protocol):
    """What a kind's module has."""

    def learn(self, parameters: Any, rows: pd.DataFrame, source: Any) -> dict[str, Any]:
        """What is learnt of the training rows, as JSON."""

    def prepare(self, parameters: Any, learnt: dict[str, Any], rows: pd.DataFrame, source: Any) -> Column:
        """The modality of these rows."""


KINDS: dict[str, Kind] = {
    "image": image,
    "audio": audio,
    "text": text,
    "words": words,
    "time_series": time_series,
    "tabular": tabular,
    "embedding": embedding,
}
