"""What the card says of a reference model comes from the model, its record and the table of scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from export_samples import record
from reference_samples import references

from mixmas_pipeline.pipelines.export.card import About
from mixmas_pipeline.pipelines.export.reference_card import about_reference
from mixmas_pipeline.training.references import fit_reference


def about(table: Any, kind: Any = "linear", modalities: tuple[str, ...] = ("image", "series"), **made: Any) -> About:
    frame = references((kind, "image + series", 0.75), (kind, "series", 0.5)).assign(rows_test=7)
    return about_reference(fit_reference(kind, table, modalities, 0), table, frame, record("x", **made))


def test_the_scores_are_those_of_the_model_with_these_modalities(make_table: Callable) -> None:
    both, alone = about(make_table(30)), about(make_table(30), modalities=("series",))
    assert "| accuracy | 0.7500 | 0.5000 | 0.4000 to 0.6000 |" in both.sections.splitlines()
    assert "| accuracy | 0.5000 | 0.5000 | 0.4000 to 0.6000 |" in alone.sections.splitlines()
    assert both.test == {"accuracy": 0.5, "auroc": 0.75}
    assert (both.test_rows, both.classes) == (7, {"a": 10, "b": 10, "c": 10})


@pytest.mark.parametrize(
    ("kind", "title", "what"),
    [("linear", "Linear model", "logistic regression"), ("trees", "Tree ensemble", "gradient-boosted trees")],
)
def test_it_says_which_model_it_is_and_how_it_was_fitted(
    kind: str, title: str, what: str, make_table: Callable
) -> None:
    parameters = {"params:films.reference": '{"seed": 3, "max_rows": 90, "kinds": []}'}
    found = about(make_table(30), kind, parameters={**parameters, "params:films.training.balance": '"classes"'})
    assert (found.title, found.made, found.drawing, found.has_heads) == (title, "fitted", False, False)
    for words in (
        what,
        "| image | means of 6 × 6 fields | 36 |",
        "| series | mean, last step and standard deviation over the steps, and all values | 24 |",
        "fitted on 30 of the training and validation examples",
        "the penalty, " if kind == "linear" else "the number of iterations, at most ",
        "Settings: seed 3, max_rows 90, balance classes. Run: r1",
    ):
        assert words in found.sections
    assert "The settings are not recorded." in about(make_table(30), kind).sections
