"""The distribution of labels over the splits."""

from __future__ import annotations

import numpy as np
from scipy.stats import ks_2samp

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.strata import label_strata
from mixmas_pipeline.pipelines.describe.findings import finding, listed, standard_errors
from mixmas_pipeline.pipelines.describe.results import ClassFacts, Finding, TargetFacts, TargetValues

RARE = 10  # training examples
_FEWEST = 3  # of classes with fewer training examples ``plan`` tells
_SURE = 4.0  # standard errors
_SHIFT = 0.05  # of a class's share
_TARGET_SHIFT = 0.15  # Kolmogorov-Smirnov distance
_MARGIN = 0.1  # of a share of the rows
_BINS = 20
_TAIL = 0.5  # of a target's variance; of a normal distribution 1 % of the rows has 0.09
_DRIFT = "Split at random, stratified by the labels, unless you want to measure this difference"


def label_facts(splits: dict[str, MultimodalTable]) -> ClassFacts | TargetFacts:
    """Examples per class or, for a regression, the distribution per target."""
    schema = splits["train"].schema
    if schema.task == "regression":
        edges = {}
        for t, target in enumerate(schema.classes):
            column = np.concatenate([table.labels[:, t] for table in splits.values()])
            edges[target] = np.histogram_bin_edges(column.astype(np.float64), _BINS)
        return TargetFacts(targets={split: _targets(table, edges) for split, table in splits.items()})
    counts, without = {}, {}
    for split, table in splits.items():
        members, names = label_strata(schema.task, table.labels, schema.classes)
        counts[split] = {name: int(n) for name, n in zip(names, members.sum(axis=0), strict=True)}
        without[split] = int((~members.any(axis=1)).sum())
    return ClassFacts(classes=counts, without=without)


def label_findings(splits: dict[str, MultimodalTable], facts: ClassFacts | TargetFacts) -> list[Finding]:
    """Splits too small to measure on, rare and absent classes, and distributions that differ between splits."""
    findings = []
    for split in ("validation", "test"):
        rows = len(splits[split])
        if (margin := 1.96 * 0.5 / rows**0.5) > _MARGIN:
            uncertain = f"a share such as accuracy is uncertain by up to {margin:.2f} (95 %)"
            if isinstance(facts, TargetFacts):
                uncertain = "scores are uncertain"
            what = f"{rows} rows: {uncertain}"
            findings.append(finding("warning", what, "Enlarge the split, or ignore small differences", split=split))
    if isinstance(facts, TargetFacts):
        return findings + _heavy_tails(splits["train"]) + _target_drift(splits)
    findings += _rare_classes(facts)
    for split in ("validation", "test"):
        findings += _absent_classes(split, facts)
        findings += _class_drift(split, facts, len(splits["train"]), len(splits[split]))
    return findings + _unlabelled(splits["train"], facts)


def _targets(table: MultimodalTable, edges: dict[str, np.ndarray]) -> dict[str, TargetValues]:
    targets = {}
    for t, target in enumerate(table.schema.classes):
        column = table.labels[:, t].astype(np.float64)
        targets[target] = TargetValues(
            mean=float(column.mean()),
            std=float(column.std()),
            minimum=float(column.min()),
            quartiles=tuple(np.quantile(column, (0.25, 0.5, 0.75)).tolist()),
            maximum=float(column.max()),
            edges=tuple(edges[target].tolist()),
            histogram=tuple(np.histogram(column, edges[target])[0].tolist()),
        )
    return targets


def _rare_classes(facts: ClassFacts) -> list[Finding]:
    rare = {name: n for name, n in facts.classes["train"].items() if _FEWEST <= n < RARE}
    if not rare:
        return []
    what = f"fewer than {RARE} training examples of {listed(rare)}"
    advice = "Too few to learn from: merge them with others, leave them out, or collect more"
    return [finding("warning", what, advice, split="train", count=len(rare))]


def _absent_classes(split: str, facts: ClassFacts) -> list[Finding]:
    absent = [name for name, examples in facts.classes[split].items() if not examples]
    if not absent:
        return []
    what, advice = f"no example of {', '.join(map(repr, absent))}", "The scores here do not cover these classes"
    return [finding("warning", what, advice, split=split, count=len(absent))]


def _class_drift(split: str, facts: ClassFacts, train_rows: int, rows: int) -> list[Finding]:
    findings = []
    for name, examples in facts.classes[split].items():
        share, usual = examples / rows, facts.classes["train"][name] / train_rows
        large = abs(share - usual) > _SHIFT or max(share, usual) > 2 * min(share, usual)
        if large and standard_errors(share, rows, usual, train_rows) > _SURE:
            what = f"class {name!r} is {share:.1%} of the rows, and {usual:.1%} of the training rows"
            findings.append(finding("warning", what, _DRIFT, split=split, count=examples))
    return findings


def _unlabelled(train: MultimodalTable, facts: ClassFacts) -> list[Finding]:
    if not facts.without["train"] or train.schema.task != "multilabel":
        return []
    bare = np.flatnonzero(~train.labels.astype(bool).any(axis=1))
    what = f"{len(bare)} of {len(train)} rows have none of the labels"
    advice = "Is that right, or are labels missing?"
    return [finding("note", what, advice, split="train", rows=train.ids[bare], count=len(bare))]


def _heavy_tails(train: MultimodalTable) -> list[Finding]:
    """Targets of which a hundredth of the rows makes most of the variance."""
    findings = []
    for t, target in enumerate(train.schema.classes):
        squares = np.sort(np.square(train.labels[:, t].astype(np.float64) - train.labels[:, t].mean()))
        share = squares[-max(1, len(squares) // 100) :].sum() / max(squares.sum(), 1e-300)
        if share > _TAIL:
            positive = " Put its logarithm into the table instead." if train.labels[:, t].min() > 0 else ""
            what = f"1 % of the rows makes {share:.0%} of the variance of target {target!r}: R2 depends on these rows"
            advice = f"Look at its largest values.{positive}"
            findings.append(finding("warning", what, advice, split="train", count=max(1, len(squares) // 100)))
    return findings


def _target_drift(splits: dict[str, MultimodalTable]) -> list[Finding]:
    findings = []
    for t, target in enumerate(splits["train"].schema.classes):
        for split in ("validation", "test"):
            result = ks_2samp(splits["train"].labels[:, t], splits[split].labels[:, t])
            if result.statistic > _TARGET_SHIFT and result.pvalue < 1e-4:
                train, other = (splits[name].labels[:, t].astype(np.float64) for name in ("train", split))
                what = (
                    f"the distribution of target {target!r} differs from training: mean {other.mean():.4g} and "
                    f"standard deviation {other.std():.4g}, in training {train.mean():.4g} and {train.std():.4g} "
                    f"(Kolmogorov-Smirnov {result.statistic:.2f})"
                )
                findings.append(finding("warning", what, _DRIFT, split=split, count=len(other)))
    return findings
