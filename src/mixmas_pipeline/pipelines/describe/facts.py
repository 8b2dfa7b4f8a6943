"""What the tables hold: each modality's values, padding and missing rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from mixmas_pipeline.data.table import Modality, MultimodalTable, chunks
from mixmas_pipeline.pipelines.describe.findings import finding, standard_errors
from mixmas_pipeline.pipelines.describe.results import Finding, ModalityFacts, Padding, Presence, Values

# Kinds whose last axis holds features. For the other kinds each position is a feature.
_WITH_FEATURES = ("tabular", "embedding", "time_series", "text")
_MEAN_SHIFT = 1.0  # training standard deviations
_SCALE_RATIO = 3.0  # of standard deviations
_MISSING_SHIFT = 0.1  # of the share of rows without a modality
_SURE = 4.0  # standard errors
_NAMED = 12


def modality_facts(splits: dict[str, MultimodalTable], name: str) -> ModalityFacts:
    """A modality's entry in the schema, and its values in each split."""
    modality = splits["train"].schema.modalities[name]
    return ModalityFacts(**asdict(modality), splits={split: values(table, name) for split, table in splits.items()})


def values(table: MultimodalTable, name: str) -> Values | Presence:
    """A modality's values. The array is read in chunks, so that it may be larger than memory."""
    modality, present = table.schema.modalities[name], _present(table, name)
    rows, missing = int(present.sum()), float(1 - present.mean())
    if not rows:
        return Presence(rows=rows, missing=missing)
    moments = _Moments.empty(modality, shift=float(table.arrays[name][present.argmax()].flat[0]))
    blank: list[object] = []
    lengths: list[np.ndarray] = []
    for chunk_rows, chunk in _present_chunks(table, name):
        blank += list(table.ids[chunk_rows[_is_blank(chunk, modality)]])
        if modality.padded:
            steps = chunk.any(axis=-1)
            lengths.append(steps.sum(axis=1))
            chunk = chunk[steps]
        moments.add(chunk)
    low, high = moments.ends()
    ends = sorted(_quantity(end, modality) for end in (low, high)) if moments.count else [0.0, 0.0]
    return Values(
        rows=rows,
        missing=missing,
        minimum=ends[0],
        maximum=ends[1],
        mean=_quantity(moments.mean, modality),
        std=moments.deviation * abs(modality.scale),
        features=len(moments.low),
        constant_features=tuple(np.flatnonzero(moments.low >= moments.high).tolist()),
        blank=tuple(map(str, blank)),
        padding=_padding(np.concatenate(lengths), modality.shape[0]) if modality.padded else None,
    )


@dataclass
class _Moments:
    """Running extremes and moments of stored values, (..., features).

    Attributes:
        low, high: of each feature.
        shift: a typical value. Sums are of differences from it, so that a constant's variance is exactly 0.
        count, total, squares: number, sum and sum of squares of the differences.
    """

    low: np.ndarray
    high: np.ndarray
    shift: float
    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    @classmethod
    def empty(cls, modality: Modality, shift: float) -> _Moments:
        features = modality.shape[-1] if modality.kind in _WITH_FEATURES else int(np.prod(modality.shape))
        return cls(np.full(features, np.inf), np.full(features, -np.inf), shift)

    def add(self, chunk: np.ndarray) -> None:
        rows = chunk.reshape(-1, len(self.low))
        if not len(rows):
            return
        self.low, self.high = np.minimum(self.low, rows.min(axis=0)), np.maximum(self.high, rows.max(axis=0))
        centred = rows.astype(np.float64) - self.shift
        self.count += centred.size
        self.total += centred.sum()
        self.squares += np.square(centred).sum()

    def ends(self) -> tuple[float, float]:
        return float(self.low.min()), float(self.high.max())

    @property
    def _offset(self) -> float:
        return self.total / max(self.count, 1)

    @property
    def mean(self) -> float:
        return float(self.shift + self._offset)

    @property
    def deviation(self) -> float:
        return float(max(self.squares / max(self.count, 1) - self._offset**2, 0.0) ** 0.5)


def modality_findings(modalities: dict[str, ModalityFacts]) -> list[Finding]:
    """Missing modalities, blank examples, changes of scale and constant features."""
    findings = []
    for name, modality in modalities.items():
        train = modality.splits["train"]
        for split, facts in modality.splits.items():
            findings += _missing(name, split, facts, train)
            if isinstance(facts, Values):
                findings += _blank(name, split, facts)
                if split != "train" and isinstance(train, Values):
                    findings += _scale(name, split, facts, train)
        if isinstance(train, Values) and modality.kind in _WITH_FEATURES:
            findings += _constant(name, modality, train)
    return findings


def patterns(table: MultimodalTable) -> dict[str, int]:
    """Modalities that rows have together ("image + audio") -> rows; the most frequent first."""
    names = list(table.schema.modalities)
    has = np.stack([_present(table, name) for name in names], axis=1)
    counts = Counter(" + ".join(name for name, present in zip(names, row, strict=True) if present) for row in has)
    return dict(counts.most_common())


def masks(table: MultimodalTable) -> dict[str, float]:
    """Further columns of zeros and ones along two or more axes, for example what was measured -> share of ones."""
    candidates = {name: column for name, column in table.extra.items() if column.ndim > 1 and column.dtype.kind in "bu"}
    return {name: float(column.mean()) for name, column in candidates.items() if column.max(initial=0) <= 1}


def _present(table: MultimodalTable, name: str) -> np.ndarray:
    return table.present.get(name, np.ones(len(table), bool))


def _present_chunks(table: MultimodalTable, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices and values of the rows that have the modality, chunk by chunk."""
    array, present = table.arrays[name], _present(table, name)
    for part in chunks(array):
        yield part.start + np.flatnonzero(present[part]), array[part][present[part]]


def _quantity(stored: float, modality: Modality) -> float:
    return stored * modality.scale + modality.offset


def _is_blank(chunk: np.ndarray, modality: Modality) -> np.ndarray:
    flat = chunk.reshape(len(chunk), -1)
    if modality.kind in ("image", "audio") and flat.shape[1] > 1:
        return np.asarray(flat.min(axis=1) == flat.max(axis=1))
    if modality.kind in ("text", "embedding") or modality.padded:
        return np.asarray(~flat.any(axis=1))
    return np.zeros(len(chunk), bool)


def _padding(lengths: np.ndarray, steps: int) -> Padding:
    return Padding(
        steps=steps,
        shortest=int(lengths.min()),
        median=float(np.median(lengths)),
        longest=int(lengths.max()),
        full=float((lengths == steps).mean()),
        share=float(1 - lengths.mean() / steps),
    )


def _missing(name: str, split: str, facts: Presence, train: Presence) -> list[Finding]:
    if split == "train":
        if facts.rows:
            return []
        advice = "Its encoder would learn nothing: leave the modality out, or split the rows differently"
        return [finding("error", "no training row has it", advice, split=split, modality=name)]
    if not facts.rows:
        return [finding("warning", "no row has it", "Its use cannot be measured here", split=split, modality=name)]
    rows = _all_rows(facts)
    if facts.missing and not train.missing:
        what = f"{facts.missing:.1%} of the rows lack it, but no training row does"
        advice = (
            "The model does not learn to predict without it: set training.modality_dropout and "
            "search.budget.modality_dropout"
        )
    elif _differs(facts.missing, rows, train.missing, _all_rows(train)):
        what = f"{facts.missing:.1%} of the rows lack it, and {train.missing:.1%} of the training rows"
        advice = "Find out why; modality_dropout makes the model depend less on it"
    else:
        return []
    return [finding("warning", what, advice, split=split, modality=name, count=round(facts.missing * rows))]


def _all_rows(facts: Presence) -> int:
    """Rows of the split; 0 if none has the modality."""
    return round(facts.rows / (1 - facts.missing)) if facts.rows else 0


def _differs(share: float, rows: int, train_share: float, train_rows: int) -> bool:
    if not train_rows or abs(share - train_share) <= _MISSING_SHIFT:
        return False
    return standard_errors(share, rows, train_share, train_rows) > _SURE


def _blank(name: str, split: str, facts: Values) -> list[Finding]:
    if not facts.blank:
        return []
    what = f"{len(facts.blank)} of {facts.rows} examples hold one value throughout"
    advice = "Look at them: broken or empty files? Remove them, or mark the modality as missing in these rows"
    return [finding("warning", what, advice, split=split, modality=name, rows=facts.blank, count=len(facts.blank))]


def _constant(name: str, modality: ModalityFacts, train: Values) -> list[Finding]:
    constant = train.constant_features
    if modality.padded and modality.kind == "time_series":  # the last feature says that the step is there
        constant = tuple(feature for feature in constant if feature != train.features - 1)
    if not 0 < len(constant) < train.features:
        return []
    schema = Modality(modality.kind, modality.shape, modality.dtype, features=modality.features)
    names = ", ".join(map(schema.feature, constant[:_NAMED])) + ", ..." * (len(constant) > _NAMED)
    what = f"{len(constant)} of {train.features} features without variation: {names}"
    advice = "They hold no information: leave them out, or check how they are read"
    return [finding("warning", what, advice, split="train", modality=name, count=len(constant))]


def _scale(name: str, split: str, facts: Values, train: Values) -> list[Finding]:
    if not train.std:
        return []
    shift, ratio = abs(facts.mean - train.mean) / train.std, facts.std / train.std
    if shift <= _MEAN_SHIFT and 1 / _SCALE_RATIO <= ratio <= _SCALE_RATIO:
        return []
    what = (
        f"mean {facts.mean:.4g} and standard deviation {facts.std:.4g}; of the training rows {train.mean:.4g} and "
        f"{train.std:.4g}"
    )
    advice = "Was it measured, scaled or read differently? Models standardise with the training split's statistics"
    return [finding("warning", what, advice, split=split, modality=name, count=facts.rows)]
