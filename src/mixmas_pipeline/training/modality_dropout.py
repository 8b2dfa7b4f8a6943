"""Modality dropout: training leaves modalities of an example out, as if the example lacked them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable

_STREAM = 20  # sets these random numbers apart from others of the same seed


def drop_modalities(
    table: MultimodalTable, modalities: Sequence[str], dropout: float, seed: int, epoch: int
) -> dict[str, np.ndarray]:
    """Draw which modalities of each row take part in an epoch: name -> (n,) booleans. A name without an entry takes
    part in every row.

    Each modality that a row has is dropped with this probability, independently of the others. If all were dropped, one
    of them, each as likely as the others, stays. (The modality with the largest random number always stays.) So with M
    modalities a modality is dropped with probability dropout - dropout^M / M.

    Args:
        table: gives the modalities that each row has.
        modalities: of the model, in order.
        dropout: probability. 0: the result is what the table has.
        seed, epoch: with the table, the only things that the result depends on.
    """
    present = {name: table.present[name] for name in modalities if name in table.present}
    if dropout == 0 or len(modalities) == 1:
        return present
    has = np.stack([present.get(name, np.ones(len(table), bool)) for name in modalities], axis=1)
    draws = np.where(has, np.random.default_rng((seed, epoch, _STREAM)).random(has.shape), -1.0)
    stays = has & ((draws >= dropout) | (draws == draws.max(axis=1, keepdims=True)))
    return dict(zip(modalities, stays.T.copy(), strict=True))
