"""What the nodes of describe hand on: frozen models, which the catalog keeps as JSON documents.

Each check returns a report: facts, which the page shows, and findings, which judge them. The reports become one
``Description``.
"""

from __future__ import annotations

from typing import Generic, Literal, NamedTuple, TypeVar

from mixmas_pipeline.data.schema import StoredInput
from mixmas_pipeline.pipelines.search.results import Proposal
from mixmas_pipeline.utils.parameters import Parameters

Severity = Literal["error", "warning", "note"]
Speed = Literal["median", "fastest", "slowest", "working"]
Facts = TypeVar("Facts")
WHOLE = ""  # in place of a modality: the example as a whole


class Finding(Parameters):
    """Something that is, or may be, wrong with the data or the search's parameters.

    Attributes:
        severity: "error": a search stops at it. "warning": scores would mislead, or the model will not learn something.
            "note": for information.
        what: the problem, with its numbers.
        split, modality: where it is; empty: everywhere.
        rows: ids of the first affected rows, separated by commas.
        count: number of affected rows, or of classes or features if ``what`` names these.
        advice: how to solve it.
    """

    severity: Severity
    what: str
    split: str = ""
    modality: str = ""
    rows: str = ""
    count: int = 1
    advice: str


class Padding(Parameters):
    """Lengths of padded examples.

    Attributes:
        steps: length of the stored arrays.
        shortest, median, longest: in steps, without padding.
        full: share of the rows without padding.
        share: of all steps that is padding.
    """

    steps: int
    shortest: int
    median: float
    longest: int
    full: float
    share: float


class Presence(Parameters):
    """How many rows of a split have a modality.

    Attributes:
        rows: that have it.
        missing: share of the rows that lack it.
    """

    rows: int
    missing: float


class Values(Presence):
    """A modality's values in one split, over the rows that have it and without padding, in the modality's unit.

    Attributes:
        minimum, maximum, mean, std: of all values.
        features: number of features.
        constant_features: indices of the features that never vary.
        blank: ids of rows whose values are all equal; for a text or an embedding, all zero.
        padding: None if the modality is not padded.
    """

    minimum: float
    maximum: float
    mean: float
    std: float
    features: int
    constant_features: tuple[int, ...]
    blank: tuple[str, ...]
    padding: Padding | None = None


class ModalityFacts(StoredInput):
    """A modality: its entry in the table's schema, and its values.

    Attributes:
        splits: split -> its values; only ``Presence`` if no row of the split has the modality.
    """

    splits: dict[str, Values | Presence]


class ClassFacts(Parameters):
    """Classes of a classification.

    Attributes:
        classes: split -> class -> examples.
        without: split -> rows that have no label at all (multilabel).
    """

    classes: dict[str, dict[str, int]]
    without: dict[str, int]


class TargetValues(Parameters):
    """The distribution of a regression target in one split.

    Attributes:
        mean, std, minimum, maximum: of the target.
        quartiles: its 25, 50 and 75 % quantiles.
        edges: of the histogram's bins, the same in all splits.
        histogram: rows per bin.
    """

    mean: float
    std: float
    minimum: float
    quartiles: tuple[float, float, float]
    maximum: float
    edges: tuple[float, ...]
    histogram: tuple[int, ...]


class TargetFacts(Parameters):
    """Targets of a regression.

    Attributes:
        targets: split -> target -> its distribution.
    """

    targets: dict[str, dict[str, TargetValues]]


class TableFacts(Parameters):
    """What the tables hold.

    Attributes:
        source: description of the data.
        task: "multiclass", "binary", "multilabel" or "regression".
        rows: split -> rows.
        modalities: name -> schema and values.
        labels: their distribution.
        patterns: split -> modalities that rows have together ("image + audio") -> rows; the most frequent first.
        masks: split -> further column of zeros and ones along two or more axes -> share of ones.
    """

    source: str
    task: str
    rows: dict[str, int]
    modalities: dict[str, ModalityFacts]
    labels: ClassFacts | TargetFacts
    patterns: dict[str, dict[str, int]]
    masks: dict[str, dict[str, float]]

    @property
    def task_text(self) -> str:
        """The task; of a binary one with the positive class, which f1, sensitivity and precision are about."""
        if self.task != "binary" or not isinstance(self.labels, ClassFacts):
            return self.task
        positive, examples = list(self.labels.classes["train"].items())[-1]
        return f"{self.task}, the positive class is {positive} ({examples:,} of {self.rows['train']:,} training rows)"


class Repetitions(Parameters):
    """How often a value is repeated, bit for bit.

    Attributes:
        distinct: share of distinct values among the training rows.
        most: training rows with the most frequent value.
        within: split -> rows that repeat an earlier row of the split.
        across: "test, train" -> rows of the first split whose value also occurs in the second.
        conflicting: rows whose value occurs with another label.
        examples: key of ``within`` or ``across``, or "conflicting" -> the first groups of equal rows.
        decides: share of the training rows whose label is the most frequent one of their value. None if there are many
            distinct values (more than a tenth of the rows), or if nearly all rows have the same label.
    """

    distinct: float
    most: int
    within: dict[str, int]
    across: dict[str, int]
    conflicting: int
    examples: dict[str, tuple[str, ...]]
    decides: float | None


class DuplicateFacts(Parameters):
    """Duplicates within a split and across splits.

    Attributes:
        same_ids: "test, train" -> ids that occur in both splits.
        values: modality, or ``WHOLE`` -> repetitions.
    """

    same_ids: dict[str, int]
    values: dict[str, Repetitions]


class StrongestFeature(Parameters):
    """The feature of a modality that predicts the labels best.

    Attributes:
        feature: its name.
        tells: the class, label or target that it predicts.
        score: how well, by the measure.
        measure: "AUROC", "share of rows" or "R2".
        rows: training rows that were used.
    """

    feature: str
    tells: str
    score: float
    measure: str
    rows: int


class GroupFacts(Parameters):
    """A column that says which rows belong together, such as a patient.

    Attributes:
        values: distinct values in the training split.
        shared: split -> rows whose value also occurs in the training split.
    """

    values: int
    shared: dict[str, int]


class LeakFacts(Parameters):
    """Where labels may leak.

    Attributes:
        features: modality -> its strongest feature.
        groups: column -> groups that lie in two splits.
    """

    features: dict[str, StrongestFeature]
    groups: dict[str, GroupFacts]


class PlanFacts(Parameters):
    """What a search would train.

    Attributes:
        sample, holdout: rows of the search's two samples.
        absent: "sample" or "holdout" -> classes without an example; empty for a regression.
        proposals: the candidates. Those of the fusion stages have the reference encoders.
    """

    sample: int
    holdout: int
    absent: dict[str, tuple[str, ...]]
    proposals: tuple[Proposal, ...]


class Report(Parameters, Generic[Facts]):
    """The result of one check.

    Attributes:
        facts: for the page.
        findings: what is wrong. Default none.
    """

    facts: Facts
    findings: tuple[Finding, ...] = ()


class TableReport(Report[TableFacts]):
    """Values, labels and missing modalities of the tables."""


class DuplicateReport(Report[DuplicateFacts]):
    """Duplicates within a split and across splits."""


class LeakReport(Report[LeakFacts]):
    """Features and groups that give labels away."""


class CellReport(Report[dict[str, dict[str, float]]]):
    """Empty cells of a file. Facts: column -> split -> share of empty cells, for columns that have some."""


class PlanReport(Report[PlanFacts]):
    """What a search would train, and every error at which it would stop."""


class Description(TableFacts):
    """All facts and findings.

    Attributes:
        duplicates, leaks, search, cells: facts of the other checks.
        findings: of all checks, the most severe first.
        search_would_stop: whether a finding is an error.
    """

    duplicates: DuplicateFacts
    leaks: LeakFacts
    search: PlanFacts
    cells: dict[str, dict[str, float]]
    findings: tuple[Finding, ...]
    search_would_stop: bool


class TrialTime(NamedTuple):
    """Time of one trial. A list of two numbers in JSON.

    Attributes:
        fixed: seconds to begin and to score.
        step: seconds per optimiser step.
    """

    fixed: float
    step: float


class TrialTimes(Parameters):
    """Measured times of a candidate's trials.

    Attributes:
        median, fastest, slowest: of up to three measurements of wall time.
        working: median of the processor's time, which other programs do not lengthen.
    """

    median: TrialTime
    fastest: TrialTime
    slowest: TrialTime
    working: TrialTime


class CandidateCost(Parameters):
    """The size of a candidate.

    Attributes:
        stage: a modality, "fusion_function" or "fusion_network".
        candidate: its name.
        parameters: trainable parameters.
        flops: of one example's forward pass.
        bytes: memory of a trial in addition to the sample.
    """

    stage: str
    candidate: str
    parameters: int
    flops: int
    bytes: int


class TimedCandidate(CandidateCost):
    """A candidate that was timed.

    Attributes:
        seconds: measured times.
        seconds_a_trial: of one seed with the regular budget, at the median speed.
    """

    seconds: TrialTimes
    seconds_a_trial: float


class FailedCandidate(CandidateCost):
    """A candidate whose training failed.

    Attributes:
        failed: the error's message.
    """

    failed: str


class SearchCost(Parameters):
    """Cost of a search.

    Attributes:
        candidates, trials, steps: their numbers, if every candidate is trained with every seed and no stage is
            extended.
        at_once: trials that run at the same time.
        seconds: of all these trials at the median speed.
        alone_seconds: the same on a machine that runs nothing else.
        least_seconds: at the fastest speed, if every stage ends after the first seeds.
        most_seconds: at the slowest speed, if every stage is extended.
    """

    candidates: int
    trials: int
    steps: int
    at_once: int
    seconds: float
    alone_seconds: float
    least_seconds: float
    most_seconds: float


class TrainingCost(Parameters):
    """Cost of a full training.

    Attributes:
        seconds_an_epoch: measured.
        alone_seconds_an_epoch: on a machine that runs nothing else; 0 if unknown.
        epochs: the largest number of epochs, of all members of an ensemble.
        at_once: members that are trained at the same time. Default 1.
        seconds: of all epochs.
    """

    seconds_an_epoch: float
    alone_seconds_an_epoch: float
    epochs: int
    at_once: int = 1
    seconds: float


class FailedTraining(Parameters):
    """A full training that failed.

    Attributes:
        failed: the error's message.
    """

    failed: str


class Memory(Parameters):
    """Memory in bytes.

    Attributes:
        samples: of both samples.
        largest_trial: of the largest trial.
        at_once: of all trials that run at the same time.
        training: of all networks that are trained fully at the same time. Default 0: unknown.
    """

    samples: int
    largest_trial: int
    at_once: int
    training: int = 0


class Estimate(Parameters):
    """Time and memory that a search and a full training take on this machine.

    Attributes:
        device: "cpu" or "cuda"; if nothing was timed, the parameter.
        cores: of the machine.
        load: mean number of processes that wanted a core in the last minute.
        candidates: one entry per candidate. Nothing is timed if a search would stop: this is empty, the rest None.
        search: all candidates together.
        training: a full training of the last candidate's architecture.
        bytes: memory.
    """

    device: str
    cores: int
    load: float
    candidates: tuple[TimedCandidate | FailedCandidate, ...] = ()
    search: SearchCost | None = None
    training: TrainingCost | FailedTraining | None = None
    bytes: Memory | None = None
