"""The documentation site: it builds without warnings, shows formulas and every parameter, and fetches nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from project_runs import ROOT
from pydantic import Field

sys.path.append(str(ROOT / "docs" / "generate"))
pages = pytest.importorskip("parameters", reason="the site's own module")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in strict mode: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return folder


def test_every_page_is_built_and_fetches_nothing(site: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / page.name).with_suffix(".html").exists(), page
    for page in site.rglob("*.html"):
        tags = re.findall(r"<(?:script|img|iframe|link)[^>]*>", page.read_text())
        fetched = [tag for tag in tags if re.search(r'(?:src|href)="(?:https?:)?//', tag) and "canonical" not in tag]
        assert not fetched, f"{page} fetches {fetched}"


def test_formulas_are_mathml(site: Path) -> None:
    text = (site / "method.html").read_text()
    source = (ROOT / "docs" / "method.md").read_text()
    assert text.count("<math ") == source.count("$$") // 2 + source.count("\\(")
    assert "arithmatex" not in text


def test_reference_has_docstrings(site: Path) -> None:
    assert "finite population correction" in (site / "reference" / "data.html").read_text()


@pytest.mark.parametrize("model", pages.models(), ids=lambda model: model.__name__)
def test_every_field_of_a_model_has_a_meaning(model: type) -> None:
    texts = pages.meanings(model)
    for name in model.model_fields:
        assert texts.get(name), f"{model.__module__}.{model.__name__}: no meaning of {name} under Attributes:"
    assert not set(pages.meanings(model)) - set(model.model_fields), "a meaning of what is no field"


def test_page_of_parameters_has_what_the_configuration_may_have_and_no_result() -> None:
    page = pages.page()
    headings = re.findall(r"^## (.+)$", page, flags=re.MULTILINE)
    expected = {"BudgetParameters", "RaMLPParameters", "Patches", "TimeSeriesParameters", "RayParameters", "Preset"}
    assert expected <= set(headings)
    assert not {"CandidateResult", "Choice", "ExportedConfig"} & set(headings)
    assert len(headings) == len(set(headings))
    assert set(re.findall(r"\(#([\w-]+)\)", page)) <= {heading.lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("annotation", "text", "bounds"),
    [
        (int, "integer", []),
        (Annotated[float, Field(gt=0, lt=1)] | None, "number or null", ["> 0", "< 1"]),
        (tuple[Annotated[int, Field(ge=1)], ...], "list of integer", ["each ≥ 1"]),
        (tuple[float, str], "[number, text]", []),
        (Literal["a", "b"], '`"a"` or `"b"`', []),
        (dict[str, bool], "text → true or false", []),
    ],
)
def test_types_in_words(annotation: object, text: str, bounds: list[str]) -> None:
    assert pages.describe(annotation) == (text, bounds)
