"""The candidates that a search would train, and every error at which it would stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from pydantic import ValidationError

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.strata import strata_of
from mixmas_pipeline.evaluation.tasks import check_settings
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.describe.findings import finding, listed
from mixmas_pipeline.pipelines.describe.results import Finding, PlanFacts
from mixmas_pipeline.pipelines.search import sampling
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.pipelines.search.proposals import (
    encoder_proposals,
    fusion_function_proposals,
    fusion_network_proposals,
)
from mixmas_pipeline.pipelines.search.results import Proposal
from mixmas_pipeline.training.parameters import TrainingParameters

_FEWEST = 3  # examples of a class: one to train on, one to score on, one more


def plan_search(
    train: MultimodalTable, search: SearchParameters, training: TrainingParameters
) -> tuple[PlanFacts, list[Finding]]:
    """What the search would do, as far as that follows without training.

    The chosen encoders are unknown; the fusion stages' candidates have the encoders with the reference blocks.
    """
    findings = _check_settings(train, search, training)
    sample, holdout, errors = draw_samples(train, search)
    findings += errors
    absent = {}
    if train.schema.task != "regression":
        absent = {name: _absent_strata(table) for name, table in (("sample", sample), ("holdout", holdout))}
    if not any(f.severity == "error" and f.split == "train" for f in findings):  # else these are not a search's samples
        findings += _absence_findings(absent, search)
    encoders, reference_encoders, encoder_findings = _propose_encoders(sample, search)
    fused, fusion_findings = _propose_fusions(sample, search, reference_encoders)
    facts = PlanFacts(sample=len(sample), holdout=len(holdout), absent=absent, proposals=(*encoders, *fused))
    return facts, findings + encoder_findings + fusion_findings


def draw_samples(
    train: MultimodalTable, search: SearchParameters
) -> tuple[MultimodalTable, MultimodalTable, list[Finding]]:
    """The search's two samples. If the search would stop, random samples of the same sizes, and the errors."""
    findings = []
    try:
        sample, holdout, _ = sampling.draw_samples(train, search.sample)
        return sample, holdout, _small_strata(train)
    except ValueError as error:
        advice = "Change search.sample (margin, holdout_margin or balance), or the data"
        findings.append(finding("error", str(error), advice, split="train"))
    order = np.random.default_rng(search.sample.seed).permutation(len(train))
    margins = (search.sample.margin, search.sample.holdout_margin)
    sizes = sampling.sample_sizes(len(train), *margins, search.sample.z, search.sample.p)
    first = min(sizes[0], len(train) // 2)
    rows = order[:first], order[first : first + min(sizes[1], len(train) - first)]
    return train.take(np.sort(rows[0])), train.take(np.sort(rows[1])), findings


def _small_strata(train: MultimodalTable) -> list[Finding]:
    """One warning of all classes that a search can hardly learn or score."""
    strata, names = strata_of(train)
    counts = {name: n for name, n in zip(names, strata.sum(axis=0).tolist(), strict=True) if n < _FEWEST}
    if not counts:
        return []
    what = f"fewer than {_FEWEST} training examples of {listed(counts)}: a search can hardly learn or score them"
    return [finding("warning", what, "Merge them with others, or collect more", split="train", count=len(counts))]


def _check_settings(train: MultimodalTable, search: SearchParameters, training: TrainingParameters) -> list[Finding]:
    findings: list[Finding] = []
    metrics = {"search.selection.metric": search.selection.metric, "training.metric": training.metric}
    balances = {"search.budget.balance": search.budget.balance, "training.balance": training.balance}
    for parameter, metric in metrics.items():
        with _errors_as_findings(findings, "Change it"):
            check_settings(train.schema.task, {parameter: metric}, {})
    for parameter, balance in balances.items():
        with _errors_as_findings(findings, "Change it"):
            check_settings(train.schema.task, {}, {parameter: balance})
    dropouts = {"search.budget": search.budget.modality_dropout, "training": training.modality_dropout}
    for section, dropout in dropouts.items():
        if dropout and len(train.schema.modalities) == 1:
            what = f"{section}.modality_dropout is {dropout}, but there is only one modality"
            findings.append(finding("error", what, "Set it to 0"))
    if set(search.encoders) != set(train.schema.modalities):
        what = f"search.encoders has {sorted(search.encoders)}; the tables have {sorted(train.schema.modalities)}"
        findings.append(finding("error", what, "Name the same modalities in both"))
    return findings


def _absent_strata(table: MultimodalTable) -> tuple[str, ...]:
    """Strata without an example."""
    if not len(table):
        return ()
    members, strata = strata_of(table)
    counts = np.count_nonzero(members, axis=0).tolist()
    return tuple(stratum for stratum, count in zip(strata, counts, strict=True) if not count)


def _absence_findings(absent: dict[str, tuple[str, ...]], search: SearchParameters) -> list[Finding]:
    margins = {"sample": search.sample.margin, "holdout": search.sample.holdout_margin}
    findings = []
    for name, classes in absent.items():
        if classes:
            what = f"the search's {name} has no example of {', '.join(map(repr, classes))}"
            parameter = "margin" if name == "sample" else "holdout_margin"
            advice = f"Lower search.sample.{parameter} (now {margins[name]}): the {name} becomes larger"
            findings.append(finding("warning", what, advice, split="train", count=len(classes)))
    return findings


def _propose_encoders(
    sample: MultimodalTable, search: SearchParameters
) -> tuple[list[Proposal], dict[str, Architecture], list[Finding]]:
    """Candidates of the encoders' stages; modality -> the architecture with its reference block; and errors."""
    proposals: list[Proposal] = []
    findings: list[Finding] = []
    references: dict[str, Architecture] = {}
    for modality in [name for name in sample.schema.modalities if name in search.encoders]:
        stage, alone = search.encoders[modality], _only(sample, modality)
        errors: list[Finding] = []
        for candidate in stage.names:
            what = f"{modality}, candidate {candidate}"
            advice = f"Change search.encoders.{modality}, or how the data is prepared"
            with _errors_as_findings(errors, advice, what, modality):
                made = encoder_proposals(alone, {modality: stage.only([candidate])}, search.match)
                proposals += made.values()
                if modality not in references or candidate == stage.reference:
                    references[modality] = made[f"{modality}.{candidate}"].architecture
        findings += _merged(errors, len(stage.names))
    return proposals, references, findings


def _propose_fusions(
    sample: MultimodalTable, search: SearchParameters, encoders: dict[str, Architecture]
) -> tuple[list[Proposal], list[Finding]]:
    """Candidates of the fusion stages, none if an encoder is missing; and errors.

    Args:
        encoders: modality -> the architecture with its encoder.
    """
    if len(sample.schema.modalities) == 1 or set(encoders) != set(sample.schema.modalities):
        return [], []
    findings: list[Finding] = []
    fused: dict[str, Proposal] = {}
    for function in search.fusion_functions:
        advice = "Change search.fusion_functions, or encoders' widths"
        with _errors_as_findings(findings, advice, f"fusion function {function}"):
            fused |= fusion_function_proposals(sample, [function], search.fusion_network, encoders)
    proposals = list(fused.values())
    for network in search.fusion_network.names if fused else []:
        with _errors_as_findings(findings, "Change search.fusion_network", f"fusion network {network}"):
            stage = search.fusion_network.only([network])
            made = fusion_network_proposals(next(iter(fused.values())).architecture, stage, search.match)
            proposals += made.values()
    return proposals, findings


def _only(sample: MultimodalTable, modality: str) -> MultimodalTable:
    schema = replace(sample.schema, modalities={modality: sample.schema.modalities[modality]})
    present = {name: column for name, column in sample.present.items() if name == modality}
    arrays = {modality: sample.arrays[modality]}
    return MultimodalTable(schema, arrays, sample.labels, sample.ids, present=present, check=False)


@contextmanager
def _errors_as_findings(findings: list[Finding], advice: str, what: str = "", modality: str = "") -> Iterator[None]:
    """Append a finding for each error of the block, instead of raising it.

    Args:
        what: the error's message follows it.
    """
    prefix = f"{what}: " if what else ""
    try:
        yield
    except ValidationError as error:
        for one in error.errors():
            message = one["msg"].removeprefix("Value error, ") if what else one["msg"]
            findings.append(finding("error", prefix + message, advice, modality=modality))
    except ValueError as error:
        findings.append(finding("error", f"{prefix}{error}", advice, modality=modality))


def _merged(errors: list[Finding], candidates: int) -> list[Finding]:
    """One finding if every candidate of a stage has the same error."""
    causes = {one.what.split(": ", 1)[1] for one in errors}
    if len(errors) == candidates and len(causes) == 1:
        return [errors[0].model_copy(update={"what": causes.pop(), "count": candidates})]
    return errors
