"""What the tables hold: values of every modality, padding, what is missing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from mixmas_pipeline.data.table import Modality, MultimodalTable, chunks
from mixmas_pipeline.pipelines.describe.findings import finding, standard_errors

# Their last axis is features; of the others every place is one.
_WITH_FEATURES = ("tabular", "embedding", "time_series", "text")
_APART = 1.0  # training standard deviations between means
_ANOTHER_SCALE = 3.0  # between standard deviations
_SURE = 4.0  # standard errors
_NAMED = 12


def modality_facts(table: MultimodalTable, name: str) -> dict[str, Any]:
    """Values of a modality in its unit, over the rows that have it and without padding.

    Returns:
        rows: that have it; missing: share of those that lack it; minimum, maximum, mean, std; features and
        constant_features: the numbers of those that never vary; blank: ids of rows whose values are all the same (of a
        text or an embedding: zero). Of padded ones padding: lengths in steps, share that is padding, rows at full
        length.
    """
    array, modality = table.arrays[name], table.schema.modalities[name]
    there = table.present.get(name, np.ones(len(table), bool))
    found: dict[str, Any] = {"rows": int(there.sum()), "missing": float(1 - there.mean())}
    if not there.any():
        return found
    features = modality.shape[-1] if modality.kind in _WITH_FEATURES else int(np.prod(modality.shape))
    low, high, blank, lengths = np.full(features, np.inf), np.full(features, -np.inf), [], []
    shift = float(array[there.argmax()].flat[0])  # around a typical value, so that a constant's variance is exactly 0
    count, total, squares = 0, 0.0, 0.0
    for part in chunks(array):
        rows = part.start + np.flatnonzero(there[part])
        chunk = array[part][there[part]]
        blank += list(table.ids[rows[_blank(chunk, modality)]])
        if modality.padded:
            steps = chunk.any(axis=-1)
            lengths.append(steps.sum(axis=1))
            chunk = chunk[steps]
        values = chunk.reshape(-1, features)
        if not len(values):
            continue
        low, high = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
        centred = values.astype(np.float64) - shift
        count, total, squares = count + centred.size, total + centred.sum(), squares + np.square(centred).sum()
    mean = total / max(count, 1)
    deviation = max(squares / max(count, 1) - mean**2, 0.0) ** 0.5
    constant = np.flatnonzero(low >= high)
    ends = sorted(_quantity(float(end), modality) for end in (low.min(), high.max())) if count else [0.0, 0.0]
    found |= {
        "minimum": ends[0],
        "maximum": ends[1],
        "mean": _quantity(shift + mean, modality),
        "std": deviation * abs(modality.scale),
        "features": features,
        "constant_features": constant.tolist(),
        "blank": list(map(str, blank)),
    }
    if modality.padded:
        found["padding"] = _padding(np.concatenate(lengths), modality.shape[0])
    return found


def modality_findings(facts: dict[str, dict[str, dict[str, Any]]], schema: dict[str, Modality]) -> list[dict[str, Any]]:
    """What is wrong with modalities' values.

    Args:
        facts: modality -> split -> ``modality_facts``.
    """
    found = []
    for name, splits in facts.items():
        train = splits["train"]
        for split, own in splits.items():
            found += _missing(name, split, own, train)
            if blank := own.get("blank"):
                what = f"{len(blank)} of {own['rows']} examples hold one and the same value throughout"
                advice = "Look at them: broken or empty files? Take them out, or mark the modality as missing there"
                found.append(finding("warning", what, advice, split=split, modality=name, rows=blank, count=len(blank)))
            if split != "train" and own["rows"] and train["rows"]:
                found += _scale(name, split, own, train)
        constant = train.get("constant_features", [])
        if schema[name].kind in _WITH_FEATURES and 0 < len(constant) < train["features"]:
            names = ", ".join(map(schema[name].feature, constant[:_NAMED])) + ", ..." * (len(constant) > _NAMED)
            what = f"{len(constant)} of {train['features']} features without variation: {names}"
            advice = "They tell nothing: leave them out, or check how they are read"
            found.append(finding("warning", what, advice, split="train", modality=name, count=len(constant)))
    return found


def patterns(table: MultimodalTable) -> dict[str, int]:
    """Which modalities rows have together -> how many rows; the most frequent first."""
    names = list(table.schema.modalities)
    has = np.stack([table.present.get(name, np.ones(len(table), bool)) for name in names], axis=1)
    counts = Counter(" + ".join(name for name, there in zip(names, row, strict=True) if there) for row in has)
    return dict(counts.most_common())


def masks(table: MultimodalTable) -> dict[str, float]:
    """Further columns that hold 0 and 1 along several axes (what was measured, for example) -> share of ones."""
    many = {name: column for name, column in table.extra.items() if column.ndim > 1 and column.dtype.kind in "bu"}
    return {name: float(column.mean()) for name, column in many.items() if column.max(initial=0) <= 1}


def _quantity(stored: float, modality: Modality) -> float:
    return stored * modality.scale + modality.offset


def _blank(chunk: np.ndarray, modality: Modality) -> np.ndarray:
    flat = chunk.reshape(len(chunk), -1)
    if modality.kind in ("image", "audio") and flat.shape[1] > 1:
        return np.asarray(flat.min(axis=1) == flat.max(axis=1))
    if modality.kind in ("text", "embedding") or modality.padded:
        return np.asarray(~flat.any(axis=1))
    return np.zeros(len(chunk), bool)


def _padding(lengths: np.ndarray, steps: int) -> dict[str, float]:
    return {
        "steps": steps,
        "shortest": int(lengths.min()),
        "median": float(np.median(lengths)),
        "longest": int(lengths.max()),
        "full": float((lengths == steps).mean()),
        "share": float(1 - lengths.mean() / steps),
    }


def _missing(name: str, split: str, own: dict[str, Any], train: dict[str, Any]) -> list[dict[str, Any]]:
    if split == "train":
        if own["rows"]:
            return []
        advice = "Its encoder would learn nothing: leave it out, or split the rows in another way"
        return [finding("error", "no training row has it", advice, split=split, modality=name)]
    here, there = own["missing"], train["missing"]
    rows, trained = (round(f["rows"] / (1 - f["missing"])) if f["rows"] else 0 for f in (own, train))
    where: Any = {"split": split, "modality": name, "count": round(here * rows)}
    if not own["rows"]:
        what = "no row has it"
        return [finding("warning", what, "What it is good for cannot be measured there", split=split, modality=name)]
    if here and not there:
        what = f"{here:.1%} of the rows lack it, and no training row does"
        advice = (
            "The model never learns to do without: set training.modality_dropout and search.budget.modality_dropout"
        )
        return [finding("warning", what, advice, **where)]
    if trained and abs(here - there) > 0.1 and standard_errors(here, rows, there, trained) > _SURE:
        what = f"{here:.1%} of the rows lack it, and {there:.1%} of the training rows"
        return [finding("warning", what, "Find out why; modality_dropout makes the model depend less on it", **where)]
    return []


def _scale(name: str, split: str, own: dict[str, Any], train: dict[str, Any]) -> list[dict[str, Any]]:
    if not train["std"]:
        return []
    apart, ratio = abs(own["mean"] - train["mean"]) / train["std"], own["std"] / train["std"]
    if apart <= _APART and 1 / _ANOTHER_SCALE <= ratio <= _ANOTHER_SCALE:
        return []
    what = (
        f"mean {own['mean']:.4g} and standard deviation {own['std']:.4g}; of the training rows {train['mean']:.4g} and "
        f"{train['std']:.4g}"
    )
    advice = "Was it measured, scaled or read in another way? Models standardise with the training split's figures"
    return [finding("warning", what, advice, split=split, modality=name, count=own["rows"])]
