"""The model that is named, or that the newest verdict recommends, if all is of one run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from export_samples import record
from reference_samples import recommending

from mixmas_pipeline.pipelines.reference.chosen import choose, model_inputs, reference_records, why_not


def fitted(*modalities: str) -> Any:
    return SimpleNamespace(architecture=SimpleNamespace(inputs=dict.fromkeys(modalities)))


def of_one_run(model: str, modalities: str = "a + b", **changes: Any) -> dict[str, Any]:
    """Inputs of a node that takes the recommended model."""
    linear, network, metrics = (
        record("linear"),
        record("model"),
        record("metrics", inputs={"model": "content of model"}),
    )
    scores = record("references", inputs={"linear": linear.content})
    read = {"metrics": metrics.content, "references": scores.content}
    return {
        "searched": fitted("a", "b"),
        "linear": [fitted("a", "b"), fitted("a"), fitted("b")],
        "verdict": recommending(model, modalities),
        "verdict_record": record("verdict", inputs=read),
        "metrics_record": metrics,
        "record": network,
        "references_record": scores,
        "linear_record": linear,
        **changes,
    }


def test_a_kind_that_is_named_is_that_of_all_modalities() -> None:
    models = [fitted("a", "b"), fitted("a"), fitted("b")]
    assert choose({"trees": models, "references": None}) == ("trees", models[0], None)
    network = fitted("a", "b")
    assert choose({"searched": network}) == ("searched", network, None)


@pytest.mark.parametrize(
    ("model", "modalities", "kind", "number"),
    [("network", "a + b", "searched", None), ("linear", "a + b", "linear", 0), ("linear", "b", "linear", 2)],
)
def test_the_recommended_model_is_that_of_the_verdict(model: str, modalities: str, kind: str, number: Any) -> None:
    inputs = of_one_run(model, modalities)
    found = choose(inputs)
    assert found.kind == kind
    assert found.model is (inputs[kind] if number is None else inputs[kind][number])
    assert found.verdict is inputs["verdict"]


@pytest.mark.parametrize(
    ("model", "name", "message"),
    [
        (
            "linear",
            "linear_record",
            r"the newest references was made from another version of linear than the newest \(run r1\)",
        ),
        (
            "linear",
            "references_record",
            r"the newest verdict was made from another version of references than the newest \(run r1\)",
        ),
        ("network", "record", r"the newest metrics was made from another version of model than the newest \(run r1\)"),
        (
            "network",
            "metrics_record",
            r"the newest verdict was made from another version of metrics than the newest \(run r1\)",
        ),
    ],
)
def test_a_verdict_on_other_models_is_refused(model: str, name: str, message: str) -> None:
    inputs = of_one_run(model)
    newer = inputs[name].model_copy(update={"content": "newer"})
    with pytest.raises(ValueError, match=message):
        choose({**inputs, name: newer})
    unrecorded = {key: None for key in inputs if key.endswith("record")}
    assert choose({**inputs, **unrecorded}).verdict


def test_a_recommended_model_that_is_gone_is_named() -> None:
    inputs = of_one_run("linear")
    del inputs["linear"]
    with pytest.raises(ValueError, match=r"recommends the model 'linear', which is no longer fitted; .*: kedro run"):
        choose(inputs)
    with pytest.raises(ValueError, match=r"no newest linear model reads b, as the verdict says"):
        choose(of_one_run("linear", "b", linear=[fitted("a", "b")]))


@pytest.mark.parametrize(
    ("choice", "kinds", "reason"),
    [
        ("searched", (), None),
        ("recommended", ("linear",), None),
        ("trees", ("trees",), None),
        ("trees", ("linear",), "no reference model 'trees' is fitted"),
        ("linear", (), "no reference model 'linear' is fitted"),
        ("recommended", (), "the references are switched off, so there is no verdict that recommends a model"),
    ],
)
def test_why_there_is_no_such_model(choice: Any, kinds: tuple[str, ...], reason: str | None) -> None:
    assert why_not(choice, kinds) == reason


def test_a_kind_that_is_named_needs_no_other_model() -> None:
    assert model_inputs("pets", "searched", ("linear",)) == {"searched": "pets.model"}
    assert model_inputs("pets", "linear", ("linear", "trees")) == {"linear": "pets.reference.linear_refitted"}
    recommended = model_inputs("pets", "recommended", ("trees",))
    assert {"searched", "trees", "verdict", *reference_records("pets", ("trees",))} < set(recommended)
    assert "linear" not in recommended
