"""The hash of the code follows imports, wherever they stand, and nothing but meaning."""

from __future__ import annotations

import pytest

from mixmas_pipeline.utils import code_hash as code


def reachable(module: str) -> set[str]:
    return code._reachable(f"mixmas_pipeline.{module}")


def test_late_imports_and_named_classes_are_followed() -> None:
    found = reachable("pipelines.search.nodes")
    assert "mixmas_pipeline.training.trial" in found, "imported inside a function"
    assert "mixmas_pipeline.models.blocks.ramlp" in found, 'named as "module:Class"'
    assert not [name for name in found if "avmnist" in name or "reporting" in name]


def test_data_preparation_does_not_depend_on_the_search() -> None:
    assert not [name for name in reachable("pipelines.avmnist.nodes") if "mixers" in name or "learning" in name]


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ('def f(x):\n    """Other words."""\n    return x + 1  # a remark\n', True),
        ("def f( x ):\n\n    return (x + 1)\n", True),
        ("def f(x):\n    return x + 2\n", False),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(
    changed: str, same: bool, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(text: str) -> bytes:
        file = tmp_path / "m.py"  # type: ignore[operator]
        file.write_text(text)
        monkeypatch.setattr(code, "_source", lambda module: file)
        code._syntax.cache_clear()
        code._own_hash.cache_clear()
        try:
            return code._own_hash("m")
        finally:
            code._syntax.cache_clear()
            code._own_hash.cache_clear()

    original = 'def f(x):\n    """Words."""\n    return x + 1\n'
    assert (hashed(original) == hashed(changed)) is same


def test_how_previews_are_drawn_does_not_count() -> None:
    for module in ("datasets.table", "datasets.arrays", "datasets.named_file"):
        found = reachable(module)
        assert f"mixmas_pipeline.{module}" in found
        assert not [name for name in found if "previews" in name or "contents" in name]
