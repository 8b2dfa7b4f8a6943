"""Headless Chromium, for the documentation's pictures and for tests."""

from __future__ import annotations

import functools
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM_VARIABLE = "MIXMAS_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
# The browser sends no requests of its own.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",
)
# kedro-viz keeps these settings in the browser. Layers stretch the graph: they put tables far from what reads them.
_SETTINGS = {
    "theme": "light",
    "orientation": "horizontal",
    "showFeatureHints": False,
    "visible": {"miniMap": False, "sidebar": False},
    "layer": {"visible": False},
}
TIMEOUT = 60_000  # milliseconds


@dataclass
class Visit:
    """A page, with the addresses on other machines that it asks for, and the errors that it logs."""

    page: Page
    external: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def chromium() -> str | None:
    """The path of Chromium: the variable MIXMAS_CHROMIUM, else an installed one; None without either."""
    named = os.environ.get(CHROMIUM_VARIABLE)
    return named or next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def visit(width: int = 1400, height: int = 800) -> Iterator[Visit]:
    """Open an empty page of this size (pixels) in a new browser. kedro-viz draws its graph from left to right there."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
        page.set_default_timeout(TIMEOUT)
        page.add_init_script(f"localStorage.setItem('KedroViz', {json.dumps(json.dumps(_SETTINGS))})")
        seen = Visit(page)
        page.on("request", lambda request: None if _is_local(request.url) else seen.external.append(request.url))
        page.on("console", lambda line: seen.errors.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        yield seen
        browser.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder's files on this machine; yields the address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def show_graph(page: Page, address: str, pipeline: str = "__default__") -> None:
    """Open kedro-viz's graph of a pipeline: one box per top-level namespace, as on its first screen."""
    page.goto(f"{address}/?pid={pipeline}&expandAllPipelines=false")
    page.wait_for_selector(".pipeline-node")


def show_preview(page: Page, address: str, dataset: str, pipeline: str = "__default__") -> None:
    """Open kedro-viz's panel of a data set and wait for its preview."""
    page.goto(f"{address}/?pid={pipeline}&sn={dataset}&expandAllPipelines=false")
    page.get_by_text("Expand preview").wait_for()


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:", "file://", "data:"))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
