"""Rows that have some of a model's modalities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from training_samples import lacking

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.presence import restrict

MakeTable = Callable[..., MultimodalTable]


def test_restrict_keeps_the_rows_that_have_some(make_table: MakeTable) -> None:
    table = lacking(make_table(40))
    assert restrict(table, ("image", "series")) is table
    kept = restrict(table, ("series",))
    assert list(kept.ids) == list(table.ids[table.present["series"]])
    assert list(kept.arrays) == ["series"]
    np.testing.assert_array_equal(kept.arrays["series"], table.arrays["series"][table.present["series"]])
    kept.check()
    nobody = table.take(np.flatnonzero(~table.present["series"]))
    with pytest.raises(ValueError, match=r"rows lack series; expected some that have it"):
        restrict(nobody, ("series",))
