"""A stage's leaderboard and training losses as tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mixmas_pipeline.pipelines.search.results import CandidateResult, StageDecision
from mixmas_pipeline.pipelines.search.selection import Ranking


def leaderboard_table(results: Sequence[CandidateResult], ranking: Ranking, decision: StageDecision) -> pd.DataFrame:
    """One row per candidate, the best mean score first; of equal scores the cheaper candidate, then by name."""
    rows = [_leaderboard_row(result, ranking, decision) for result in results]
    order = ["mean", "flops_per_example", "candidate"]
    return pd.DataFrame(rows).sort_values(order, ascending=[False, True, True], ignore_index=True)


def losses_table(results: Sequence[CandidateResult]) -> pd.DataFrame:
    """One row per candidate, seed and recorded step: stage, candidate, seed, step, loss."""
    return pd.DataFrame(
        [
            {"stage": r.stage, "candidate": r.candidate, "seed": trial.seed, "step": step, "loss": loss}
            for r in results
            for trial in r.trials
            for step, loss in trial.losses
        ]
    )


def _leaderboard_row(result: CandidateResult, ranking: Ranking, decision: StageDecision) -> dict[str, object]:
    name = result.candidate
    return {
        "stage": result.stage,
        "modality": result.modality,
        "candidate": name,
        "chosen": name == ranking.winner,
        "tied": name in ranking.tied,
        "mean": float(np.mean(result.scores)),
        "spread": float(np.std(result.scores, ddof=1)),
        **{f"seed_{trial.seed}": trial.score for trial in result.trials},
        "chance": ranking.chances[name].mean,
        "above_chance": name not in ranking.at_chance,
        "parameters": result.parameters,
        "flops_per_example": result.flops,
        "seconds": result.seconds,
        "steps": result.trials[0].steps,
        "trials": len(result.trials),
        "extended": decision.extend,
        "dropped": name in decision.dropped,
        "reason": ranking.reason if name == ranking.winner else decision.dropped.get(name, ""),
    }
