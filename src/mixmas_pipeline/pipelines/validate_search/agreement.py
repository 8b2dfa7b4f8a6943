"""Regret, top-1 agreement and rank correlation of searches against the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.pipelines.search.nodes import FUSION_FUNCTION, FUSION_NETWORK
from mixmas_pipeline.pipelines.validate_search.space import name_of
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

Truths = dict[str, dict[str, Any]]
GREEDY = "stage by stage"
_SETTINGS = ["method", "rows", "epochs", "learning_rate", "seeds"]


def truth_table(truths: Truths) -> pd.DataFrame:
    """One row a combination, best mean score first: name, a column a stage, mean, spread, regret (see ``regrets``),
    seed_*, a training's cost."""
    lost = regrets(np.array([t["halves"] for t in truths.values()]))
    rows = [
        {
            "combination": name,
            **truth["choice"],
            "mean": float(np.mean(truth["scores"])),
            "spread": float(np.std(truth["scores"], ddof=1)),
            "regret": float(regret),
            **{f"seed_{i}": score for i, score in enumerate(truth["scores"])},
            "parameters": truth["parameters"],
            "flops": truth["flops"],
            "seconds": truth["seconds"],
        }
        for (name, truth), regret in zip(truths.items(), lost, strict=True)
    ]
    return pd.DataFrame(rows).sort_values(["mean", "combination"], ascending=[False, True], ignore_index=True)


def regrets(halves: np.ndarray) -> np.ndarray:
    """Score that each combination loses against the best one, (combinations,).

    The best of many noisy means is too good by luck: of its seed, and of the examples it was scored on. So each seed's
    scores on each half of the examples are held against the combination that is best by the *other* seeds on the
    *other* half. Where all combinations are alike, the regret of each is 0 in expectation; that of the truly best one
    is a little below, as often as noise makes another one look better.

    Args:
        halves: scores, (combinations, seeds, 2 halves of the examples); at least two seeds.
    """
    lost = []
    for seed in range(halves.shape[1]):
        for half in range(2):
            best = np.delete(halves[:, :, 1 - half], seed, axis=1).mean(axis=1).argmax()
            lost.append(halves[best, seed, half] - halves[:, seed, half])
    return np.mean(lost, axis=0)


def kendall_tau(a: list[float], b: list[float]) -> float:
    """Kendall's tau-b of two scorings of the same candidates (Kendall 1945); NaN when one of them is constant."""
    from scipy.stats import kendalltau

    return float(kendalltau(a, b).statistic)


def agreement_table(truths: Truths, searches: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a method and budget: means and standard deviations over the replicates.

    ``regret``: see above, and ``regrets``, by replicate; ``top1``: share of replicates that chose the combination with
    the best mean; ``tau``: mean over the stages of the rank correlation between the micro-benchmark's scores and the
    truth, and by stage: of an encoder's candidates with their mean over all combinations, of fusion functions and
    networks with the combinations that the search compared (missing where a stage has one candidate, or all are
    equal); ``cost``: FLOPs as a share of training every combination once.
    """
    table = truth_table(truths)
    lost = table.set_index("combination")["regret"]
    rows = []
    for entry in searches:
        chosen = name_of(entry["choice"])
        taus = {f"tau_{stage}": tau for stage, tau in _taus(table, entry).items()}
        known = [tau for tau in taus.values() if not np.isnan(tau)]
        rows.append(
            {
                **{key: entry[key] for key in _SETTINGS},
                "replicate": entry["replicate"],
                "regret": lost[chosen],
                "top1": float(chosen == table["combination"].iloc[0]),
                "tau": float(np.mean(known)) if known else np.nan,
                **taus,
                "flops": entry["flops"],
                "seconds": entry["seconds"],
            }
        )
    grouped = pd.DataFrame(rows).sort_values("replicate", kind="stable").groupby(_SETTINGS, sort=False)
    result = grouped.mean().drop(columns="replicate")
    result.insert(0, "replicates", grouped.size())
    result.insert(2, "regret_spread", grouped["regret"].std(ddof=1))
    result.insert(3, "regrets", grouped["regret"].agg(list))
    result.insert(6, "tau_spread", grouped["tau"].std(ddof=1))
    result["cost"] = result["flops"] / table["flops"].sum()
    return result.reset_index()


def summarise(truths: Truths, agreement: pd.DataFrame) -> dict[str, Any]:
    """The space's size and spread, and the cheapest stage-by-stage budget that is as good as the best one.

    Only budgets of two seeds or more are recommended (the search itself needs two to know its noise); if none was
    tried, any is. As good: over the replicates, which saw the same samples with every budget, it loses at most one
    standard error more than the budget that loses least; the truth's own noise is part of that error.
    """
    table, seeds = truth_table(truths), len(next(iter(truths.values()))["scores"])
    noise = float(np.sqrt((table["spread"] ** 2).mean()))
    tried = agreement[agreement["method"] == GREEDY]
    tried = tried[tried["seeds"] >= 2] if (tried["seeds"] >= 2).any() else tried
    best = np.array(tried.loc[tried["regret"].idxmin(), "regrets"])

    def as_good(lost: list[float]) -> bool:
        more = np.array(lost) - best
        error = np.hypot(more.std(ddof=1) / len(more) ** 0.5, noise / seeds**0.5)
        return bool(more.mean() <= error)

    enough = tried[[as_good(lost) for lost in tried["regrets"]]]
    pick = enough.loc[enough["cost"].idxmin()]
    return {
        "combinations": len(table),
        "best": table["combination"].iloc[0],
        "best_score": float(table["mean"].iloc[0]),
        "median_score": float(table["mean"].median()),
        "worst_score": float(table["mean"].iloc[-1]),
        "noise": noise,
        "random_regret": float(table["regret"].mean()),
        "m2_mixer_regret": _m2_mixer_regret(table, list(next(iter(truths.values()))["choice"])),
        "exhaustive_flops": float(table["flops"].sum()),
        "exhaustive_seconds": float(table["seconds"].sum()),
        "recommended": {
            **{key: int(pick[key]) for key in ("rows", "epochs", "seeds")},
            **{key: float(pick[key]) for key in ("learning_rate", "regret", "top1", "cost", "seconds")},
        },
    }


def _m2_mixer_regret(table: pd.DataFrame, stages: list[str]) -> float | None:
    """Of MLP-Mixer everywhere and concatenation; None where the sub-space does not have it."""
    fixed = pd.Series({stage: "concat" if stage == FUSION_FUNCTION else "mlp_mixer" for stage in stages})
    rows = table[(table[stages] == fixed).all(axis=1)]
    return float(rows["regret"].iloc[0]) if len(rows) else None


def _taus(truth: pd.DataFrame, entry: dict[str, Any]) -> dict[str, float]:
    """Rank correlation of each stage that ranked at least two candidates."""
    taus: dict[str, float] = {}
    earlier: dict[str, str] = {}
    for stage, proxy in entry["scores"].items():
        rows = truth
        if stage in (FUSION_FUNCTION, FUSION_NETWORK):  # given what had been chosen before
            given = earlier | ({FUSION_NETWORK: entry["reference"]} if stage == FUSION_FUNCTION else {})
            for other, choice in given.items():
                if other in rows and choice in set(rows[other]):  # the reference may be left out of the sub-space
                    rows = rows[rows[other] == choice]
        means = rows.groupby(stage)["mean"].mean()
        if len(proxy) > 1:
            taus[stage] = kendall_tau(list(proxy.values()), [means[name] for name in proxy])
        earlier[stage] = entry["choice"][stage]
    return taus
