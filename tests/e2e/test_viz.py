"""What kedro-viz and the report show, looked at in a browser that has no network."""

from __future__ import annotations

import base64
import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io.core import AbstractVersionedDataset
from PIL import Image
from project_runs import ROOT, newest
from shared_runs import Run, SharedRuns

sys.path.append(str(ROOT / "docs" / "generate"))
from browser import CHROMIUM_VARIABLE, Visit, chromium, served, show_graph, show_preview, visit

needs_chromium = pytest.mark.skipif(
    chromium() is None, reason=f"no chromium was found: install one, or name it in {CHROMIUM_VARIABLE}"
)
# Characters of a preview, and processor seconds that it takes when everything is imported.
MOST, LONGEST = 600_000, 5


@pytest.fixture(scope="module")
def built(shared_runs: SharedRuns, finished: Run) -> Path:
    """A copy of the finished project, with what `kedro viz-build` writes."""
    return shared_runs.run("viz-build", "--env=test", after=finished).project


@pytest.fixture(scope="module")
def catalog(finished_project: Path) -> Any:
    bootstrap_project(finished_project)
    with KedroSession.create(project_path=finished_project, env="test") as session:
        return session.load_context().catalog


@pytest.fixture
def graph(built: Path) -> Iterator[tuple[Visit, str]]:
    """A page, and the address of the built graph."""
    with served(built / "build") as address, visit() as seen:
        yield seen, address


def data_sets() -> set[str]:
    names = {name for pipeline in pipelines.values() for name in pipeline.datasets()}
    return {name for name in names if not name.startswith("params:") and name != "parameters"}


def test_every_artefact_of_a_run_has_a_preview(catalog: Any) -> None:
    """Of a kind that kedro-viz draws, small, soon there, and whole: a picture opens, a table has its rows."""
    kinds = set()
    for name in sorted(data_sets()):
        dataset = catalog.get(name)
        if not isinstance(dataset, AbstractVersionedDataset) or not dataset.exists():
            continue
        dataset.preview()  # type: ignore[attr-defined]  # what it imports is imported once a server
        start = time.process_time()
        preview = dataset.preview()  # type: ignore[attr-defined]
        assert time.process_time() - start < LONGEST, name
        assert len(json.dumps(preview)) < MOST, name
        kind = dataset.preview.__annotations__["return"]  # type: ignore[attr-defined]
        check(kind, preview, name)
        kinds.add(kind)
    assert kinds == {"ImagePreview", "TablePreview", "JSONPreview", "HTMLPreview", "PlotlyPreview"}


def check(kind: str, preview: Any, name: str) -> None:
    """Fail unless the preview is whole."""
    if kind == "ImagePreview":
        picture = Image.open(io.BytesIO(base64.b64decode(preview, validate=True)))
        picture.load()
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 1, f"{name} is of one colour"
    elif kind == "TablePreview":
        assert preview["columns"], name
        assert all(len(row) == len(preview["columns"]) for row in preview["data"])
        assert len(preview["index"]) == len(preview["data"]) > 0, name
    elif kind == "JSONPreview":
        assert isinstance(json.loads(preview), dict | list), name  # thresholds of a multiclass task are {}
    elif kind == "PlotlyPreview":
        assert preview["data"], name
    else:
        assert "<table>" in preview, name
        assert "<script" not in preview
        assert "<style" not in preview


def test_every_class_of_data_sets_has_a_preview(catalog: Any) -> None:
    """Of sources too, and of what only other pipelines and environments have."""
    without = {type(dataset).__name__ for name in data_sets() if not hasattr(dataset := catalog.get(name), "preview")}
    assert not without


def test_nothing_that_is_missing_or_broken_stops_the_others(built: Path) -> None:
    """`compare` and `predict` have not been run: their data sets are in the graph, without a preview."""
    nodes = [json.loads(path.read_text()) for path in (built / "build" / "api" / "nodes").iterdir()]
    shown = [node for node in nodes if node.get("preview")]
    assert len(shown) > 60
    assert any(not node.get("preview") and "compare" in (node.get("filepath") or "") for node in nodes)


@needs_chromium
@pytest.mark.slow
def test_graph_is_drawn_without_a_network_and_a_click_shows_a_preview(graph: tuple[Visit, str]) -> None:
    seen, address = graph
    for pipeline in ("predict", "compare", "__default__"):
        show_graph(seen.page, address, pipeline)
        assert seen.page.locator(".pipeline-node").count() >= 3, pipeline
    seen.page.locator(".pipeline-node", has_text="avmnist.raw_speech").click()
    picture = seen.page.locator(".pipeline-metadata__plot-image")
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 300
    assert not seen.external
    assert not seen.errors


@needs_chromium
def test_first_screen_is_the_chain_of_pipelines(graph: tuple[Visit, str]) -> None:
    """One box per pipeline, from left to right; between them tables, to the left raw files, to the right the report."""
    seen, address = graph
    show_graph(seen.page, address)
    boxes = left_to_right(seen, ".pipeline-node--modularPipeline")
    assert sorted(boxes) == ["data", "reference", "reporting", "search", "training"]
    assert not seen.page.locator(".pipeline-node--parameters, .pipeline-node--task").count()
    tables = left_to_right(seen, ".pipeline-node--data")
    assert {name for name in tables if tables[name] < boxes["data"]} == {
        f"avmnist.raw_{name}"
        for name in ("train_images", "train_labels", "test_images", "test_labels", "speech", "noise")
    }
    assert {name for name in tables if tables[name] > boxes["reporting"]} == {"avmnist.report"}
    assert boxes["data"] < tables["avmnist.train"] < boxes["search"]
    assert boxes["data"] < boxes["reference"] < boxes["reporting"]
    assert boxes["search"] < tables["avmnist.architecture"] < boxes["training"]
    assert boxes["training"] < tables["avmnist.metrics"] < boxes["reporting"]


def left_to_right(seen: Visit, nodes: str) -> dict[str, float]:
    """Text and horizontal position, in pixels, of the graph's nodes of a kind."""
    parts = seen.page.locator(nodes)
    before, positions = None, []
    while positions != before or not positions:  # the graph moves to its places first
        seen.page.wait_for_timeout(500)
        script = "all => all.map(one => [one.textContent.trim(), one.getBoundingClientRect().x])"
        before, positions = positions, parts.evaluate_all(script)
    return dict(sorted(positions, key=lambda position: position[1]))


@needs_chromium
@pytest.mark.slow
def test_previews_are_drawn(graph: tuple[Visit, str]) -> None:
    seen, address = graph
    panel = ".pipeline-metadata__preview-html"
    for dataset, shown in {
        "avmnist.model": ".pipeline-metadata__plot-image",
        "avmnist.search.image.mlp_mixer_architecture": ".pipeline-metadata__plot-image",
        "avmnist.search.image.leaderboard": ".preview-table__row",
        "avmnist.leaderboard_figure": ".pipeline-plotly-chart .main-svg",
        "avmnist.metrics": ".pipeline-metadata__preview-json",
        "avmnist.report": f"{panel} td",
        "avmnist.train": f"{panel} td img",
    }.items():
        show_preview(seen.page, address, dataset)
        parts = seen.page.locator(shown)
        parts.first.wait_for()
        if shown.endswith(("img", "image")):
            assert all(parts.evaluate_all("images => images.map(image => image.naturalWidth > 50)")), dataset
    assert parts.count() == 24, "12 rows of two modalities"
    assert "spoken" in seen.page.locator(f"{panel} th").nth(4).inner_text()
    assert not seen.page.locator(f"{panel} em").count(), "names are not taken for Markdown"
    assert not seen.external
    assert not seen.errors


@needs_chromium
@pytest.mark.slow
def test_report_opens_from_the_disk(finished_project: Path) -> None:
    report = newest(finished_project / "data/test/08_reporting/avmnist/report.html")
    with visit() as seen:
        seen.page.goto(report.as_uri())
        seen.page.wait_for_selector("#patterns_figure .main-svg")
        figures = seen.page.locator(".js-plotly-plot")
        assert figures.count() == 9
        assert all(figures.evaluate_all("all => all.map(one => one.querySelector('.main-svg').clientHeight > 200)"))
        assert all(seen.page.locator("img").evaluate_all("all => all.map(one => one.naturalWidth > 300)"))
        assert not seen.external
        assert not seen.errors


@needs_chromium
@pytest.mark.slow
def test_pictures_of_the_documentation_are_made(built: Path, catalog: Any, tmp_path: Path) -> None:
    from pictures import take

    made = take(built / "build", catalog, tmp_path)
    for path in made:
        picture = Image.open(path)
        assert picture.width > 900, path
        assert picture.height > 200, path
        assert path.stat().st_size < 300_000, path
        assert (ROOT / "docs" / "images" / path.name).exists(), f"{path.name}: run make pictures"
