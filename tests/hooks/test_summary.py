"""The tables that end a run show the artefacts' numbers, and text from data literally."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.hooks.summary import RENDERERS, print_summary, summarise
from mixmas_pipeline.models.architecture import Architecture

PATTERNS = pd.DataFrame(
    {
        "pattern": ["image + audio", "image", "audio"],
        "modalities": [2, 1, 1],
        "metric": "accuracy",
        "rows": [7, 0, 3],
        "score": [0.9, np.nan, 0.4],
        "rows_with_more": [7, 7, 10],
        "score_when_masked": [0.9, 0.6, 0.5],
        "trained_with_missing": False,
    }
)
FINDINGS = pd.DataFrame(
    [("warning", "60 rows [only]", "test", "image", "3, 4", "Make the split larger")],
    columns=["severity", "what", "split", "modality", "rows", "advice"],
)
TASK = "binary, the positive class is [red]"
DESCRIPTION = SimpleNamespace(source="pets[bold].csv", rows={"train": 4000, "test": 60}, task_text=TASK)


def echo(value: object) -> object:
    return value


def printed(capsys: pytest.CaptureFixture[str], **results: Any) -> str:
    print_summary("films", results)
    return capsys.readouterr().out


def rows(text: str) -> list[list[str]]:
    """The cells of a table's rows."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def test_final_scores_have_a_column_per_split(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {"validation": {"accuracy": 0.5, "f1": 0.25}, "test": {"accuracy": 0.75}, "train": {"accuracy": 1.0}}
    metrics |= {"test_low": {"accuracy": 0.6}, "test_high": {"accuracy": 0.8125}}
    text = printed(capsys, metrics=metrics)
    assert text.startswith("films: final scores")
    assert rows(text) == [["accuracy", "0.5000", "0.7500", "0.600 to 0.812"], ["f1", "0.2500", "", ""]]


def test_weights_of_an_ensemble_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, metrics={"test": {"accuracy": 0.5}, "weights": {"networks": 0.25, "linear": 0.75}})
    assert "Weights in the ensemble: networks 0.25, linear 0.75" in text


def test_positive_class_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, metrics={"test": {"accuracy": 0.5}, "positive_class": {"[red]bot": 0.021}})
    assert "Positive class: [red]bot (2% of the test rows)" in text


def test_the_threshold_of_a_decision_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The weights 1 and 4 decide for the second class where 4 p > 1 - p."""
    metrics = {"test": {"f1": 0.5}, "positive_class": {"bot": 0.1}, "decision_weights": {"human": 1.0, "bot": 4.0}}
    assert "Decided bot from a probability of 0.20" in printed(capsys, metrics=metrics)
    assert "Decided" not in printed(capsys, metrics={"test": {"f1": 0.5}, "positive_class": {"bot": 0.1}})


def test_leaderboard_notes_and_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    common = {"stage": "image", "steps": 200, "extended": True, "trials": 2, "spread": 0.01, "chance": 0.1}
    common |= {"parameters": 12345, "flops_per_example": 1_500_000, "seconds": 2.0, "reason": "It is the cheapest."}
    board = pd.DataFrame(
        [
            {"candidate": "ramlp", "mean": 0.7, "chosen": True, "tied": True, "above_chance": True, "dropped": False},
            {"candidate": "mlp", "mean": 0.7, "chosen": False, "tied": True, "above_chance": True, "dropped": False},
            {"candidate": "hyper", "mean": 0.1, "chosen": False, "tied": False, "above_chance": False, "dropped": True},
        ]
    ).assign(**common)
    text = printed(capsys, leaderboard=board)
    assert "films: image (200 steps, budget extended)" in text
    assert rows(text) == [
        ["ramlp", "0.700", "0.010", "0.100", "12,345", "1.50", "2.0", "chosen, tied"],
        ["mlp", "0.700", "0.010", "0.100", "12,345", "1.50", "2.0", "tied"],
        ["hyper", "0.100", "0.010", "0.100", "12,345", "1.50", "2.0", "at chance, dropped after 2 seeds"],
    ]
    assert "  It is the cheapest." in text


def test_scores_by_modalities_are_shown_only_if_some_row_lacks_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert rows(printed(capsys, patterns=PATTERNS)) == [
        ["image + audio", "7", "0.9000", "7", "0.9000"],
        ["image", "0", "", "7", "0.6000"],
        ["audio", "3", "0.4000", "10", "0.5000"],
    ]
    complete = PATTERNS.assign(rows=[10, 0, 0])
    assert printed(capsys, patterns=complete) == ""
    assert printed(capsys, patterns=complete.assign(trained_with_missing=True)) != ""


def test_the_search_says_which_class_is_positive(capsys: pytest.CaptureFixture[str]) -> None:
    rows_of = SimpleNamespace(rows=30)
    sampling = SimpleNamespace(source="pets", sample=rows_of, holdout=rows_of, population=90, positive="[b]ill")
    text = printed(capsys, **{"search.sampling": sampling})
    assert "of 90 training examples; positive class: [b]ill" in text


def test_comparison_has_the_interval_of_the_difference(capsys: pytest.CaptureFixture[str]) -> None:
    common = {
        "metric": "accuracy",
        "positive": "",
        "seed_0": 0.5,
        "seed_1": 0.6,
        "flops_per_example": 2e6,
        "epochs": 3.0,
        "seconds": 4.0,
    }
    comparison = pd.DataFrame(
        [
            {"contender": "baseline", "score": 0.5, "parameters": 10.0, "published": 0.9, "rate_at_edge": False},
            {"contender": "searched", "score": 0.6, "parameters": 20.0, "difference": 0.1, "rate_at_edge": True},
            {"contender": "linear", "score": 0.6, "parameters": 30.0, "difference": 0.1, "rate_at_edge": None},
            {"contender": "dummy", "score": 0.1},
        ]
    ).assign(**common, spread=0.01, low=-0.05, high=0.25, learning_rate=[0.002, 0.002, np.nan, np.nan])
    text = printed(capsys, comparison=comparison)
    assert "films: test accuracy, mean of 2 seeds" in text
    assert rows(text) == [
        ["baseline", "0.5000", "0.0100", "", "10", "2.00", "0.002", "3.0", "4"],
        ["searched", "0.6000", "0.0100", "+0.1000 [-0.0500, +0.2500]", "20", "2.00", "0.002 (edge)", "3.0", "4"],
        ["linear", "0.6000", "0.0100", "+0.1000 [-0.0500, +0.2500]", "30", "", "", "", "4"],
        ["dummy", "0.1000", "", "", "", "", "", "", ""],
    ]
    assert "published, on other data: baseline 0.9000" in text


def test_predictions_name_the_model_and_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    contribution = {"mean_contribution": 0.25, "mean_absolute_contribution": 0.5, "flipped": 0.1, "head_agrees": None}
    summary = SimpleNamespace(model="linear", model_name="the linear model", rows=3, scores={"auroc": 0.75})
    summary.decided = {f"genre {number}": number for number in range(13)} | {"[bold]": 40}
    summary.modalities = {"image": SimpleNamespace(**contribution)}
    text = printed(capsys, prediction_summary=summary)
    assert "films: 3 rows predicted by the linear model" in text
    assert "Decided [bold]: 40, genre 12: 12, genre 11: 11" in text
    assert "genre 4: 4, and 4 more classes" in " ".join(text.split())
    assert "On these rows auroc 0.7500" in text
    assert "the linear model has no heads of single modalities" in " ".join(text.split())
    assert rows(text) == [["image", "+0.2500", "0.5000", "10.0%", ""]]


def test_the_first_predictions_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    columns = {"id": list("abcdefg"), "predicted": ["[red]x"] * 7, "confidence": [0.123456] * 7, "image_head": 0}
    text = printed(capsys, predicted=pd.DataFrame(columns))
    assert "films: the first 5 of 7 predictions" in " ".join(text.split())
    assert rows(text) == [[name, "[red]x", "0.1235"] for name in "abcde"]
    text = printed(capsys, predicted=pd.DataFrame({"id": ["a"], "label_cost": [1200.0], "predicted_cost": [1234.56]}))
    assert rows(text) == [["a", "1200", "1235"]]


def test_references_have_intervals_and_the_verdict_comes_last(capsys: pytest.CaptureFixture[str]) -> None:
    common = {
        "metric": "f1",
        "positive": "[bold]ill",
        "low": 0.1,
        "high": 0.3,
        "rows_refitted": 1200,
        "features": 9,
        "seconds": 1.25,
    }
    references = pd.DataFrame(
        [
            {"model": "linear", "modalities": "[red] + b", "auroc": 0.75, "bounded": "fitted on 9 of 10 rows"},
            {"model": "trees", "modalities": "b", "auroc": np.nan, "bounded": ""},
        ]
    ).assign(**common, validation=0.25, test=0.2)
    verdict = SimpleNamespace(sentences=("The linear model on [red] alone is better.", "Use it.", "More."))
    text = printed(capsys, verdict=verdict, references=references, metrics={"test": {"r2": 0.5}})
    assert rows(text)[1:] == [
        ["linear", "[red] + b", "0.2500", "0.2000", "0.1000 to 0.3000", "0.7500", "1,200", "9", "1.2"],
        ["trees", "b", "0.2500", "0.2000", "0.1000 to 0.3000", "", "1,200", "9", "1.2"],
    ]
    assert "films: reference models, f1 (positive class: [bold]ill)" in text
    assert "fitted on 9 of 10 rows" in text
    assert text.rstrip().endswith("films: The linear model on [red] alone is better. Use it.")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.12345, "0.1235"),
        (3.2e-9, "3.2e-09"),
        (-0.00004, "-4.0e-05"),
        (0.0, "0.0000"),
        (-1e-17, "0.0000"),
        (9.0, "9.0000"),
    ],
)
def test_numbers_that_are_small_are_not_zero(value: float, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert rows(printed(capsys, metrics={"test": {"rmse": value}})) == [["rmse", shown, ""]]


def test_checks_show_warnings_only_and_only_if_there_are_some(capsys: pytest.CaptureFixture[str]) -> None:
    notes = FINDINGS.assign(severity="note")
    assert printed(capsys, checks=notes).strip() == ""
    several = pd.concat([FINDINGS.assign(what=f"fault {number}") for number in range(7)] + [notes])
    text = printed(capsys, checks=several)
    assert [row[2] for row in rows(text)] == [f"fault {number} (3, 4)" for number in range(5)]
    assert "and 2 more; kedro run --pipelines=describe looks for more" in text


def test_the_terminal_shows_twenty_findings(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, description=DESCRIPTION, findings=pd.concat([FINDINGS] * 23))
    assert len(rows(text)) == 20
    assert "and 3 more, of less weight: see the page" in text


def test_text_from_data_is_literal(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither Rich's markup nor its emoji codes are read."""
    text = printed(capsys, description=DESCRIPTION, findings=FINDINGS)
    assert "pets[bold].csv: 4,000 train, 60 test rows; binary, the positive class is [red]" in " ".join(text.split())
    assert rows(text) == [["warning", "test: image", "60 rows [only] (3, 4)", "Make the split larger"]]
    assert "A search would run; 1 warning" in text
    odd = printed(capsys, metrics={"test": {"accuracy, [red]:smile:": 0.5}})
    assert rows(odd) == [["accuracy, [red]:smile:", "0.5000", ""]]


def test_parts_come_in_the_renderers_order_and_only_with_all_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, patterns=PATTERNS, metrics={"test": {"accuracy": 0.5}}, findings=FINDINGS)
    assert text.index("final scores") < text.index("by the modalities present")
    assert "findings" not in text, "the description is missing"


def test_every_kind_that_a_renderer_needs_is_printed_from_the_catalog(capsys: pytest.CaptureFixture[str]) -> None:
    """A kind of another data set, and one that the pipeline does not make, are left out."""
    pipeline = Pipeline(
        [Node(echo, "films.raw", "films.metrics", name="a"), Node(echo, "films.x", "pets.other", name="b")]
    )
    catalog = DataCatalog(
        {
            "films.metrics": MemoryDataset({"test": {"accuracy": 0.5}}),
            "films.patterns": MemoryDataset(PATTERNS),
            "pets.metrics": MemoryDataset({"test": {"accuracy": 0.1}}),
        }
    )
    summarise(pipeline, catalog)
    assert rows(capsys.readouterr().out) == [["accuracy", "0.5000", ""]]


@pytest.mark.parametrize("render", RENDERERS.values(), ids=lambda render: render.__name__)
def test_a_renderer_takes_the_data_set_and_its_kinds(render: Any) -> None:
    import inspect

    (kinds,) = [kinds for kinds, function in RENDERERS.items() if function is render]
    assert len(inspect.signature(render).parameters) == 1 + len(kinds)


def test_a_tokeniser_s_settings_are_shown_if_they_are_on(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = {"hidden_dim": 8, "depth": 1, "block": {"block": "linear"}}
    tokenisers: dict[str, dict[str, Any]] = {
        "image": {"type": "patches", "patch": 2},
        "text": {"type": "projection"},
        "facts": {"type": "vector", "clip": 3, "frequencies": 4},
    }
    shapes = {"image": (4, 4), "text": (3, 2), "facts": (5,)}
    architecture = Architecture.model_validate(
        {
            "task": "multiclass",
            "classes": ("a", "b"),
            "inputs": {name: {"shape": shape, "mean": 0, "std": 1} for name, shape in shapes.items()},
            "encoders": {name: {**blocks, "tokeniser": tokeniser} for name, tokeniser in tokenisers.items()},
            "fusion": {"function": "late", "network": {"depth": 1, "block": {"block": "linear"}}},
        }
    )
    text = printed(capsys, architecture=architecture)
    assert "patches 2, hidden_dim 8" in text
    assert "projection, hidden_dim 8" in text
    assert "vector clip 3.0 frequencies 4, hidden_dim 8" in text
