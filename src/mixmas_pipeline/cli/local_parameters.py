"""A drafted block in ``conf/local/parameters.yml``: added below what is there, which stays byte for byte."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mixmas_pipeline.storage.atomic import write_atomically

FILE = Path("local", "parameters.yml")
_DRAFT = re.compile(
    r"^# --- draft of (?P<name>\w+) ---[^\n]*\n.*?^# --- end of the draft of (?P=name) ---[^\n]*(\n|\Z)",
    re.MULTILINE | re.DOTALL,
)
_CHOICE = re.compile(r"^dataset:.*$", re.MULTILINE)


class NotFree(ValueError):
    """The parameters have a key that the draft needs; the message says where, and what to do."""


def bordered(name: str, text: str) -> str:
    """The block between the lines by which ``--force`` finds it."""
    return (
        f"# --- draft of {name} --- Edit it as you like. kedro draft --force writes it anew, down to its end.\n{text}"
        f"# --- end of the draft of {name} ---\n"
    )


def check_free(conf: Path, name: str, *, force: bool) -> None:
    """Can a block of this name be added?

    Args:
        conf: the project's folder of configuration.
        force: drafts that have the same keys may be replaced.

    Raises:
        NotFree: a key is there already, or a file cannot be read.
    """
    inserted(_read(conf / FILE), name, "", force=force)
    for file in _others(conf):
        keys = _keys(_read(file), file)
        for key in {name} if file.is_relative_to(conf / "base") else {name, "dataset"}:
            if key in keys:
                raise NotFree(f"{file} has the key {key!r} already; remove it there, or name the data set with --name")


def inserted(old: str, name: str, block: str, *, force: bool) -> str:
    """The file with the block: in the place of the draft that it replaces, else at the end. A draft of another table
    stays; only its line that chooses it becomes a comment.

    Args:
        old: what is there.
        name: of the data set.
        block: of ``bordered``.
        force: replace an earlier draft of this name.

    Raises:
        NotFree: a key is there already.
    """
    needed = {"dataset", name}
    old = _DRAFT.sub(lambda m: m[0] if name in _keys(m[0], FILE) else _CHOICE.sub(r"# \g<0>", m[0]), old)
    drafts = [m for m in _DRAFT.finditer(old) if name in _keys(m[0], FILE)]
    rest = _without(old, drafts)
    for key in sorted(needed & _keys(rest, FILE).keys()):
        line = next((i for i, text in enumerate(old.splitlines(), 1) if re.match(rf"['\"]?{key}['\"]?\s*:", text)), 0)
        advice = "remove that line" if key == "dataset" else "remove it, or name the data set with --name"
        raise NotFree(f"conf/{FILE.as_posix()}, line {line}, has the key {key!r} already; {advice}")
    if drafts and not force:
        raise NotFree(
            f"conf/{FILE.as_posix()} has a draft of {drafts[0]['name']} already; --force writes it anew (what you have "
            "changed between its first and last line is lost)"
        )
    if drafts:
        return _without(old[: drafts[0].start()], []) + block + _without(old, drafts)[drafts[0].start() :]
    return old + ("\n" if old and not old.endswith("\n") else "") + ("\n" if old.strip() else "") + block


def write(conf: Path, name: str, text: str, *, force: bool) -> Path:
    """Add a block.

    Args:
        text: of the block.

    Returns:
        The file.

    Raises:
        NotFree: as ``check_free``; or the file does not read back as it was meant.
    """
    check_free(conf, name, force=force)
    file = (conf / FILE).resolve()  # of a link its target is replaced
    new = inserted(_read(file), name, bordered(name, text), force=force)
    try:
        is_read = _keys(new, FILE).get("dataset") == name
    except NotFree:
        is_read = False
    if not is_read:
        raise NotFree(
            f"{file} does not end where a block can be added: remove '...' from its end, or the braces around its keys"
        )
    write_atomically(file, lambda path: path.write_bytes(new.encode()))
    return file


def _without(text: str, drafts: list[re.Match[str]]) -> str:
    for match in reversed(drafts):
        text = text[: match.start()] + text[match.end() :]
    return text


def _read(file: Path) -> str:
    """Its text, with the line ends that it has; "" if it does not exist."""
    try:
        return file.read_bytes().decode() if file.exists() else ""
    except UnicodeDecodeError as error:
        raise NotFree(f"{file} is no UTF-8 text ({error}); save it as UTF-8") from error


def _keys(text: str, file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise NotFree(f"{file} is no valid YAML, correct it first: {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise NotFree(f"{file} has a {type(found).__name__}; expected keys with values")
    return found


def _others(conf: Path) -> Iterator[Path]:
    """The other files of parameters that a run without ``--env`` reads."""
    for folder in ("base", "local"):
        for file in sorted((conf / folder).rglob("*.y*ml")):
            named = file.relative_to(conf / folder).parts
            if any(part.startswith("parameters") for part in named) and file != conf / FILE:
                yield file
