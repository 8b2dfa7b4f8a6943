"""Does a cheaper search choose what the full one chooses? Twenty searches on the embedded demo, each stage both ways.

    python benchmarks/agreement.py trials.jsonl                         every way of saving
    python benchmarks/agreement.py trials.jsonl --ways elimination      successive elimination only

The full procedure trains every candidate with all seeds, one by one, in float32. Held against it, stage by stage, from
the same samples and (but for the control) the same seeds and the same earlier choices:

- elimination: candidates that are clearly behind after the first seeds are dropped (``budget.race``). It needs no
  trials of its own: they are among those of the full procedure;
- batched: all seeds as one model;
- bfloat16: in that precision;
- control: the full procedure with other seeds. No way of saving can be expected to agree more than that.

Trials that are done are kept in the file and not done again. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from mixmas_pipeline.pipelines.search.results import CandidateResult, Proposal

SEEDS, STEPS = 4, 120
STAGES = ("image", "audio", "fusion_function", "fusion_network")
# Way -> what differs in the budget; the control has other seeds.
WAYS: dict[str, dict[str, Any]] = {
    "elimination": {},
    "batched": {"batched": True},
    "bfloat16": {"precision": "bfloat16"},
    "control": {},
}


def _train_table() -> Any:
    """The demo's training split."""
    from mixmas_pipeline.pipelines.data.avmnist import nodes
    from mixmas_pipeline.pipelines.data.avmnist.clips import DemoNoiseDataset, DemoSpeechDataset
    from mixmas_pipeline.pipelines.data.avmnist.digits import DemoDigitsDataset
    from mixmas_pipeline.pipelines.data.avmnist.parameters import PairingParameters, PictureParameters, SoundParameters

    demo = _parameters()["avmnist"]
    sound = SoundParameters.model_validate(demo["sound"])
    pairing = PairingParameters.model_validate(demo["pairing"])
    pictures = PictureParameters.model_validate(demo["picture"])
    digits = {
        (part, content): DemoDigitsDataset(part=part, content=content).load()
        for part in ("train", "test")
        for content in ("images", "labels")
    }
    speech = nodes.resample_clips(DemoSpeechDataset(rates=[140, 175, 210]).load(), sound)
    noise = nodes.resample_clips(DemoNoiseDataset(seed=0, clips=4).load(), sound)
    labels = digits["train", "labels"], digits["test", "labels"]
    pairs, _, _ = nodes.pair_digits(*labels, speech, noise, pairing, sound)
    basis = nodes.fit_energy_basis(digits["train", "images"], pairs, pictures)
    reduced = nodes.reduce_images(digits["train", "images"], digits["test", "images"], basis)
    return nodes.build_table(pairs, reduced, speech, noise, sound, pairing, "demo")


def _parameters() -> dict[str, Any]:
    from kedro.config import OmegaConfigLoader

    from mixmas_pipeline.settings import CONFIG_LOADER_ARGS

    conf = Path(__file__).parents[1] / "conf"
    return OmegaConfigLoader(str(conf), env="base", **CONFIG_LOADER_ARGS)["parameters"]


class Trials:
    """Trials by what they are of, kept in a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._done = {line["key"]: line["trials"] for line in map(json.loads, lines)}

    def get(self, key: str, make: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        if key not in self._done:
            self._done[key] = make()
            with self._path.open("a") as stream:
                stream.write(json.dumps({"key": key, "trials": self._done[key]}) + "\n")
        return self._done[key]


def _stages(sample: Any, search: Any, choose: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every stage's proposals, given the choices made so far. ``choose`` gives a finished stage's architecture."""
    from mixmas_pipeline.pipelines.search import proposals as building

    proposals = building.encoder_proposals(sample, search.encoders, search.match)
    for modality in search.encoders:
        yield modality, {k.split(".")[1]: p for k, p in proposals.items() if k.startswith(f"{modality}.")}
    chosen, network = {m: choose(m) for m in search.encoders}, search.fusion_network
    yield "fusion_function", building.fusion_function_proposals(sample, search.fusion_functions, network, chosen)
    yield "fusion_network", building.fusion_network_proposals(choose("fusion_function"), network, search.match)


@dataclass
class Stage:
    """One stage of one search: its candidates with the trials of the full procedure, and of a way of saving."""

    replicate: int
    stage: str
    labels: np.ndarray
    full: list[CandidateResult]
    other: list[CandidateResult]


def record(trials: Trials, way: str, replicates: int, last: str) -> Iterator[Stage]:
    """Every stage of every search up to the last one wanted, trained where that is not done yet; later stages build on
    the full one's choices."""
    from mixmas_pipeline.data.sampling import sample_size, stratified_split
    from mixmas_pipeline.pipelines.search.parameters import SearchParameters
    from mixmas_pipeline.pipelines.search.selection import rank

    train = _train_table()
    search = SearchParameters.model_validate(_parameters()["avmnist"]["search"])
    sizes = [sample_size(len(train), margin=m) for m in (search.sample.margin, search.sample.holdout_margin)]
    for replicate in range(replicates):
        samples = [train.take(rows) for rows in stratified_split(train.label_matrix(), sizes, replicate)]
        winners: dict[str, Any] = {}
        for stage, proposals in _stages(samples[0], search, winners.__getitem__):
            found = {
                name: [
                    _result(trials, name, replicate, samples, proposal, search.budget)
                    for proposal in proposals.values()
                ]
                for name in ("full", *([way] if way != "elimination" else []))
            }
            winner = rank(found["full"], samples[1].labels, search.selection).winner
            winners[stage] = next(r for r in found["full"] if r.candidate == winner).architecture
            yield Stage(replicate, stage, samples[1].labels, found["full"], found.get(way, found["full"]))
            if stage == last:
                break


def _result(
    trials: Trials, way: str, replicate: int, samples: list[Any], proposal: Proposal, budget: Any
) -> CandidateResult:
    from mixmas_pipeline.pipelines.search.results import CandidateResult
    from mixmas_pipeline.pipelines.search.trials import train_from_seeds

    identity = hashlib.blake2b(proposal.architecture.model_dump_json().encode(), digest_size=8).hexdigest()
    first = 1000 * (replicate + 1) + (500 if way == "control" else 0)
    changed = {"device": "cpu", "batched": False, **WAYS.get(way, {})}

    def make() -> list[dict[str, Any]]:
        seeds = range(first, first + SEEDS)
        done = train_from_seeds(proposal, *samples, budget.model_copy(update=changed), "accuracy", STEPS, seeds)
        return [trial.model_dump(mode="json") for trial in done]

    kept = trials.get(f"{way}/{replicate}/{proposal.stage}/{proposal.candidate}/{identity}", make)
    return CandidateResult.model_validate({**dict(proposal), "trials": kept})


def choose(stage: Stage, way: str, behind: float, selection: Any) -> tuple[str, float]:
    """What a way of saving takes, and the share of the full procedure's trials that it trained."""
    from mixmas_pipeline.pipelines.search.selection import eliminate, rank

    if way != "elimination":
        return rank(stage.other, stage.labels, selection).winner, 1.0
    first = [r.model_copy(update={"trials": r.trials[:2]}) for r in stage.full]
    dropped = eliminate(first, stage.labels, selection, behind)
    left = [r.candidate for r in stage.full if r.candidate not in dropped]
    trained = [
        r if r.candidate in left and len(left) > 1 else short for r, short in zip(stage.full, first, strict=True)
    ]
    share = sum(len(r.trials) for r in trained) / sum(len(r.trials) for r in stage.full)
    return rank(trained, stage.labels, selection, dropped).winner, share


def compare(stages: list[Stage], way: str, behind: float, selection: Any) -> dict[str, Any]:
    """How often a way of saving takes the full procedure's choice, and what it loses where it does not."""
    from mixmas_pipeline.pipelines.search.selection import rank

    agreed, lost, shares, missed, best = [], [], [], set(), []
    for stage in stages:
        wanted = rank(stage.full, stage.labels, selection).winner
        taken, share = choose(stage, way, behind, selection)
        means = {r.candidate: float(np.mean(r.scores)) for r in stage.full}
        agreed.append(taken == wanted)
        lost.append(means[wanted] - means[taken])
        best.append(max(means.values()) - means[taken])
        shares.append(share)
        if taken != wanted:
            missed.add(stage.replicate)
    searches = {stage.replicate for stage in stages}
    return {
        "stages": f"{sum(agreed)} of {len(agreed)}",
        "searches": f"{len(searches) - len(missed)} of {len(searches)}",
        "lost": float(np.mean(lost)),
        "below": float(np.mean(best)),
        "trials": float(np.mean(shares)),
    }


def main() -> None:
    """Train what is missing, and print the table."""
    import torch

    from mixmas_pipeline.pipelines.search.parameters import SelectionParameters

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trials", type=Path, help="file that keeps the trials")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="the last stage that is trained")
    parser.add_argument("--searches", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    selection = SelectionParameters.model_validate(_parameters()["avmnist"]["search"]["selection"])
    console = Console(width=120)
    table = Table(title=f"{arguments.searches} searches, {SEEDS} seeds of {STEPS} steps", title_justify="left")
    for column in ("way", "stages chosen alike", "searches", "score lost", "below the best", "trials"):
        table.add_column(column, justify="right")
    trials = Trials(arguments.trials)
    for way in arguments.ways:
        stages = list(record(trials, way, arguments.searches, arguments.until))
        for behind in (2.0, 3.0, 4.0) if way == "elimination" else (0.0,):
            found = compare(stages, way, behind, selection)
            table.add_row(
                f"elimination, {behind:.0f} s.e." if way == "elimination" else way,
                found["stages"],
                found["searches"],
                f"{found['lost']:.4f}",
                f"{found['below']:.4f}",
                f"{found['trials']:.0%}",
            )
    console.print(table)


if __name__ == "__main__":
    main()
