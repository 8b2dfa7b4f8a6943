"""What is refused before the first node runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import probes
import pytest
from atomic_samples import JSONFile
from kedro.framework import project
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Node, Pipeline

from mixmas_pipeline.runners.checks import check_inputs_exist, check_outputs_are_kept


def node(*inputs: str, output: str) -> Node:
    return Node(lambda *values: values, list(inputs), output, name=f"make_{output}")


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Pipeline]:
    """The project's pipelines: ``small`` makes the model, and so does ``large``, with one more node."""
    small = Pipeline([node("table", output="model")])
    graphs = {"large": small + Pipeline([node("model", output="scores")]), "small": small, "none": Pipeline([])}
    monkeypatch.setattr(project, "pipelines", graphs)
    return graphs


def test_a_missing_input_names_its_file_and_the_smallest_pipeline_that_makes_it(
    graphs: dict[str, Pipeline], tmp_path: Path
) -> None:
    catalog = DataCatalog({"model": JSONFile(filepath=str(tmp_path / "model.json"))})
    wanting = Pipeline([node("model", output="page")])
    with pytest.raises(DatasetError) as caught:
        check_inputs_exist(wanting, catalog)
    expected = f"model does not exist: nothing in {tmp_path / 'model.json'}; kedro run --pipelines=small makes it"
    assert str(caught.value).startswith(expected)
    catalog.save("model", {})
    check_inputs_exist(wanting, catalog)


def test_of_several_missing_inputs_the_pipeline_is_named_that_makes_all(
    graphs: dict[str, Pipeline], tmp_path: Path
) -> None:
    catalog = DataCatalog({name: JSONFile(filepath=str(tmp_path / name)) for name in ("model", "scores")})
    wanting = Pipeline([node("model", output="page"), node("scores", output="figure")])
    with pytest.raises(DatasetError, match=r"model does not exist: .*; kedro run --pipelines=large makes it"):
        check_inputs_exist(wanting, catalog)


def test_an_input_that_no_pipeline_makes_has_no_such_advice(graphs: dict[str, Pipeline], tmp_path: Path) -> None:
    catalog = DataCatalog({"other": JSONFile(filepath=str(tmp_path / "other.json"))})
    with pytest.raises(DatasetError, match=r"other does not exist: nothing in .*other\.json$"):
        check_inputs_exist(Pipeline([node("other", output="page")]), catalog)


def test_what_the_pipeline_makes_itself_need_not_exist(graphs: dict[str, Pipeline], tmp_path: Path) -> None:
    files = {name: JSONFile(filepath=str(tmp_path / name)) for name in ("model", "scores")}
    check_inputs_exist(graphs["large"], DataCatalog({"table": MemoryDataset([1]), **files}))


@pytest.mark.parametrize(
    ("in_memory", "leaving", "named"),
    [
        ({"b"}, ["b"], "b"),  # made in another process
        ({"b"}, ["c"], "b"),  # used in another process
        ({"b", "c"}, ["c"], "b, c"),
        ({"b"}, ["d"], None),  # exchanged within this process only
        ({"a"}, ["b"], None),  # a given input is sent with the node
        (set(), ["b", "c", "d"], None),
    ],
)
def test_only_what_crosses_processes_has_to_be_kept(
    in_memory: set[str], leaving: list[str], named: str | None, tmp_path: Path
) -> None:
    """A chain from a to d."""
    chain = {end: node(start, output=end) for start, end in ("ab", "bc", "cd")}
    kept: dict[str, Any] = {name: JSONFile(filepath=str(tmp_path / name)) for name in "abcd"}
    catalog = DataCatalog({**kept, **{name: probes.in_memory() for name in in_memory}})
    arguments = (Pipeline(list(chain.values())), [chain[end] for end in leaving], catalog, ", or stay here")
    if named is None:
        check_outputs_are_kept(*arguments)
        return
    with pytest.raises(ValueError, match=rf"^{named}: kept in memory only.* catalog for each, or stay here$"):
        check_outputs_are_kept(*arguments)
