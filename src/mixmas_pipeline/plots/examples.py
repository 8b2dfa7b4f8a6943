"""Pictures of examples."""

from __future__ import annotations

import io
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.plots import style

_ROWS = 2  # of examples, at most
_MOST_BARS = 100  # of facts; more become a line


def example_picture(table: MultimodalTable, captions: list[str], columns: int = 6) -> bytes:
    """Draw examples side by side, one row of axes per modality.

    Time series and embedded texts are drawn with time along the width and one row per variable, tabular values as bars;
    all examples share their limits. Other two-dimensional arrays are drawn as pictures, three-dimensional ones as
    colour pictures, one-dimensional ones as lines. The drawing says where a modality is missing.

    Args:
        table: its first ``2 * columns`` examples are drawn.
        captions: one per example.
        columns: examples per row. Default 6.

    Returns:
        A PNG file's bytes.
    """
    shown = min(len(table), _ROWS * columns)
    blocks = -(-shown // columns)
    modalities = list(table.schema.modalities)
    # The 99th percentile: one outlier would leave all others without colour.
    limits = {n: float(np.quantile(np.abs(table.arrays[n][:shown]), 0.99)) or 1.0 for n in modalities}
    height = blocks * (style.EXAMPLE_HEIGHT * len(modalities) + style.CAPTION_HEIGHT)
    figure = Figure(figsize=(style.EXAMPLE_WIDTH * min(columns, shown), height), layout="constrained")
    axes = figure.subplots(blocks * len(modalities), min(columns, shown), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for i in range(shown):
        for m, name in enumerate(modalities):
            axis = axes[(i // columns) * len(modalities) + m, i % columns]
            if m == 0:
                axis.set_title(
                    textwrap.fill(_printable(captions[i]), style.CAPTION_LETTERS),
                    fontsize=style.CAPTION_FONT,
                    parse_math=False,
                )
            if name in table.present and not table.present[name][i]:
                _write_missing(axis, name)
            else:
                _draw(axis, table.arrays[name][i], table.schema.modalities[name].kind, limits[name])
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _write_missing(axis: Axes, name: str) -> None:
    axis.text(0.5, 0.5, f"no {name}", ha="center", va="center", color=style.MISSING_TEXT, transform=axis.transAxes)


def _draw(axis: Axes, array: np.ndarray, kind: str, limit: float) -> None:
    """Draw one example of one modality.

    Args:
        limit: the value at the end of the colour scale, or of the bars' axis.
    """
    if kind in ("time_series", "text") and array.ndim == 2:
        axis.imshow(array.T, cmap=style.SERIES_COLOURS, vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    elif kind == "tabular" and len(array) <= _MOST_BARS:
        axis.bar(range(len(array)), array)
        axis.axhline(0, color=style.AXIS_LINE, linewidth=0.5)
        axis.set_ylim(-limit, limit)
    elif array.ndim == 1:
        axis.plot(array)
    elif kind == "audio":
        axis.imshow(array, origin="lower", cmap=style.SOUND_COLOURS)
    elif array.ndim == 3:
        axis.imshow(np.moveaxis(array, 0, -1))
    else:
        axis.imshow(array, cmap=style.PICTURE_COLOURS, aspect="auto")


def _printable(text: str) -> str:
    """Without control characters, which no font has: a warning of missing ones would send them to the terminal."""
    return "".join(
        letter if letter.isprintable() or letter in " \n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
