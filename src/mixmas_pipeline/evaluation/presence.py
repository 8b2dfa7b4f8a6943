"""Which rows have which modality: as the table says, and with modalities dropped while training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable

_DROPPING = 20  # tells these random numbers from others of the same seed


def rows_that_have_any(table: MultimodalTable, modalities: Iterable[str]) -> np.ndarray:
    """(n,) booleans: the rows that have at least one of the modalities."""
    found = np.zeros(len(table), bool)
    for name in modalities:
        found |= table.present.get(name, True)
    return found


def known(table: MultimodalTable, modalities: Iterable[str]) -> MultimodalTable:
    """The rows that have at least one of the modalities, copied, without the other modalities: what a model of these
    alone can be trained and scored on. The table itself where that is all rows.

    Raises:
        ValueError: there is no such row.
    """
    modalities = list(modalities)
    rows = rows_that_have_any(table, modalities)
    if rows.all():
        return table
    if not rows.any():
        raise ValueError(
            f"all {len(table)} rows lack {' and '.join(modalities)}; expected some that have it. A larger sample (a "
            "smaller margin) may help"
        )
    own = {name: modality for name, modality in table.schema.modalities.items() if name in modalities}
    arrays, present = ({n: c for n, c in of.items() if n in own} for of in (table.arrays, table.present))
    columns = (replace(table.schema, modalities=own), arrays, table.labels, table.ids, table.extra)
    return MultimodalTable(*columns, present=present, check=False).take(np.flatnonzero(rows))


def training_presence(
    table: MultimodalTable, modalities: Sequence[str], dropout: float, seed: int, epoch: int
) -> dict[str, np.ndarray]:
    """Which rows' modalities take part in an epoch: name -> (n,) booleans. A name that is not there: all rows'.

    With dropout each modality that a row has is left out with this probability, independently of the others; where that
    would be all, one of them, each as likely as the others, stays. (The modality with the largest random number always
    does.) So of M modalities one is left out with probability dropout - dropout^M / M.

    Args:
        modalities: of the model, in order.
        dropout: probability. 0: as the table says.
        seed, epoch: the only things that the result depends on, beside the table.
    """
    there = {name: table.present[name] for name in modalities if name in table.present}
    if dropout == 0 or len(modalities) == 1:
        return there
    has = np.stack([there.get(name, np.ones(len(table), bool)) for name in modalities], axis=1)
    draws = np.where(has, np.random.default_rng((seed, epoch, _DROPPING)).random(has.shape), -1.0)
    stays = has & ((draws >= dropout) | (draws == draws.max(axis=1, keepdims=True)))
    return dict(zip(modalities, stays.T.copy(), strict=True))
