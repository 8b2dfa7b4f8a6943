"""Examples that are there twice: bit for bit, whole or in one modality; within a split and across."""

from __future__ import annotations

import hashlib
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from mixmas_pipeline.data.table import Modality, MultimodalTable, chunks
from mixmas_pipeline.pipelines.describe.findings import Severity, counted, finding

WHOLE = ""  # in place of a modality: the example as a whole
_RICH = 0.9  # share of distinct training values from which on a modality's value tells an example from others
_SAME_VALUE = 0.01  # of the training rows
_SHOWN = 5
_OF_ROWS = (
    "{rows} of {late} in {early} too, bit for bit",
    "{rows} that repeat an earlier one",
    "{rows} with equals that have another label",
)
_OF_VALUES = (
    "{rows} of {late} with a value that is in {early} too, bit for bit",
    "{rows} that repeat the value of an earlier one",
    "{rows} with the value of rows that have another label",
)


def digests(table: MultimodalTable) -> dict[str, np.ndarray]:
    """A number for each row's value of each modality, and of all of them under ``WHOLE``: (n,) uint64. Rows have the
    same number if and, for all practical purposes, only if they hold the same bits (64 bits of BLAKE2b). Of a modality
    that a row lacks it is 0."""
    found = {}
    for name, array in table.arrays.items():
        there = table.present.get(name, np.ones(len(table), bool))
        numbers = np.zeros(len(table), np.uint64)
        for part in chunks(array):
            rows = part.start + np.flatnonzero(there[part])
            numbers[rows] = _numbers(array[part][there[part]])
        found[name] = numbers
    return {**found, WHOLE: _numbers(np.stack(list(found.values()), axis=1))}


def find_duplicates(splits: dict[str, MultimodalTable]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns:
    Facts: same_ids, pair of splits -> ids in both; values, modality (or ``WHOLE``) -> ``repetitions``. And findings.
    """
    numbers = {split: digests(table) for split, table in splits.items()}
    answers = {split: _numbers(table.labels) for split, table in splits.items()}
    modalities = list(splits["train"].schema.modalities)
    values: dict[str, Any] = {}
    for name in [WHOLE, *(modalities if len(modalities) > 1 else [])]:
        frame = pd.concat(
            pd.DataFrame(
                {"split": split, "id": table.ids.astype(str), "digest": numbers[split][name], "label": answers[split]}
            )
            for split, table in splits.items()
        )
        values[name] = repetitions(frame[frame["digest"] != 0])
    same_ids = _same_ids(splits)
    found = [_id_finding(pair, ids) for pair, ids in same_ids.items() if ids]
    for name, facts in values.items():
        found += _findings(name, facts, values[WHOLE], splits["train"].schema.modalities)
    return {"same_ids": {pair: len(ids) for pair, ids in same_ids.items()}, "values": values}, found


def repetitions(frame: pd.DataFrame) -> dict[str, Any]:
    """How often values are repeated.

    Args:
        frame: split, id, digest and label of each row.

    Returns:
        distinct: share of distinct values among the training rows; most: rows of the most frequent one there; within:
        split -> rows that repeat another row of it; across: "test, train" -> rows of the first that are in the second
        too; conflicting: rows whose value has other labels elsewhere; examples: of each of these, and decides.
        decides: share of the training rows whose label is their value's most frequent, where values are few (at most a
        tenth of the rows); else null.
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
    return {
        "distinct": len(counts) / max(len(train), 1),
        "most": int(counts.iloc[0]) if len(counts) else 0,
        "within": within,
        "across": across,
        "conflicting": len(conflicting),
        "examples": {**examples, "conflicting": _groups(conflicting)},
        "decides": _decides(train) if 0 < len(counts) <= len(train) / 10 else None,
    }


def _numbers(rows: np.ndarray) -> np.ndarray:
    hashed = [hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=8).digest() for row in rows]
    return np.maximum(np.frombuffer(b"".join(hashed), np.uint64), 1)  # 0 is kept for what is missing


def _groups(rows: pd.DataFrame) -> list[str]:
    """The first few sets of equal rows: "train 12 = test 7"."""
    rows = rows[rows["digest"].duplicated(keep=False)]
    kept = rows[rows["digest"].isin(rows["digest"].drop_duplicates().head(_SHOWN))]
    names = kept["split"] + " " + kept["id"]
    return [" = ".join(group.head(_SHOWN)) for _, group in names.groupby(kept["digest"], sort=False)]


def _decides(train: pd.DataFrame) -> float | None:
    """None where that is no wonder: most rows have the same label."""
    counts = train.groupby(["digest", "label"]).size()
    right, blind = counts.groupby("digest").max().sum(), train["label"].value_counts().iloc[0]
    return float(right / len(train)) if len(train) - blind >= 10 else None


def _same_ids(splits: dict[str, MultimodalTable]) -> dict[str, list[str]]:
    ids = {split: set(table.ids.astype(str)) for split, table in splits.items()}
    return {f"{late}, {early}": sorted(ids[late] & ids[early]) for early, late in combinations(ids, 2)}


def _id_finding(pair: str, ids: list[str]) -> dict[str, Any]:
    what = f"{counted(len(ids), 'id')} in {' and in '.join(pair.split(', '))}"
    advice = "If they are the same examples, take them out of one: scores would be of what was learnt by heart"
    return finding("warning", what, advice, split=pair, rows=ids, count=len(ids))


def _findings(
    name: str, facts: dict[str, Any], whole: dict[str, Any], schema: dict[str, Modality]
) -> list[dict[str, Any]]:
    found = []
    if facts["decides"] is not None and facts["decides"] >= 0.995:
        what = f"the exact value alone says the label of {facts['decides']:.1%} of the training rows; values are few"
        found.append(finding("warning", what, "Was it made from the label? Then leave it out", modality=name))
    if name != WHOLE and (facts["distinct"] < _RICH or schema[name].kind == "tabular"):
        return found  # equal values are in its nature
    said, beyond = (_OF_ROWS, {}) if name == WHOLE else (_OF_VALUES, whole)  # what whole rows have is said of them
    for pair, count in facts["across"].items():
        if count > beyond.get("across", {}).get(pair, 0):
            late, early = pair.split(", ")
            what = said[0].format(rows=counted(count, "row"), late=late, early=early)
            advice = f"Take the copies out of {early}: scores would be of what was learnt by heart"
            rows = facts["examples"][pair]
            found.append(finding("warning", what, advice, split=pair, modality=name, rows=rows, count=count))
    for split, count in facts["within"].items():
        if count > beyond.get("within", {}).get(split, 0):
            what, advice = said[1].format(rows=counted(count, "row")), "Keep one of each, if that is not on purpose"
            rows = facts["examples"][split]
            found.append(finding("note", what, advice, split=split, modality=name, rows=rows, count=count))
    if (count := facts["conflicting"]) > beyond.get("conflicting", 0):
        what, rows = said[2].format(rows=counted(count, "row")), facts["examples"]["conflicting"]
        severity: Severity = "warning" if name == WHOLE else "note"
        advice = "No model can get both right: which label is true?"
        found.append(finding(severity, what, advice, modality=name, rows=rows, count=count))
    return found
