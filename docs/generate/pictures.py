"""Renew the documentation's pictures from the newest run: ``make pictures``.

Those of the graph, of previews, of the candidates and of the architecture are made here. comparison.png, regret.png and
tau.png are figures of runs of hours at the paper's scale (docs/compare.md), and stay as they are.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

from browser import CHROMIUM_VARIABLE, chromium, served, show_graph, show_preview, visit
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from PIL import Image, ImageChops
from playwright.sync_api import Page

_DATASET = "avmnist"
_SETTLE = 1500  # milliseconds until nothing moves any more
# What lies over the graph.
_BARS = (
    ".pipeline-sidebar, .pipeline-global-toolbar, .pipeline-sidebar__toolbar, .update-reminder-version-tag, "
    "[class*=version-reminder]"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--project", type=Path, default=Path.cwd(), help="where `kedro run` has ended; default: here")
    parser.add_argument("--env", help="configuration environment; default: that of kedro run")
    parser.add_argument("--to", type=Path, default=Path("docs/images"), help="folder of the pictures")
    given = parser.parse_args()
    if chromium() is None:
        sys.exit(f"No chromium was found: install one, or name it in {CHROMIUM_VARIABLE}")
    environment = [f"--env={given.env}"] if given.env else []
    subprocess.run([sys.executable, "-m", "kedro", "viz-build", *environment], cwd=given.project, check=True)
    bootstrap_project(given.project)
    with KedroSession.create(project_path=given.project, env=given.env) as session:
        catalog: Any = session.load_context().catalog
    for path in take(given.project / "build", catalog, given.to):
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")  # noqa: T201


def take(built: Path, catalog: Any, to: Path) -> list[Path]:
    """Make every picture.

    Args:
        built: what ``kedro viz-build`` has written.
        catalog: of the finished run.
        to: folder of the pictures.

    Returns:
        The files.
    """
    made: dict[str, Image.Image] = {}
    with served(built) as address:
        with visit(2300, 760) as graph:
            made["graph"] = _graph(graph.page, address)
        with visit(1500, 760) as panel:
            show_preview(panel.page, address, f"{_DATASET}.raw_speech")
            made["preview_panel"] = _shot(panel.page)
            show_preview(panel.page, address, f"{_DATASET}.train")
            panel.page.get_by_text("Expand preview").click()
            made["preview_examples"] = _shot(panel.page)
    report = catalog.get(f"{_DATASET}.report")
    with visit(1240, 900) as page:
        page.page.goto(Path(report._get_load_path()).absolute().as_uri())
        page.page.wait_for_selector("#class_figure .main-svg")
        made["candidates"] = Image.open(io.BytesIO(page.page.locator("#leaderboard_figure").screenshot()))
    made["architecture"] = Image.open(io.BytesIO(catalog.load(f"{_DATASET}.architecture_drawing")))
    return [_save(picture, to / f"{name}.png") for name, picture in made.items()]


def _graph(page: Page, address: str) -> Image.Image:
    """kedro-viz's first screen of the default pipeline: data, search, training, reporting, and the tables between."""
    show_graph(page, address)
    page.add_style_tag(content=_BARS + "{display: none !important}")
    page.mouse.move(0, 0)
    return _trimmed(_shot(page))


def _shot(page: Page) -> Image.Image:
    page.wait_for_timeout(_SETTLE)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def _trimmed(picture: Image.Image, margin: int = 20) -> Image.Image:
    """Without the empty border."""
    empty = Image.new("RGB", picture.size, picture.getpixel((picture.width - 1, picture.height - 1)))
    left, top, right, bottom = ImageChops.difference(picture, empty).getbbox() or (0, 0, *picture.size)
    inner = (left - margin, top - margin, right + margin, bottom + margin)
    return picture.crop(
        (max(inner[0], 0), max(inner[1], 0), min(inner[2], picture.width), min(inner[3], picture.height))
    )


def _save(picture: Image.Image, path: Path) -> Path:
    picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


if __name__ == "__main__":
    main()
