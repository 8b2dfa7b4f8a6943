"""The code that a training depends on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import mixmas_pipeline
from mixmas_pipeline.training.identity import training_code
from mixmas_pipeline.utils import code_hash
from mixmas_pipeline.utils.code_hash import PackageCode

RAMLP, MLP = {"block": {"block": "ramlp"}}, {"block": {"block": "mlp_mixer"}}
DOCUMENT = {"encoders": {"image": RAMLP}, "fusion": {"network": MLP}}


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """The code's hash in a copy of the package, after an edit of one of its modules."""
    root, ignored = tmp_path / "package", shutil.ignore_patterns("project", "__pycache__")
    shutil.copytree(Path(mixmas_pipeline.__file__).parent, root, ignore=ignored)

    def edit(name: str) -> str:
        file = root / name
        text = file.read_text()
        file.write_text(text.replace(" return ", " return not "))
        assert file.read_text() != text
        code = PackageCode(root, "mixmas_pipeline")
        monkeypatch.setattr(code_hash, "package_code", lambda: code)
        try:
            return training_code(DOCUMENT)
        finally:
            monkeypatch.undo()
            file.write_text(text)

    return edit


@pytest.mark.parametrize(
    ("module", "counts"),
    [
        ("training/optimiser.py", True),
        ("models/blocks/ramlp.py", True),
        ("models/blocks/hyper_mixer.py", False),
        ("plots/training.py", False),
    ],
    ids=["training", "its block", "another block", "a plot"],
)
def test_an_edit_counts_if_it_can_change_the_training(module: str, counts: bool, edited: Callable[[str], str]) -> None:
    assert (edited(module) != training_code(DOCUMENT)) == counts


def test_where_a_block_stands_does_not_count() -> None:
    other = {"encoders": {"text": MLP, "image": RAMLP}}
    assert training_code(other) == training_code(DOCUMENT)
