"""Duplicates, bit for bit: whole examples or one modality's values, within a split and across splits."""

from __future__ import annotations

import hashlib
from itertools import combinations

import numpy as np
import pandas as pd

from mixmas_pipeline.data.table import Modality, MultimodalTable, chunks
from mixmas_pipeline.pipelines.describe.findings import counted, finding
from mixmas_pipeline.pipelines.describe.results import WHOLE, DuplicateFacts, Finding, Repetitions, Severity

_RICH = 0.9  # share of distinct training values from which on equal values of a modality are a finding
_DECIDES = 0.995  # share of the training rows
_SHOWN = 5
_OF_ROWS = {
    "across": "{rows} of {late} also in {early}, bit for bit",
    "within": "copies of an earlier row: {rows}",
    "conflicting": "{rows} with an equal row that has another label",
}
_OF_VALUES = {
    "across": "{rows} of {late} with a value that also occurs in {early}, bit for bit",
    "within": "copies of the value of an earlier row: {rows}",
    "conflicting": "{rows} with the value of a row that has another label",
}


def digests(table: MultimodalTable) -> dict[str, np.ndarray]:
    """A hash of each row's value of each modality, and of the whole row under ``WHOLE``: (n,) uint64.

    Equal hashes mean equal bits, for all practical purposes (64 bits of BLAKE2b). The hash of a missing modality is 0.
    """
    hashes = {}
    for name, array in table.arrays.items():
        present = table.present.get(name, np.ones(len(table), bool))
        column = np.zeros(len(table), np.uint64)
        for part in chunks(array):
            rows = part.start + np.flatnonzero(present[part])
            column[rows] = _hashes(array[part][present[part]])
        hashes[name] = column
    return {**hashes, WHOLE: _hashes(np.stack(list(hashes.values()), axis=1))}


def find_duplicates(splits: dict[str, MultimodalTable]) -> tuple[DuplicateFacts, list[Finding]]:
    """Repetitions of whole rows and, with two or more modalities, of each modality's values."""
    hashes = {split: digests(table) for split, table in splits.items()}
    labels = {split: _hashes(table.labels) for split, table in splits.items()}
    schema = splits["train"].schema.modalities
    values: dict[str, Repetitions] = {}
    for name in [WHOLE, *(schema if len(schema) > 1 else [])]:
        frame = pd.concat(
            pd.DataFrame(
                {"split": split, "id": table.ids.astype(str), "digest": hashes[split][name], "label": labels[split]}
            )
            for split, table in splits.items()
        )
        values[name] = repetitions(frame[frame["digest"] != 0])
    same_ids = _same_ids(splits)
    findings = [_id_finding(pair, ids) for pair, ids in same_ids.items() if ids]
    for name, facts in values.items():
        findings += _findings(name, facts, values[WHOLE], schema)
    return DuplicateFacts(same_ids={pair: len(ids) for pair, ids in same_ids.items()}, values=values), findings


def repetitions(frame: pd.DataFrame) -> Repetitions:
    """How often values are repeated.

    Args:
        frame: split, id, digest and label of each row.
    """
    of = dict(list(frame.groupby("split", sort=False)))
    train = of.get("train", frame.iloc[:0])
    counts = train["digest"].value_counts()
    within, across, examples = {}, {}, {}
    for split, rows in of.items():
        within[split] = int(rows["digest"].duplicated().sum())
        examples[split] = _groups(rows)
    for late, early in (pair[::-1] for pair in combinations(of, 2)):
        pair = f"{late}, {early}"
        both = of[late]["digest"].isin(of[early]["digest"])
        across[pair] = int(both.sum())
        shared = pd.concat([of[early], of[late]])
        examples[pair] = _groups(shared[shared["digest"].isin(of[late].loc[both, "digest"])])
    repeated = frame[frame["digest"].duplicated(keep=False)]
    labels = repeated.groupby("digest")["label"].transform("nunique")
    conflicting = repeated[labels > 1]
    return Repetitions(
        distinct=len(counts) / max(len(train), 1),
        most=int(counts.iloc[0]) if len(counts) else 0,
        within=within,
        across=across,
        conflicting=len(conflicting),
        examples={**examples, "conflicting": _groups(conflicting)},
        decides=_decides(train) if 0 < len(counts) <= len(train) / 10 else None,
    )


def _hashes(rows: np.ndarray) -> np.ndarray:
    hashed = [hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=8).digest() for row in rows]
    return np.maximum(np.frombuffer(b"".join(hashed), np.uint64), 1)  # 0 stands for a missing modality


def _groups(rows: pd.DataFrame) -> tuple[str, ...]:
    """The first few groups of equal rows: "train 12 = test 7"."""
    rows = rows[rows["digest"].duplicated(keep=False)]
    kept = rows[rows["digest"].isin(rows["digest"].drop_duplicates().head(_SHOWN))]
    names = kept["split"] + " " + kept["id"]
    return tuple(" = ".join(group.head(_SHOWN)) for _, group in names.groupby(kept["digest"], sort=False))


def _decides(train: pd.DataFrame) -> float | None:
    """``Repetitions.decides``. None if fewer than 10 rows have another label than the most frequent one."""
    counts = train.groupby(["digest", "label"]).size()
    right, most_frequent = counts.groupby("digest").max().sum(), train["label"].value_counts().iloc[0]
    return float(right / len(train)) if len(train) - most_frequent >= 10 else None


def _same_ids(splits: dict[str, MultimodalTable]) -> dict[str, list[str]]:
    ids = {split: set(table.ids.astype(str)) for split, table in splits.items()}
    return {f"{late}, {early}": sorted(ids[late] & ids[early]) for early, late in combinations(ids, 2)}


def _id_finding(pair: str, ids: list[str]) -> Finding:
    what = f"{counted(len(ids), 'id')} in both {' and '.join(pair.split(', '))}"
    advice = "If these are the same examples, remove them from one split: scores would reward memorising"
    return finding("warning", what, advice, split=pair, rows=ids, count=len(ids))


def _findings(name: str, facts: Repetitions, whole: Repetitions, schema: dict[str, Modality]) -> list[Finding]:
    findings = []
    if facts.decides is not None and facts.decides >= _DECIDES:
        what = f"a few distinct values alone predict the label of {facts.decides:.1%} of the training rows"
        advice = "Were they made from the label? Then leave them out"
        findings.append(finding("warning", what, advice, modality=name))
    if name == WHOLE:
        return findings + _repetition_findings(WHOLE, facts, None)
    if facts.distinct < _RICH or schema[name].kind == "tabular":
        return findings  # equal values are normal
    return findings + _repetition_findings(name, facts, whole)


def _repetition_findings(name: str, facts: Repetitions, whole: Repetitions | None) -> list[Finding]:
    """Findings about a modality beyond those about whole rows.

    Args:
        whole: repetitions of whole rows, which are reported already. None if ``facts`` are these.
    """
    findings = []
    sentences = _OF_VALUES if whole else _OF_ROWS
    for pair, count in facts.across.items():
        if count > (whole.across.get(pair, 0) if whole else 0):
            late, early = pair.split(", ")
            what = sentences["across"].format(rows=counted(count, "row"), late=late, early=early)
            advice = f"Remove the copies from {early}: scores would reward memorising"
            rows = facts.examples[pair]
            findings.append(finding("warning", what, advice, split=pair, modality=name, rows=rows, count=count))
    for split, count in facts.within.items():
        if count > (whole.within.get(split, 0) if whole else 0):
            what = sentences["within"].format(rows=counted(count, "row"))
            advice, rows = "Keep one of each, unless they are intended", facts.examples[split]
            findings.append(finding("note", what, advice, split=split, modality=name, rows=rows, count=count))
    count = facts.conflicting
    if count > (whole.conflicting if whole else 0):
        what, rows = sentences["conflicting"].format(rows=counted(count, "row")), facts.examples["conflicting"]
        severity: Severity = "note" if whole else "warning"
        advice = "No model can predict both labels: which one is right?"
        findings.append(finding(severity, what, advice, modality=name, rows=rows, count=count))
    return findings
