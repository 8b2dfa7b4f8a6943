"""Control characters are shown, not obeyed."""

from __future__ import annotations

from mixmas_pipeline.utils.printable import printable


def test_control_characters_are_escaped_and_letters_stay() -> None:
    assert printable("a\x1b[31mé\n\u202eb") == "a\\x1b[31mé\\n\\u202eb"
    assert printable("one\ntwo\t", kept="\n") == "one\ntwo\\t"
