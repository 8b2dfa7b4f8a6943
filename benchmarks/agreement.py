"""Does a cheaper search choose what the full one chooses? Twenty searches on the embedded demo, each stage both ways.

    python benchmarks/agreement.py --trials trials.jsonl

The full procedure trains every candidate with all seeds, one by one, in float32. Held against it, stage by stage, from
the same samples and (but for the control) the same seeds and the same earlier choices:

- race: candidates that are clearly behind after the first seeds are dropped (``budget.race``); costs no trial of its own;
- batched: all seeds as one model;
- bf16: in bfloat16;
- control: the full procedure with other seeds. No variant can be expected to agree more than that.

Finished trials are kept in the file and are not done again. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

VARIANTS = ("full", "control", "batched", "bf16")
SEEDS, STEPS = 4, 120
STAGES = ("image", "audio", "fusion_function", "fusion_network")


def _train_table() -> Any:
    """The demo's training split."""
    from mixmas_pipeline.datasets.clips import DemoNoiseDataset, DemoSpeechDataset
    from mixmas_pipeline.datasets.digits import DemoDigitsDataset
    from mixmas_pipeline.pipelines.avmnist import nodes
    from mixmas_pipeline.pipelines.avmnist.parameters import PairingParameters, PictureParameters, SoundParameters

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
    return nodes.build_table(pairs, reduced, speech, noise, sound, "demo")


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

    def get(self, key: str, make: Any) -> list[dict[str, Any]]:
        if key not in self._done:
            self._done[key] = make()
            with self._path.open("a") as stream:
                stream.write(json.dumps({"key": key, "trials": self._done[key]}) + "\n")
        return self._done[key]


def _stages(sample: Any, search: Any, choose: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every stage's proposals, given the choices made so far. ``choose`` gives a finished stage's winner."""
    from mixmas_pipeline.pipelines.search import nodes

    proposals = nodes.propose_encoders(sample, {n: s.model_dump() for n, s in search.encoders.items()}, search.match)
    for modality in search.encoders:
        yield modality, {k.split(".")[1]: p for k, p in proposals.items() if k.startswith(f"{modality}.")}
    choices = {m: {"architecture": choose(m)} for m in search.encoders}
    yield (
        "fusion_function",
        nodes.propose_fusion_functions(sample, list(search.fusion_functions), search.fusion_network, **choices),
    )
    choice = {"architecture": choose("fusion_function")}
    yield "fusion_network", nodes.propose_fusion_networks(choice, search.fusion_network, search.match)


def record(trials: Trials, variant: str, replicates: int) -> Iterator[dict[str, Any]]:
    """Every stage of every replicate: its proposals with their trials, in the variant and in full."""
    import torch

    from mixmas_pipeline.learning.microbenchmark import run_trial
    from mixmas_pipeline.learning.parameters import SearchParameters
    from mixmas_pipeline.learning.sampling import stratified_split
    from mixmas_pipeline.learning.selection import judge

    torch.set_num_threads(1)
    logging.getLogger("mixmas_pipeline").setLevel(logging.WARNING)
    train = _train_table()
    search = SearchParameters.model_validate(_parameters()["avmnist"]["search"])
    from mixmas_pipeline.learning.sampling import sample_size

    sizes = [sample_size(len(train), margin=m) for m in (search.sample.margin, search.sample.holdout_margin)]
    for replicate in range(replicates):
        sample, holdout = (train.take(r) for r in stratified_split(train.label_matrix(), sizes, replicate))
        winners: dict[str, Any] = {}
        for stage, proposals in _stages(sample, search, winners.__getitem__):

            def results(variant: str) -> list[dict[str, Any]]:
                made = []
                for name, proposal in proposals.items():
                    from mixmas_pipeline.mixers.architecture import Architecture

                    architecture = Architecture.model_validate(proposal["architecture"])
                    first = 1000 * (replicate + 1) + (500 if variant == "control" else 0)
                    seeds = tuple(range(first, first + SEEDS))

                    def make() -> list[dict[str, Any]]:
                        start = time.perf_counter()
                        budget = search.budget.model_copy(
                            update={"steps": STEPS, "extended_steps": STEPS, "seeds": seeds, "device": "cpu"}
                        )
                        done = [
                            run_trial(architecture, sample, holdout, budget, STEPS, seed, "accuracy", name)
                            for seed in seeds
                        ]
                        seconds = (time.perf_counter() - start) / SEEDS
                        return [
                            {
                                "seed": t.seed,
                                "steps": t.steps,
                                "score": t.score,
                                "predicted": t.predicted.tolist(),
                                "seconds": seconds,
                            }
                            for t in done
                        ]

                    key = f"{variant}/{replicate}/{stage}/{name}/{_identity(architecture)}"
                    made.append({**proposal, "trials": trials.get(key, make)})
                return made

            full = results("full")
            verdict = judge(full, holdout.labels, search.selection)
            winners[stage] = next(r for r in full if r["candidate"] == verdict.winner)["architecture"]
            yield {
                "replicate": replicate,
                "stage": stage,
                "labels": holdout.labels,
                "full": full,
                "verdict": verdict,
                "variant": full if variant in ("full", "race") else results(variant),
            }


def _identity(architecture: Any) -> str:
    import hashlib

    return hashlib.blake2b(architecture.model_dump_json().encode(), digest_size=8).hexdigest()


if __name__ == "__main__":
    import sys

    for found in record(Trials(Path(sys.argv[1])), sys.argv[2], 20):
        sys.stdout.write(
            f"{found['replicate']} {found['stage']} {found['verdict'].winner} tied {found['verdict'].tied} "
            + " ".join(f"{r['candidate']}:{np.mean([t['score'] for t in r['trials']]):.3f}" for r in found["variant"])
            + f" {sum(t['seconds'] for r in found['variant'] for t in r['trials']):.1f}s\n"
        )
        sys.stdout.flush()
