"""The report's page needs nothing from outside, escapes text and shows the numbers of its tables."""

from __future__ import annotations

import base64
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest
from reference_samples import references

from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.reference.results import Finalist, Verdict
from mixmas_pipeline.pipelines.reporting.page import render
from mixmas_pipeline.pipelines.search.results import SampleReport, SamplingReport, SettingsReport

SCRIPT = "<script>alert('x')</script>"
FIGURES = ["heads", "leaderboard", "history", "confusion", "calibration", "class", "patterns", "references"]


class Figure:
    """Stands for a plotly figure."""

    def to_html(self, *, full_html: bool, include_plotlyjs: bool, div_id: str) -> str:
        assert not full_html
        assert not include_plotlyjs
        return f"<div id='{div_id}'></div>"


class Page(HTMLParser):
    """The tags with their attributes, and the texts of all cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.feed(text)
        self.cells = [cell.strip() for cell in self.cells]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag in ("td", "th"):
            self.cells[-1] += data


def leaderboard(*candidates: dict[str, Any]) -> pd.DataFrame:
    plain = {"stage": "image", "candidate": "mlp", "chosen": False, "tied": False, "mean": 0.5, "spread": 0.125}
    plain |= {"seed_0": 0.375, "seed_1": 0.625, "chance": 0.25, "above_chance": True, "parameters": 1234567}
    plain |= {"flops_per_example": 2_500_000, "seconds": 1.5, "steps": 10, "trials": 2, "extended": False}
    return pd.DataFrame([{**plain, "dropped": False, "reason": "", **candidate} for candidate in candidates])


@pytest.fixture
def page(make_architecture: Callable[..., Architecture]) -> Callable[..., str]:
    """Makes pages; arguments replace parts of a small report."""

    def make(**changes: Any) -> str:
        sample = SampleReport(rows=4, worst_imbalance=0.0, worst_class="a", classes={"a": 3, SCRIPT: 1})
        pattern = {"pattern": "image", "rows": 3, "score": 0.5, "rows_with_more": 4, "score_when_masked": float("nan")}
        parts: dict[str, Any] = {
            "title": f"films {SCRIPT}",
            "settings": SettingsReport(
                task="multiclass", metrics={"films.search.metric": SCRIPT}, balances={}, modality_dropouts={}
            ),
            "sampling": SamplingReport(
                source="", population=8, classes={"a": 6, SCRIPT: 2}, sample=sample, holdout=sample
            ),
            "architecture": make_architecture(),
            "leaderboard": leaderboard({"candidate": SCRIPT, "chosen": True, "tied": True, "reason": SCRIPT}),
            "metrics": {
                "validation": {"accuracy": 0.75, "loss": 1.25},
                "test": {"accuracy": 0.625},
                "test_low": {"accuracy": 0.5},
                "test_high": {"accuracy": 0.75},
            },
            "class_scores": pd.DataFrame({"class": ["a", SCRIPT], "f1": [0.12345, 1.0]}),
            "patterns": pd.DataFrame([{**pattern, "metric": "accuracy", "trained_with_missing": False}]),
            "pictures": {"examples": b"one", "mistakes": b"two", "architecture": b"three"},
            "figures": {**{f"{name}_figure": Figure() for name in FIGURES}, "candidate_curves": Figure()},
        }
        return render(**{**parts, **changes})

    return make


def test_text_is_escaped(page: Callable[..., str]) -> None:
    """That of the title, a setting, a candidate, its reason, a class in two tables."""
    text = page()
    assert SCRIPT not in text
    assert text.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") == 7, "the title is also the heading"


def test_nothing_is_loaded_from_outside(page: Callable[..., str]) -> None:
    tags = Page(page()).tags
    sources = [attributes["src"] for tag, attributes in tags if "src" in attributes]
    pictures = [base64.b64encode(content).decode() for content in (b"three", b"one", b"two")]
    assert sources == [f"data:image/png;base64,{picture}" for picture in pictures]
    assert not {"link", "iframe", "base"} & {tag for tag, _ in tags}
    figures = [attributes["id"] for tag, attributes in tags if tag == "div"]
    assert figures == [
        *("heads_figure", "leaderboard_figure", "candidate_curves"),
        *("history_figure", "confusion_figure", "calibration_figure", "class_figure"),
    ]


def test_tables_show_the_scores_and_the_shares_of_the_classes(page: Callable[..., str]) -> None:
    cells = Page(page()).cells

    def follows(*expected: str) -> bool:
        return any(cells[i : i + len(expected)] == list(expected) for i in range(len(cells)))

    assert follows("accuracy", "0.7500", "0.6250", "0.500 to 0.750", "loss", "1.2500", "", "")
    assert follows(SCRIPT, "0.500", "0.125", "0.375 0.625", "0.250", "1,234,567", "2.50", "1.5", "10", "chosen")
    assert follows("a", "6", "75.0 %", "3", "3")
    assert follows("class", "f1", "a", "0.123", SCRIPT, "1.000")


def test_a_candidate_says_that_it_is_tied_at_chance_or_dropped(page: Callable[..., str]) -> None:
    board = leaderboard(
        {"candidate": "first", "chosen": True, "tied": True, "seed_2": 0.5},
        {"candidate": "second", "tied": True, "seed_2": 0.5},
        {"candidate": "third", "above_chance": False, "dropped": True, "seed_2": float("nan")},
    )
    cells = Page(page(leaderboard=board)).cells
    notes = {name: cells[cells.index(name) + 9] for name in ("first", "second", "third")}
    assert notes == {"first": "chosen, tied", "second": "tied", "third": "at chance, dropped after 2 seeds"}
    assert cells[cells.index("third") + 3] == "0.375 0.625", "the last seed was not trained"


def test_sets_of_modalities_are_compared_if_there_are_two(page: Callable[..., str]) -> None:
    row = {"rows": 3, "rows_with_more": 4, "metric": "accuracy", "trained_with_missing": True}
    scores = [{"score": 0.5, "score_when_masked": float("nan")}, {"score": float("nan"), "score_when_masked": 0.25}]
    patterns = pd.DataFrame([{"pattern": name, **row, **score} for name, score in zip("ab", scores, strict=True)])
    both, one = Page(page(patterns=patterns)), Page(page(patterns=patterns[:1]))
    assert both.cells[-10:] == ["a", "3", "0.500", "4", "", "b", "3", "", "4", "0.250"]
    assert ("div", {"id": "patterns_figure"}) in both.tags
    assert "examples with exactly these" in both.cells
    assert "examples with exactly these" not in one.cells
    assert ("div", {"id": "patterns_figure"}) not in one.tags


def test_the_verdict_is_on_top_with_a_row_per_model(page: Callable[..., str]) -> None:
    scores = {"validation": 0.5, "test": 0.25, "low": 0.125, "high": 0.375}
    network, linear = (
        Finalist.model_validate({"model": model, "modalities": f"a + {SCRIPT}", **scores})
        for model in ("network", "linear")
    )
    verdict = Verdict(
        metric="accuracy", recommended=linear, other=network, difference=0.0, low=-0.5, high=0.5, outcome="level",
        rows=8, sentences=(f"Level {SCRIPT}.", "Use it.", "How it was chosen."),
    )  # fmt: skip
    made = references(("linear", f"a + {SCRIPT}", 0.5), ("trees", "a", 0.4))
    assert "Verdict" not in page()
    text = page(verdict=verdict, references=made)
    assert SCRIPT not in text
    assert text.index("Verdict</h2>") < text.index("Result</h2>")
    for sentence in ("Use it.", "How it was chosen."):
        assert sentence in text
    found = Page(text)
    start = found.cells.index("network")
    assert found.cells[start : start + 9] == ["network", f"a + {SCRIPT}", "0.500", "0.250", "0.125 to 0.375", *[""] * 4]
    assert found.cells[start + 9 : start + 18] == [
        "linear", f"a + {SCRIPT}", "0.500", "0.500", "0.400 to 0.600", "0.750", "100", "1,234", "1.5",
    ]  # fmt: skip
    assert ("div", {"id": "references_figure"}) in found.tags
    chosen = [tag for tag, attributes in found.tags if tag == "tr" and attributes.get("class") == "chosen"]
    assert len(chosen) == 2, "the recommended model, and the candidate of the search"


def test_positive_class_is_on_the_page(page: Callable[..., str]) -> None:
    scores = {split: {"accuracy": 0.5} for split in ("validation", "test", "test_low", "test_high")}
    shown = " ".join(page(metrics={**scores, "positive_class": {"<b>bot": 0.021}}).split())
    assert "The positive class is &lt;b&gt;bot (2 % of the test rows)" in shown


def test_weights_of_an_ensemble_are_on_the_page(page: Callable[..., str]) -> None:
    scores = {split: {"accuracy": 0.5} for split in ("validation", "test", "test_low", "test_high")}
    assert "ensemble" not in page(metrics=scores)
    shown = " ".join(page(metrics={**scores, "weights": {"networks": 0.25, "linear": 0.75}}).split())
    assert "the weights of its members are networks 0.25, linear 0.75." in shown
