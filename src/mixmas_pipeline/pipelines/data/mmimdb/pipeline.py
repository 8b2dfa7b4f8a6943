"""The graph from MM-IMDB's folder, archive or HDF5 file to ``mmimdb.train``, ``.validation`` and ``.test``."""

from __future__ import annotations

from typing import Any, get_args

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.data.mmimdb import embedding, nodes, reading
from mixmas_pipeline.pipelines.data.mmimdb.parameters import Source

NAMESPACE = "data.mmimdb"
# Parameters that only this module reads.
OPTIONAL = ("input",)


def create_pipeline(parameters: dict[str, Any]) -> Pipeline:
    """Nodes of the namespace ``data.mmimdb``.

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
                [f"mmimdb.{raw}", "params:mmimdb.pictures", "mmimdb.scratch"],
                [found, pictures],
                name=reader.__name__,
                namespace=NAMESPACE,
                tags="preparation",
            ),
            Node(
                nodes.select_films,
                [found, "params:mmimdb.films"],
                [films, "mmimdb.quality", *rows.values()],
                name="select_films",
                namespace=NAMESPACE,
            ),
            Node(
                embedding.embed_plots,
                [films, "mmimdb.encoder", "params:mmimdb.text", "mmimdb.embedding_scratch"],
                [embeddings, tokens, "mmimdb.embedding_info"],
                name="embed_plots",
                namespace=NAMESPACE,
                tags="preparation",
            ),
            *(
                Node(
                    nodes.build_table,
                    [rows[split], *made_with, "mmimdb.scratch"],
                    f"mmimdb.{split}",
                    name=f"build_{split}",
                    namespace=NAMESPACE,
                    tags="preparation",
                )
                for split in nodes.SPLITS
            ),
        ]
    )
