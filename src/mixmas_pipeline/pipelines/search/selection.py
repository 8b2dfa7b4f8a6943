"""Which candidate wins, and what of it is noise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixmas_pipeline.evaluation.significance import Chance, chance, difference_error
from mixmas_pipeline.pipelines.search.parameters import SelectionParameters


@dataclass(frozen=True)
class Verdict:
    """The outcome of a stage.

    Attributes:
        winner: name of the candidate taken.
        tied: names within noise of the best mean, the winner among them; one name when there was no tie.
        at_chance: names not clearly above chance.
        chances: name -> its chance score.
        reason: in words.
    """

    winner: str
    tied: list[str]
    at_chance: list[str]
    chances: dict[str, Chance]
    reason: str


def needs_extension(results: list[dict[str, Any]], labels: np.ndarray, selection: SelectionParameters) -> list[str]:
    """Names of the candidates whose mean score is not clearly above chance.

    Args:
        results: each with candidate, architecture and trials (score, predicted), as the search's nodes make them.
        labels: of the held-out sample.
    """
    return [
        result["candidate"] for result in results if not _above(result, _chance(result, labels, selection), selection)
    ]


def fall_behind(
    results: list[dict[str, Any]], labels: np.ndarray, selection: SelectionParameters, behind: float
) -> dict[str, str]:
    """Candidates that need no further trial: their mean score is clearly below the best one's.

    Args:
        results, labels: as ``needs_extension`` takes them.
        behind: standard errors of the difference that are clear.

    Returns:
        Name -> why, in words. Never all: the best one stays.
    """
    best = max(results, key=_rank)
    dropped = {}
    for result in results:
        difference, error = _mean(best) - _mean(result), 0.0
        if result is not best and difference > 0:
            error = _difference(best, result, labels, selection)
        if difference > behind * error:
            dropped[result["candidate"]] = (
                f"After {len(result['trials'])} seeds {difference:.3f} ± {error:.3f} behind {best['candidate']}."
            )
    return dropped


def judge(
    results: list[dict[str, Any]],
    labels: np.ndarray,
    selection: SelectionParameters,
    dropped: Collection[str] = (),
) -> Verdict:
    """Rank by mean score over the seeds; a difference within noise is a tie; a tie goes to the cheaper candidate.

    Cheaper is: fewer FLOPs an example, then fewer parameters, then the name that comes first. Candidates that are
    not clearly above chance do not take part; if none is, nothing is ranked and the cheapest is taken. Nor do those
    that were ``dropped`` on the way.
    """
    chances = {r["candidate"]: _chance(r, labels, selection) for r in results}
    means = {r["candidate"]: _mean(r) for r in results}
    learnt = [r for r in results if _above(r, chances[r["candidate"]], selection)]
    at_chance = [r["candidate"] for r in results if r not in learnt]
    # With more trials all that were left may have come to chance: then those that were dropped are better than none.
    learnt = [r for r in learnt if r["candidate"] not in dropped] or learnt
    if not learnt:
        winner = min(results, key=_price)["candidate"]
        steps = results[0]["trials"][0]["steps"]
        reason = (
            f"No candidate was clearly above chance after {steps} steps: none was ranked, and the cheapest was taken. "
            "Raise the budget (extended_steps) or the sample (a smaller margin)."
        )
        return Verdict(winner, [winner], at_chance, chances, reason)
    best = max(learnt, key=_rank)
    errors = {r["candidate"]: _difference(best, r, labels, selection) for r in learnt if r is not best}
    tied = [
        r
        for r in learnt
        if r is best or means[best["candidate"]] - means[r["candidate"]] <= selection.tie * errors[r["candidate"]]
    ]
    winner = min(tied, key=_price)["candidate"]
    return Verdict(
        winner,
        [r["candidate"] for r in tied],
        at_chance,
        chances,
        _reason(winner, best, tied, means, errors, at_chance, dropped),
    )


def _reason(
    winner: str,
    best: dict[str, Any],
    tied: list[dict[str, Any]],
    means: dict[str, float],
    errors: dict[str, float],
    at_chance: list[str],
    dropped: Collection[str],
) -> str:
    top = best["candidate"]
    if len(tied) > 1:
        names = ", ".join(r["candidate"] for r in tied)
        text = f"A tie between {names} (differences within noise); {winner} is the cheapest of them."
        if winner != top:
            text += f" {top} scored {means[top] - means[winner]:.3f} ± {errors[winner]:.3f} more."
    elif errors:
        second = max(errors, key=lambda name: means[name])
        text = f"It scored {means[top] - means[second]:.3f} ± {errors[second]:.3f} more than {second}."
    else:
        text = "It was the only candidate left." if dropped else "It was the only candidate to rank."
    if dropped:
        text += f" Dropped in the race: {', '.join(dropped)}."
    if at_chance:
        text += f" Not clearly above chance, so not ranked: {', '.join(at_chance)}."
    return text


def _mean(result: dict[str, Any]) -> float:
    return float(np.mean([trial["score"] for trial in result["trials"]]))


def _rank(result: dict[str, Any]) -> tuple[float, tuple[int, ...], str]:
    """Largest for the best: by mean score, then the cheaper one, then by name."""
    return _mean(result), tuple(-x for x in _price(result)[:2]), result["candidate"]


def _price(result: dict[str, Any]) -> tuple[int, int, str]:
    return result["flops"], result["parameters"], result["candidate"]


def _predicted(result: dict[str, Any]) -> np.ndarray:
    return np.array([trial["predicted"] for trial in result["trials"]])


def _classes(result: dict[str, Any]) -> int:
    return len(result["architecture"]["classes"])


def _chance(result: dict[str, Any], labels: np.ndarray, selection: SelectionParameters) -> Chance:
    """Chance of the mean over seeds: means add up, and so, at worst (seeds that agree), do standard deviations."""
    by_seed = [
        chance(selection.metric, labels, predicted, _classes(result), selection.resamples, selection.seed)
        for predicted in _predicted(result)
    ]
    return Chance(float(np.mean([c.mean for c in by_seed])), float(np.mean([c.std for c in by_seed])))


def _above(result: dict[str, Any], level: Chance, selection: SelectionParameters) -> bool:
    return _mean(result) > level.mean + selection.above_chance * level.std


def _difference(a: dict[str, Any], b: dict[str, Any], labels: np.ndarray, selection: SelectionParameters) -> float:
    return difference_error(
        selection.metric, labels, _predicted(a), _predicted(b), _classes(a), selection.resamples, selection.seed
    )
