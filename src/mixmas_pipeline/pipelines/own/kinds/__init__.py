"""The kinds of modalities that a table may have: a module each, with the same two functions.

``learn(parameters, rows, source)`` says, as JSON, what is learnt of the training rows; {} where that is nothing.
``prepare(parameters, learnt, rows, source)`` makes a ``Column`` of any rows.

``rows`` has all columns of the table as they were read (text files: texts), the rows' ids under ``cells.ID``, and their
numbers in the file as its index: of the training rows or of another split's only some, of new rows all of another file.
``source`` is what the modality's files beside the table load as (``Source``), or None: a kind whose parameters have a
``source_key`` gets the path of what that key names (of a .npz table's ``array``: of the table), on this machine; for a text
encoder its ``EncoderFiles``. The array of a row that lacks the modality is zeros; that a modality which is not optional
is missing is an error that the caller finds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mixmas_pipeline.datasets.column import Column
from mixmas_pipeline.datasets.encoders import EncoderFiles
from mixmas_pipeline.pipelines.own.kinds import audio, image, tabular, text

if TYPE_CHECKING:
    import pandas as pd

Source = Path | EncoderFiles


class Kind(Protocol):
    """What a kind's module has."""

    def learn(self, parameters: Any, rows: pd.DataFrame, source: Any) -> dict[str, Any]:
        """What is learnt of the training rows, as JSON."""

    def prepare(self, parameters: Any, learnt: dict[str, Any], rows: pd.DataFrame, source: Any) -> Column:
        """The modality of these rows."""


KINDS: dict[str, Kind] = {"image": image, "audio": audio, "text": text, "tabular": tabular}
