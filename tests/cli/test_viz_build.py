"""The built page loads nothing from elsewhere; tests/e2e/test_viz.py looks at it in a browser."""

from __future__ import annotations

from mixmas_pipeline.cli.viz_build import _EXTERNAL_LINK


def test_links_to_other_servers_are_removed_and_no_others() -> None:
    page = (
        '<link rel="icon" href="/favicon.ico">\n'
        '<link rel="preconnect" crossorigin href="https://fonts.gstatic.com">\n'
        '<link href="http://fonts.googleapis.com/css?family=Inter" rel="stylesheet">\n'
        '<a href="https://kedro.org">Kedro</a>'
    )
    assert (
        _EXTERNAL_LINK.sub("", page) == '<link rel="icon" href="/favicon.ico">\n<a href="https://kedro.org">Kedro</a>'
    )
