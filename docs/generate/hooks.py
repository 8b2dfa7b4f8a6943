"""MkDocs hooks: pages made from the code, formulas as MathML, pages that the navigation does not name."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from parameters import page

PACKAGE = Path(__file__).parents[2] / "src" / "mixmas_pipeline"
# Page of the reference -> the package that it documents.
_REFERENCE = {
    "data": "data",
    "datasets": "datasets",
    "models": "models",
    "training": "training",
    "evaluation": "evaluation",
    "search": "pipelines/search",
    "runners": "runners",
    "storage": "storage",
}
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_DISPLAY = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_config(config: Any) -> Any:
    """Add the pages of docs/ that the navigation does not name to the end of "How to"."""
    named = set(re.findall(r"[\w/]+\.md", str(config.nav)))
    others = sorted(p.name for p in Path(config.docs_dir).glob("*.md") if p.name not in named)
    next(section["How to"] for section in config.nav if "How to" in section).extend(others)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the reference: the parameters, and one page of docstrings per package."""
    generated = {"reference/parameters.md": page()}
    for name, folder in _REFERENCE.items():
        modules = [file.relative_to(PACKAGE).with_suffix("") for file in sorted((PACKAGE / folder).rglob("[!_]*.py"))]
        text = "\n".join(f"::: mixmas_pipeline.{'.'.join(module.parts)}\n" for module in modules)
        generated[f"reference/{name}.md"] = f"# Package {folder.replace('/', '.')}\n\n{text}"
    for uri, text in generated.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Turn formulas into MathML, which browsers show without a script."""

    def show(match: re.Match[str], display: str) -> str:
        return convert(html.unescape(match[1]), display=display)

    content = _INLINE.sub(lambda match: show(match, "inline"), content)
    return _DISPLAY.sub(lambda match: show(match, "block"), content)
