"""Names from data are safe to print."""

from __future__ import annotations

from mixmas_pipeline.pipelines.data.custom.drafting.messages import counted, listed, shown


def test_control_characters_are_escaped_and_long_texts_cut() -> None:
    assert shown("red\x1b[31m\nline") == "red\\x1b[31m\\nline"
    assert shown("größe 雪") == "größe 雪"
    assert shown("x" * 100) == "x" * 37 + "..."


def test_lists_say_how_many_more_there_are() -> None:
    assert listed("abc", 3) == "a, b, c"
    assert listed("abcd", 3) == "a, b, c and 1 more"


def test_numbers_of_things() -> None:
    assert [counted(n, "row") for n in (1, 2, 12_000)] == ["1 row", "2 rows", "12,000 rows"]
