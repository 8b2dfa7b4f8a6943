"""The candidates that a search would train, and everything that it would stop at, told together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.strata import strata_of
from mixmas_pipeline.evaluation.tasks import check_settings
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.describe.findings import counted, finding
from mixmas_pipeline.pipelines.search import sampling
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.search.proposals import (
    encoder_proposals,
    fusion_function_proposals,
    fusion_network_proposals,
)
from mixmas_pipeline.pipelines.search.results import Proposal
from mixmas_pipeline.training.parameters import TrainingParameters

Findings = list[dict[str, Any]]
_LEAST = 3  # examples of a class: one to learn from, one to score, one left over


def plan_search(
    train: MultimodalTable, search: SearchParameters, training: TrainingParameters
) -> tuple[dict[str, Any], Findings]:
    """What the search would do, as far as it can be said without training.

    The chosen encoders are not known yet; in the fusion stages those with the stages' reference blocks stand for them.

    Returns:
        Facts: sample and holdout, their rows; absent, sample -> classes that it has no example of; proposals, a list of
        the candidates' proposals. And findings.
    """
    found = _settings(train, search, training)
    sample, holdout, more = draw_samples(train, search)
    found += more
    absent = {}
    for name, table in (("sample", sample), ("holdout", holdout)):
        members, strata = strata_of(table) if len(table) else (np.zeros((0, 0)), [])
        if train.schema.task != "regression":
            there = np.count_nonzero(members, axis=0).tolist()
            absent[name] = [stratum for stratum, count in zip(strata, there, strict=True) if not count]
    found += _absent(absent, found, search)
    proposals, more = _proposals(sample, search)
    facts: dict[str, Any] = {"sample": len(sample), "holdout": len(holdout), "absent": absent}
    facts["proposals"] = [proposal.model_dump(mode="json") for proposal in proposals]
    return facts, found + more


def draw_samples(train: MultimodalTable, search: SearchParameters) -> tuple[MultimodalTable, MultimodalTable, Findings]:
    """The search's two samples; where it would stop instead, others of their sizes at random, and why it would stop."""
    found: Findings = []
    strata, names = strata_of(train)
    for name, examples in zip(names, strata.sum(axis=0).tolist(), strict=True):
        if examples < _LEAST:
            named = f"class {name!r}" if name in train.schema.classes else name
            what = f"{named} has {counted(examples, 'training example')}; a search needs {_LEAST}"
            advice = "Merge it with another class, leave it out, or find more"
            found.append(finding("error", what, advice, split="train", count=examples))
    try:
        sample, holdout, _ = sampling.draw_samples(train, search.sample)
        return sample, holdout, found
    except ValueError as error:
        if not found:
            found.append(finding("error", str(error), "Change search.sample (margin, holdout_margin or balance)"))
    order = np.random.default_rng(search.sample.seed).permutation(len(train))
    margins = (search.sample.margin, search.sample.holdout_margin)
    sizes = sampling.sample_sizes(len(train), *margins, search.sample.z, search.sample.p)
    first = min(sizes[0], len(train) // 2)
    rows = order[:first], order[first : first + min(sizes[1], len(train) - first)]
    return train.take(np.sort(rows[0])), train.take(np.sort(rows[1])), found


def _settings(train: MultimodalTable, search: SearchParameters, training: TrainingParameters) -> Findings:
    found: Findings = []
    metrics = {"search.selection.metric": search.selection.metric, "training.metric": training.metric}
    balances = {"search.budget.balance": search.budget.balance, "training.balance": training.balance}
    for parameter, metric in metrics.items():
        with _noting(found, "Change it"):
            check_settings(train.schema.task, {parameter: metric}, {})
    for parameter, balance in balances.items():
        with _noting(found, "Change it"):
            check_settings(train.schema.task, {}, {parameter: balance})
    dropouts = {"search.budget": search.budget.modality_dropout, "training": training.modality_dropout}
    for where, dropout in dropouts.items():
        if dropout and len(train.schema.modalities) == 1:
            what = f"{where}.modality_dropout is {dropout}, and there is one modality"
            found.append(finding("error", what, "Set it to 0"))
    if set(search.encoders) != set(train.schema.modalities):
        what = f"search.encoders has {sorted(search.encoders)}; the tables have {sorted(train.schema.modalities)}"
        found.append(finding("error", what, "Name the same modalities in both"))
    return found


def _absent(absent: dict[str, list[str]], found: Findings, search: SearchParameters) -> Findings:
    if any(f["severity"] == "error" and f["split"] == "train" for f in found):
        return []  # the samples are not those of a search
    margins = {"sample": search.sample.margin, "holdout": search.sample.holdout_margin}
    more: Findings = []
    for name, classes in absent.items():
        if classes:
            what = f"the search's {name} has no example of {', '.join(map(repr, classes))}"
            parameter = "margin" if name == "sample" else "holdout_margin"
            advice = f"A smaller search.sample.{parameter} (it is {margins[name]}) makes it larger"
            more.append(finding("warning", what, advice, split="train", count=len(classes)))
    return more


def _proposals(sample: MultimodalTable, search: SearchParameters) -> tuple[list[Proposal], Findings]:
    proposals: list[Proposal] = []
    found: Findings = []
    chosen: dict[str, Architecture] = {}
    for modality in [name for name in sample.schema.modalities if name in search.encoders]:
        stage, alone = search.encoders[modality], _alone(sample, modality)
        errors: Findings = []
        for candidate in stage.names:
            what = f"{modality}, candidate {candidate}"
            with _noting(errors, f"Change search.encoders.{modality}, or how the data is prepared", what, modality):
                one = {modality: stage.only([candidate])}
                made = encoder_proposals(alone, one, search.match)
                proposals += made.values()
                if modality not in chosen or candidate == stage.reference:
                    chosen[modality] = made[f"{modality}.{candidate}"].architecture
        found += _once(errors, len(stage.names))
    if len(sample.schema.modalities) == 1 or set(chosen) != set(sample.schema.modalities):
        return proposals, found
    fused: dict[str, Proposal] = {}
    for function in search.fusion_functions:
        with _noting(found, "Change search.fusion_functions, or encoders' widths", f"fusion function {function}"):
            fused |= fusion_function_proposals(sample, [function], search.fusion_network, chosen)
    proposals += fused.values()
    for network in search.fusion_network.names if fused else []:
        with _noting(found, "Change search.fusion_network", f"fusion network {network}"):
            one_network = search.fusion_network.only([network])
            made = fusion_network_proposals(next(iter(fused.values())).architecture, one_network, search.match)
            proposals += made.values()
    return proposals, found


def _alone(sample: MultimodalTable, modality: str) -> MultimodalTable:
    schema = replace(sample.schema, modalities={modality: sample.schema.modalities[modality]})
    present = {name: there for name, there in sample.present.items() if name == modality}
    arrays = {modality: sample.arrays[modality]}
    return MultimodalTable(schema, arrays, sample.labels, sample.ids, present=present, check=False)


@contextmanager
def _noting(found: Findings, advice: str, what: str = "", modality: str = "") -> Iterator[None]:
    """An error of what is done inside becomes a finding."""
    try:
        yield
    except ValidationError as error:
        for one in error.errors():
            text = f"{what}: {one['msg'].removeprefix('Value error, ')}" if what else one["msg"]
            found.append(finding("error", text, advice, modality=modality))
    except ValueError as error:
        found.append(finding("error", f"{what}: {error}" if what else str(error), advice, modality=modality))


def _once(errors: Findings, candidates: int) -> Findings:
    """What is wrong with every candidate of a stage is one finding."""

    def cause(one: dict[str, Any]) -> str:
        return str(one["what"].split(": ", 1)[1])

    causes = {cause(one) for one in errors}
    if len(errors) == candidates and len(causes) == 1:
        return [{**errors[0], "what": causes.pop(), "count": candidates}]
    return errors
