"""Parameters of the search: samples, selection, and the space of candidates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mixmas_pipeline.evaluation.metrics import Metric
from mixmas_pipeline.models.architecture import Encoder, FusionFunction, Tokeniser
from mixmas_pipeline.models.block_reader import LateBlock
from mixmas_pipeline.models.blocks.base import BlockParameters
from mixmas_pipeline.training.parameters import BudgetParameters
from mixmas_pipeline.utils.parameters import Count, Distinct, Fraction, NonNegative, Parameters, Positive, Seed


class SampleParameters(Parameters):
    """How many training examples the search uses: n = z^2 p (1 - p) / margin^2, corrected for the population's size
    (MixMAS, section "Sampling"). Two disjoint samples are drawn from the training split: one to train candidates on,
    one to score them on.

    Attributes:
        seed: of the draw. Default 0.
        z: standard score of the confidence level. Default 1.96 (95 %).
        p: assumed proportion. Default 0.5, the most careful.
        margin: margin of error of the training sample; "auto": see ``sampling.sample_sizes``. Default 0.05.
        holdout_margin: margin of error of the scoring sample, or "auto". Default 0.03.
        balance: largest allowed difference between a class's proportion in a sample and in the split. For a regression
            it applies to each tenth of a target's values; for an optional modality to the rows that have it. Default
            0.05.
    """

    seed: Seed = 0
    z: Positive = 1.96
    p: Fraction = 0.5
    margin: Fraction | Literal["auto"] = 0.05
    holdout_margin: Fraction | Literal["auto"] = 0.03
    balance: Fraction = 0.05


class SelectionParameters(Parameters):
    """How a stage's winner is found.

    Attributes:
        metric: the score on the held-out sample. "f1" is the positive class's, for binary tasks; "r2" is the only one
            for regressions.
        tie: candidates whose mean score is within this many standard errors of the best one's are tied with it; the
            cheapest tied candidate wins, see ``selection.break_tie``. Default 1 (the one-standard-error rule of Breiman
            et al. 1984).
        above_chance: a candidate has learnt something if its mean score is this many standard deviations above that of
            its predictions with the labels shuffled. Default 3.
        resamples: bootstrap and shuffle resamples. Default 500.
        seed: of the resampling.
    """

    metric: Metric
    tie: NonNegative = 1.0
    above_chance: Positive = 3.0
    resamples: int = Field(500, ge=50)
    seed: Seed = 0


class MatchParameters(Parameters):
    """How candidates are given the same number of parameters.

    Attributes:
        tolerance: largest relative difference from the reference candidate's count, within which a candidate's
            channel_dim is left as it is written; null to leave all candidates as they are written. Default 0.1. The
            blocks linear and real_mlp are never matched.
    """

    tolerance: Fraction | None = 0.1


# Names of stages and of the search nodes' other arguments.
_RESERVED = (
    *("sample", "holdout", "selection", "budget", "decision", "functions", "network"),
    *("fusion_function", "fusion_network"),
)


def _check_names(names: Iterable[str]) -> None:
    """Modalities and candidates name nodes, data sets and files."""
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in _RESERVED:
            raise ValueError(
                f"{name!r} cannot name a candidate or modality; expected small letters, digits and _, starting with a "
                f"letter, and none of {', '.join(_RESERVED)}"
            )


class Candidates(Parameters):
    """Block candidates of one stage.

    Attributes:
        reference: the candidate whose parameter count the others are matched to.
        candidates: name -> block and its hyperparameters; null removes one that an environment inherits.
        left_out: candidates that do not take part, but may be the reference. Default none.
    """

    reference: str
    candidates: dict[str, LateBlock | None]
    left_out: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_names(self.candidates)
        if not self.names:
            raise ValueError("no candidate is left")
        if self.candidates.get(self.reference) is None:
            raise ValueError(f"the reference {self.reference!r} is not among the candidates {self.names}")
        return self

    def only(self, names: Iterable[str]) -> Self:
        """The same stage with some of its candidates taking part. The reference stays what it is, and so does every
        candidate's architecture.

        Raises:
            ValueError: there is no such candidate.
        """
        names = list(names)
        if unknown := sorted(set(names) - set(self.names)):
            raise ValueError(f"unknown candidate {unknown[0]!r}: expected some of {', '.join(self.names)}")
        return self.model_copy(update={"left_out": tuple(name for name in self.candidates if name not in names)})

    @property
    def names(self) -> list[str]:
        """Candidates that take part, in the order in which they are written."""
        return [name for name, block in self.candidates.items() if block is not None and name not in self.left_out]

    @property
    def blocks(self) -> dict[str, BlockParameters]:
        """The blocks of the candidates that take part, checked."""
        return {name: block.checked() for name in self.names if (block := self.candidates[name]) is not None}

    @property
    def reference_candidate(self) -> BlockParameters:
        """The reference's block, as it was read."""
        block = self.candidates[self.reference]
        assert block is not None
        return block

    @property
    def reference_block(self) -> BlockParameters:
        """The reference's block, checked."""
        return self.reference_candidate.checked()


class EncoderOverrides(Parameters):
    """What one encoder candidate has of its own. Null, the default of each: as the stage's other candidates.

    Attributes:
        tokeniser: for a block that cannot work on the others' tokens: a plain MLP takes a vector as one token, where
            mixers take one token per feature.
        hidden_dim, depth: as in ``Encoder``.
    """

    tokeniser: Tokeniser | None = None
    hidden_dim: Count | None = None
    depth: Count | None = None


class EncoderStage(Candidates):
    """One modality's encoder candidates: they share everything but the block, and what ``overrides`` names.

    Attributes:
        tokeniser, hidden_dim, depth: as in ``Encoder``.
        overrides: candidate -> what it has of its own; null removes what an environment inherits. Default none.
    """

    tokeniser: Tokeniser
    hidden_dim: Count
    depth: Count
    overrides: dict[str, EncoderOverrides | None] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_overrides(self) -> Self:
        if unknown := sorted(set(self.overrides) - set(self.candidates)):
            raise ValueError(f"overrides names {unknown[0]!r}, which is not among the candidates {self.names}")
        return self

    def encoder(self, name: str, block: BlockParameters) -> Encoder:
        """The encoder of the candidate ``name``, with a block that may be wider than the one written there."""
        own = self.overrides.get(name) or EncoderOverrides()
        return Encoder(
            tokeniser=own.tokeniser or self.tokeniser,
            hidden_dim=own.hidden_dim or self.hidden_dim,
            depth=own.depth or self.depth,
            block=block,
        )


class FusionNetworkStage(Candidates):
    """The fusion network's candidates. The reference is the fixed network of the fusion-function stage.

    Attributes:
        depth: number of blocks, of all candidates.
    """

    depth: Count

    @model_validator(mode="after")
    def _check_grid(self) -> Self:
        for name, block in self.candidates.items():
            if block is not None and block.needs_grid:
                raise ValueError(f"the fusion network {name!r}: {block.block} needs a grid; fused tokens have none")
        return self


class SearchParameters(Parameters):
    """A data set's search space and how it is searched.

    Attributes:
        sample: how many training examples the search uses.
        budget: what a candidate may spend.
        selection: how a stage's winner is found.
        match: how candidates are given the same number of parameters.
        encoders: modality -> its candidates.
        fusion_functions: candidates. Default "concat", "max", "mean", "sum", "late"; there is also "gated".
        fusion_network: its candidates.
    """

    sample: SampleParameters = Field(default_factory=SampleParameters)
    budget: BudgetParameters
    selection: SelectionParameters
    match: MatchParameters = Field(default_factory=MatchParameters)
    encoders: dict[str, EncoderStage] = Field(min_length=1)
    fusion_functions: Annotated[tuple[FusionFunction, ...], Distinct] = Field(
        ("concat", "max", "mean", "sum", "late"), min_length=1
    )
    fusion_network: FusionNetworkStage

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_names(self.encoders)
        return self

    def only(self, space: dict[str, tuple[str, ...]]) -> Self:
        """The sub-space that has only the named candidates in the named stages.

        Raises:
            ValueError: there is no such stage or candidate.
        """
        stages = [*self.encoders, "fusion_function", "fusion_network"]
        if unknown := sorted(set(space) - set(stages)):
            raise ValueError(f"unknown stage {unknown[0]!r}: expected some of {', '.join(stages)}")
        functions = [f for f in self.fusion_functions if f in space.get("fusion_function", self.fusion_functions)]
        if unknown := sorted(set(space.get("fusion_function", ())) - set(functions)):
            raise ValueError(
                f"unknown fusion function {unknown[0]!r}: expected some of {', '.join(self.fusion_functions)}"
            )
        encoders = {name: stage.only(space.get(name, stage.names)) for name, stage in self.encoders.items()}
        network = self.fusion_network.only(space.get("fusion_network", self.fusion_network.names))
        return self.model_copy(
            update={"encoders": encoders, "fusion_network": network, "fusion_functions": tuple(functions)}
        )
