"""Columns whose cells are names."""

from __future__ import annotations

from mixmas_pipeline.pipelines.data.custom.formats.form import Form


def test_names_are_named_or_fit_a_pattern() -> None:
    form = Form(names=("id", "br*", "a[1]"))
    assert [column for column in ("id", "breed", "bread", "a[1]", "a1", "age") if form.is_name(column)] == [
        *("id", "breed", "bread", "a[1]", "a1")
    ]
    assert not Form().is_name("id")
