"""The graph from the aligned tables and the search's parameters to ``description``, ``findings`` and ``estimate``."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.pipelines.describe import nodes

NAMESPACE = "describe"


def create_pipeline(dataset: str, has_rows: bool = False) -> Pipeline:
    """Nodes of the namespace ``describe``.

    Args:
        has_rows: the tables were made from ``{dataset}.data.{split}_rows``, rows of a file. Default false.
    """
    named = f"{dataset}.{{}}".format
    space = named("describe")
    splits = [named(split) for split in ("train", "validation", "test")]
    search, training = f"params:{named('search')}", f"params:{named('training')}"
    parts = [f"{space}.{part}" for part in ("tables", "duplicates", "leaks", "plan")]
    checks = (nodes.measure_tables, nodes.find_duplicates, nodes.find_leaks)
    cells = []
    if has_rows:
        rows = [f"{dataset}.data.{split}_rows" for split in ("train", "validation", "test")]
        inputs = [*rows, f"params:{dataset}.table"]
        cells = [Node(nodes.measure_cells, inputs, f"{space}.cells", name="measure_cells", namespace=NAMESPACE)]
        parts.append(f"{space}.cells")
    return Pipeline(
        [
            *cells,
            *(
                Node(check, splits, part, name=check.__name__, namespace=NAMESPACE, tags="preparation")
                for check, part in zip(checks, parts, strict=False)
            ),
            Node(
                nodes.plan_search,
                [named("train"), search, training],
                f"{space}.plan",
                name="plan_search",
                namespace=NAMESPACE,
            ),
            Node(
                nodes.conclude,
                parts,
                [named("description"), named("findings"), named("balance_figure")],
                name="conclude",
                namespace=NAMESPACE,
            ),
            Node(
                nodes.estimate_cost,
                [named("train"), named("validation"), f"{space}.plan", search, training, "params:compute"],
                named("estimate"),
                name="estimate_cost",
                namespace=NAMESPACE,
                tags="training",  # alone on the machine: it measures seconds
            ),
            Node(
                nodes.write_page,
                [named("description"), named("estimate"), named("balance_figure")],
                named("description_page"),
                name="write_page",
                namespace=NAMESPACE,
            ),
        ]
    )
