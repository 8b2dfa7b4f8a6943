"""How a stage's winner is selected: chance level, successive elimination, ranking, and the tie rule (``break_tie``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixmas_pipeline.evaluation.significance import Chance, chance, difference_error
from mixmas_pipeline.pipelines.search.parameters import SelectionParameters
from mixmas_pipeline.pipelines.search.results import CandidateResult

_SAME_PRICE = 0.1  # as search.match.tolerance


@dataclass(frozen=True)
class Ranking:
    """The outcome of a stage.

    Attributes:
        winner: name of the selected candidate.
        tied: names within noise of the best mean, the winner among them; only the winner when there is no tie.
        at_chance: names not clearly above chance.
        chances: name -> its chance score.
        reason: why the winner was selected, in sentences.
    """

    winner: str
    tied: list[str]
    at_chance: list[str]
    chances: dict[str, Chance]
    reason: str


def not_above_chance(
    results: Sequence[CandidateResult], labels: np.ndarray, selection: SelectionParameters
) -> list[str]:
    """Names of the candidates whose mean score is not clearly above chance.

    Args:
        results: of one stage.
        labels: of the held-out rows that the stage is scored on.
    """
    return [r.candidate for r in results if not _is_above(r, _chance(r, labels, selection), selection)]


def eliminate(
    results: Sequence[CandidateResult], labels: np.ndarray, selection: SelectionParameters, behind: float
) -> dict[str, str]:
    """Candidates that need no further trial: their mean score is clearly below the best one's.

    One round of successive elimination (Even-Dar, Mannor and Mansour 2006), with differences paired by seed and by
    example.

    Args:
        results, labels: as for ``not_above_chance``.
        behind: a candidate is eliminated if it is more than this many standard errors of the difference below the best.

    Returns:
        Name -> reason. The best candidate is never eliminated.
    """
    best = min(results, key=_rank_key)
    dropped = {}
    for result in results:
        difference, error = _mean(best) - _mean(result), 0.0
        if result is not best and difference > 0:
            error = _standard_error(best, result, labels, selection)
        if difference > behind * error:
            dropped[result.candidate] = (
                f"After {len(result.trials)} seeds {difference:.3f} ± {error:.3f} behind {best.candidate}."
            )
    return dropped


def rank(
    results: Sequence[CandidateResult],
    labels: np.ndarray,
    selection: SelectionParameters,
    dropped: Collection[str] = (),
) -> Ranking:
    """Rank a stage's candidates by mean score over the seeds; ``break_tie`` selects among those within noise.

    Candidates that are not clearly above chance are not ranked, nor are those in ``dropped``. If all that remain are at
    chance, dropped candidates above chance are ranked; if there are none, the cheapest candidate wins.
    """
    chances = {r.candidate: _chance(r, labels, selection) for r in results}
    above = [r for r in results if _is_above(r, chances[r.candidate], selection)]
    at_chance = [name for name in chances if name not in {r.candidate for r in above}]
    # More trials may have brought all remaining candidates to chance; a dropped one above chance is then better.
    ranked = [r for r in above if r.candidate not in dropped] or above
    if not ranked:
        return _all_at_chance(results, at_chance, chances)
    best = min(ranked, key=_rank_key)
    errors = {r.candidate: _standard_error(best, r, labels, selection) for r in ranked if r is not best}
    winner, tied = break_tie(ranked, best, errors, selection.tie)
    reason = _reason(winner, best, tied, ranked, errors, dropped)
    if dropped:
        reason += f" Eliminated early: {', '.join(dropped)}."
    if at_chance:
        reason += f" Not clearly above chance, so not ranked: {', '.join(at_chance)}."
    return Ranking(winner.candidate, [r.candidate for r in tied], at_chance, chances, reason)


def break_tie(
    ranked: Sequence[CandidateResult], best: CandidateResult, errors: Mapping[str, float], tie: float
) -> tuple[CandidateResult, list[CandidateResult]]:
    """The tie rule: of all candidates within noise of the best mean score, the cheapest wins; of those that cost about
    the same, the one with the best mean.

    This is the one-standard-error rule (Breiman, Friedman, Olshen and Stone 1984, section 3.4.3), with the standard
    error of the paired difference. The price is FLOPs per example. Candidates that cost at most ``_SAME_PRICE`` more
    than the cheapest cost about the same: matching leaves such differences between them.

    Args:
        ranked: the candidates, ``best`` among them.
        best: the candidate with the highest mean score.
        errors: name -> standard error of its difference from the best; of all candidates but the best.
        tie: a difference of at most this many standard errors is a tie.

    Returns:
        The winner; all tied candidates, in the order of ``ranked``.
    """
    tied = [r for r in ranked if r is best or _mean(best) - _mean(r) <= tie * errors[r.candidate]]
    return min(_cheapest(tied), key=_rank_key), tied


def _cheapest(results: Sequence[CandidateResult]) -> list[CandidateResult]:
    """Those that cost about as much as the cheapest."""
    limit = min(r.flops for r in results) * (1 + _SAME_PRICE)
    return [r for r in results if r.flops <= limit]


def _all_at_chance(results: Sequence[CandidateResult], at_chance: list[str], chances: dict[str, Chance]) -> Ranking:
    winner = min(results, key=_price).candidate
    reason = (
        f"No candidate was clearly above chance after {results[0].trials[0].steps} steps: none was ranked, and the "
        "cheapest was taken. Raise the budget (extended_steps) or the sample (a smaller margin)."
    )
    return Ranking(winner, [winner], at_chance, chances, reason)


def _reason(
    winner: CandidateResult,
    best: CandidateResult,
    tied: Sequence[CandidateResult],
    ranked: Sequence[CandidateResult],
    errors: Mapping[str, float],
    dropped: Collection[str],
) -> str:
    if len(tied) > 1:
        names = ", ".join(r.candidate for r in tied)
        cheap = len(_cheapest(tied))
        why = "the cheapest of them" if cheap == 1 else "the best of the cheapest of them"
        why = "the best of them, which cost about the same" if cheap == len(tied) else why
        text = f"A tie between {names} (differences within noise); {winner.candidate} is {why}."
        if winner is not best:
            more, error = _mean(best) - _mean(winner), errors[winner.candidate]
            text += f" {best.candidate} scored {more:.3f} ± {error:.3f} more."
        return text
    others = [r for r in ranked if r is not best]
    if not others:
        return "It was the only candidate left." if dropped else "It was the only candidate to rank."
    second = max(others, key=_mean)
    return f"It scored {_mean(best) - _mean(second):.3f} ± {errors[second.candidate]:.3f} more than {second.candidate}."


def _mean(result: CandidateResult) -> float:
    return float(np.mean(result.scores))


def _price(result: CandidateResult) -> tuple[int, int, str]:
    """Smallest for the cheapest: FLOPs per example, then parameters, then the name."""
    return result.flops, result.parameters, result.candidate


def _rank_key(result: CandidateResult) -> tuple[float, int, int, str]:
    """Smallest for the best: by mean score, then the cheaper one, then by name."""
    return -_mean(result), result.flops, result.parameters, result.candidate


def _predicted(result: CandidateResult) -> np.ndarray:
    """(seeds, n[, classes])."""
    return np.array([trial.predicted for trial in result.trials])


def _classes(result: CandidateResult) -> int:
    return len(result.architecture.classes)


def _chance(result: CandidateResult, labels: np.ndarray, selection: SelectionParameters) -> Chance:
    """Chance of the mean over seeds. Means add up; so do, at worst (seeds that agree), standard deviations."""
    by_seed = [
        chance(selection.metric, labels, predicted, _classes(result), selection.resamples, selection.seed)
        for predicted in _predicted(result)
    ]
    return Chance(float(np.mean([c.mean for c in by_seed])), float(np.mean([c.std for c in by_seed])))


def _is_above(result: CandidateResult, level: Chance, selection: SelectionParameters) -> bool:
    return _mean(result) > level.mean + selection.above_chance * level.std


def _standard_error(
    a: CandidateResult, b: CandidateResult, labels: np.ndarray, selection: SelectionParameters
) -> float:
    """Of the difference of the two mean scores, see ``metrics.difference_error``."""
    return difference_error(
        selection.metric, labels, _predicted(a), _predicted(b), _classes(a), selection.resamples, selection.seed
    )
