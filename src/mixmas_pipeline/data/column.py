"""One prepared modality of some rows, before the modalities are put together to a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixmas_pipeline.data.table import Modality


@dataclass(frozen=True)
class Column:
    """A modality of n rows.

    Attributes:
        array: (n, *shape) in the stored type; zeros where a row lacks the modality. It may be mapped from a file.
        present: (n,) truth values: which rows have it.
        modality: what the array holds; ``optional`` is left to who makes the table.
        variants: see ``MultimodalTable``. Default None: there are none.
    """

    array: np.ndarray
    present: np.ndarray
    modality: Modality
    variants: np.ndarray | None = None
