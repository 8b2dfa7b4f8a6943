"""The candidates' architectures: a stage's blocks, matched in parameters, around what the earlier stages chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import (
    Architecture,
    Block,
    Encoder,
    Fusion,
    FusionFunction,
    FusionNetwork,
    Input,
    Targets,
)
from mixmas_pipeline.models.cost import compared_parameters, cost, match_parameters
from mixmas_pipeline.pipelines.search.parameters import EncoderStage, FusionNetworkStage, MatchParameters
from mixmas_pipeline.pipelines.search.results import FUSION_FUNCTION, FUSION_NETWORK, Proposal
from mixmas_pipeline.training.statistics import input_statistics, target_statistics


def encoder_proposals(
    sample: MultimodalTable, stages: Mapping[str, EncoderStage], match: MatchParameters
) -> dict[str, Proposal]:
    """Each modality's encoder candidates, each alone with one head, matched in parameters.

    Args:
        sample: gives shapes and statistics.
        stages: modality -> its candidates.
        match: how candidates are matched.

    Returns:
        "modality.candidate" -> proposal.

    Raises:
        ValueError: the space and the table have different modalities; a candidate does not fit.
    """
    if set(stages) != set(sample.schema.modalities):
        raise ValueError(
            f"the search space describes the modalities {sorted(stages)}; "
            f"the table has {sorted(sample.schema.modalities)}"
        )
    targets = target_statistics(sample)
    proposals = {}
    for modality in sample.schema.modalities:
        build = partial(
            _single_encoder, sample, targets, modality, stages[modality], input_statistics(sample, modality)
        )
        for name, architecture in _matched(stages[modality], build, match).items():
            proposals[f"{modality}.{name}"] = _proposal(modality, modality, name, architecture)
    return proposals


def fusion_function_proposals(
    sample: MultimodalTable,
    functions: Sequence[FusionFunction],
    network: FusionNetworkStage,
    chosen: Mapping[str, Architecture],
) -> dict[str, Proposal]:
    """The chosen encoders with each fusion function and the reference fusion network.

    Args:
        sample: gives task, classes and the order of the modalities.
        functions: the candidates.
        network: its reference is the fixed network.
        chosen: modality -> architecture that its encoder stage chose.

    Returns:
        Fusion function -> proposal.
    """
    encoders = {modality: chosen[modality].encoders[modality] for modality in sample.schema.modalities}
    inputs = {modality: chosen[modality].inputs[modality] for modality in sample.schema.modalities}
    targets = next(iter(chosen.values())).targets  # all stages have those of the same sample
    fixed = FusionNetwork(depth=network.depth, block=network.reference_block)
    proposals: dict[str, Proposal] = {}
    for function in functions:
        fusion = Fusion(function=function, network=fixed)
        architecture = _architecture(sample, targets, inputs, encoders, fusion)
        proposals[function] = _proposal(FUSION_FUNCTION, "", function, architecture)
    return proposals


def fusion_network_proposals(
    chosen: Architecture, network: FusionNetworkStage, match: MatchParameters
) -> dict[str, Proposal]:
    """The chosen encoders and fusion function with each fusion network, matched in the network's own parameters.

    Args:
        chosen: architecture that the fusion-function stage chose.
        network: the candidates.
        match: how candidates are matched.

    Returns:
        Fusion network -> proposal.
    """
    assert chosen.fusion is not None  # the fusion-function stage has set it
    function = chosen.fusion.function

    def build(name: str, block: Block) -> Architecture:
        fusion = Fusion(function=function, network=FusionNetwork(depth=network.depth, block=block))
        return Architecture.model_validate({**dict(chosen), "fusion": fusion})

    return {
        name: _proposal(FUSION_NETWORK, "", name, architecture)
        for name, architecture in _matched(network, build, match).items()
    }


def _single_encoder(
    sample: MultimodalTable,
    targets: Targets | None,
    modality: str,
    stage: EncoderStage,
    statistics: Input,
    name: str,
    block: Block,
) -> Architecture:
    encoder = stage.encoder(name, block).fitted(statistics.shape)
    return _architecture(sample, targets, {modality: statistics}, {modality: encoder}, None)


def _architecture(
    sample: MultimodalTable,
    targets: Targets | None,
    inputs: dict[str, Input],
    encoders: dict[str, Encoder],
    fusion: Fusion | None,
) -> Architecture:
    schema = sample.schema
    return Architecture(
        task=schema.task, classes=schema.classes, inputs=inputs, encoders=encoders, fusion=fusion, targets=targets
    )


def _matched(
    stage: EncoderStage | FusionNetworkStage, build: Callable[[str, Block], Architecture], match: MatchParameters
) -> dict[str, Architecture]:
    """Each candidate's architecture. The parts that differ have the same number of parameters, within tolerance; a
    block whose size is not matched keeps its own."""

    def count(name: str, block: Block) -> int:
        return compared_parameters(build(name, block))

    blocks = stage.blocks
    if match.tolerance is not None:
        target = count(stage.reference, stage.reference_block)
        blocks = {
            name: match_parameters(block, partial(count, name), target, match.tolerance) if block.matched else block
            for name, block in blocks.items()
        }
    return {name: build(name, block) for name, block in blocks.items()}


def _proposal(stage: str, modality: str, candidate: str, architecture: Architecture) -> Proposal:
    price = cost(architecture)
    return Proposal(
        stage=stage,
        modality=modality,
        candidate=candidate,
        parameters=price.parameters,
        flops=price.flops,
        architecture=architecture,
    )
