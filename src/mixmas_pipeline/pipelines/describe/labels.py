"""How labels are spread over the splits."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.strata import label_strata
from mixmas_pipeline.pipelines.describe.findings import counted, finding, standard_errors

RARE = 10  # training examples
_SURE = 4.0  # standard errors
_SHIFT = 0.05  # of a class's share
_TARGET_SHIFT = 0.15  # of the distance of Kolmogorov and Smirnov
_MARGIN = 0.1  # of a score in which all rows count the same
_BINS = 20


def label_facts(splits: dict[str, MultimodalTable]) -> dict[str, Any]:
    """Of a task with classes: classes, split -> class -> examples; without: rows that have none of several labels. Of a
    regression: targets, split -> target -> its distribution, with a histogram in ranges that all splits share."""
    schema = splits["train"].schema
    if schema.task == "regression":
        edges = {}
        for t, target in enumerate(schema.classes):
            column = np.concatenate([table.labels[:, t] for table in splits.values()])
            edges[target] = np.histogram_bin_edges(column.astype(np.float64), _BINS)
        return {"targets": {split: _targets(table, edges) for split, table in splits.items()}}
    counts, without = {}, {}
    for split, table in splits.items():
        members, names = label_strata(schema.task, table.labels, schema.classes)
        counts[split] = {name: int(n) for name, n in zip(names, members.sum(axis=0), strict=True)}
        without[split] = int((~members.any(axis=1)).sum())
    return {"classes": counts, "without": without}


def label_findings(splits: dict[str, MultimodalTable], facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Rare and absent classes, distributions that differ between splits, and splits too small to measure on."""
    found = []
    for split in ("validation", "test"):
        rows = len(splits[split])
        if (margin := 1.96 * 0.5 / rows**0.5) > _MARGIN:
            what = f"{rows} rows: a share measured on them, such as accuracy, is uncertain by up to {margin:.2f} (95 %)"
            found.append(finding("warning", what, "Make the split larger, or trust no small difference", split=split))
    if "targets" in facts:
        return found + _target_drift(splits)
    train = facts["classes"]["train"]
    for name, examples in train.items():
        if 3 <= examples < RARE:  # fewer are an error of the search
            what = f"class {name!r} has {counted(examples, 'training example')}"
            advice = "Hardly to be learnt: merge it with another class, leave it out, or find more"
            found.append(finding("warning", what, advice, split="train", count=examples))
    for split in ("validation", "test"):
        if absent := [name for name, examples in facts["classes"][split].items() if not examples]:
            what = f"no example of {', '.join(map(repr, absent))}"
            found.append(
                finding("warning", what, "How well it is told cannot be measured there", split=split, count=len(absent))
            )
        found += _class_drift(split, facts, len(splits["train"]), len(splits[split]))
    if facts["without"]["train"] and splits["train"].schema.task == "multilabel":
        bare = np.flatnonzero(~splits["train"].labels.astype(bool).any(axis=1))
        what = f"{len(bare)} of {len(splits['train'])} rows have none of the labels"
        ids = splits["train"].ids[bare]
        found.append(
            finding("note", what, "Is that so, or are labels missing?", split="train", rows=ids, count=len(bare))
        )
    return found


def _targets(table: MultimodalTable, edges: dict[str, np.ndarray]) -> dict[str, Any]:
    found = {}
    for t, target in enumerate(table.schema.classes):
        column = table.labels[:, t].astype(np.float64)
        quartiles = np.quantile(column, (0.25, 0.5, 0.75))
        found[target] = {
            "mean": float(column.mean()),
            "std": float(column.std()),
            "minimum": float(column.min()),
            "quartiles": quartiles.tolist(),
            "maximum": float(column.max()),
            "edges": edges[target].tolist(),
            "histogram": np.histogram(column, edges[target])[0].tolist(),
        }
    return found


def _target_drift(splits: dict[str, MultimodalTable]) -> list[dict[str, Any]]:
    from scipy.stats import ks_2samp

    found = []
    for t, target in enumerate(splits["train"].schema.classes):
        for split in ("validation", "test"):
            result = ks_2samp(splits["train"].labels[:, t], splits[split].labels[:, t])
            if result.statistic > _TARGET_SHIFT and result.pvalue < 1e-4:
                train, own = (splits[name].labels[:, t].astype(np.float64) for name in ("train", split))
                what = (
                    f"target {target!r} is distributed otherwise than in training: mean {own.mean():.4g} and standard "
                    f"deviation {own.std():.4g}; there {train.mean():.4g} and {train.std():.4g} (Kolmogorov-Smirnov "
                    f"{result.statistic:.2f})"
                )
                found.append(finding("warning", what, _DRIFT, split=split, count=len(own)))
    return found


def _class_drift(split: str, facts: dict[str, Any], trained: int, rows: int) -> list[dict[str, Any]]:
    found = []
    for name, examples in facts["classes"][split].items():
        share, usual = examples / rows, facts["classes"]["train"][name] / trained
        large = abs(share - usual) > _SHIFT or max(share, usual) > 2 * min(share, usual)
        if large and standard_errors(share, rows, usual, trained) > _SURE:
            what = f"class {name!r} is {share:.1%} of the rows, and {usual:.1%} of the training rows"
            found.append(finding("warning", what, _DRIFT, split=split, count=examples))
    return found


_DRIFT = "Split at random, in proportion to the labels, unless the difference is what you want to measure"
