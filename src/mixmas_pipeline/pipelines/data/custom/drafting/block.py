"""A draft as YAML: every scalar so that Kedro reads back what was meant, and what each was made from as a comment."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mixmas_pipeline.pipelines.data.custom.drafting.messages import DraftError, shown

_WIDTH = 118
_PLAIN_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_WORDS_WITH_A_MEANING = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}


@dataclass(frozen=True)
class Line:
    """A key with what it has.

    Attributes:
        depth: of the key, 0 at the left.
        key: its name.
        value: a scalar, a list or a mapping; None: the lines below have what it has.
        comment: what it was made from. Default none.
    """

    depth: int
    key: str
    value: Any = None
    comment: str = ""


def nested(lines: Iterable[Line]) -> dict[str, Any]:
    """What the lines mean."""
    root: dict[str, Any] = {}
    holders = {0: root}
    for line in lines:
        if line.value is None:
            holders[line.depth + 1] = holders[line.depth].setdefault(line.key, {})
        else:
            holders[line.depth][line.key] = line.value
    return root


def render(lines: Iterable[Line]) -> str:
    """The lines as YAML, which reads back as ``nested``.

    Raises:
        DraftError: a name cannot be written.
    """
    lines = list(lines)
    text = "".join(_rendered(line) for line in lines)
    if read_back(text) != nested(lines):
        raise DraftError("a name in the table cannot be written as YAML; rename columns with unusual characters")
    return text


def read_back(text: str) -> Any:
    """What Kedro reads; None if it cannot."""
    try:
        return OmegaConf.to_container(OmegaConf.create(text), resolve=True)
    except (OmegaConfBaseException, yaml.YAMLError, ValueError):
        return None


def comment(text: str, depth: int) -> str:
    """Lines of a comment."""
    indent = "  " * depth + "# "
    return (
        textwrap.fill(
            _on_one_line(text), _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
        )
        + "\n"
    )


def _on_one_line(text: str) -> str:
    """Without what would end a comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _rendered(line: Line) -> str:
    indent = "  " * line.depth
    start = f"{indent}{_scalar(line.key, is_key=True)}:"
    written = start if line.value is None else f"{start} {_flow(line.value)}"
    if len(written) > _WIDTH and isinstance(line.value, list):
        inside = textwrap.indent(_wrapped(list(map(_flow, line.value)), _WIDTH - len(indent) - 4), f"{indent}  ")
        written = f"{start} [\n{inside}\n{indent}]"
    if not line.comment:
        return f"{written}\n"
    beside = f"{written}  # {_on_one_line(line.comment)}"
    if len(beside) <= _WIDTH and "\n" not in written:
        return f"{beside}\n"
    return f"{comment(line.comment, line.depth)}{written}\n"


def _wrapped(parts: list[str], width: int) -> str:
    """The parts, with commas between them, on lines of at most this width. Parts are not broken."""
    lines, own = [], ""
    for part in parts:
        if own and len(own) + len(part) + 2 > width:
            lines.append(f"{own},")
            own = part
        else:
            own = f"{own}, {part}" if own else part
    return "\n".join([*lines, own])


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key, is_key=True)}: {_flow(of)}" for key, of in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any, *, is_key: bool = False) -> str:
    """As plain as it reads back. In values, not in keys, "${" would begin a reference to another one."""
    if not isinstance(value, str):
        return yaml.safe_dump(value, width=math.inf).removesuffix("...\n").strip()
    if value and set(value) <= _PLAIN_LETTERS and value.lower() not in _WORDS_WITH_A_MEANING:
        return value
    for meant in (value, value if is_key else value.replace("${", "\\${")):
        plain = yaml.safe_dump([value], default_flow_style=True, width=math.inf, allow_unicode=True).strip()[1:-1]
        quoted = yaml.safe_dump(meant, default_style='"', width=math.inf, allow_unicode=True).strip()
        for text in (plain, quoted):
            if text.startswith("'") or "\n" in text:
                continue
            written, wanted = (f"{{{text}: 0}}", {value: 0}) if is_key else (f"{{a: [{text}]}}", {"a": [value]})
            if read_back(written) == wanted:
                return text
    raise DraftError(f"the name {shown(value)!r} cannot be written as YAML; rename it in the table")
