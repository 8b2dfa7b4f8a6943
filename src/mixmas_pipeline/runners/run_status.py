"""The state of a run: nodes done and under way, the best candidates so far, and an estimate of the time left."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from mixmas_pipeline.utils.durations import duration
from mixmas_pipeline.utils.progress import CandidateScored, Event, NodeStarted, PartStarted, StepsDone

_NAMED = 4  # nodes under way that a log line names


@dataclass(frozen=True)
class NodeInfo:
    """A node of the run: its name, and its kind; nodes of one kind take about the same time."""

    name: str
    kind: str
    short: bool = False  # known to take little time

    @property
    def stage(self) -> str:
        """The node's namespace."""
        return self.name.rpartition(".")[0]


class Sample(NamedTuple):
    """The fraction of a node that was done at a time."""

    fraction: float
    time: float


_NOTHING = Sample(0.0, 0.0)


@dataclass
class ActiveNode:
    """A node under way. Times are seconds of the run's clock."""

    info: NodeInfo
    started: float
    part: PartStarted | None = None
    steps: StepsDone | None = None
    first: Sample | None = None  # the rate is measured from here
    last: Sample = _NOTHING

    def take(self, event: PartStarted | StepsDone, now: float) -> None:
        """Take an event of this node."""
        if isinstance(event, PartStarted):
            self.part, self.steps = event, None
        else:
            self.steps = event
        before = self.last.fraction
        steps = self.steps.done / max(1, self.steps.total) if self.steps else 0.0
        self.last = Sample((self.part.number - 1 + steps) / self.part.of if self.part else steps, now)
        if self.steps and (self.first is None or self.last.fraction < before):
            self.first = self.last

    def seconds_left(self, now: float) -> float | None:
        """Seconds until all parts are done, or all steps where the node reports no parts. None: unknown."""
        if self.first is None or self.last.fraction <= self.first.fraction:
            return None
        whole = (self.last.time - self.first.time) / (self.last.fraction - self.first.fraction)
        return max(0.0, whole * (1 - self.last.fraction) - (now - self.last.time))

    def cells(self, now: float) -> tuple[str, str, str]:
        """Short name, what is done, and the time left or else the time gone."""
        part = f"{self.part.unit} {self.part.number} of {self.part.of}" if self.part and self.part.of > 1 else ""
        text = ", ".join(filter(None, (part, self.steps.text if self.steps else "")))
        time, left = f"for {duration(now - self.started)}", self.seconds_left(now)
        if self.steps and left is not None:
            time = f"up to {duration(left)}" if self.steps.at_most else f"{duration(left)} left"
        return ".".join(self.info.name.split(".")[-2:]), text, time


class RunStatus:
    """Takes events and answers how far the run is.

    Args:
        nodes: of the run.
        clock: seconds. Default: the monotonic clock.
    """

    def __init__(self, nodes: Iterable[NodeInfo], clock: Callable[[], float] = time.monotonic) -> None:
        self._nodes, self.clock, self.start = {node.name: node for node in nodes}, clock, clock()
        self.total, self.done, self.reused = len(self._nodes), set[str](), set[str]()  # reused ones are done, too
        self.active: dict[str, ActiveNode] = {}
        self._seconds: dict[tuple[str, str], list[float]] = defaultdict(list)  # by kind and stage
        self._most_at_once: Counter[str] = Counter()  # by kind
        self._scores: dict[str, dict[tuple[str, str], dict[str, float]]] = {}  # stage -> candidate, metric -> key
        self._local = ""  # the node in this process: only one runs at a time

    def take(self, event: Event, node: str | None) -> None:
        """Take an event of a node; None: of the node in this process. Events of unknown nodes are ignored."""
        if isinstance(event, NodeStarted):
            self._start(event.node, local=node is None)
        elif (active := self.active.get(node or self._local)) and isinstance(event, CandidateScored):
            scores = self._scores.setdefault(active.info.stage, {})
            scores.setdefault((event.candidate, event.metric), {})[event.key] = event.score
        elif active and not isinstance(event, CandidateScored):
            active.take(event, self.clock())

    def _start(self, node: str, *, local: bool) -> None:
        if info := self._nodes.get(node):
            self.active[node] = ActiveNode(info, self.clock())
            self._local = node if local else self._local
            at_once = sum(active.info.kind == info.kind for active in self.active.values())
            self._most_at_once[info.kind] = max(self._most_at_once[info.kind], at_once)

    def reuse(self, node: str) -> None:
        """A node's results are reused."""
        self.reused.add(node)
        self.done.add(node)

    def end(self, node: str, *, succeeded: bool) -> None:
        """A node has ended."""
        active = self.active.pop(node, None)
        if succeeded:
            self.done.add(node)
            if active is not None:
                self._seconds[active.info.kind, active.info.stage].append(self.clock() - active.started)

    def best(self) -> dict[str, str]:
        """Stage -> its best candidate so far, by the mean score; and active node -> its note. The scores of reused
        results are unknown, so the text then says "best of this run"."""
        notes = {name: active.steps.note for name, active in self.active.items() if active.steps}
        lines = {name: f"{name}: {note}" for name, note in notes.items() if note}
        for stage, scores in self._scores.items():
            means = {name: fmean(by_key.values()) for name, by_key in scores.items()}
            candidate, metric = max(means, key=lambda name: means[name])
            reused = any(self._nodes[node].stage == stage and not self._nodes[node].short for node in self.reused)
            how = "best of this run" if reused else "best so far"
            lines[stage] = f"{how}{stage and ' in '}{stage}: {candidate}, {metric} {means[candidate, metric]:.3f}"
        return lines

    def time_left(self) -> str:
        """Estimate in words. An active node's own rate counts, or else the mean time of the finished nodes of its kind,
        as for waiting nodes. Each kind's sum is divided by the number of its nodes that ran at once."""
        now, seconds, complete, at_most = self.clock(), 0.0, True, False
        left: dict[str, list[float | None]] = defaultdict(list)
        for name in self._nodes.keys() - self.done - self.active.keys():
            left[self._nodes[name].kind].append(self._mean(self._nodes[name]))
        for active in self.active.values():
            mean, own = self._mean(active.info), active.seconds_left(now) if active.part else None
            at_most |= own is not None and active.steps is not None and active.steps.at_most
            expected = None if mean is None else max(0.0, mean - (now - active.started))
            left[active.info.kind].append(expected if own is None else own)
        for kind, times in left.items():
            known = [time for time in times if time is not None]
            complete &= len(known) == len(times)
            seconds += max([sum(known) / max(1, self._most_at_once[kind]), *known])
        if seconds < 1:
            return "a few seconds left" if complete else "time left unknown"
        bound = "about" if complete != at_most else "at most" if complete else "at least"
        return f"{bound} {duration(seconds)} left"

    def _mean(self, node: NodeInfo) -> float | None:
        """Mean seconds of the finished nodes of this kind in the same stage, or else in any. None: unknown."""
        times = self._seconds.get((node.kind, node.stage)) or [
            time for (kind, _), times in self._seconds.items() if kind == node.kind for time in times
        ]
        return fmean(times) if times else 0.0 if node.short else None

    def summary(self) -> str:
        """Time gone and time left."""
        left = f", {self.time_left()}" if len(self.done) < self.total else ""
        return f"{duration(self.clock() - self.start)}{left}"

    def line(self) -> str:
        """The run, the nodes under way, and the best of their stages, as one log line."""
        cells = [active.cells(self.clock()) for active in self.active.values()]
        nodes = [f"{name} {', '.join(filter(None, (text, time)))}" for name, text, time in cells]
        more = [f"{len(nodes) - _NAMED} more"] if len(nodes) > _NAMED else []
        shown = {active.info.stage for active in self.active.values()} | self.active.keys()
        best = [line for name, line in self.best().items() if name in shown]
        return "; ".join([f"{len(self.done)} of {self.total} nodes in {self.summary()}", *nodes[:_NAMED], *more, *best])
