"""Every search's choice held against the truth, as tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.search.parameters import SampleParameters
from mixmas_pipeline.pipelines.validate_search.agreement import agreement_table, summarise, truth_table
from mixmas_pipeline.pipelines.validate_search.parameters import TruthParameters
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def measure_agreement(
    train: MultimodalTable,
    validation: MultimodalTable,
    truth: TruthParameters,
    sample: SampleParameters,
    batch_size: int,
    **inputs: Any,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Hold every search's choice against the truth.

    Args:
        train, validation: their sizes and source.
        truth: how the combinations were trained.
        sample, batch_size: of the search, to say the recommended budget in its terms.
        inputs: "truth/name" -> what ``train_combination`` returns; "search/name" -> what ``search_within_budget`` does.

    Returns:
        combinations: one row each, best first; agreement: one row a method and budget, means over the replicates;
        summary: what the space is like, and the cheapest budget that is as good as the best.
    """
    from mixmas_pipeline.pipelines.search.sampling import margin_for

    truths = {key.removeprefix("truth/"): value for key, value in inputs.items() if key.startswith("truth/")}
    searches = [entry for key, value in inputs.items() if key.startswith("search/") for entry in value]
    table = truth_table(truths)
    agreement = agreement_table(truths, searches)
    summary = {
        "source": train.schema.source,
        "rows": min(truth.rows, len(train)),
        "epochs": truth.epochs,
        "scored_on": len(validation),
        **summarise(truths, agreement),
    }
    pick = summary["recommended"]
    pick["margin"] = margin_for(pick["rows"], len(train), sample.z, sample.p)
    pick["steps"] = -(-pick["rows"] * pick["epochs"] // batch_size)
    return table, agreement, summary


def draw_agreement(agreement: pd.DataFrame, summary: dict[str, Any]) -> tuple[Any, Any]:
    """Returns:
    Regret against cost; Kendall's tau of every stage against cost.
    """
    from mixmas_pipeline.plots.agreement import regret_figure, tau_figure

    return regret_figure(agreement, summary), tau_figure(agreement)
