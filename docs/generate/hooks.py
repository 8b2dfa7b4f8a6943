"""MkDocs hooks: pages made from the code, formulas as MathML, pages that the navigation does not name."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from parameters import page

ROOT = Path(__file__).parents[2]
_LAYERS = ("mixers", "learning", "datasets", "runners")
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_DISPLAY = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_config(config: Any) -> Any:
    """Name the pages of docs/ that the navigation leaves out, at the end of "How to"."""
    named = set(re.findall(r"[\w/]+\.md", str(config.nav)))
    left = sorted(p.name for p in Path(config.docs_dir).glob("*.md") if p.name not in named)
    next(section["How to"] for section in config.nav if "How to" in section).extend(left)
    return config


def on_files(files: Files, config: Any) -> Files:
    """The reference: parameters from their models, and a page of docstrings a layer."""
    made = {"reference/parameters.md": page()}
    for layer in _LAYERS:
        modules = sorted((ROOT / "src" / "mixmas_pipeline" / layer).glob("[!_]*.py"))
        text = "\n".join(f"::: mixmas_pipeline.{layer}.{module.stem}\n" for module in modules)
        made[f"reference/{layer}.md"] = f"# Package {layer}\n\n{text}"
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Formulas as MathML, which browsers show without a script."""

    def show(match: re.Match[str], display: str) -> str:
        return convert(html.unescape(match[1]), display=display)

    content = _INLINE.sub(lambda match: show(match, "inline"), content)
    return _DISPLAY.sub(lambda match: show(match, "block"), content)
