"""Names that mean something to a program that shows them: markup, formulas, paths, templates, control characters."""

from __future__ import annotations

NASTY = (
    "$$",
    "R$ 5% - R$ 10%",
    "[/x]",
    "[red]bad[/red]",
    "<script>alert(1)</script>",
    "<b>bold</b>",
    "a|b|c",
    "`code`",
    "[link](javascript:alert(1))",
    "\x1b[31mred\x1b[0m",
    ":smile:",
    "{{ 7*7 }}",
    "${avmnist}",
    "%s %d",
    "name, with comma",
    "ünïcode — “quotes”",
    "=1+1",
    "../../etc/passwd",
    "a/b\\c",
    "# title",
    "*x* _y_",
    "'quote\"",
    "NaN",
    "null",
    "🙂",
)
