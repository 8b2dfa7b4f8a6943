"""Batches: which rows, in which order, and the tensors that hold them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.storage.memory_maps import release
from mixmas_pipeline.training.modality_dropout import drop_modalities
from mixmas_pipeline.training.parameters import AugmentationParameters, OptimiserParameters, TrainingParameters

_RELEASE_BYTES = 1 << 28
_STREAM = 22  # sets these random numbers apart from others of the same seed


class Held(NamedTuple):
    """A table on a device.

    Attributes:
        inputs: the modalities, (n, *shape) as stored.
        labels: of the rows.
        variants: see ``MultimodalTable``. Default none.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    variants: dict[str, Tensor] = {}  # noqa: RUF012


def batch_rows(rows: int, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """The rows of every batch of an epoch: a permutation that depends on seed and epoch only, cut in pieces.

    A last batch with a single example is joined to the one before it.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    pieces = list(torch.randperm(rows, generator=generator).split(batch_size))
    if len(pieces) > 1 and len(pieces[-1]) == 1:
        pieces[-2:] = [torch.cat(pieces[-2:])]
    return pieces


def passes_per_epoch(rows: int, parameters: TrainingParameters) -> int:
    """How often an epoch goes over so many rows: as often as makes ``min_steps`` steps of ``max_epochs`` epochs."""
    batches = len(batch_rows(rows, parameters.batch_size, 0, 0))
    return max(1, math.ceil(parameters.min_steps / (batches * parameters.max_epochs)))


def evaluation_rows(table: MultimodalTable) -> Iterator[slice]:
    """The rows of every batch that is only scored: up to 512. Large examples, whose hidden layers are larger, come in
    smaller batches."""
    values = sum(math.prod(modality.shape) for modality in table.schema.modalities.values())
    step = min(512, max(16, (1 << 24) // values))
    for start in range(0, len(table), step):
        yield slice(start, start + step)


def draw_versions(table: MultimodalTable, augmentation: AugmentationParameters, seed: int, number: int) -> np.ndarray:
    """(n,) which version of each row a pass over the table trains on: 0 is the row itself, v its variant v - 1; each is
    as likely. It depends on the numbers of rows and variants, the seed and the pass's number only."""
    variants = max((array.shape[1] for array in table.variants.values()), default=0) if augmentation.variants else 0
    return np.random.default_rng((seed, number, _STREAM)).integers(variants + 1, size=len(table))


def to_tensors(
    table: MultimodalTable, device: torch.device, modalities: Iterable[str] | None = None, *, variants: bool = False
) -> Held:
    """Copy a table to a device, in its stored types.

    Args:
        modalities: names of those to copy. Default: all.
        variants: copy their variants too. Default false.
    """
    names = list(table.arrays if modalities is None else modalities)
    inputs = {name: torch.from_numpy(np.array(table.arrays[name])).to(device) for name in names}
    others = {n: torch.from_numpy(np.array(a)).to(device) for n, a in table.variants.items() if variants and n in names}
    return Held(inputs, torch.from_numpy(np.array(table.labels)).to(device), others)


def hold(table: MultimodalTable, device: torch.device, *, variants: bool = False) -> Held | None:
    """The whole table on a GPU if it takes at most a quarter of the GPU's free memory; else None."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    arrays = [table.labels, *table.arrays.values(), *(table.variants.values() if variants else ())]
    return to_tensors(table, device, variants=variants) if sum(a.nbytes for a in arrays) <= free / 4 else None


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
        versions: of each row of the table, see ``draw_versions``. Default: the rows themselves.
    """

    def __init__(
        self,
        table: MultimodalTable,
        rows: list[np.ndarray],
        shares: list[float] | None = None,
        held: Held | None = None,
        present: Mapping[str, np.ndarray] | None = None,
        head_shares: list[dict[str, float]] | None = None,
        versions: np.ndarray | None = None,
    ) -> None:
        self._table, self._rows = table, rows
        self._shares = list(zip(shares or [1.0] * len(rows), head_shares or [{}] * len(rows), strict=True))
        self._held = held
        self._present = table.present if present is None else present
        self._versions = versions if versions is not None and versions.any() else None

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Batch]:
        if self._held is not None:
            yield from self._from_device(*self._held)
            return
        arrays, read = self._table.arrays, 0
        for rows, (share, shares) in zip(self._rows, self._shares, strict=True):
            inputs = {name: torch.from_numpy(self._input(name, rows)) for name in arrays}
            present = {name: torch.from_numpy(mask[rows]) for name, mask in self._present.items()}
            yield Batch(inputs, torch.from_numpy(self._table.labels[rows]), share, present, shares)
            read += sum(tensor.nbytes for tensor in inputs.values())
            if read > _RELEASE_BYTES:
                release(*arrays.values(), *self._table.variants.values())
                read = 0

    def _input(self, name: str, rows: np.ndarray) -> np.ndarray:
        """The rows of a modality, each in its version."""
        taken = self._table.arrays[name][rows]
        if self._versions is not None and name in self._table.variants:
            versions = self._versions[rows]
            others = np.flatnonzero(versions)
            taken[others] = self._table.variants[name][rows[others], versions[others] - 1]
        return taken

    def _from_device(self, inputs: dict[str, Tensor], labels: Tensor, variants: dict[str, Tensor]) -> Iterator[Batch]:
        # One copy of all row numbers: a copy to a GPU makes the host wait.
        all_rows = torch.from_numpy(np.concatenate(self._rows)).to(labels.device)
        masks = {name: torch.from_numpy(mask).to(labels.device) for name, mask in self._present.items()}
        versions = None if self._versions is None else torch.from_numpy(self._versions).to(labels.device)

        def version(name: str, rows: Tensor) -> Tensor:
            taken = inputs[name][rows]
            if versions is None or name not in variants:
                return taken
            number = versions[rows]
            own = (number == 0).view(-1, *[1] * (taken.dim() - 1))
            return torch.where(own, taken, variants[name][rows, (number - 1).clamp(min=0)])

        parts = all_rows.split([len(rows) for rows in self._rows])
        for rows, (share, shares) in zip(parts, self._shares, strict=True):
            present = {name: mask[rows] for name, mask in masks.items()}
            yield Batch({name: version(name, rows) for name in inputs}, labels[rows], share, present, shares)


class Passes:
    """The batches of several passes over a table, one after the other."""

    def __init__(self, parts: Sequence[Batches]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[Batch]:
        return itertools.chain.from_iterable(self._parts)


def endless_batches(
    table: MultimodalTable,
    held: Held,
    parameters: OptimiserParameters,
    seed: int,
    change: Callable[[Batch, int, int, int], Batch],
) -> Iterator[Batch]:
    """Training batches, epoch after epoch, without an end. Order, versions and dropped modalities depend on the seed
    only.

    Args:
        held: the table on the device; the batches have these modalities.
        change: batch, seed, epoch, step of the epoch -> the batch that is trained on, see ``recipe.BatchRecipe``.
    """
    for epoch in itertools.count():
        rows = [piece.numpy() for piece in batch_rows(len(table), parameters.batch_size, seed, epoch)]
        present = drop_modalities(table, list(held.inputs), parameters.modality_dropout, seed, epoch)
        versions = draw_versions(table, parameters.recipe.augmentation, seed, epoch)
        for step, batch in enumerate(Batches(table, rows, held=held, present=present, versions=versions)):
            yield change(batch, seed, epoch, step)
