"""Colours and sizes of every figure and drawing, and the parts that figures share."""

from __future__ import annotations

import html
from collections.abc import Iterable

import plotly.graph_objects as go
from plotly.subplots import make_subplots

# --- plotly figures ---------------------------------------------------------------------------------------------------
PALETTE = ("#2f6db5", "#d1702a", "#3b8f5a", "#8a4fa3", "#b8363f", "#6d6d6d", "#a38b1d", "#2a8c99")
REFERENCE_LINE, ZERO_LINE = "#888", "#bbb"
COUNTS_SCALE = "Blues"  # shares of a confusion matrix
TEMPLATE = "plotly_white"
MARGIN = {"t": 80, "l": 60, "r": 20, "b": 50}  # pixels

# Diameters of markers and widths of lines, in pixels.
MARKER, CHOSEN_MARKER, BUDGET_MARKER, PATTERN_MARKER, EXAMPLE_MARKER = 10, 18, 9, 11, 5
EXAMPLE_OPACITY, PUBLISHED_OPACITY, HISTOGRAM_OPACITY = 0.5, 0.6, 0.6
LINE, MEAN_LINE = 1, 3

# Heights, in pixels.
SEARCH_HEIGHT = 640
HISTORY_HEIGHT = 380
CONFUSION_HEIGHT = 520
BARS_HEIGHT = 360
COMPARISON_HEIGHT = 460
CONTRIBUTIONS_HEIGHT = 420
REGRET_HEIGHT, TAU_HEIGHT = 460, 420
BALANCE_HEIGHT = 400
HISTOGRAMS_HEIGHT, HISTOGRAM_HEIGHT = 100, 300  # of a figure without its histograms; of each histogram
TARGETS_HEIGHT, TARGET_HEIGHT = 120, 400  # of a figure without its panels; of each row of panels
PATTERNS_HEIGHT, PATTERN_HEIGHT = 200, 24  # of a figure without its rows; of each row

# --- pictures of examples (matplotlib) --------------------------------------------------------------------------------
EXAMPLE_WIDTH, EXAMPLE_HEIGHT, CAPTION_HEIGHT = 2.1, 2.1, 0.3  # inches
CAPTION_FONT, CAPTION_LETTERS = 8, 30  # points; letters per line
SERIES_COLOURS, SOUND_COLOURS, PICTURE_COLOURS = "RdBu_r", "magma", "gray"
MISSING_TEXT, AXIS_LINE = "#888", "#888"

# --- drawing of an architecture (matplotlib) --------------------------------------------------------------------------
BOX_FILL = {"data": "#f1f1f1", "tokens": "#e3ecf7", "mixer": "#cfe0f3", "fusion": "#fbe6d2", "head": "#dcefe1"}
BOX_EDGE = ARROW = "#444444"
HEAD_ARROW, NOTE_TEXT = "#777777", "#555555"


def literal(names: Iterable[object]) -> list[str]:
    """Names from data as plotly shows them unchanged: it reads text as HTML (bold letters, links, line breaks)."""
    return [html.escape(str(name), quote=False) for name in names]


def styled(figure: go.Figure, title: str, height: int) -> go.Figure:
    """Give a figure its title, its height (pixels) and the common look; returns it."""
    return figure.update_layout(title=title, template=TEMPLATE, height=height, margin=MARGIN)


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """One colour per name; a name keeps its colour wherever it appears."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(dict.fromkeys(names))}


def panels(titles: list[str]) -> tuple[go.Figure, dict[str, dict[str, int]]]:
    """A figure with one panel per title, two per row, and each panel's row and column."""
    rows = -(-len(titles) // 2)
    figure = make_subplots(rows=rows, cols=2, subplot_titles=literal(titles), vertical_spacing=min(0.16, 0.32 / rows))
    return figure, {title: {"row": i // 2 + 1, "col": i % 2 + 1} for i, title in enumerate(titles)}


def score_range(scores: Iterable[float]) -> list[float]:
    """The score axis: 0 to 1. Negative scores (R2) extend it down to -1 at most: below that all models are useless."""
    return [max(-1.0, min(0.0, 1.1 * min(scores))), 1.0]
