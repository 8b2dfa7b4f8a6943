"""The plan has the search's candidates, and an error exactly where a search stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from described import COMPUTE, Splits, described, made, settings

from mixmas_pipeline.pipelines.describe import nodes, page
from mixmas_pipeline.pipelines.describe.results import PlanReport
from mixmas_pipeline.pipelines.search import nodes as searching
from mixmas_pipeline.plots.text import estimate_sentences


def stop_at_nothing(splits: Splits) -> dict[str, Any]:
    return {}


def one_of_a_class(splits: Splits) -> dict[str, Any]:
    splits["train"].labels[np.flatnonzero(splits["train"].labels == 2)[1:]] = 0
    return {}


def constant_photo(splits: Splits) -> dict[str, Any]:
    splits["train"].arrays["photo"][:] = 3
    return {}


def no_fit(splits: Splits) -> dict[str, Any]:
    return {"search": {"encoders": {"photo": {"tokeniser": {"type": "patches", "patch": 5}}}}}


def no_match(splits: Splits) -> dict[str, Any]:
    return {"search": {"match": {"tolerance": 0.0001}}}


def metric(splits: Splits) -> dict[str, Any]:
    return {"search": {"selection": {"metric": "r2"}}}


def large_sample(splits: Splits) -> dict[str, Any]:
    return {"search": {"sample": {"margin": 0.01}}}


def unbalanced(splits: Splits) -> dict[str, Any]:
    return {"search": {"sample": {"balance": 1e-9}}}


FAULTS = [stop_at_nothing, one_of_a_class, constant_photo, no_fit, no_match, metric, large_sample, unbalanced]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_is_what_a_search_stops_at(fault: Callable[[Splits], dict[str, Any]]) -> None:
    splits = made()
    changes = fault(splits)
    search, training = settings(splits, **changes)
    description, findings = described(splits, **changes)
    stopped = ""
    try:
        searching.check_parameters(splits["train"], search.selection, search.budget, training)
        sample, *_ = searching.sample_for_search(splits["train"], search.sample)
        encoders = {name: stage.model_dump() for name, stage in search.encoders.items()}
        searching.propose_encoders(sample, encoders, search.match)
    except ValueError as error:
        stopped = str(error)
    assert description.search_would_stop == bool(stopped), (stopped, findings.to_string())
    if stopped:
        plan = PlanReport(facts=description.search, findings=description.findings)
        found = nodes.estimate_cost(splits["train"], splits["validation"], plan, search.model_dump(), training, COMPUTE)
        assert (found.candidates, found.search, found.training, found.bytes) == ((), None, None, None)
        assert estimate_sentences(found, description) == {}
        assert "Nothing was timed" in page.render(description, found, go.Figure())


def test_all_errors_are_reported_at_once() -> None:
    splits = made()
    constant_photo(splits)
    changes = {"search": {"selection": {"metric": "r2"}, "encoders": {"facts": {"tokeniser": {"type": "projection"}}}}}
    description, findings = described(splits, **changes)
    errors = findings[findings["severity"] == "error"]["what"].tolist()
    for words in ("metric is 'r2'", "a constant input", "a projection expects"):
        assert sum(words in what for what in errors) == 1, errors
    assert len(errors) == 3, errors
    assert description.search_would_stop


def test_proposals_are_those_of_the_search() -> None:
    splits = made()
    search, training = settings(splits)
    facts = nodes.plan_search(splits["train"], search.model_dump(), training).facts
    sample, holdout, _ = searching.sample_for_search(splits["train"], search.sample)
    encoders = {name: stage.model_dump() for name, stage in search.encoders.items()}
    expected = searching.propose_encoders(sample, encoders, search.match)
    assert (facts.sample, facts.holdout) == (len(sample), len(holdout))
    assert facts.proposals[: len(expected)] == tuple(expected.values())
    stages = [f"{proposal.stage}.{proposal.candidate}" for proposal in facts.proposals[len(expected) :]]
    assert stages == ["fusion_function.concat", "fusion_function.mean", "fusion_network.mixer"]
