"""Hyperparameters that blocks share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from mixmas_pipeline.utils.parameters import Count, Parameters

if TYPE_CHECKING:
    from torch import nn

Dropout = Annotated[float, Field(ge=0, lt=1)]


class BlockParameters(Parameters):
    """What every block has.

    Attributes:
        dropout: probability of zeroing a hidden unit of the block's MLPs. Default 0.
    """

    needs_grid: ClassVar[bool] = False  # tokens must lie on a 2-D grid
    norm: ClassVar[bool] = True  # a stack of these blocks ends in a LayerNorm
    matched: ClassVar[bool] = True  # the search gives it the reference's number of parameters

    dropout: Dropout = 0.0

    if TYPE_CHECKING:
        # The block's name. Each block declares it after its widths: the order of the keys in architecture.json.
        block: str

    def build(self, hidden: int, grid: tuple[int, ...]) -> nn.Module:
        """The block's module: (batch, tokens, hidden) -> the same shape.

        Args:
            hidden: width of a token.
            grid: tokens along each axis, for example (rows, columns) of patches.
        """
        raise NotImplementedError

    def checked(self) -> BlockParameters:
        """The block's own class of parameters."""
        return self


class MixerBlockParameters(BlockParameters):
    """What every block has that mixes tokens, then channels.

    Attributes:
        channel_dim: hidden width of the channel-mixing MLP.
    """

    channel_dim: Count
