"""Reference models: a linear model or boosted trees on summaries of the modalities, with the interface of a mixer.

``mixmas_pipeline.training.references`` fits them. Here they are tensors, so that a reference predicts, is saved and is
exported without scikit-learn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from mixmas_pipeline.data.schema import StoredInput, Task
from mixmas_pipeline.models.architecture import FUSED
from mixmas_pipeline.utils.parameters import Count, Parameters, Positive

Kind = Literal["linear", "trees"]
Way = Literal["grid", "steps", "all_steps", "mean", "values"]
MOST_FEATURES = 1000  # per modality
MOST_STEP_VALUES = 256  # of a time series whose every value is a feature
ABSENT = -30.0  # logit of a class that no fitted row has
_SOFT_LIMIT = 5.0  # standard deviations beyond which the linear model's inputs grow slowly
WEIGHTS_FILE, REFERENCE_FILE = "model.safetensors", "reference.json"


class Summary(Parameters):
    """How a modality's stored values become features.

    Attributes:
        shape: of one example.
        way: "grid": means of a picture's or spectrogram's fields. "steps": mean, last step and standard deviation of a
            sequence, without its padding. "all_steps": these, and all values of a short time series that is as long in
            every example. "mean": only the mean of a sequence. "values": the values as they are.
        grid: rows and columns of fields, for "grid" only. Default null.
        padded: the last steps of (steps, features) may be all zeros, which is padding. Default false.
        optional: examples may lack the modality; a column of 0 and 1 says which have it. Default false.
    """

    shape: tuple[Count, ...]
    way: Way
    grid: tuple[Count, Count] | None = None
    padded: bool = False
    optional: bool = False

    @classmethod
    def of(cls, stored: StoredInput) -> Summary:
        """The summary of a modality.

        Fields have 4 x 4 pixels; 2 x 2 if the shorter side is below 32 pixels, and one if it is below 16. They grow
        until there are at most ``MOST_FEATURES``.
        """
        shape, grid = stored.shape, None
        way: Way = "values"
        if stored.kind in ("image", "audio") and len(shape) in (2, 3):
            way, grid = "grid", _grid(shape)
        elif len(shape) == 2:
            way = "steps" if 3 * shape[-1] <= MOST_FEATURES else "mean"
            everything = 3 * shape[-1] + math.prod(shape)
            is_short = math.prod(shape) <= MOST_STEP_VALUES and everything <= MOST_FEATURES and shape[0] > 1
            if stored.kind == "time_series" and not stored.padded and is_short:
                way = "all_steps"
        return cls(shape=shape, way=way, grid=grid, padded=stored.padded, optional=stored.optional)

    @property
    def features(self) -> int:
        """Number of features, without the column of presence."""
        if self.grid is not None:
            return math.prod(self.grid) * math.prod(self.shape[:-2])
        values = math.prod(self.shape)
        by_way = {"steps": 3 * self.shape[-1], "mean": self.shape[-1], "all_steps": 3 * self.shape[-1] + values}
        return by_way.get(self.way, values)


def _grid(shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = shape[-2:]
    side = min(height, width)
    field = 4 if side >= 32 else 2 if side >= 16 else 1
    rows, columns = height // field, width // field
    shrink = min(1.0, math.sqrt(MOST_FEATURES / (rows * columns * math.prod(shape[:-2]))))
    return max(1, int(rows * shrink)), max(1, int(columns * shrink))


class Reference(Parameters):
    """What a reference model is.

    Attributes:
        kind: "linear": logistic or ridge regression. "trees": gradient-boosted trees.
        task: one of ``TASKS``.
        classes: their names, in the order of the logits; for a regression the targets' names.
        inputs: modality -> its summary, in order.
        rows: number of rows that it was fitted on.
        features: number of columns that it reads.
        size: number of fitted numbers: weights; or splits' features and thresholds, and leaves' values.
        penalty: of the linear model, per row; null for trees or if there was nothing to fit. Default null.
        iterations: of the boosting, most of all classes; null for a linear model. Default null.
        bounded: what was left out to bound the cost, in sentences. Default nothing.
        seconds: that the fit took, if they were measured. Default null.
        class_weights: see ``Architecture``. Default null.
        decision_weights: see ``EnsembleConfig``. Default null.
    """

    kind: Kind
    task: Task
    classes: tuple[str, ...] = Field(min_length=1)
    inputs: dict[str, Summary] = Field(min_length=1)
    rows: Count
    features: int = Field(ge=0)
    size: int = Field(ge=0)
    penalty: float | None = None
    iterations: int | None = None
    bounded: tuple[str, ...] = ()
    seconds: float | None = None
    class_weights: tuple[Positive, ...] | None = None
    decision_weights: tuple[Positive, ...] | None = None


class Features(nn.Module):
    """Stored values -> (batch, features) float32: the kept summaries of all modalities, then the columns of presence.

    Args:
        inputs: modality -> its summary.
        keep: positions of the kept summaries among all of them.
        fill: (len(keep),) their values in an example that lacks the modality.
    """

    keep: Tensor
    fill: Tensor

    def __init__(self, inputs: dict[str, Summary], keep: Tensor | None = None, fill: Tensor | None = None) -> None:
        super().__init__()
        self.inputs = inputs
        self.left_out = ""  # a modality whose summaries are replaced by ``fill``
        count = sum(summary.features for summary in inputs.values())
        keep = torch.arange(count) if keep is None else keep
        self.register_buffer("keep", keep)
        self.register_buffer("fill", torch.zeros(len(keep)) if fill is None else fill)
        for number, summary in enumerate(inputs.values()):
            if summary.grid is not None:
                for axis, sides in enumerate(zip(summary.shape[-2:], summary.grid, strict=True)):
                    self.register_buffer(f"fields_{number}_{axis}", _averaging(*sides), persistent=False)

    def forward(self, inputs: dict[str, Tensor], present: dict[str, Tensor] | None = None) -> Tensor:
        """See ``MultimodalMixer.forward`` for the arguments."""
        present = present or {}
        columns, has = [], []
        for number, (name, summary) in enumerate(self.inputs.items()):
            x = inputs[name].to(self.fill.dtype)
            columns.append(self._summarise(number, summary, x))
            everywhere = torch.ones_like(x.flatten(1)[:, 0], dtype=torch.bool)
            has.append(present.get(name, everywhere))
        read = [h & (name != self.left_out) for name, h in zip(self.inputs, has, strict=True)]
        mask = torch.cat([r[:, None].expand(-1, c.shape[1]) for r, c in zip(read, columns, strict=True)], dim=1)
        kept = torch.where(mask[:, self.keep], torch.cat(columns, dim=1)[:, self.keep], self.fill)
        flags = [h[:, None].to(kept.dtype) for h, s in zip(has, self.inputs.values(), strict=True) if s.optional]
        return torch.cat([kept, *flags], dim=1)

    def _summarise(self, number: int, summary: Summary, x: Tensor) -> Tensor:
        if summary.way == "grid":
            rows, columns = getattr(self, f"fields_{number}_0"), getattr(self, f"fields_{number}_1")
            return (rows @ x @ columns.T).flatten(1)
        if summary.way == "values":
            return x.flatten(1)
        mask = (x != 0).any(dim=-1) if summary.padded else torch.ones_like(x[..., 0], dtype=torch.bool)
        weights = mask.to(x.dtype)[..., None]  # (batch, steps, 1)
        steps = weights.sum(dim=1).clamp(min=1)
        mean = (x * weights).sum(dim=1) / steps
        if summary.way == "mean":
            return mean
        last = (steps.long() - 1)[..., None].expand(-1, 1, x.shape[-1])
        deviation = (((x - mean[:, None]) * weights).square().sum(dim=1) / steps).sqrt()
        summaries = torch.cat([mean, x.gather(1, last)[:, 0], deviation], dim=1)
        return torch.cat([summaries, x.flatten(1)], dim=1) if summary.way == "all_steps" else summaries


def _averaging(side: int, fields: int) -> Tensor:
    """(fields, side): the weights of adaptive average pooling."""
    weights = torch.zeros(fields, side)
    for field in range(fields):
        first, end = field * side // fields, -(-(field + 1) * side // fields)
        weights[field, first:end] = 1 / (end - first)
    return weights


class LinearScores(nn.Module):
    """(batch, features) -> (batch, classes): standardise, limit outliers softly, multiply.

    Args:
        tensors: mean and std, (features,); weight, (features, classes); bias, (classes,).
    """

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, **tensors: Tensor) -> None:
        super().__init__()
        for name in ("mean", "std", "weight", "bias"):
            self.register_buffer(name, tensors[name])

    def forward(self, features: Tensor) -> Tensor:
        return standardised(features, self.mean, self.std) @ self.weight + self.bias


def standardised(features: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Features with mean 0 and standard deviation 1. A value far out has limited influence: x / sqrt(1 + (x / c)^2),
    which tends to c, the limit in standard deviations."""
    x = (features - mean) / std
    return x / (1 + (x / _SOFT_LIMIT).square()).sqrt()


class TreeScores(nn.Module):
    """(batch, features) -> (batch, classes): the sum of each class's trees.

    All trees go down a level together. A leaf is its own child, so that shallow trees wait for deep ones.

    Args:
        tensors: feature, left, right (integers), threshold and value, (trees, nodes): a row goes left if its feature is
            at most the threshold; output, (trees,): the class that a tree belongs to; baseline, (classes,); depth, ().
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor
    output: Tensor
    baseline: Tensor
    depth: Tensor
    belongs: Tensor

    def __init__(self, **tensors: Tensor) -> None:
        super().__init__()
        for name in ("feature", "threshold", "left", "right", "value", "output", "baseline", "depth"):
            self.register_buffer(name, tensors[name])
        self._levels = int(self.depth)
        belongs = self.output[:, None] == torch.arange(len(self.baseline))
        self.register_buffer("belongs", belongs.to(self.value.dtype), persistent=False)  # (trees, classes)

    def forward(self, features: Tensor) -> Tensor:
        trees = torch.arange(len(self.output), device=features.device)
        node = torch.zeros(features.shape[0], len(self.output), dtype=torch.long, device=features.device)
        for _ in range(self._levels):
            value = features.gather(1, self.feature[trees, node])
            goes_left = value <= self.threshold[trees, node]
            node = torch.where(goes_left, self.left[trees, node], self.right[trees, node])
        return self.value[trees, node] @ self.belongs + self.baseline


def decision_offset(decision_weights: Sequence[float] | None, class_weights: Sequence[float] | None) -> Tensor:
    """Added to logits with the loss's class weights, gives those with the decision's: (classes,), or () of 0."""
    if decision_weights is None:
        return torch.zeros(())
    offset = torch.tensor(decision_weights, dtype=torch.float64).log()
    if class_weights is not None:
        offset = offset - torch.tensor(class_weights, dtype=torch.float64).log()
    return offset.float()


class ReferenceModel(nn.Module):
    """A fitted reference: features, scores, and what makes logits of them.

    Args:
        architecture: its description.
        tensors: as ``state_dict`` gives them: "features.keep", "features.fill"; "scores.…", those of ``LinearScores``
            or ``TreeScores``; "scale" and "offset", (classes,): of a regression's targets; "absent", (classes,) truth
            values: classes that no fitted row has.
    """

    scale: Tensor
    offset: Tensor
    absent: Tensor
    shift: Tensor

    def __init__(self, architecture: Reference, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.architecture = architecture
        self.features = Features(architecture.inputs, tensors["features.keep"], tensors["features.fill"])
        own = {name.partition(".")[2]: tensor for name, tensor in tensors.items() if name.startswith("scores.")}
        self.scores = (LinearScores if architecture.kind == "linear" else TreeScores)(**own)
        for name in ("scale", "offset", "absent"):
            self.register_buffer(name, tensors[name])
        shift = decision_offset(architecture.decision_weights, architecture.class_weights)
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, inputs: dict[str, Tensor], present: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Logits of a batch.

        Args:
            inputs, present: see ``MultimodalMixer.forward``. Modalities that the reference does not read are ignored.

        Returns:
            "fused" -> (batch, classes): the logarithms of the classes' probabilities, times the decision's weights; for
            "multilabel" logits, whose sigmoid is the probability, in the same way; for a regression predictions in the
            targets' units.
        """
        return self.outputs(self.scores(self.features(inputs, present)))

    def outputs(self, scores: Tensor) -> dict[str, Tensor]:
        """What ``forward`` returns, from (batch, classes) scores."""
        if self.architecture.task == "regression":
            return {FUSED: scores * self.scale + self.offset}
        if self.architecture.task == "multilabel":
            return {FUSED: scores + self.shift}
        logits = scores.masked_fill(self.absent, -1e9).log_softmax(dim=1)
        return {FUSED: logits.masked_fill(self.absent, ABSENT) + self.shift}

    @contextmanager
    def left_out(self, modality: str) -> Iterator[None]:
        """Inside the block, the modality's features have the values that fill in for a missing one."""
        self.features.left_out = modality
        try:
            yield
        finally:
            self.features.left_out = ""

    def save_pretrained(self, folder: Path) -> None:
        """Write tensors (safetensors) and description (JSON) into a new folder."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True)
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, folder / WEIGHTS_FILE)
        (folder / REFERENCE_FILE).write_text(self.architecture.model_dump_json(indent=1))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read what ``save_pretrained`` wrote. The model is in eval mode.

        Raises:
            FileNotFoundError: a file is missing.
        """
        from safetensors.torch import load_file

        folder = Path(folder)
        architecture = Reference.model_validate(json.loads((folder / REFERENCE_FILE).read_text()))
        return cls(architecture, load_file(folder / WEIGHTS_FILE)).eval()
