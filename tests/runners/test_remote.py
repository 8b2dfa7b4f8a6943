"""Errors on their way from a worker to the run."""

from __future__ import annotations

import pickle

import probes
import pytest

from mixmas_pipeline.runners.remote import RemoteError


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        pytest.param(LookupError("no such thing"), LookupError, "no such thing", id="plain"),
        pytest.param(probes.Unusual(1, 2), RuntimeError, "Unusual: 1 is not 2", id="cannot be rebuilt"),
        pytest.param(ValueError(lambda: 0), RuntimeError, "ValueError: <function", id="cannot be pickled"),
    ],
)
def test_an_error_arrives_with_its_text_and_the_place_where_it_was_raised(
    error: Exception, kind: type[Exception], text: str
) -> None:
    try:
        raise error
    except Exception as raised:
        arrived = pickle.loads(pickle.dumps(RemoteError.of(raised))).restored()
    assert type(arrived) is kind
    assert str(arrived).startswith(text)
    assert "in test_an_error_arrives" in str(arrived.__cause__)
