"""The YAML of a draft reads back as what was meant, whatever the table's names are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kedro.config import OmegaConfigLoader

from mixmas_pipeline.pipelines.data.custom.drafting.block import Line, nested, read_back, render
from mixmas_pipeline.pipelines.data.custom.drafting.messages import DraftError

NASTY = [
    *("yes", "no", "on", "off", "null", "~", "1e3", "0x1f", "012", "1_000", "3", "2024-01-02", "12:30", ".5", "nan"),
    *("a: b", "a #b", "#", "- a", "[x]", "{x}", "a,b", "'", '"', "it's", "\\", "a\\nb", "a\nb", "\t", " ", "", "  a "),
    *(
        "${x}",
        "a ${oc.env:HOME} b",
        "$",
        "%",
        "@x",
        "`",
        "*",
        "&a",
        "!tag",
        "?",
        "|",
        ">",
        "=",
        "<<",
        "雪",
        "🐈",
        "\x1b",
    ),
]


def lines(*names: str) -> list[Line]:
    return [
        Line(0, "pets"),
        Line(1, "columns", list(names), "some names"),
        Line(1, "label", names[0]),
        Line(1, "split", {"column": names[0], "values": {"train": list(names)}}),
    ]


@pytest.mark.parametrize("name", NASTY)
def test_names_read_back(name: str, tmp_path: Path) -> None:
    """By Kedro, and without its references also by any reader of YAML 1.1."""
    text = render(lines(name, "plain"))
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "parameters.yml").write_text(text, encoding="utf-8")
    loader = OmegaConfigLoader(str(tmp_path), base_env="base", default_run_env="base")
    assert loader["parameters"] == nested(lines(name, "plain"))
    if "${" not in name and name != "1e3":
        assert yaml.safe_load(text) == nested(lines(name, "plain"))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=4))
def test_any_name_reads_back_or_is_refused(names: list[str]) -> None:
    try:
        text = render(lines(*names))
    except DraftError:
        return
    assert read_back(text) == nested(lines(*names))


def test_what_is_plain_is_written_plainly() -> None:
    assert render([Line(0, "a", ["age", "hr_*", "*", 3, 0.15, True])]) == 'a: [age, hr_*, "*", 3, 0.15, true]\n'


def test_long_lists_and_comments_are_wrapped() -> None:
    names = [f"column_number_{i}" for i in range(200)]
    text = render([Line(0, "a"), Line(1, "b", names, "word " * 60)])
    assert max(map(len, text.splitlines())) <= 118
    assert text.startswith("a:\n  # word word")
    assert read_back(text) == {"a": {"b": names}}


def test_short_comments_stand_beside() -> None:
    assert render([Line(0, "a", 1, "why")]) == "a: 1  # why\n"


def test_a_break_in_a_comment_does_not_end_it() -> None:
    assert read_back(render([Line(0, "a", 1, "one\ntwo: 3")])) == {"a": 1}
