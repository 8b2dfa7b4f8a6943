"""An architecture is data. This module defines its fields; it imports no torch.

Every class is a parameter model: an unknown block or hyperparameter is refused with the list of those that exist. A
model is built from an ``Architecture`` and nothing else (``mixmas_pipeline.models.multimodal.MultimodalMixer``).

A block's hyperparameters are in its own file, see ``mixmas_pipeline.models.blocks``. The four tokenisers' parameters
are here, since ``token_grid`` needs them without torch; their modules are in ``mixmas_pipeline.models.tokenisers``.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, ValidationInfo, model_validator

from mixmas_pipeline.data.schema import Task
from mixmas_pipeline.models.block_reader import CHECKED, UNCHECKED, Block, UncheckedBlock
from mixmas_pipeline.utils.parameters import Count, Parameters, Positive

FUSED = "fused"  # names the decision among the heads' logits
# Attributes of every ``torch.nn.ModuleDict``: no module in it can be called so.
TORCH_NAMES = {
    *("add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "clear", "compile", "cpu"),
    *("cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer", "get_extra_state"),
    *("get_parameter", "get_submodule", "half", "ipu", "items", "keys", "load_state_dict", "modules", "mtia"),
    *("named_buffers", "named_children", "named_modules", "named_parameters", "parameters", "pop"),
    *("register_backward_hook", "register_buffer", "register_forward_hook", "register_forward_pre_hook"),
    *("register_full_backward_hook", "register_full_backward_pre_hook", "register_load_state_dict_post_hook"),
    *("register_load_state_dict_pre_hook", "register_module", "register_parameter"),
    *("register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_", "set_extra_state"),
    *("set_submodule", "share_memory", "state_dict", "to", "to_empty", "train", "training", "type", "update"),
    *("values", "xpu", "zero_grad"),
}


class Patches(Parameters):
    """Cut an image or spectrogram into patches, row by row, and project each.

    Attributes:
        patch: side, or height and width, in pixels.
    """

    type: Literal["patches"] = "patches"
    patch: Count | tuple[Count, Count]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a patch, in pixels."""
        return (self.patch, self.patch) if isinstance(self.patch, int) else self.patch


class Numbers(Parameters):
    """What the tokenisers of numbers share.

    Attributes:
        clip: limit c of a smooth clip of the standardised numbers, x / sqrt(1 + (x / c)^2) (RealMLP, Holzmueller et al.
            2024, arXiv 2407.04491): one far outlier cannot drown the rest. Default null, no clip.
    """

    clip: Positive | None = None


class Projection(Numbers):
    """Project each step of a (steps, features) sequence: words of a text, hours of a time series."""

    type: Literal["projection"] = "projection"


class Vector(Numbers):
    """Project a (features,) vector to a single token.

    Attributes:
        frequencies: cosines of each feature. With any, a feature x enters the projection as four numbers: s x and three
            learnt mixtures of cosines of s x, where s is a learnt scale (Gorishniy et al. 2022, arXiv 2203.05556, in
            the form of RealMLP). Default 0.
    """

    type: Literal["vector"] = "vector"
    frequencies: Annotated[int, Field(ge=0)] = 0


class Values(Numbers):
    """Make one token per value of a (features,) vector or a (steps, features) series. A series' tokens have a 2-D grid.

    Each feature has a direction and an offset: token = x w_feature + b_feature (the feature tokeniser of Gorishniy et
    al. 2021, arXiv 2106.11959, section 3.3), the same at every step.

    Attributes:
        most: a vector with more values than this becomes a single token, as with "vector": the cost of mixing grows
            with the number of tokens. Default null: never.
    """

    type: Literal["values"] = "values"
    most: Count | None = None


Tokeniser = Annotated[Patches | Projection | Vector | Values, Field(discriminator="type")]


class Encoder(Parameters):
    """Tokeniser, blocks of one type, LayerNorm.

    Attributes:
        tokeniser: turns an example into tokens.
        hidden_dim: width of a token.
        depth: number of blocks.
        block: their type and hyperparameters.
    """

    tokeniser: Tokeniser
    hidden_dim: Count
    depth: Count
    block: Block

    def fitted(self, shape: tuple[int, ...]) -> Encoder:
        """This encoder for examples of a shape: where the tokeniser depends on their size (``Values.most``), the one
        that applies."""
        written = self.tokeniser
        if not isinstance(written, Values) or written.most is None:
            return self
        is_wide = len(shape) == 1 and shape[0] > written.most
        applies = Vector(clip=written.clip) if is_wide else Values(clip=written.clip)
        return self.model_copy(update={"tokeniser": applies})


class Input(Parameters):
    """What an encoder receives.

    Attributes:
        shape: of one example.
        mean, std: of the stored values on the training data; inputs are standardised with them. One number for the
            whole modality, or, with the shape (channels, height, width), one per channel.
        padded: the last steps of (steps, features) may be all zeros, which is padding: it is not pooled. Default
            false.
        optional: examples may lack the modality. Default false.
    """

    shape: tuple[Count, ...]
    mean: float | tuple[float, ...]
    std: Positive | tuple[Positive, ...]
    padded: bool = False
    optional: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        for values in (self.mean, self.std):
            if isinstance(values, tuple) and (len(self.shape) != 3 or len(values) != self.shape[0]):
                raise ValueError(
                    f"{len(values)} means or standard deviations for shape {self.shape}; expected one, or (for "
                    "three-dimensional examples) one per channel"
                )
        if self.padded and len(self.shape) != 2:
            raise ValueError(f"padded examples have shape {self.shape}; expected (steps, features)")
        return self


class Targets(Parameters):
    """Statistics of a regression's targets. The heads predict standardised numbers; the model scales them to the
    targets' units.

    Attributes:
        mean, std: of each target on the training data, in its unit.
    """

    mean: tuple[float, ...]
    std: tuple[Positive, ...]


FusionFunction = Literal["concat", "max", "mean", "sum", "late", "gated"]
FUSION_FUNCTIONS: tuple[FusionFunction, ...] = get_args(FusionFunction)


class FusionNetwork(Parameters):
    """Blocks of one type over the fused tokens, then LayerNorm.

    Attributes:
        depth: number of blocks.
        block: their type and hyperparameters.
    """

    depth: Count
    block: Block


class Fusion(Parameters):
    """Fusion function, then fusion network.

    Attributes:
        function: "concat" joins the token sequences; "max", "mean" and "sum" combine them token by token, "gated" by
            weights that depend on all modalities. After those the fused head alone decides. "late" joins like
            "concat", and the mean of the fused head's and the modalities' heads' logits decides.
        network: over the fused tokens.
    """

    function: FusionFunction
    network: FusionNetwork


class Preset(Parameters):
    """An architecture without what follows from the data: task, classes and inputs.

    Attributes:
        encoders: one per modality.
        fusion: None for a single modality only. Default None.
    """

    encoders: dict[str, Encoder] = Field(min_length=1)
    fusion: Fusion | None = None

    def checked(self) -> Preset:
        """The same preset with every block's hyperparameters checked.

        Raises:
            ValidationError: a block has no such hyperparameter, or a value is out of range.
        """
        return Preset.model_validate(self.model_dump(), context=CHECKED)


class Architecture(Parameters):
    """A whole model.

    Attributes:
        task: one of ``TASKS``. A binary task has two logits, like a multiclass task with two classes.
        classes: their names, in the order of the logits. For a binary task the negative class, then the positive one;
            for a regression the targets' names.
        inputs: modality -> what its encoder receives, in order.
        encoders: one per modality.
        fusion: None for a single modality only. Default None.
        targets: for a regression only. Default None.
        class_weights: of the classes in the loss that a trained model has minimised, in their order, see
            ``training.loss.balancing_weights``. Its logits decide as if classes were that much more frequent; its
            probabilities are corrected by them, see ``evaluation.probabilities``. Default None: all the same.
    """

    task: Task
    classes: tuple[str, ...] = Field(min_length=1)
    inputs: dict[str, Input] = Field(min_length=1)
    encoders: dict[str, Encoder]
    fusion: Fusion | None = None
    targets: Targets | None = None
    class_weights: tuple[Positive, ...] | None = None

    @model_validator(mode="after")
    def _check_task(self) -> Self:
        if self.task == "binary" and len(self.classes) != 2:
            raise ValueError(
                f"a binary task has the classes {self.classes}; expected the negative and the positive one"
            )
        if (self.targets is None) == (self.task == "regression"):
            raise ValueError(
                f"the task {self.task} {'lacks' if self.targets is None else 'has no'} targets' statistics"
            )
        if self.targets is not None and not len(self.classes) == len(self.targets.mean) == len(self.targets.std):
            raise ValueError(
                f"{len(self.targets.mean)} means and {len(self.targets.std)} standard deviations for the targets "
                f"{self.classes}; expected one each"
            )
        if self.class_weights is not None and len(self.class_weights) != len(self.classes):
            raise ValueError(f"{len(self.class_weights)} weights for the classes {self.classes}; expected one each")
        return self

    @model_validator(mode="after")
    def _check(self) -> Self:
        if list(self.inputs) != list(self.encoders):
            raise ValueError(f"inputs are {list(self.inputs)}, encoders {list(self.encoders)}; expected the same")
        for name in self.inputs:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == FUSED:
                expected = f"small letters, digits and _, starting with a letter, and not {FUSED!r}"
                raise ValueError(f"modality {name!r}: expected {expected}")
            if name in TORCH_NAMES:
                raise ValueError(f"modality {name!r}: torch uses that name itself; choose another")
        if (self.fusion is None) != (len(self.inputs) == 1):
            raise ValueError(f"{len(self.inputs)} modalities need {'no' if len(self.inputs) == 1 else 'a'} fusion")
        for name, encoder in self.encoders.items():
            grid = token_grid(encoder.tokeniser, self.inputs[name].shape, name)
            if self.inputs[name].padded and not isinstance(encoder.tokeniser, Projection):
                raise ValueError(
                    f"modality {name!r} is padded; expected the tokeniser projection, found {encoder.tokeniser.type}"
                )
            if encoder.block.needs_grid and len(grid) != 2:
                raise ValueError(f"modality {name!r}: {encoder.block.block} needs a 2-D grid of tokens")
        if self.fusion is not None and self.fusion.network.block.needs_grid:
            raise ValueError(
                f"the fusion network cannot be {self.fusion.network.block.block}: fused tokens have no grid"
            )
        return self

    @model_validator(mode="after")
    def _check_blocks(self, info: ValidationInfo) -> Self:
        if info.context == UNCHECKED:  # to be shown only
            return self
        blocks = [encoder.block for encoder in self.encoders.values()]
        if self.fusion is not None:
            blocks.append(self.fusion.network.block)
        for block in blocks:
            if isinstance(block, UncheckedBlock):
                raise ValueError(f"the hyperparameters of the block {block.block} are not checked")
        return self


def token_grid(tokeniser: Tokeniser, shape: tuple[int, ...], modality: str) -> tuple[int, ...]:
    """Tokens along each axis: (rows, columns) for patches, (steps,) for a projection, (1,) for a vector, the shape
    itself for values.

    Raises:
        ValueError: the tokeniser does not fit an example of this shape.
    """
    if isinstance(tokeniser, Vector):
        if len(shape) != 1:
            raise ValueError(f"modality {modality!r} has shape {shape}; a vector expects (features,)")
        return (1,)
    if isinstance(tokeniser, Values):
        if len(shape) not in (1, 2):
            raise ValueError(
                f"modality {modality!r} has shape {shape}; a token per value expects (features,) or (steps, features)"
            )
        return shape
    if isinstance(tokeniser, Projection):
        if len(shape) != 2:
            raise ValueError(f"modality {modality!r} has shape {shape}; a projection expects (steps, features)")
        return (shape[0],)
    if len(shape) not in (2, 3):
        raise ValueError(
            f"modality {modality!r} has shape {shape}; patches expect (height, width) or (channels, height, width)"
        )
    height, width = shape[-2:]
    rows, columns = tokeniser.size
    if height % rows or width % columns:
        raise ValueError(
            f"modality {modality!r}: patch {rows}x{columns} does not divide {height}x{width}; patch heights that do: "
            f"{_divisors(height)}, widths: {_divisors(width)}"
        )
    return (height // rows, width // columns)


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]
