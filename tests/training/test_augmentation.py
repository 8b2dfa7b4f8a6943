"""Augmentation against slow loops over the examples that take the same random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mixmas_pipeline.data.schema import KINDS
from mixmas_pipeline.models.architecture import Input
from mixmas_pipeline.training.augmentation import augment
from mixmas_pipeline.training.parameters import NO_AUGMENTATION, AugmentationParameters

ROWS = 9
PICTURE = Input(shape=(8, 10), mean=100.0, std=30.0)
COLOURS = Input(shape=(3, 8, 10), mean=(90.0, 100.0, 110.0), std=(10.0, 20.0, 30.0))
SERIES = Input(shape=(12, 3), mean=0.5, std=2.0)
PADDED = SERIES.model_copy(update={"padded": True})
VECTOR = Input(shape=(7,), mean=-1.0, std=3.0)
SHAPES = {
    "image": [PICTURE, COLOURS],
    "audio": [PICTURE, COLOURS],
    "time_series": [SERIES, PADDED],
    "text": [SERIES, PADDED],
    "tabular": [VECTOR],
    "embedding": [VECTOR, SERIES, PADDED],
}
CASES = [(kind, given) for kind in KINDS for given in SHAPES[kind]]


def only(**parts: Any) -> AugmentationParameters:
    """Nothing but these parts."""
    return NO_AUGMENTATION.model_copy(update=parts)


def generator(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def examples(given: Input) -> Tensor:
    """Pictures as bytes; sequences of which the first is whole and the others padded more and more."""
    if len(given.shape) > 1 and given not in (SERIES, PADDED):
        return torch.randint(0, 256, (ROWS, *given.shape), dtype=torch.uint8, generator=generator(1))
    x = torch.randn((ROWS, *given.shape), generator=generator(1)) * 2 + 0.5
    if given.padded:
        for row in range(ROWS):
            x[row, given.shape[0] - row :] = 0
    return x


def statistics(given: Input, channel: int) -> tuple[float, float]:
    mean, std = (value[channel] if isinstance(value, tuple) else value for value in (given.mean, given.std))
    return mean, std


def spans(length: int, share: float, draws: torch.Generator) -> list[set[int]]:
    """The positions of each example's span."""
    widths = [round(float(value) * length) for value in torch.rand(ROWS, generator=draws) * share]
    starts = [
        int(float(value) * (length - w + 1)) for value, w in zip(torch.rand(ROWS, generator=draws), widths, strict=True)
    ]
    return [set(range(start, start + width)) for start, width in zip(starts, widths, strict=True)]


@pytest.mark.parametrize("given", [PICTURE, COLOURS])
@pytest.mark.parametrize("kind", ["image", "audio"])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_shifts_by_a_loop(given: Input, kind: str, share: float) -> None:
    x, draws = examples(given), generator()
    height, width = given.shape[-2:]
    down, right = (
        torch.randint(-most, most + 1, (ROWS, 1), generator=draws).flatten().tolist()
        for most in (round(share * height), round(share * width))
    )
    expected = torch.empty(x.shape)
    for row in range(ROWS):
        for i in range(height):
            for j in range(width):
                source = min(max(i - down[row], 0), height - 1), min(max(j - right[row], 0), width - 1)
                expected[row, ..., i, j] = x[row, ..., source[0], source[1]].float()
    assert len(set(down)) > 1
    torch.testing.assert_close(augment(x, kind, given, only(shift=share), generator()), expected, rtol=0, atol=0)


@pytest.mark.parametrize("given", [PICTURE, COLOURS])
@pytest.mark.parametrize(("kind", "part"), [("image", "erase"), ("audio", "spectrum_mask")])
def test_masks_by_a_loop(given: Input, kind: str, part: str) -> None:
    """A rectangle of a picture; a band of rows and one of columns of a spectrogram."""
    x, draws = examples(given), generator()
    rows, columns = (spans(length, 0.5, draws) for length in given.shape[-2:])
    expected = x.float()
    for row in range(ROWS):
        for i in range(given.shape[-2]):
            for j in range(given.shape[-1]):
                hits = i in rows[row], j in columns[row]
                if all(hits) if kind == "image" else any(hits):
                    expected[row, ..., i, j] = torch.tensor(given.mean)
    assert any(rows)
    torch.testing.assert_close(augment(x, kind, given, only(**{part: 0.5}), generator()), expected, rtol=0, atol=0)


def test_flips_by_a_loop() -> None:
    x = examples(COLOURS)
    mirrored = (torch.rand(ROWS, generator=generator()) < 0.5).tolist()
    assert len(set(mirrored)) == 2
    for example, changed, flips in zip(
        x, augment(x, "image", COLOURS, only(flip=True), generator()), mirrored, strict=True
    ):
        assert torch.equal(changed, (example.flip(-1) if flips else example).float())


@pytest.mark.parametrize("given", [SERIES, PADDED])
def test_series_by_a_loop(given: Input) -> None:
    """Factors, then noise, then a masked span; padding stays."""
    x, draws = examples(given), generator()
    steps, features = given.shape
    mean, std = statistics(given, 0)
    factors = torch.randn((ROWS, 1, features), generator=draws)
    noise = torch.randn(x.shape, generator=draws)
    masked = spans(steps, 0.5, draws)
    expected = torch.zeros(x.shape)
    for row in range(ROWS):
        for i in range(steps):
            if given.padded and not x[row, i].any():
                continue
            for j in range(features):
                value = mean + (x[row, i, j] - mean) * (1 + 0.3 * factors[row, 0, j]) + 0.2 * std * noise[row, i, j]
                expected[row, i, j] = mean if i in masked[row] else value
    parameters = only(scale=0.3, jitter=0.2, time_mask=0.5)
    torch.testing.assert_close(augment(x, "time_series", given, parameters, generator()), expected)


@pytest.mark.parametrize("given", [SERIES, PADDED])
def test_tokens_are_dropped_by_a_loop(given: Input) -> None:
    x = examples(given)
    dropped = torch.rand((ROWS, given.shape[0], 1), generator=generator()) < 0.3
    expected = x.clone()
    for row in range(ROWS):
        for i in range(given.shape[0]):
            if dropped[row, i] and (x[row, i].any() or not given.padded):
                expected[row, i] = given.mean  # type: ignore[call-overload]
    torch.testing.assert_close(
        augment(x, "text", given, only(token_dropout=0.3), generator()), expected, rtol=0, atol=0
    )


@pytest.mark.parametrize("kind", ["tabular", "embedding"])
def test_noise_has_its_size(kind: str) -> None:
    x = torch.zeros(4000, 7)
    noise = augment(x, kind, VECTOR, only(noise=0.2), generator())
    assert noise.std().item() == pytest.approx(0.2 * 3.0, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(("kind", "given"), CASES)
def test_all_parts_together(kind: str, given: Input) -> None:
    """Same numbers for the same seed; others for another; nothing for nothing; the stored values are left alone."""
    x = examples(given)
    stored = x.clone()
    strong = AugmentationParameters(flip=True, erase=0.3)
    first = augment(x, kind, given, strong, generator())
    assert torch.equal(first, augment(x, kind, given, strong, generator()))
    assert not torch.equal(first, augment(x, kind, given, strong, generator(6)))
    assert torch.equal(augment(x, kind, given, NO_AUGMENTATION, generator()), x.float())
    assert torch.equal(x, stored)
    assert first.dtype == torch.float32
    assert augment(x.double(), kind, given, strong, generator()).dtype == torch.float64


@pytest.mark.parametrize("kind", ["time_series", "text", "embedding"])
@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_padding_and_only_padding_is_zeros(kind: str, mean: float) -> None:
    """Also where a masked step gets the mean, and the mean is 0."""
    x, given = examples(PADDED), PADDED.model_copy(update={"mean": mean})
    strong = AugmentationParameters(time_mask=0.9, token_dropout=0.9)
    changed = augment(x, kind, given, strong, generator())
    assert torch.equal((changed != 0).any(-1), (x != 0).any(-1))
    assert torch.isfinite(changed).all()


def test_shares_of_changes_are_those_of_the_parameters() -> None:
    """A span is between nothing and its share long, and lies anywhere."""
    ones = torch.ones(5000, 40, 1)
    given = Input(shape=(40, 1), mean=0.0, std=1.0)
    masked = augment(ones, "time_series", given, only(time_mask=0.25), generator())[..., 0].numpy() == 0
    lengths = masked.sum(axis=1)
    assert (lengths.min(), lengths.max()) == (0, 10)
    assert lengths.mean() == pytest.approx(5, abs=0.2)
    assert masked.mean(axis=0)[[0, -1]].min() > 0
    assert np.abs(np.diff(masked, axis=1)).sum(axis=1).max() <= 2
