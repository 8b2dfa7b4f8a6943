"""Searches against full training: regret, top-1 agreement, rank correlation, and a recommended budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from mixmas_pipeline.data.sampling import margin_for
from mixmas_pipeline.pipelines.search.parameters import SampleParameters
from mixmas_pipeline.pipelines.search.results import FUSION_FUNCTION, FUSION_NETWORK
from mixmas_pipeline.pipelines.validate_search.results import (
    STAGE_BY_STAGE,
    AgreementSummary,
    CombinationResult,
    RecommendedBudget,
    SearchOutcome,
)
from mixmas_pipeline.pipelines.validate_search.space import name_of

Results = Mapping[str, CombinationResult]  # by the combination's name
_SETTINGS = ["method", "rows", "epochs", "learning_rate", "seeds"]


def combination_table(results: Results) -> pd.DataFrame:
    """One row per combination, best mean score first: name, a column per stage, mean, spread, regret (see ``regrets``),
    seed_*, parameters, and the cost of a training."""
    lost = regrets(np.array([result.halves for result in results.values()]))
    rows = [
        {
            "combination": name,
            **result.choice,
            "mean": float(np.mean(result.scores)),
            "spread": float(np.std(result.scores, ddof=1)),
            "regret": float(regret),
            **{f"seed_{i}": score for i, score in enumerate(result.scores)},
            "parameters": result.parameters,
            "flops": result.flops,
            "seconds": result.seconds,
        }
        for (name, result), regret in zip(results.items(), lost, strict=True)
    ]
    return pd.DataFrame(rows).sort_values(["mean", "combination"], ascending=[False, True], ignore_index=True)


def regrets(halves: np.ndarray) -> np.ndarray:
    """Score that each combination loses against the best one, (combinations,).

    The best of many noisy means is too good by luck: of its seed, and of the examples it was scored on. So each seed's
    scores on each half of the examples are compared with the combination that is best by the *other* seeds on the
    *other* half. Where all combinations are alike, the expected regret of each is 0. That of the truly best one is
    slightly negative, as often as noise makes another one look better.

    Args:
        halves: scores, (combinations, seeds, 2 halves of the examples); at least two seeds.
    """
    lost = []
    for seed in range(halves.shape[1]):
        for half in range(2):
            best = np.delete(halves[:, :, 1 - half], seed, axis=1).mean(axis=1).argmax()
            lost.append(halves[best, seed, half] - halves[:, seed, half])
    return np.mean(lost, axis=0)


def kendall_tau(a: Sequence[float], b: Sequence[float]) -> float:
    """Kendall's tau-b of two scorings of the same candidates (Kendall 1945); NaN when one of them is constant."""
    return float(kendalltau(a, b).statistic)


def agreement_table(results: Results, searches: Sequence[SearchOutcome]) -> pd.DataFrame:
    """One row per method and budget: means and standard deviations over the replicates.

    ``regret``: see ``regrets``, and by replicate. ``top1``: share of replicates that chose the combination with the
    best mean. ``tau``: rank correlation between the searches' scores and those of full training, mean over the stages,
    and by stage: an encoder's candidates with their mean over all combinations, fusion functions and networks with the
    combinations that the search compared (missing where a stage has one candidate, or all are equal). ``cost``: FLOPs
    as a share of training each combination once.
    """
    table = combination_table(results)
    rows = [_agreement_row(table, outcome) for outcome in searches]
    grouped = pd.DataFrame(rows).sort_values("replicate", kind="stable").groupby(_SETTINGS, sort=False)
    agreement = grouped.mean().drop(columns="replicate")
    agreement.insert(0, "replicates", grouped.size())
    agreement.insert(2, "regret_spread", grouped["regret"].std(ddof=1))
    agreement.insert(3, "regrets", grouped["regret"].agg(list))
    agreement.insert(6, "tau_spread", grouped["tau"].std(ddof=1))
    agreement["cost"] = agreement["flops"] / table["flops"].sum()
    return agreement.reset_index()


def recommend(
    results: Results, agreement: pd.DataFrame, population: int, sample: SampleParameters, batch_size: int
) -> RecommendedBudget:
    """The cheapest stage-by-stage budget that is as good as the best one.

    Only budgets of two seeds or more are recommended (the search itself needs two to estimate its noise); if none was
    tried, any is. As good means: over the replicates, which had the same samples with each budget, it loses at most one
    standard error more than the budget that loses least. The noise of full training is part of that error.

    Args:
        results: of full training.
        agreement: see ``agreement_table``.
        population: rows of the training split.
        sample, batch_size: of the search, to express the budget in its parameters.
    """
    table, seeds = combination_table(results), len(next(iter(results.values())).scores)
    noise = _noise(table)
    tried = agreement[agreement["method"] == STAGE_BY_STAGE]
    tried = tried[tried["seeds"] >= 2] if (tried["seeds"] >= 2).any() else tried
    best = np.array(tried.loc[tried["regret"].idxmin(), "regrets"])

    def as_good(lost: list[float]) -> bool:
        more = np.array(lost) - best
        error = np.hypot(more.std(ddof=1) / len(more) ** 0.5, noise / seeds**0.5)
        return bool(more.mean() <= error)

    good = tried[[as_good(lost) for lost in tried["regrets"]]]
    pick = good.loc[good["cost"].idxmin()]
    rows, epochs = int(pick["rows"]), int(pick["epochs"])
    return RecommendedBudget(
        rows=rows,
        epochs=epochs,
        seeds=int(pick["seeds"]),
        **{key: float(pick[key]) for key in ("learning_rate", "regret", "top1", "cost", "seconds")},
        margin=margin_for(rows, population, sample.z, sample.p),
        steps=-(-rows * epochs // batch_size),
    )


def summarise(
    results: Results, recommended: RecommendedBudget, source: str, rows: int, epochs: int, scored_on: int
) -> AgreementSummary:
    """The space's size and spread beside the recommended budget.

    Args:
        results: of full training.
        recommended: see ``recommend``.
        source: of the data.
        rows, epochs: of each full training.
        scored_on: validation examples.
    """
    table = combination_table(results)
    return AgreementSummary(
        source=source,
        rows=rows,
        epochs=epochs,
        scored_on=scored_on,
        combinations=len(table),
        best=table["combination"].iloc[0],
        best_score=float(table["mean"].iloc[0]),
        median_score=float(table["mean"].median()),
        worst_score=float(table["mean"].iloc[-1]),
        noise=_noise(table),
        random_regret=float(table["regret"].mean()),
        m2_mixer_regret=_m2_mixer_regret(table, list(next(iter(results.values())).choice)),
        exhaustive_flops=float(table["flops"].sum()),
        exhaustive_seconds=float(table["seconds"].sum()),
        recommended=recommended,
    )


def _agreement_row(table: pd.DataFrame, outcome: SearchOutcome) -> dict[str, object]:
    chosen = name_of(outcome.choice)
    taus = {f"tau_{stage}": tau for stage, tau in _taus(table, outcome).items()}
    defined = [tau for tau in taus.values() if not np.isnan(tau)]
    return {
        **{key: getattr(outcome, key) for key in _SETTINGS},
        "replicate": outcome.replicate,
        "regret": table.set_index("combination")["regret"][chosen],
        "top1": float(chosen == table["combination"].iloc[0]),
        "tau": float(np.mean(defined)) if defined else np.nan,
        **taus,
        "flops": outcome.flops,
        "seconds": outcome.seconds,
    }


def _taus(table: pd.DataFrame, outcome: SearchOutcome) -> dict[str, float]:
    """Rank correlation of each stage that ranked at least two candidates."""
    taus: dict[str, float] = {}
    earlier: dict[str, str] = {}
    for stage, scores in outcome.scores.items():
        rows = table
        if stage in (FUSION_FUNCTION, FUSION_NETWORK):  # given the earlier choices
            given = earlier | ({FUSION_NETWORK: outcome.reference} if stage == FUSION_FUNCTION else {})
            rows = _with_choices(table, given)
        means = rows.groupby(stage)["mean"].mean()
        if len(scores) > 1:
            taus[stage] = kendall_tau(list(scores.values()), [means[name] for name in scores])
        earlier[stage] = outcome.choice[stage]
    return taus


def _with_choices(table: pd.DataFrame, choices: Mapping[str, str]) -> pd.DataFrame:
    """Combinations with these candidates. A candidate outside the sub-space (the reference may be) is ignored."""
    for stage, candidate in choices.items():
        if stage in table and candidate in set(table[stage]):
            table = table[table[stage] == candidate]
    return table


def _noise(table: pd.DataFrame) -> float:
    """Standard deviation of a score over seeds, root mean square over the combinations."""
    return float(np.sqrt((table["spread"] ** 2).mean()))


def _m2_mixer_regret(table: pd.DataFrame, stages: list[str]) -> float | None:
    """Of MLP-Mixer everywhere and concatenation; None where the sub-space does not have it."""
    fixed = pd.Series({stage: "concat" if stage == FUSION_FUNCTION else "mlp_mixer" for stage in stages})
    rows = table[(table[stages] == fixed).all(axis=1)]
    return float(rows["regret"].iloc[0]) if len(rows) else None
