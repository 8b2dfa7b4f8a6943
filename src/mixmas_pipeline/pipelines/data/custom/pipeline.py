"""The graph from a table of the user's own to ``{dataset}.train``, ``.validation`` and ``.test``, and from new rows in
the same layout to ``{dataset}.predict.rows``."""

from __future__ import annotations

from pathlib import Path

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.data.custom import nodes
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters
from mixmas_pipeline.pipelines.data.custom.splitting import SPLITS


def create_pipeline(dataset: str, table: TableParameters) -> Pipeline:
    """Nodes of the namespace ``data.{dataset}``."""
    space, namespace = f"{dataset}.data", f"data.{dataset}"
    parameters = f"params:{dataset}.table"
    rows, learnt = f"{space}.rows", f"{space}.labels"
    split = {name: f"{space}.{name}_rows" for name in SPLITS}
    graph = [
        Node(nodes.read_table, [f"{dataset}.raw_table", parameters], rows, name="read_table", namespace=namespace),
        Node(
            nodes.split_rows,
            [rows, parameters],
            [*split.values(), learnt, f"{space}.splits"],
            name="split_rows",
            namespace=namespace,
        ),
    ]
    for modality in table.modalities:
        source = _source(table, modality, f"{dataset}.raw", f"{dataset}.raw_table")
        own, known = f"{parameters}.modalities.{modality}", f"{space}.{modality}.learnt"
        graph.append(
            Node(
                nodes.learn_modality,
                [split["train"], parameters, own, *source],
                known,
                name="learn",
                namespace=f"{namespace}.{modality}",
            )
        )
        graph += [
            Node(
                nodes.prepare_modality if name == "test" else nodes.prepare_training_modality,
                [split[name], known, own, f"{parameters}.file", *source],
                f"{space}.{modality}.{name}_column",
                name=f"prepare_{name}",
                namespace=f"{namespace}.{modality}",
                tags="preparation",
            )
            for name in SPLITS
        ]
    graph += [
        Node(
            nodes.build_table,
            [
                split[name],
                learnt,
                parameters,
                f"{parameters}.file",
                *(f"{space}.{modality}.{name}_column" for modality in table.modalities),
            ],
            f"{dataset}.{name}",
            name=f"build_{name}",
            namespace=namespace,
            tags="preparation",
        )
        for name in SPLITS
    ]
    return Pipeline(graph)


def create_reading(dataset: str, table: TableParameters) -> Pipeline:
    """New rows, in the namespace ``predict``: prepared with what was learnt of the training rows."""
    space, data, namespace = f"{dataset}.predict", f"{dataset}.data", "predict"
    parameters, file, rows = f"params:{dataset}.table", f"params:{space}.rows", f"{space}.new_rows"
    columns = {modality: f"{space}.{modality}_column" for modality in table.modalities}
    graph = [
        Node(nodes.read_new_table, [f"{space}.file", parameters], rows, name="read_new_rows", namespace=namespace),
        *(
            Node(
                nodes.prepare_modality,
                [
                    rows,
                    f"{data}.{modality}.learnt",
                    f"{parameters}.modalities.{modality}",
                    file,
                    *_source(table, modality, f"{space}.raw", f"{space}.file"),
                ],
                column,
                name=f"prepare_{modality}",
                namespace=namespace,
                tags="preparation",
            )
            for modality, column in columns.items()
        ),
        Node(
            nodes.build_new_table,
            [rows, f"{data}.labels", parameters, file, *columns.values()],
            f"{space}.rows",
            name="build_new_rows",
            namespace=namespace,
        ),
    ]
    return Pipeline(graph)


def has_layout(table: TableParameters, file: str | None) -> bool:
    """Whether a file of rows to be predicted has the table's layout; else it has arrays in the stored types
    (``data.rows.read_rows``). A .npz or .arrow has the layout of the table if that ends so too."""
    ending = "" if file is None else Path(file.lower()).suffix
    return ending not in (".arrow", ".safetensors", ".npz") or ending == Path(table.file.lower()).suffix


def _source(table: TableParameters, modality: str, prefix: str, rows_file: str) -> list[str]:
    """The data set that has the modality's files; none where it is made of the table's columns alone.

    Args:
        prefix: of the names of data sets of such files.
        rows_file: the data set that has the rows' own file, with the arrays of a .npz.
    """
    parameters = table.modalities[modality]
    if parameters.array_name is not None:
        return [rows_file]
    return [] if parameters.source is None else [f"{prefix}_{modality}"]
