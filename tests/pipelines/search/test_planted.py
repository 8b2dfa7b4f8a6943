"""Data whose right answer is known by construction: the search must find it, whatever the seed.

The label is the exclusive or of two bits. Logits that are a sum over tokens of a function of each token alone (no token
mixing, then the mean over tokens, then a linear head) cannot be right on it: f(0) + f(0) < 0, f(1) + f(1) < 0 and
f(0) + f(1) > 0 contradict each other. So whatever lets the two bits meet only in the mean is the worst by construction,
and what mixes them before a nonlinearity is the best.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.search import nodes
from mixmas_pipeline.pipelines.search.parameters import MatchParameters, SearchParameters, SelectionParameters
from mixmas_pipeline.pipelines.search.proposals import (
    encoder_proposals,
    fusion_function_proposals,
    fusion_network_proposals,
)
from mixmas_pipeline.pipelines.search.results import Proposal
from mixmas_pipeline.pipelines.validate_search.proposals import Builder
from mixmas_pipeline.pipelines.validate_search.searches import Trials, jointly, stage_by_stage
from mixmas_pipeline.training.parameters import BudgetParameters

# Five of them in the fast tests.
SEEDS = [*range(5), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(5, 20))]
SELECTION = SelectionParameters(metric="accuracy", resamples=100)
MIXES, NO_MIXING = {"block": "mlp_mixer", "token_dim": 8, "channel_dim": 16}, {"block": "mlp"}
# Of four tokens in a row it mixes the first with the third and the second with the fourth, no others.
HALF = {"block": "ramlp", "regions": 2, "kernel": 1, "channel_dim": 16}


def budget(seed: int) -> BudgetParameters:
    seeds = (2 * seed, 2 * seed + 1)
    settings = {"learning_rate": 0.02, "batch_size": 32, "steps": 80, "extended_steps": 80, "device": "cpu"}
    # The midpoint of two examples says nothing about an exclusive or, so mixup would teach nonsense.
    return BudgetParameters.model_validate({**settings, "seeds": seeds, "recipe": "published"})


def table(rows: int, seed: int, where: dict[str, int]) -> MultimodalTable:
    """Two sequences of two tokens. ``where``: modality -> how many of the label's two bits it carries, one a token."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(2, size=(rows, 2))
    arrays, used = {}, 0
    for name, count in where.items():
        array = rng.normal(size=(rows, 2, 3)).astype(np.float32) * 0.3
        for token in range(count):
            array[:, token, 0] += 2 * bits[:, used] - 1
            used += 1
        arrays[name] = array
    modalities = {name: Modality("time_series", (2, 3), "float32") for name in where}
    schema = TableSchema(modalities, "multiclass", ("same", "different"), source="planted")
    return MultimodalTable(schema, arrays, bits[:, 0] ^ bits[:, 1], [f"{seed}-{i}" for i in range(rows)])


def rows_of_tokens(rows: int, seed: int) -> MultimodalTable:
    """Strips of 2x8 that are four patches: bits in the first three. Label: 2 (first differs from third) + (first
    differs from second)."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(2, size=(rows, 3))
    array = rng.normal(size=(rows, 2, 8)).astype(np.float32) * 0.3
    for token in range(3):
        array[:, :, 2 * token : 2 * token + 2] += (2 * bits[:, token] - 1)[:, None, None]
    labels = 2 * (bits[:, 0] ^ bits[:, 2]) + (bits[:, 0] ^ bits[:, 1])
    schema = TableSchema({"row": Modality("image", (2, 8), "float32")}, "multiclass", tuple("abcd"), source="planted")
    return MultimodalTable(schema, {"row": array}, labels, [f"{seed}-{i}" for i in range(rows)])


def space(
    modalities: list[str],
    encoders: dict[str, Any],
    functions: list[str],
    networks: dict[str, Any],
    seed: int,
    tokeniser: dict[str, Any] | None = None,
) -> SearchParameters:
    def stage(candidates: dict[str, Any]) -> dict[str, Any]:
        return {"depth": 1, "reference": next(iter(candidates)), "candidates": candidates}

    encoder = {**stage(encoders), "tokeniser": tokeniser or {"type": "projection"}, "hidden_dim": 8}
    return SearchParameters.model_validate(
        {
            "sample": {"seed": seed},
            "budget": budget(seed),
            "selection": SELECTION,
            "match": MatchParameters(tolerance=None),
            "encoders": dict.fromkeys(modalities, encoder),
            "fusion_functions": functions,
            "fusion_network": stage(networks),
        }
    )


def ranked(proposals: dict[str, Proposal], sample: MultimodalTable, holdout: MultimodalTable, seed: int) -> list[str]:
    """One stage of the search, by its nodes: the winner, then the others by score. What is planted is far apart."""
    results = {
        name: nodes.train_candidate(p, sample, holdout, budget(seed), SELECTION) for name, p in proposals.items()
    }
    decision = nodes.decide(SELECTION, budget(seed), holdout, **results)
    choice, board, _ = nodes.choose(SELECTION, holdout, decision, **results)
    gap = board["mean"].iloc[0] - board["mean"].iloc[-1]
    assert gap > 0.2, f"planted, but only {gap:.3f} apart"
    last = board["candidate"].iloc[-1]
    assert last not in choice.tied
    return [choice.candidate, *board["candidate"][board["candidate"] != choice.candidate]]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_encoder_that_mixes_tokens_is_chosen_and_the_one_without_mixing_rejected(seed: int) -> None:
    """Two labels in one: whether tokens 1 and 3 agree, and whether 1 and 2 do. The mixer can know both, RaMLP with
    these regions only the first, a block without token mixing neither."""
    sample, holdout = (rows_of_tokens(400, 100 * seed + part) for part in (0, 1))
    # The candidate without mixing is first, the reference and cheaper: only its score can make it lose.
    candidates = {"no_mixing": NO_MIXING, "half": HALF, "mixes": MIXES}
    search = space(["row"], candidates, ["sum"], {"no_mixing": NO_MIXING}, seed, {"type": "patches", "patch": 2})
    proposals = encoder_proposals(sample, search.encoders, search.match)
    assert proposals["row.no_mixing"].flops < proposals["row.mixes"].flops
    order = ranked({k.split(".")[1]: p for k, p in proposals.items()}, sample, holdout, seed)
    assert order == ["mixes", "half", "no_mixing"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_fusion_function_that_joins_the_modalities_is_chosen(seed: int) -> None:
    """A bit in each modality, and a network without token mixing: after ``concat`` they meet in the mean only."""
    sample, holdout = (table(200, 100 * seed + part, {"left": 1, "right": 1}) for part in (0, 1))
    functions = ["concat", "max", "mean", "sum"]
    search = space(["left", "right"], {"mixes": MIXES}, functions, {"no_mixing": NO_MIXING}, seed)
    proposals = fusion_function_proposals(sample, functions, search.fusion_network, _encoders(search, sample))
    order = ranked(proposals, sample, holdout, seed)
    assert order[-1] == "concat"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_fusion_network_that_mixes_tokens_is_chosen(seed: int) -> None:
    """A bit in each modality, joined by ``concat``: only a network that mixes tokens lets them meet."""
    sample, holdout = (table(200, 100 * seed + part, {"left": 1, "right": 1}) for part in (0, 1))
    search = space(["left", "right"], {"mixes": MIXES}, ["concat"], {"no_mixing": NO_MIXING, "mixes": MIXES}, seed)
    chosen = fusion_function_proposals(sample, ["concat"], search.fusion_network, _encoders(search, sample))
    proposals = fusion_network_proposals(chosen["concat"].architecture, search.fusion_network, search.match)
    assert ranked(proposals, sample, holdout, seed) == ["mixes", "no_mixing"]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_both_searches_find_the_planted_combination_at_the_same_cost(seed: int) -> None:
    """The joint search is given no less than the other took, and may exceed it by a trial."""
    sample, holdout = (table(200, 100 * seed + part, {"left": 1, "right": 1}) for part in (0, 1))
    # concat with a network without mixing is the only one of the four that cannot work
    search = space(
        ["left", "right"], {"mixes": MIXES}, ["concat", "sum"], {"no_mixing": NO_MIXING, "mixes": MIXES}, seed
    )
    builder = Builder(sample, search)
    trials = Trials(sample, holdout, 20, budget(seed), "accuracy", seed=seed)
    greedy = [stage_by_stage(search, builder, trials, seeds, SELECTION) for seeds in (1, 2)]
    joint = jointly(search, builder, trials, [outcome.flops for outcome in greedy], seed)
    most_expensive = max(trials.flops(builder.complete(choice)) for choice in _choices())
    for one, other in zip(greedy, joint, strict=True):
        assert one.flops <= other.flops < one.flops + most_expensive
        for outcome in (one, other):
            chosen = (outcome.choice["fusion_function"], outcome.choice["fusion_network"])
            assert chosen != ("concat", "no_mixing")
    again = jointly(search, builder, trials, [outcome.flops for outcome in greedy], seed)
    assert [(o.choice, o.flops) for o in again] == [(o.choice, o.flops) for o in joint]


def _encoders(search: SearchParameters, sample: MultimodalTable) -> dict[str, Architecture]:
    proposals = encoder_proposals(sample, search.encoders, search.match)
    return {name.split(".")[0]: proposal.architecture for name, proposal in proposals.items()}


def _choices() -> list[dict[str, str]]:
    return [
        {"left": "mixes", "right": "mixes", "fusion_function": function, "fusion_network": network}
        for function in ("concat", "sum")
        for network in ("no_mixing", "mixes")
    ]
