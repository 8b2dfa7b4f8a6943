"""Augmentation: random changes of the training inputs, by the kind of the modality, as batched tensor operations.

All act on the values as they are stored; the modality's mean stands for "nothing is known here", since the model
standardises it to zero. Shifts repeat the edge. SpecAugment: Park et al. 2019; erasing: Zhong et al. 2020.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from mixmas_pipeline.models.architecture import Input
from mixmas_pipeline.training.parameters import AugmentationParameters


def augment(x: Tensor, kind: str, given: Input, parameters: AugmentationParameters, generator: Generator) -> Tensor:
    """Change the examples of one modality, each in its own way.

    Args:
        x: (batch, *shape), as stored.
        kind: one of ``data.schema.KINDS``.
        given: shape, statistics and padding of the modality.
        parameters: how much is changed.
        generator: gives all random numbers; on the device of ``x``.

    Returns:
        The same shape, as floats. Padding stays zeros, and a step that is no padding does not become zeros.
    """
    change = _CHANGES[kind] if len(given.shape) > 1 else _features
    changed = change(x, given, parameters, generator)
    return keep_padding(x, changed) if given.padded else changed


def as_float(x: Tensor) -> Tensor:
    """In float32, or float64 if it is."""
    return x if x.dtype == torch.float64 else x.float()


def keep_padding(before: Tensor, after: Tensor) -> Tensor:
    """``after``, (batch, steps, features), with zeros in exactly those steps in which ``before`` has zeros."""
    real = (before != 0).any(dim=-1, keepdim=True)
    vanished = ~(after != 0).any(dim=-1, keepdim=True)
    return torch.where(vanished, torch.finfo(after.dtype).tiny, after) * real


def _picture(x: Tensor, given: Input, parameters: AugmentationParameters, generator: Generator) -> Tensor:
    if parameters.flip:
        mirrored = _uniform(x, generator) < 0.5
        x = torch.where(mirrored, x.flip(-1), x)
    x = _shifted(x, parameters.shift, generator)
    if parameters.erase == 0:
        return x
    erased = _span(x, -2, parameters.erase, generator) & _span(x, -1, parameters.erase, generator)
    return torch.where(erased, _mean(x, given), x)


def _spectrogram(x: Tensor, given: Input, parameters: AugmentationParameters, generator: Generator) -> Tensor:
    x = _shifted(x, parameters.shift, generator)
    if parameters.spectrum_mask == 0:
        return x
    masked = _span(x, -2, parameters.spectrum_mask, generator) | _span(x, -1, parameters.spectrum_mask, generator)
    return torch.where(masked, _mean(x, given), x)


def _series(x: Tensor, given: Input, parameters: AugmentationParameters, generator: Generator) -> Tensor:
    x = as_float(x)
    mean, std = _mean(x, given), _std(x, given)
    if parameters.scale > 0:
        factors = torch.randn((len(x), 1, x.shape[-1]), generator=generator, device=x.device, dtype=x.dtype)
        x = mean + (x - mean) * (1 + parameters.scale * factors)
    if parameters.jitter > 0:
        x = x + parameters.jitter * std * _normal(x, generator)
    if parameters.time_mask > 0:
        x = torch.where(_span(x, -2, parameters.time_mask, generator), mean, x)
    return x


def _text(x: Tensor, given: Input, parameters: AugmentationParameters, generator: Generator) -> Tensor:
    x = as_float(x)
    if parameters.token_dropout == 0:
        return x
    draws = torch.rand((*x.shape[:-1], 1), generator=generator, device=x.device)
    return torch.where(draws < parameters.token_dropout, _mean(x, given), x)


def _features(x: Tensor, given: Input, parameters: AugmentationParameters, generator: Generator) -> Tensor:
    x = as_float(x)
    return x if parameters.noise == 0 else x + parameters.noise * _std(x, given) * _normal(x, generator)


_Change = Callable[[Tensor, Input, AugmentationParameters, Generator], Tensor]
_CHANGES: dict[str, _Change] = {
    "image": _picture,
    "audio": _spectrogram,
    "time_series": _series,
    "text": _text,
    "tabular": _features,
    "embedding": _features,
}


def _shifted(x: Tensor, share: float, generator: Generator) -> Tensor:
    """Each example moved along its last two axes by up to this share of their lengths; the edge fills the gap."""
    if share == 0:
        return as_float(x)
    height, width = x.shape[-2:]
    rows, columns = (_sources(x, length, round(share * length), generator) for length in (height, width))
    planes = x.reshape(len(x), -1, height, width)
    # Whole lines are copied first, which is fast, and what is still bytes is copied as bytes.
    starts = torch.arange(planes.shape[0] * planes.shape[1], device=x.device).view(*planes.shape[:2], 1) * height
    moved = planes.reshape(-1, width).index_select(0, (starts + rows[:, None]).flatten()).view(planes.shape)
    return as_float(moved.gather(3, columns[:, None, None, :].expand_as(moved)).view(x.shape))


def _sources(x: Tensor, length: int, most: int, generator: Generator) -> Tensor:
    """(batch, length): from which position each position's value comes after a shift by up to ``most``."""
    shifts = torch.randint(-most, most + 1, (len(x), 1), generator=generator, device=x.device)
    return (torch.arange(length, device=x.device) - shifts).clamp(0, length - 1)


def _span(x: Tensor, axis: int, share: float, generator: Generator) -> Tensor:
    """For each example whether a position along an axis lies in a span of random place and a length between 0 and this
    share of the axis. Booleans that broadcast with ``x``."""
    length = x.shape[axis]
    widths = torch.round(_uniform(x, generator) * share * length)
    starts = torch.floor(_uniform(x, generator) * (length - widths + 1))
    positions = torch.arange(length, device=x.device).view(-1, *[1] * (-axis - 1))
    return (positions >= starts) & (positions < starts + widths)


def _uniform(x: Tensor, generator: Generator) -> Tensor:
    """A number between 0 and 1 per example, in a shape that broadcasts with ``x``."""
    return torch.rand((len(x), *[1] * (x.dim() - 1)), generator=generator, device=x.device)


def _normal(x: Tensor, generator: Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


def _mean(x: Tensor, given: Input) -> Tensor:
    return _statistic(x, given.mean)


def _std(x: Tensor, given: Input) -> Tensor:
    return _statistic(x, given.std)


def _statistic(x: Tensor, values: float | tuple[float, ...]) -> Tensor:
    tensor = torch.tensor(values, device=x.device, dtype=x.dtype)
    return tensor[:, None, None] if isinstance(values, tuple) else tensor
