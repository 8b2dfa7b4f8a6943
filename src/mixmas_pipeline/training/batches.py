"""Batches: which rows, in which order, and the tensors that hold them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.storage.memory_maps import release
from mixmas_pipeline.training.modality_dropout import drop_modalities
from mixmas_pipeline.training.parameters import OptimiserParameters

_RELEASE_BYTES = 1 << 28
Held = tuple[dict[str, Tensor], Tensor]  # a table's modalities and labels, on a device


def batch_rows(rows: int, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """The rows of every batch of an epoch: a permutation that depends on seed and epoch only, cut in pieces.

    A last batch with a single example is joined to the one before it.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    pieces = list(torch.randperm(rows, generator=generator).split(batch_size))
    if len(pieces) > 1 and len(pieces[-1]) == 1:
        pieces[-2:] = [torch.cat(pieces[-2:])]
    return pieces


def evaluation_rows(table: MultimodalTable) -> Iterator[slice]:
    """The rows of every batch that is only scored: up to 512. Large examples, whose hidden layers are larger, come in
    smaller batches."""
    values = sum(math.prod(modality.shape) for modality in table.schema.modalities.values())
    step = min(512, max(16, (1 << 24) // values))
    for start in range(0, len(table), step):
        yield slice(start, start + step)


def to_tensors(table: MultimodalTable, device: torch.device, modalities: Iterable[str] | None = None) -> Held:
    """A table's modalities, in their stored types, and its labels, copied to a device.

    Args:
        modalities: names of those to copy. Default: all.
    """
    names = table.arrays if modalities is None else modalities
    inputs = {name: torch.from_numpy(np.array(table.arrays[name])).to(device) for name in names}
    return inputs, torch.from_numpy(np.array(table.labels)).to(device)


def hold(table: MultimodalTable, device: torch.device) -> Held | None:
    """The whole table on a GPU if it takes at most a quarter of the GPU's free memory; else None."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    size = table.labels.nbytes + sum(array.nbytes for array in table.arrays.values())
    return to_tensors(table, device) if size <= free / 4 else None


class Batch(NamedTuple):
    """What one process computes of a step.

    Attributes:
        inputs: one tensor per modality, (batch, *shape), as stored.
        labels: of the examples.
        share: factor of the loss. Default 1.
        present: see ``MultimodalMixer``.
        shares: further factors of the heads' losses, see ``loss.multi_head_loss``.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    share: float = 1.0
    present: dict[str, Tensor] = {}  # noqa: RUF012
    shares: dict[str, float] = {}  # noqa: RUF012


class Batches:
    """Batches of a (memory-mapped) table, gathered as whole arrays, without a loop over examples.

    Args:
        table: the data.
        rows: of each batch, for this process.
        shares: of each batch, see ``Batch.share``. Default 1.
        held: the table's tensors, if they are on the device already, see ``hold``. Default: the table is read.
        present: which rows have a modality, name -> (n,) booleans. Default: the table's.
        head_shares: of each batch, see ``Batch.shares``. Default none.
    """

    def __init__(
        self,
        table: MultimodalTable,
        rows: list[np.ndarray],
        shares: list[float] | None = None,
        held: Held | None = None,
        present: Mapping[str, np.ndarray] | None = None,
        head_shares: list[dict[str, float]] | None = None,
    ) -> None:
        self._table, self._rows = table, rows
        self._shares = list(zip(shares or [1.0] * len(rows), head_shares or [{}] * len(rows), strict=True))
        self._held = held
        self._present = table.present if present is None else present

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Batch]:
        if self._held is not None:
            yield from self._from_device(*self._held)
            return
        arrays, read = self._table.arrays, 0
        for rows, (share, shares) in zip(self._rows, self._shares, strict=True):
            inputs = {name: torch.from_numpy(array[rows]) for name, array in arrays.items()}
            present = {name: torch.from_numpy(mask[rows]) for name, mask in self._present.items()}
            yield Batch(inputs, torch.from_numpy(self._table.labels[rows]), share, present, shares)
            read += sum(tensor.nbytes for tensor in inputs.values())
            if read > _RELEASE_BYTES:
                release(*arrays.values())
                read = 0

    def _from_device(self, inputs: dict[str, Tensor], labels: Tensor) -> Iterator[Batch]:
        # One copy of all row numbers: a copy to a GPU makes the host wait.
        all_rows = torch.from_numpy(np.concatenate(self._rows)).to(labels.device)
        masks = {name: torch.from_numpy(mask).to(labels.device) for name, mask in self._present.items()}
        parts = all_rows.split([len(rows) for rows in self._rows])
        for rows, (share, shares) in zip(parts, self._shares, strict=True):
            present = {name: mask[rows] for name, mask in masks.items()}
            yield Batch({name: tensor[rows] for name, tensor in inputs.items()}, labels[rows], share, present, shares)


def endless_batches(
    table: MultimodalTable,
    held: Held,
    parameters: OptimiserParameters,
    seed: int,
    change: Callable[[Batch, int, int, int], Batch],
) -> Iterator[Batch]:
    """Training batches, epoch after epoch, without an end. Order and dropped modalities depend on the seed only.

    Args:
        held: the table's modalities and labels on the device; the batches have these modalities.
        change: batch, seed, epoch, step of the epoch -> the batch that is trained on, see ``recipe.BatchRecipe``.
    """
    for epoch in itertools.count():
        rows = [piece.numpy() for piece in batch_rows(len(table), parameters.batch_size, seed, epoch)]
        present = drop_modalities(table, list(held[0]), parameters.modality_dropout, seed, epoch)
        for step, batch in enumerate(Batches(table, rows, held=held, present=present)):
            yield change(batch, seed, epoch, step)
