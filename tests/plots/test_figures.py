"""Pictures of examples: every kind of modality is drawn, and drawn so that examples can be compared."""

from __future__ import annotations

import io

import numpy as np
import pytest

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.plots.figures import example_picture


def picture(kind: str, array: np.ndarray) -> np.ndarray:
    """The drawing of a table of one modality, as pixels (height, width, 4)."""
    import matplotlib.image

    schema = TableSchema({"it": Modality(kind, array.shape[1:], array.dtype.name)}, "multiclass", ("a", "b"))
    n = len(array)
    table = MultimodalTable(schema, {"it": array}, np.arange(n) % 2, [str(i) for i in range(n)])
    return matplotlib.image.imread(io.BytesIO(example_picture(table, [""] * n)))


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("image", (8, 8)),
        ("image", (3, 8, 8)),
        ("audio", (8, 8)),
        ("text", (5, 4)),
        ("time_series", (24, 12)),
        ("time_series", (24,)),
        ("tabular", (5,)),
        ("embedding", (7,)),
    ],
)
def test_every_kind_is_drawn(kind: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).random((3, *shape)).astype(np.float32)
    assert picture(kind, array).std() > 0.02
    assert picture(kind, np.zeros_like(array)).shape[2] == 4, "nothing to scale by"


def test_a_missing_modality_is_not_drawn_as_zeros() -> None:
    """A dark picture and a missing one look different."""
    import matplotlib.image

    modality = {"it": Modality("image", (8, 8), "uint8", optional=True), "other": Modality("tabular", (2,), "float32")}
    arrays = {"it": np.zeros((2, 8, 8), np.uint8), "other": np.ones((2, 2), np.float32)}
    dark = {}
    for there in (True, False):
        present = {"it": np.array([there, there])}
        schema = TableSchema(modality, "multiclass", ("a", "b"))
        table = MultimodalTable(schema, arrays, np.arange(2), ["0", "1"], present=present)
        pixels = matplotlib.image.imread(io.BytesIO(example_picture(table, ["", ""])))
        dark[there] = (pixels[: len(pixels) // 2, :, :3] < 0.2).mean()
    assert dark[True] > 0.5
    assert dark[False] < 0.05


@pytest.mark.parametrize(("kind", "shape"), [("time_series", (24, 12)), ("tabular", (5,))])
def test_examples_share_their_limits(kind: str, shape: tuple[int, ...]) -> None:
    array = np.ones((2, *shape), dtype=np.float32)
    array[1] *= 0.1
    drawn = picture(kind, array)
    half = drawn.shape[1] // 2
    left, right = ((1 - side[..., :3]).sum() for side in (drawn[:, :half], drawn[:, half:]))
    assert left > 2 * right, "a tenth of the value is drawn as such"


def test_time_runs_along_the_width() -> None:
    array = np.zeros((1, 24, 12), dtype=np.float32)
    array[0, 12:, :] = 1.0  # the second half of the day
    drawn = picture("time_series", array)[..., :3].min(axis=2)
    dark = drawn < 0.6
    columns = np.flatnonzero(dark.any(axis=0))
    rows = np.flatnonzero(dark.any(axis=1))
    assert columns.min() > 0.4 * drawn.shape[1]
    assert np.ptp(rows) > 0.7 * drawn.shape[0]
