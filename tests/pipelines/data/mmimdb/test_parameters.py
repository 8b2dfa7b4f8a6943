"""Parameters of MM-IMDB: what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES, FilmParameters, MMIMDBParameters


def test_genres_are_those_of_the_paper() -> None:
    assert len(GENRES) == len(set(GENRES)) == 23
    with pytest.raises(ValueError, match="repeats one"):
        FilmParameters(genres=("Drama", "Drama"))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"input": "csv"}, r"input\n.*'raw' or 'hdf5'"),
        ({"pictures": {"height": 7}}, r"pictures.height\n.*greater than or equal to 8"),
        ({"pictures": {"width": 2049}}, r"pictures.width\n.*less than or equal to 2048"),
        ({"films": {"genres": ()}}, r"films.genres\n.*at least 1 item"),
        ({"films": {"leaks": "keep"}}, r"films.leaks\n.*'report' or 'drop'"),
        ({"text": {"max_tokens": 2}}, r"text.max_tokens\n.*greater than or equal to 3"),
        ({"text": {"batch_tokens": 0}}, r"text.batch_tokens\n.*greater than or equal to 1"),
        ({"text": {"precision": "float16"}}, r"text.precision\n.*'auto', 'float32' or 'bfloat16'"),
        ({"film": {}}, r"film\n.*Extra inputs are not permitted"),
    ],
)
def test_parameters_out_of_range_are_named(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MMIMDBParameters.model_validate(section)
