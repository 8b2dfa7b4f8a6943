"""An architecture is data. This module says what can be written down; it imports no torch.

Every class is a parameter model: an unknown block or hyperparameter is refused with the list of what exists. A model
is built from an ``Architecture`` and nothing else (``mixmas_pipeline.models.multimodal.MultimodalMixer``).

To add a block: write its module in this folder, its parameters here as a subclass of ``BlockParameters``, and add
the class to ``Block``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mixmas_pipeline.utils.parameters import Parameters

FUSED = "fused"  # names the decision among the heads' logits
Width = Annotated[int, Field(ge=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]


class BlockParameters(Parameters):
    """What every block has.

    Attributes:
        dropout: probability of zeroing a hidden unit of the block's MLPs. Default 0.
    """

    implementation: ClassVar[str]
    needs_grid: ClassVar[bool] = False

    dropout: Dropout = 0.0


class MixerBlockParameters(BlockParameters):
    """What every block has that mixes tokens, then channels.

    Attributes:
        channel_dim: hidden width of the channel-mixing MLP.
    """

    channel_dim: Width


class MLPMixerParameters(MixerBlockParameters):
    """MLP-Mixer (Tolstikhin et al. 2021).

    Attributes:
        token_dim: hidden width of the token-mixing MLP. Default 32.
    """

    implementation: ClassVar[str] = "mixmas_pipeline.models.blocks.mlp_mixer:MLPMixerBlock"

    block: Literal["mlp_mixer"] = "mlp_mixer"
    token_dim: Width = 32


class HyperMixerParameters(MixerBlockParameters):
    """HyperMixer (Mai et al. 2022).

    Attributes:
        token_dim: hidden width d' of the generated token-mixing MLP. Default 32.
        tied: both generated matrices are the same (W1 = W2). Default false.
    """

    implementation: ClassVar[str] = "mixmas_pipeline.models.blocks.hyper_mixer:HyperMixerBlock"

    block: Literal["hyper_mixer"] = "hyper_mixer"
    token_dim: Width = 32
    tied: bool = False


class RaMLPParameters(MixerBlockParameters):
    """RaMLP (Lai et al. 2023); needs a 2-D grid of tokens.

    Attributes:
        regions: regions an axis that the dilated fully connected layer joins. Default 2.
        kernel: side of the learnable pooling, in tokens. Default 5.
        expansion: width of the mixing branches as a multiple of the hidden dimension. Default 2.
    """

    implementation: ClassVar[str] = "mixmas_pipeline.models.blocks.ramlp:RaMLPBlock"
    needs_grid: ClassVar[bool] = True

    block: Literal["ramlp"] = "ramlp"
    regions: Width = 2
    kernel: Literal[1, 3, 5, 7] = 5
    expansion: Annotated[int, Field(ge=1, le=8)] = 2


class MonarchMixerParameters(MixerBlockParameters):
    """MonarchMixer (Fu et al. 2023).

    Attributes:
        blocks: diagonal blocks of each Monarch factor along the channels; a Monarch matrix has between 1/blocks and
            2/blocks of the weights of a dense one. Default 4. Along the tokens it is the rounded square root of their
            number.
    """

    implementation: ClassVar[str] = "mixmas_pipeline.models.blocks.monarch_mixer:MonarchMixerBlock"

    block: Literal["monarch_mixer"] = "monarch_mixer"
    blocks: Width = 4


class MLPParameters(BlockParameters):
    """One layer of a plain MLP, the same for every token: nothing is mixed between tokens. M2-Mixer encodes vectors
    of features with it; as a candidate it shows what token mixing is worth.
    """

    implementation: ClassVar[str] = "mixmas_pipeline.models.blocks.mlp:MLPBlock"

    block: Literal["mlp"] = "mlp"


Block = Annotated[
    MLPMixerParameters | HyperMixerParameters | RaMLPParameters | MonarchMixerParameters | MLPParameters,
    Field(discriminator="block"),
]


class Patches(Parameters):
    """Cut an image or spectrogram into patches, rows first, and project each.

    Attributes:
        patch: side, or height and width, in pixels.
    """

    type: Literal["patches"] = "patches"
    patch: Width | tuple[Width, Width]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a patch, in pixels."""
        return (self.patch, self.patch) if isinstance(self.patch, int) else self.patch


class Projection(Parameters):
    """Project each step of a (steps, features) sequence: words of a text, hours of a time series."""

    type: Literal["projection"] = "projection"


class Vector(Parameters):
    """Project a (features,) vector to a single token."""

    type: Literal["vector"] = "vector"


class Values(Parameters):
    """A token for each value: of a (features,) vector, or of a (steps, features) series, whose tokens have a 2-D grid.

    Each feature has its own direction and offset: token = x w_feature + b_feature (the feature tokeniser of Gorishniy
    et al. 2021, arXiv 2106.11959, section 3.3), the same at every step.
    """

    type: Literal["values"] = "values"


Tokeniser = Annotated[Patches | Projection | Vector | Values, Field(discriminator="type")]


class Encoder(Parameters):
    """Tokeniser, blocks of one type, LayerNorm.

    Attributes:
        tokeniser: makes tokens of an example.
        hidden_dim: width of a token.
        depth: number of blocks.
        block: their type and hyperparameters.
    """

    tokeniser: Tokeniser
    hidden_dim: Width
    depth: Width
    block: Block


class Input(Parameters):
    """What an encoder receives.

    Attributes:
        shape: of one example.
        mean, std: of the stored values on the training data; inputs are standardised with them. One of each for all of
            a modality, or, of (channels, height, width), one a channel.
        padded: the last steps of (steps, features) may be all zeros, and then are padding: they are not pooled.
            Default false.
        optional: examples may lack it. Default false.
    """

    shape: tuple[Width, ...]
    mean: float | tuple[float, ...]
    std: Positive | tuple[Positive, ...]
    padded: bool = False
    optional: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        for values in (self.mean, self.std):
            if isinstance(values, tuple) and (len(self.shape) != 3 or len(values) != self.shape[0]):
                raise ValueError(
                    f"{len(values)} means or standard deviations for shape {self.shape}; expected one, or (of "
                    "three-dimensional examples) one a channel"
                )
        if self.padded and len(self.shape) != 2:
            raise ValueError(f"padded examples have shape {self.shape}; expected (steps, features)")
        return self


class Targets(Parameters):
    """What a regression's answers are scaled with. The heads' numbers are standardised, and the model gives them in the
    labels' units.

    Attributes:
        mean, std: of each target on the training data, in its unit.
    """

    mean: tuple[float, ...]
    std: tuple[Positive, ...]


TASKS = ("multiclass", "binary", "multilabel", "regression")
FUSION_FUNCTIONS = ("concat", "max", "mean", "sum")
FusionFunction = Literal["concat", "max", "mean", "sum"]


class FusionNetwork(Parameters):
    """Blocks of one type over the fused tokens, then LayerNorm.

    Attributes:
        depth: number of blocks.
        block: their type and hyperparameters.
    """

    depth: Width
    block: Block


class Fusion(Parameters):
    """Fusion function, then fusion network.

    Attributes:
        function: "concat" joins the token sequences; "max", "mean" and "sum" combine them token by token.
        network: over the fused tokens.
    """

    function: FusionFunction
    network: FusionNetwork


class Preset(Parameters):
    """An architecture without what the data says.

    Attributes:
        encoders: one a modality.
        fusion: None for a single modality only. Default None.
    """

    encoders: dict[str, Encoder] = Field(min_length=1)
    fusion: Fusion | None = None


class Architecture(Parameters):
    """A whole model.

    Attributes:
        task: one of ``TASKS``. A binary task has two logits, like a multiclass one of two classes.
        classes: their names, in the order of the logits; of a binary task the negative one, then the positive one; of a
            regression the targets' names.
        inputs: what each modality is, in order.
        encoders: one a modality.
        fusion: None for a single modality only.
        targets: of a regression only.
    """

    task: Literal["multiclass", "binary", "multilabel", "regression"]
    classes: tuple[str, ...] = Field(min_length=1)
    inputs: dict[str, Input] = Field(min_length=1)
    encoders: dict[str, Encoder]
    fusion: Fusion | None = None
    targets: Targets | None = None

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
                f"there are {len(self.targets.mean)} means and {len(self.targets.std)} standard deviations of the "
                f"targets {self.classes}; expected one each"
            )
        return self

    @model_validator(mode="after")
    def _check(self) -> Self:
        if list(self.inputs) != list(self.encoders):
            raise ValueError(f"inputs are {list(self.inputs)}, encoders {list(self.encoders)}; expected the same")
        for name in self.inputs:
            if not name.isidentifier() or name == FUSED:
                raise ValueError(f"modality {name!r}: expected a name of letters, digits and _, other than {FUSED!r}")
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
                f"modality {modality!r} has shape {shape}; a token for each value expects (features,) or "
                "(steps, features)"
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
