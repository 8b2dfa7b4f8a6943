"""Regret, top-1 agreement and rank correlation of searches against the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_SETTINGS = ["method", "rows", "epochs", "learning_rate", "seeds"]


def truth_table(truths: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """One row a combination, best mean score first: name, a column a stage, mean, spread, seed_*, cost."""
    rows = []
    for name, truth in truths.items():
        scores = {f"seed_{i}": score for i, score in enumerate(truth["scores"])}
        rows.append(
            {
                "combination": name,
                **truth["choice"],
                "mean": float(np.mean(truth["scores"])),
                "spread": float(np.std(truth["scores"], ddof=1)),
                **scores,
                "parameters": truth["parameters"],
                "flops": truth["flops"],
                "seconds": truth["seconds"],
            }
        )
    return pd.DataFrame(rows).sort_values(["mean", "combination"], ascending=[False, True], ignore_index=True)


def regret(scores: np.ndarray, chosen: int) -> float:
    """Score lost by a choice: best less chosen, each seed's scores against the best by the *other* seeds.

    The best of many noisy means is too good by luck; what another seed says of it is not. So the regret of a choice
    that is as good as the best is 0 in expectation, and may come out negative.

    Args:
        scores: (combinations, seeds), at least two seeds.
        chosen: row of the choice.
    """
    lost = []
    for seed in range(scores.shape[1]):
        best = np.delete(scores, seed, axis=1).mean(axis=1).argmax()
        lost.append(scores[best, seed] - scores[chosen, seed])
    return float(np.mean(lost))


def kendall_tau(a: list[float], b: list[float]) -> float:
    """Kendall's tau-b of two scorings of the same candidates (Kendall 1945); NaN when one of them is constant."""
    from scipy.stats import kendalltau

    return float(kendalltau(a, b).statistic)


def agreement_table(truth: pd.DataFrame, searches: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a method and budget: means and standard deviations over the replicates.

    ``regret``: see above; ``top1``: share of replicates that chose the best combination; ``tau``: mean over the stages
    of the rank correlation between the micro-benchmark's scores and the truth, and by stage: of an encoder's candidates
    with their mean over all combinations, of fusion functions and networks with the combinations that the search
    compared; ``cost``: FLOPs as a share of training every combination.
    """
    scores = truth[[c for c in truth if c.startswith("seed_")]].to_numpy()
    by_name = {name: row for row, name in enumerate(truth["combination"])}
    rows = []
    for entry in searches:
        row = by_name["__".join(entry["choice"].values())]
        taus = {f"tau_{s}": tau for s, tau in _taus(truth, entry).items()}
        rows.append(
            {
                **{key: entry[key] for key in _SETTINGS},
                "regret": regret(scores, row),
                "top1": float(row == 0),
                "tau": float(np.nanmean(list(taus.values()))) if taus else np.nan,
                **taus,
                "flops": entry["flops"],
                "seconds": entry["seconds"],
            }
        )
    grouped = pd.DataFrame(rows).groupby(_SETTINGS, sort=False)
    table = grouped.mean()
    table.insert(0, "replicates", grouped.size())
    table.insert(2, "regret_spread", grouped["regret"].std(ddof=1))
    table.insert(3, "regret_worst", grouped["regret"].max())
    table.insert(6, "tau_spread", grouped["tau"].std(ddof=1))
    table["cost"] = table["flops"] / truth["flops"].sum()
    return table.reset_index()


def summarise(truth: pd.DataFrame, agreement: pd.DataFrame) -> dict[str, Any]:
    """The space's size and spread, and the cheapest stage-by-stage budget that is as good as the best one.

    As good: its mean regret is at most one standard error (of the best one's mean over replicates) above the least.
    """
    scores = truth[[c for c in truth if c.startswith("seed_")]].to_numpy()
    greedy = agreement[agreement["method"] == "stage by stage"]
    best = greedy.loc[greedy["regret"].idxmin()]
    error = best["regret_spread"] / best["replicates"] ** 0.5
    enough = greedy[greedy["regret"] <= best["regret"] + error]
    pick = enough.loc[enough["cost"].idxmin()]
    return {
        "combinations": len(truth),
        "best": truth["combination"].iloc[0],
        "best_score": float(truth["mean"].iloc[0]),
        "median_score": float(truth["mean"].median()),
        "worst_score": float(truth["mean"].iloc[-1]),
        "noise": float(np.sqrt((truth["spread"] ** 2).mean())),
        "random_regret": float(np.mean([regret(scores, row) for row in range(len(truth))])),
        "exhaustive_flops": float(truth["flops"].sum()),
        "exhaustive_seconds": float(truth["seconds"].sum()),
        "recommended": {
            **{key: _plain(pick[key]) for key in ("rows", "epochs", "learning_rate", "seeds")},
            **{key: float(pick[key]) for key in ("regret", "top1", "tau", "cost", "seconds")},
        },
    }


def _taus(truth: pd.DataFrame, entry: dict[str, Any]) -> dict[str, float]:
    """Rank correlation of each stage that ranked at least two candidates."""
    taus, earlier = {}, {}
    fusion = [stage for stage in entry["scores"] if stage in ("fusion_function", "fusion_network")]
    for stage, proxy in entry["scores"].items():
        rows = truth
        if stage in fusion:  # given what had been chosen before
            for other, choice in earlier.items():
                rows = rows[rows[other] == choice]
        means = rows.groupby(stage)["mean"].mean()
        if len(proxy) > 1:
            taus[stage] = kendall_tau(list(proxy.values()), [means[name] for name in proxy])
        earlier[stage] = entry["choice"][stage]
    return taus


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
