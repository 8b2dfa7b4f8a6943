"""What is known of a run while it goes on: what is done and under way, the best so far, how long the rest takes."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean

from mixmas_pipeline.utils.progress import Begun, Event, Part, Scored, Step, duration, left_text


@dataclass(frozen=True)
class Job:
    """A node as the board sees it.

    Attributes:
        stage: its namespace.
        name: within that.
        kind: nodes of a kind take about the same time.
        short: known to take little.
    """

    stage: str
    name: str
    kind: str
    short: bool = False


@dataclass
class Row:
    """A node that is under way. Times are the board's clock's."""

    job: Job
    began: float
    part: Part | None = None
    part_began: float = 0.0
    step: Step | None = None
    step_at: float = 0.0

    def said(self) -> str:
        """How far it is; empty where nothing is known."""
        words = []
        if self.part is not None and self.part.of > 1:
            words.append(f"{self.part.unit} {self.part.number} of {self.part.of}")
        if self.step is not None:
            words.append(self.step.text)
        return ", ".join(words)

    @property
    def note(self) -> str:
        """What else there is to say."""
        return self.step.note if self.step else ""

    @property
    def may_end_sooner(self) -> bool:
        """Whether the time left is an upper bound."""
        return self.step is not None and self.step.at_most

    def step_left(self, now: float) -> float | None:
        """Seconds until what it is at is done."""
        if self.step is None or self.step.left is None:
            return None
        return max(0.0, self.step.left - (now - self.step_at))

    def left(self, now: float) -> float | None:
        """Seconds until the node is done, if its parts say so: the parts after this one take as long as this one."""
        step_left = self.step_left(now)
        if step_left is None or self.part is None:
            return None
        return step_left + (self.part.of - self.part.number) * (now - self.part_began + step_left)


@dataclass(frozen=True)
class Left:
    """How long the rest takes.

    Attributes:
        seconds: of all that something is known about.
        whole: nothing is left out.
        at_most: something may end sooner.
    """

    seconds: float
    whole: bool
    at_most: bool

    def __str__(self) -> str:
        if not self.whole and self.seconds < 1:
            return "time left unknown"
        at_most, at_least = self.at_most and self.whole, not self.whole and not self.at_most
        return left_text(self.seconds, at_most=at_most, at_least=at_least)


class Board:
    """Takes what happens, and answers what is known.

    Args:
        jobs: of the run's nodes, by node.
        clock: seconds. Default: the monotonic clock.
    """

    def __init__(self, jobs: Mapping[str, Job], clock: Callable[[], float] = time.monotonic) -> None:
        self._jobs, self.clock = jobs, clock
        self.start = clock()
        self.rows: dict[str, Row] = {}
        self.reused = 0
        self._incomplete: set[str] = set()  # stages with results that were reused: their scores are not known
        self._ended: set[str] = set()
        self._seconds: dict[tuple[str, str], list[float]] = defaultdict(list)  # of nodes run, by kind and stage
        self._most: Counter[str] = Counter()  # nodes of a kind that were under way at once
        self._scores: dict[str, dict[tuple[str, str], dict[str, float]]] = {}  # stage -> candidate, metric -> key
        self._here = ""  # the node that runs in this process; only one does at a time

    # --- what happens -----------------------------------------------------------------------------------------------
    def take(self, event: Event, node: str | None) -> None:
        """An event.

        Args:
            node: whose it is; None: of the node that runs in this process.
        """
        if isinstance(event, Begun):
            if event.node in self._jobs:
                self._begin(event.node, here=node is None)
        elif (row := self.rows.get(node or self._here)) is None:
            return  # a straggler
        elif isinstance(event, Part):
            row.part, row.part_began, row.step = event, self.clock(), None
        elif isinstance(event, Step):
            row.step, row.step_at = event, self.clock()
        elif isinstance(event, Scored):
            scores = self._scores.setdefault(row.job.stage, {})
            scores.setdefault((event.candidate, event.metric), {})[event.key] = event.score

    def reuse(self, node: str) -> None:
        """A node need not be run."""
        self.reused += 1
        self._ended.add(node)
        if not (job := self._jobs[node]).short:
            self._incomplete.add(job.stage)

    def end(self, node: str, *, well: bool) -> None:
        """A node has ended."""
        row = self.rows.pop(node, None)
        if well:
            self._ended.add(node)
            if row is not None:
                self._seconds[row.job.kind, row.job.stage].append(self.clock() - row.began)

    def _begin(self, node: str, *, here: bool) -> None:
        job, now = self._jobs[node], self.clock()
        self.rows[node] = Row(job, now, part_began=now)
        if here:
            self._here = node
        under_way = sum(row.job.kind == job.kind for row in self.rows.values())
        self._most[job.kind] = max(self._most[job.kind], under_way)

    # --- what is known ----------------------------------------------------------------------------------------------
    @property
    def done(self) -> int:
        """Nodes that have ended well, or were reused."""
        return len(self._ended)

    @property
    def total(self) -> int:
        """Nodes of the run."""
        return len(self._jobs)

    def elapsed(self) -> float:
        """Seconds since the run's start."""
        return self.clock() - self.start

    def left(self) -> Left:
        """How long the rest takes, kind by kind: mean seconds of the nodes of that kind which this run has run (in the
        same stage, if there are any), times those that are left, over how many have been under way at once. Those under
        way are asked first: their own progress may say how long they take yet; else what they have had is taken off.
        Short nodes of which nothing is known count as nothing."""
        now, seconds, whole = self.clock(), 0.0, True
        short = {job.kind for job in self._jobs.values() if job.short}
        waiting = Counter(
            (job.kind, job.stage) for node, job in self._jobs.items() if node not in self._ended | self.rows.keys()
        )
        for kind in {kind for kind, _ in waiting} | {row.job.kind for row in self.rows.values()}:
            rest = [self._rest(row, now) for row in self.rows.values() if row.job.kind == kind]
            later = [(self._mean(kind, stage), count) for (other, stage), count in waiting.items() if other == kind]
            whole &= kind in short or None not in [*rest, *(mean for mean, _ in later)]
            known = [part for part in rest if part is not None]
            work = sum(known) + sum(mean * count for mean, count in later if mean is not None)
            seconds += max([work / max(1, self._most[kind]), *known])
        at_most = any(row.may_end_sooner and row.left(now) is not None for row in self.rows.values())
        return Left(seconds, whole, at_most)

    def _rest(self, row: Row, now: float) -> float | None:
        """Seconds that a node under way takes yet."""
        if (own := row.left(now)) is not None:
            return own
        mean = self._mean(row.job.kind, row.job.stage)
        return None if mean is None else max(0.0, mean - (now - row.began))

    def _mean(self, kind: str, stage: str) -> float | None:
        """Seconds that a node of the kind takes."""
        known = {other: seconds for (name, other), seconds in self._seconds.items() if name == kind}
        similar = known.get(stage) or [second for seconds in known.values() for second in seconds]
        return fmean(similar) if similar else None

    def stages(self) -> list[str]:
        """Those under way and those with scores, in the order in which they began."""
        return list(dict.fromkeys([*self._scores, *(row.job.stage for row in self.rows.values())]))

    def count(self, stage: str) -> tuple[int, int]:
        """Of a stage's nodes those that are done, and all."""
        names = [node for node, job in self._jobs.items() if job.stage == stage]
        return len(self._ended.intersection(names)), len(names)

    def under_way(self, stage: str) -> list[Row]:
        """A stage's nodes that are under way."""
        return [row for row in self.rows.values() if row.job.stage == stage]

    def best(self, stage: str) -> str:
        """A stage's best candidate so far, by the mean of its scores, with that; empty as long as there is none. Where
        results were reused it is the best of those that this run has trained."""
        means = {name: fmean(scores.values()) for name, scores in self._scores.get(stage, {}).items()}
        if not means:
            return ""
        candidate, metric = max(means, key=lambda name: means[name])
        best = "best of this run" if stage in self._incomplete else "best"
        return f"{best} {candidate}, {metric} {means[candidate, metric]:.3f}"

    def line(self, most: int = 4) -> str:
        """All of it in one line: "[search] image: 3 of 8 done, train_ramlp seed 2 of 3, ...; best ...".

        Args:
            most: so many nodes of a stage are named. Default 4.
        """
        under_way = [stage for stage in self.stages() if self.under_way(stage)]
        words = []
        for stage in under_way:
            done, total = self.count(stage)
            rows = [
                f"{row.job.name} {row.said() or f'for {duration(self.clock() - row.began)}'}"
                + (f", {row.note}" if row.note else "")
                for row in self.under_way(stage)
            ]
            if len(rows) > most:
                rows[most:] = [f"{len(rows) - most} more"]
            said = "; ".join(filter(None, (f"{done} of {total} done, {', '.join(rows)}", self.best(stage))))
            words.append(f"{name}: {said}" if (name := within(stage)) else said)
        where = sorted({stage.split(".")[0] for stage in under_way})
        return "; ".join([*([f"[{', '.join(where)}] {words[0]}"] if words else []), *words[1:], self.overall()])

    def overall(self) -> str:
        """Nodes, and time."""
        return f"{self.done} of {self.total} nodes in {self.times()}"

    def times(self) -> str:
        """Time gone, and time left."""
        left = f", {self.left()}" if self.done < self.total else ""
        return f"{duration(self.elapsed())}{left}"


def within(stage: str) -> str:
    """A stage's name within its pipeline."""
    return ".".join(stage.split(".")[1:])
