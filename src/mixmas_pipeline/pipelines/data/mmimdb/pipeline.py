"""The graph from MM-IMDB's folder, archive or HDF5 file to ``mmimdb.train``, ``.validation`` and ``.test``."""

from __future__ import annotations

from typing import Any, get_args

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.data.mmimdb import embedding, nodes, reading
from mixmas_pipeline.pipelines.data.mmimdb.parameters import Source

SPACE = "mmimdb.data"
# Parameters that only this module reads.
OPTIONAL = ("input",)


def create_pipeline(parameters: dict[str, Any]) -> Pipeline:
    """Nodes of the namespace ``mmimdb.data``.

    Args:
        parameters: the section ``mmimdb``. Its ``input`` decides where the graph begins.

    Raises:
        ValueError: ``input`` is neither "raw" nor "hdf5".
    """
    source = parameters.get("input")
    if source not in get_args(Source):
        raise ValueError(f"mmimdb.input is {source!r}; expected one of {', '.join(get_args(Source))}")
    found, pictures, films = "mmimdb.found", "mmimdb.pictures", "mmimdb.films"
    reader, raw = (reading.read_raw, "raw_films") if source == "raw" else (reading.read_hdf5, "raw_hdf5")
    embeddings, tokens = "mmimdb.token_embeddings", "mmimdb.tokens"
    rows = {split: f"mmimdb.{split}_films" for split in nodes.SPLITS}
    made_with = (films, pictures, embeddings, tokens, "params:mmimdb.films", "params:mmimdb.text.max_tokens")
    return Pipeline(
        [
            Node(
                reader,
                [f"mmimdb.{raw}", "params:mmimdb.pictures", "params:checkpoints"],
                [found, pictures],
                name=reader.__name__,
                namespace=SPACE,
                tags="preparation",
            ),
            Node(
                nodes.select_films,
                [found, "params:mmimdb.films"],
                [films, "mmimdb.quality", *rows.values()],
                name="select_films",
                namespace=SPACE,
            ),
            Node(
                embedding.embed_plots,
                [films, "mmimdb.encoder", "params:mmimdb.text", "params:checkpoints"],
                [embeddings, tokens, "mmimdb.embedding_info"],
                name="embed_plots",
                namespace=SPACE,
                tags="preparation",
            ),
            *(
                Node(
                    nodes.build_table,
                    [rows[split], *made_with, "params:checkpoints"],
                    f"mmimdb.{split}",
                    name=f"build_{split}",
                    namespace=SPACE,
                    tags="preparation",
                )
                for split in nodes.SPLITS
            ),
        ]
    )
