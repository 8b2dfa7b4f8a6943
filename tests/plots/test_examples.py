"""Pictures of examples show the values: read back from their pixels."""

from __future__ import annotations

import io

import matplotlib.image
import numpy as np
import pytest

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.plots.examples import _printable, example_picture


def table(kind: str, array: np.ndarray) -> MultimodalTable:
    """A table of one modality."""
    schema = TableSchema({"it": Modality(kind, array.shape[1:], array.dtype.name)}, "multiclass", ("a", "b"))
    n = len(array)
    return MultimodalTable(schema, {"it": array}, np.arange(n) % 2, [str(i) for i in range(n)])


def pixels(drawn: bytes) -> np.ndarray:
    """A picture's colours: (height, width, 3), from 0 to 1."""
    return matplotlib.image.imread(io.BytesIO(drawn))[..., :3]


def picture(kind: str, array: np.ndarray, columns: int = 6) -> np.ndarray:
    """The drawing of a table of one modality."""
    return pixels(example_picture(table(kind, array), [""] * len(array), columns))


KINDS = [
    ("image", (8, 8)),
    ("image", (3, 8, 8)),
    ("audio", (8, 8)),
    ("text", (5, 4)),
    ("time_series", (24, 12)),
    ("time_series", (24,)),
    ("tabular", (5,)),
    ("embedding", (7,)),
]


@pytest.mark.parametrize(("kind", "shape"), KINDS)
def test_only_the_example_that_differs_is_drawn_differently(kind: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).random((3, *shape)).astype(np.float32)
    other = array.copy()
    other[1] = other[1][..., ::-1]
    one, two = picture(kind, array), picture(kind, other)
    assert one.shape == two.shape
    columns = np.flatnonzero((one != two).any(axis=(0, 2)))
    third = one.shape[1] / 3
    assert len(columns)
    assert third < columns.min() < columns.max() < 2 * third


@pytest.mark.parametrize(("kind", "shape"), KINDS)
def test_zeros_are_drawn_though_they_give_no_scale(kind: str, shape: tuple[int, ...]) -> None:
    zeros = np.zeros((2, *shape), np.float32)
    drawn = picture(kind, zeros)
    half = drawn.shape[1] // 2
    same = np.abs(drawn[:, 10 : half - 10] - drawn[:, half + 10 : 2 * half - 10]).mean()
    assert same < 0.02, "equal examples look the same"


def test_a_missing_modality_is_not_drawn_as_zeros() -> None:
    """A dark picture and a missing one look different."""
    modality = {"it": Modality("image", (8, 8), "uint8", optional=True), "other": Modality("tabular", (2,), "float32")}
    arrays = {"it": np.zeros((2, 8, 8), np.uint8), "other": np.ones((2, 2), np.float32)}
    dark = {}
    for present in (True, False):
        schema = TableSchema(modality, "multiclass", ("a", "b"))
        mask = {"it": np.array([present, present])}
        drawn = pixels(
            example_picture(MultimodalTable(schema, arrays, np.arange(2), ["0", "1"], present=mask), ["", ""])
        )
        dark[present] = (drawn[: len(drawn) // 2] < 0.2).mean()
    assert dark[True] > 0.5
    assert dark[False] < 0.05


@pytest.mark.parametrize(("kind", "shape"), [("time_series", (24, 12)), ("tabular", (5,))])
def test_examples_share_their_limits(kind: str, shape: tuple[int, ...]) -> None:
    array = np.ones((2, *shape), dtype=np.float32)
    array[1] *= 0.1
    drawn = picture(kind, array)
    half = drawn.shape[1] // 2
    left, right = ((1 - side).sum() for side in (drawn[:, :half], drawn[:, half:]))
    assert left > 2 * right, "a tenth of the value is drawn as such"


def test_time_runs_along_the_width() -> None:
    array = np.zeros((1, 24, 12), dtype=np.float32)
    array[0, 12:, :] = 1.0  # the second half of the day
    drawn = picture("time_series", array).min(axis=2)
    dark = drawn < 0.6
    columns = np.flatnonzero(dark.any(axis=0))
    rows = np.flatnonzero(dark.any(axis=1))
    assert columns.min() > 0.4 * drawn.shape[1]
    assert np.ptp(rows) > 0.7 * drawn.shape[0]


def test_picture_has_at_most_two_rows_of_examples() -> None:
    array = np.random.default_rng(0).random((9, 8, 8)).astype(np.float32)
    heights = [picture("image", array[:n], columns=3).shape[0] for n in (3, 4, 6, 9)]
    assert heights[1] == heights[2] == heights[3] == 2 * heights[0]
    np.testing.assert_array_equal(picture("image", array[:6], columns=3), picture("image", array, columns=3))


@pytest.mark.parametrize("caption", ["$$", "R$ 5% - R$ 10%", "a$b^$", r"$\frac$", "[/red]", "<b>"])
def test_a_caption_is_no_formula(caption: str) -> None:
    bars = table("tabular", np.zeros((1, 5), np.float32))
    assert (pixels(example_picture(bars, [caption])).max(axis=2) < 0.4).any()


def test_captions_stand_over_their_examples() -> None:
    """Bars of height zero leave nothing dark but the caption."""
    bars = table("tabular", np.zeros((2, 5), np.float32))
    plain, titled = (pixels(example_picture(bars, captions)).max(axis=2) < 0.4 for captions in (["", ""], ["", "dog"]))
    assert not plain.any()
    rows, columns = np.nonzero(titled)
    assert columns.min() > titled.shape[1] / 2
    assert rows.max() < titled.shape[0] / 6


def test_control_characters_of_captions_are_replaced() -> None:
    assert _printable("a\x1b[31m\x1c\x85 b\n") == "a\ufffd[31m\ufffd\ufffd b\n"
