"""Runs side by side, for ``kedro runs``."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from mixmas_pipeline.datasets.runs import Record

# Changed parameters that are named in the list; a comparison of two runs names them all.
_NAMED = 3
_ABSENT = "(none)"


def find(records: list[Record], wanted: str) -> Record:
    """The run whose id is, or begins or ends with, what is wanted.

    Raises:
        ValueError: no run is meant, or several are.
    """
    meant = [record for record in records if record.run.startswith(wanted) or record.run.endswith(wanted)]
    if len(meant) == 1:
        return meant[0]
    what = f"{len(meant)} runs are" if meant else "no run is"
    known = ", ".join(record.run for record in meant or records) or "none"
    raise ValueError(f"{what} named {wanted!r}; expected the id of one, or how it begins or ends; there are: {known}")


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name -> old and new value, where they differ; "(none)" where there is none."""
    return {
        name: (before, after)
        for name in dict.fromkeys([*old, *new])
        if (before := old.get(name, _ABSENT)) != (after := new.get(name, _ABSENT))
    }


def runs_table(records: list[Record]) -> Table:
    """The runs of one data set: what each chose, how good it was, and what it was given that the one before was not.

    Args:
        records: newest first; at least one.
    """
    table = Table(title=f"{records[0].dataset}: runs, newest first", title_justify="left")
    table.add_column("run", no_wrap=True)
    table.add_column("pipeline")
    table.add_column("chosen")
    for name in ("score", "validation", "test"):
        table.add_column(name, justify="right" if name != "score" else "left")
    table.add_column("changed since the run before", overflow="fold")
    for record, before in zip(records, [*records[1:], None], strict=True):
        table.add_row(
            record.run,
            record.pipeline,
            "\n".join(record.chosen.values()),
            record.metric,
            *(_score(record.metrics.get(f"{split}/{record.metric}")) for split in ("validation", "test")),
            _changed(before, record),
            end_section=True,
        )
    return table


def difference_table(old: Record, new: Record) -> Table:
    """What differs between two runs: what was run and chosen, parameters, versions, scores."""
    title = f"{new.dataset}: what differs"
    table = Table("", old.run, new.run, title=title, title_justify="left")
    table.add_column("difference", justify="right")
    heads = ({"data set": r.dataset, "pipeline": r.pipeline, "environment": r.environment} for r in (old, new))
    chosen = ({f"chosen {stage}": name for stage, name in r.chosen.items()} for r in (old, new))
    for rows in (
        changes(*heads),
        changes(*chosen),
        changes(old.parameters, new.parameters),
        changes(old.versions, new.versions),
    ):
        for name, (before, after) in rows.items():
            table.add_row(name, str(before), str(after))
        table.add_section()
    for name, (before, after) in changes(old.metrics, new.metrics).items():
        both = isinstance(before, float) and isinstance(after, float)
        table.add_row(name, _score(before), _score(after), f"{after - before:+.4f}" if both else "")
    return table


def _changed(before: Record | None, record: Record) -> str:
    if before is None:
        return ""
    found = changes(before.parameters, record.parameters)
    own = f"{record.dataset}."
    named = [f"{name.removeprefix(own)}: {old} → {new}" for name, (old, new) in list(found.items())[:_NAMED]]
    if len(found) > _NAMED:
        named.append(f"and {len(found) - _NAMED} more parameters")
    if versions := changes(before.versions, record.versions):
        named.append(f"versions of {', '.join(versions)}")
    return "\n".join(named)


def _score(value: float | str | None) -> str:
    return f"{value:.4f}" if isinstance(value, float) else value or ""
