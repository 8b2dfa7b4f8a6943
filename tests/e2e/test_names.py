"""Names that mean something to what shows them go through a whole run, and come out as they are."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from nasty_names import NASTY
from project_runs import kedro, make_project, newest

pytestmark = pytest.mark.slow
ROWS = 480


class Page(HTMLParser):
    """What a browser sees of a page.

    Attributes:
        tags: names of the elements; links, the addresses in them; text, what is shown.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "onerror", "onload")]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["script"]:
            self.text += data


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classes, categories, ids, texts, columns and a source with such names, read, searched, trained."""
    folder = make_project(tmp_path_factory.mktemp("names") / "project")
    rng = np.random.default_rng(0)
    names = [NASTY[i % len(NASTY)] for i in range(ROWS)]
    frame = pd.DataFrame(
        {
            "id": [f"{name} {i}" for i, name in enumerate(names)],
            "kind [/s]": names,
            "x <b>": rng.normal(size=ROWS) + np.arange(ROWS) % len(NASTY),
            "c $$": [NASTY[3 * i % len(NASTY)] for i in range(ROWS)],
            "t |": [f"{name} text" for name in names],
        }
    )
    frame.to_csv(folder / "data.csv", index=False)
    facts = {"kind": "tabular", "columns": ["x <b>", "c $$"], "categories": ["c $$"]}
    table = {
        "file": "data.csv",
        "source": "src [/x] <b>$$</b>",
        "id": "id",
        "label": "kind [/s]",
        "task": "multiclass",
        "split": {"fractions": {"validation": 0.2, "test": 0.2}},
        "modalities": {"facts": facts, "words": {"kind": "words", "column": "t |", "size": 50}},
    }
    (folder / "conf" / "base" / "parameters_names.yml").write_text(yaml.safe_dump({"names": {"table": table}}))
    return folder


def test_they_come_out_as_they_are(project: Path) -> None:
    for pipeline in ("__default__", "describe", "compare", "export"):
        done = kedro(project, "run", "--env=test", f"--pipeline={pipeline}", "--params=dataset=names,tracking=true")
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-3000:]
        assert "\x1b" not in said, "a name must not colour the terminal"
    reports = project / "data" / "test" / "08_reporting" / "names"

    scores = pd.read_parquet(newest(reports / "class_scores.parquet"))
    assert set(scores["class"]) == set(NASTY)
    predictions = pd.read_parquet(
        newest(project / "data" / "test" / "07_model_output" / "names" / "predictions.parquet")
    )
    assert set(predictions["label"]) == set(NASTY)

    for name in ("report.html", "description.html"):
        page = Page(newest(reports / name).read_text())
        ours = {"html", "head", "meta", "title", "style", "script", "body", "h1", "h2", "h3", "p", "table", "tr", "th"}
        assert set(page.tags) - ours <= {"td", "div", "img", "details", "summary", "pre", "b", "ul", "li", "a", "code"}
        assert "b" not in page.tags
        assert not [link for link in page.links if "alert" in link or link.startswith("javascript")]
        for shown in ("<script>alert(1)</script>", "{{ 7*7 }}", "<b>bold</b>", "src [/x] <b>$$</b>"):
            assert shown in page.text, (name, shown)

    card = (newest(reports / "exported") / "README.md").read_text()
    assert "<script>" not in card
    assert not re.search(r"(?<!\\)\]\(javascript:", card)
    assert "\x1b" not in card

    listed = kedro(project, "runs", "--env=test")
    assert listed.returncode == 0, listed.stderr
    assert "names: runs, newest first" in listed.stdout
