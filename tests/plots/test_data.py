"""The figure of the labels has shares of each split's own rows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mixmas_pipeline.plots.data import class_balance_figure, target_histograms

ROWS = {"train": 10, "validation": 4, "test": 5}


def test_bars_are_shares_of_the_splits_rows() -> None:
    counts = {"train": {"cat": 7, "dog": 3}, "validation": {"cat": 1, "dog": 3}, "test": {"cat": 5, "dog": 0}}
    bars = class_balance_figure(counts, ROWS).data
    assert [(bar.name, list(bar.x)) for bar in bars] == [(split, ["cat", "dog"]) for split in ROWS]
    assert [list(bar.y) for bar in bars] == [[0.7, 0.3], [0.25, 0.75], [1.0, 0.0]]
    assert list(bars[0].hovertext) == ["7 of 10", "3 of 10"]


def test_a_histogram_per_target_of_a_regression() -> None:
    targets = {
        "price": SimpleNamespace(edges=[0, 1, 2], histogram=[3, 1]),
        "age": SimpleNamespace(edges=[5, 6, 7], histogram=[0, 4]),
    }
    figure = target_histograms(dict.fromkeys(ROWS, targets), ROWS)
    assert [title.text for title in figure.layout.annotations] == ["price", "age"]
    of_test = [trace for trace in figure.data if trace.name == "test"]
    assert [list(trace.x) for trace in of_test] == [[0, 1, 2], [5, 6, 7]]
    assert [list(trace.y) for trace in of_test] == [pytest.approx([0.6, 0.2, 0]), pytest.approx([0, 0.8, 0])]
    assert [trace.showlegend for trace in of_test] == [True, False]
    shorter = target_histograms({split: {"price": targets["price"]} for split in ROWS}, ROWS)
    assert shorter.layout.height < figure.layout.height
