"""Names from data in Markdown, read back by an independent parser."""

from __future__ import annotations

import html

import pytest
from markdown_it import MarkdownIt

from mixmas_pipeline.utils.markdown import literal


@pytest.mark.parametrize(
    "name",
    [
        *(
            "<b>x</b>",
            "<script>alert(1)</script>",
            "a|b",
            "[a](javascript:b)",
            "![a](b)",
            "*a* `b`",
            "&lt;",
            "blood_gas",
            "_cat_",
            "__init__",
            "~~x~~",
            "a _b_ c",
        ),
        *("\\\\[a]", "R$ 5% - R$ 10%", "<!-- a", "https://a.b [/x]"),
    ],
)
def test_a_name_is_read_back_as_it_was(name: str) -> None:
    page = MarkdownIt("commonmark").enable("table").render(f"| a | b |\n| --- | --- |\n| {literal(name)} | end |\n")
    cells = [line.removeprefix("<td>").removesuffix("</td>") for line in page.splitlines() if line.startswith("<td>")]
    assert [html.unescape(cell) for cell in cells] == [name, "end"]


def test_codes_of_a_terminal_and_lines_are_gone() -> None:
    assert literal("\x1b[31mred\x1b[0m\nb") == " \\[31mred \\[0m b"
