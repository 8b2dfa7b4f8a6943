"""Batches: rows, order, and tensors on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_samples import parameters, table

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.training import batches
from mixmas_pipeline.training.batches import Batches, batch_rows, draw_versions, endless_batches, hold, to_tensors
from mixmas_pipeline.training.data_module import TableDataModule
from mixmas_pipeline.training.parameters import NO_AUGMENTATION, AugmentationParameters

MakeTable = Callable[..., MultimodalTable]
MakeArchitecture = Callable[..., Architecture]


@settings(max_examples=80)
@given(
    rows=st.integers(1, 200),
    batch_size=st.integers(2, 70),
    seed=st.integers(0, 10**6),
    epoch=st.integers(0, 10**4),
)
def test_batches_are_a_permutation_without_single_examples(rows: int, batch_size: int, seed: int, epoch: int) -> None:
    before = torch.random.get_rng_state()
    batches = batch_rows(rows, batch_size, seed, epoch)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.cat(batches).sort().values.tolist() == list(range(rows))
    assert all(len(batch) == batch_size for batch in batches[:-2])
    assert len(batches[-1]) <= batch_size + 1
    assert len(batches[-1]) > 1 or rows == 1
    again = batch_rows(rows, batch_size, seed, epoch)
    assert all(torch.equal(a, b) for a, b in zip(batches, again, strict=True))


def test_batches_of_another_epoch_or_seed_differ() -> None:
    orders = [torch.cat(batch_rows(100, 16, seed, epoch)).tolist() for seed in (0, 1, 2) for epoch in (0, 1, 2)]
    assert len({tuple(order) for order in orders}) == 9


def test_tensors_keep_the_stored_types_and_copy(make_table: MakeTable) -> None:
    table = make_table(9)
    for array in table.arrays.values():
        array.flags.writeable = False  # as a memory-mapped table's
    inputs, labels, _ = to_tensors(table, torch.device("cpu"))
    assert {name: tensor.dtype for name, tensor in inputs.items()} == {
        "image": torch.uint8,
        "series": torch.float32,
    }
    assert labels.tolist() == table.labels.tolist()
    inputs["image"].zero_()
    assert table.arrays["image"].any()


def test_batches_of_tensors_that_are_on_the_device_are_the_mapped_ones() -> None:
    made = table(23, 0)
    rows = [np.array([5, 2, 9]), np.array([0, 22]), np.array([7])]
    shares = [1.0, 0.5, 2.0]
    held = to_tensors(made, torch.device("cpu"))
    for mapped, resident in zip(Batches(made, rows, shares), Batches(made, rows, shares, held), strict=True):
        assert mapped[2] == resident[2]
        assert torch.equal(mapped[1], resident[1])
        for name, values in mapped[0].items():
            assert torch.equal(values, resident[0][name])


@pytest.mark.parametrize(("free", "fits"), [(8960, True), (8959, False)])
def test_a_table_is_held_where_it_takes_a_quarter_of_the_free_memory_at_most(
    monkeypatch: pytest.MonkeyPatch, free: int, fits: bool
) -> None:
    made = table(20, 0)  # 20 examples of 16 + 10 values of 4 bytes, and a label of 8: 2,240 bytes
    asked: list[torch.device] = []

    def record(table: Any, device: torch.device, *, variants: bool) -> str:
        asked.append(device)
        return "held"

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, free))
    monkeypatch.setattr(batches, "to_tensors", record)
    gpu = torch.device("cuda", 1)
    assert hold(made, gpu) == ("held" if fits else None)
    assert asked == ([gpu] if fits else [])
    assert hold(made, torch.device("cpu")) is None


def with_variants() -> MultimodalTable:
    """40 rows. Each row's picture has its number everywhere; its variant v has that plus 100 v."""
    made = table(40, 0)
    numbers = np.arange(40, dtype=np.float32)[:, None, None]
    made.arrays["picture"] = np.broadcast_to(numbers, (40, 4, 4)).copy()
    made.variants["picture"] = np.stack([made.arrays["picture"] + 100 * v for v in (1, 2, 3)], axis=1)
    made.check()
    return made


def test_every_version_is_drawn_alike_and_anew_per_epoch_and_seed() -> None:
    made, augmentation = with_variants(), AugmentationParameters()
    draws = np.array([draw_versions(made, augmentation, 5, epoch) for epoch in range(250)])
    counts = np.bincount(draws.flatten(), minlength=4)
    assert np.abs(counts / draws.size - 0.25).max() < 0.02
    assert (draws[0] != draws[1]).any()
    assert (draws[0] != draw_versions(made, augmentation, 6, 0)).any()
    np.testing.assert_array_equal(draws[3], draw_versions(made, augmentation, 5, 3))
    assert not draw_versions(made, NO_AUGMENTATION, 5, 0).any()
    assert not draw_versions(table(40, 0), augmentation, 5, 0).any()


@pytest.mark.parametrize("resident", [False, True])
def test_batches_take_the_drawn_versions(resident: bool) -> None:
    made = with_variants()
    rows, versions = [np.array([5, 2, 39]), np.array([0, 22])], np.arange(40) % 4
    held = to_tensors(made, torch.device("cpu"), variants=True) if resident else None
    for part, batch in zip(rows, Batches(made, rows, held=held, versions=versions), strict=True):
        np.testing.assert_array_equal(batch.inputs["picture"][:, 0, 0], part + 100 * versions[part])
        np.testing.assert_array_equal(batch.inputs["series"], made.arrays["series"][part])
    plain = next(iter(Batches(made, rows, held=held)))
    np.testing.assert_array_equal(plain.inputs["picture"][:, 3, 3], rows[0])


def test_training_draws_versions_and_scoring_does_not() -> None:
    made = with_variants()
    module = TableDataModule(made, made, parameters(recipe={}))
    seen = np.concatenate([batch.inputs["picture"][:, 0, 0].numpy() for batch in module.train_dataloader()])
    assert len(seen) == 40
    assert (seen >= 100).any()
    assert (seen < 100).any()
    scored = np.concatenate([batch.inputs["picture"][:, 0, 0].numpy() for batch in module.val_dataloader()])
    np.testing.assert_array_equal(scored, np.arange(40))
    held = to_tensors(made, torch.device("cpu"), variants=True)
    trial = endless_batches(made, held, parameters(recipe={}), 0, lambda batch, *_: batch)
    assert any((next(trial).inputs["picture"] >= 100).any() for _ in range(3))
