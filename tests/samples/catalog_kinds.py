"""The kind of every name in the catalog, written down by hand: patterns of names, without the name of the data set."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

KINDS: dict[str, str] = {
    "frame": "agreement checks class_scores cohort combinations compare.*.history compare.predictions comparison "
    "contributions data.rows events extraction films findings found history leaderboard losses patterns "
    "predict.new_rows predicted predictions quality references search.*.leaderboard search.*.losses stays tokens "
    "training.*.history *_films *_pairs *_stays",
    "clips": "noise speech",
    "document": "embedding_info metrics statistics thresholds training.*.epochs",
    "typed": "*_summary compare.*.tuned describe.* description estimate export_report "
    "search.*.choice search.*.decision search.*_first search.*_result "
    "search.sampling search.settings verdict validate_search.*_budget validate_search.*_result validate_search.space",
    "drawn": "architecture compare.*.contender search.*_architecture training.*.plan training.architecture "
    "validate_search.*_architecture",
    "figure": "*_figure candidate_curves",
    "picture": "architecture_drawing examples mistakes_picture",
    "page": "description_page report",
    "table": "mistakes predict.rows search.holdout search.sample test train validate_search.full validation",
    "array": "pictures token_embeddings training.folds",
    "arrays": "energy_basis held_out reduced_images reference.logits training.*.held_out",
    "model": "compare.*_model model training.*.model",
    "references": "compare.*.models reference.linear reference.linear_refitted reference.trees "
    "reference.trees_refitted training.*.reference",
    "folder": "export.programs exported",
    "record": "reference.record.* training.record training.record.* verdict.record",
    "runs": "runs",
    "encoder": "encoder",
    "user's file": "predict.file",
    "source": "raw_*",
}


def kind_of(name: str) -> str:
    """The kind of a data set, by its name in the catalog ("avmnist.train").

    Raises:
        ValueError: no pattern, or patterns of two kinds, match the name.
    """
    inner = name.partition(".")[2]
    kinds = [
        kind for kind, patterns in KINDS.items() if any(fnmatchcase(inner, pattern) for pattern in patterns.split())
    ]
    if inner.startswith("raw_"):  # whatever its name is the plural of
        kinds = ["source"]
    if len(kinds) != 1:
        raise ValueError(f"{name} has the kinds {kinds}; expected one")
    return kinds[0]


def loaded_types() -> dict[str, Any]:
    """Kind -> the type that data sets of it load as."""
    import numpy as np
    import pandas as pd
    import plotly.graph_objects as go
    from pydantic import BaseModel

    from mixmas_pipeline.data.table import MultimodalTable
    from mixmas_pipeline.models.ensemble import Ensemble
    from mixmas_pipeline.models.multimodal import MultimodalMixer

    return {
        "frame": pd.DataFrame,
        "clips": pd.DataFrame,
        "document": dict | list,
        "typed": BaseModel,
        "drawn": BaseModel,
        "figure": go.Figure,
        "picture": bytes,
        "page": str,
        "table": MultimodalTable,
        "array": np.ndarray,
        "arrays": dict,
        "model": MultimodalMixer | Ensemble,
        "references": list,
        "folder": dict,
        "record": dict,
        "runs": list,
    }
