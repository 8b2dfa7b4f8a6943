"""The house: which room may use which, no circles, small functions, and a test module for every source module."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from function_sizes import Size, sizes
from import_graph import Graph, circle, imports, modules
from project_runs import ROOT

PACKAGE = "mixmas_pipeline"
SOURCE = ROOT / "src" / PACKAGE
TESTS = ROOT / "tests"

# Kedro's wiring, which may use every room. Nothing else lies at the package's root.
WIRING = {"__init__", "__main__", "config_loader", "pipeline_registry", "session", "settings"}

_BELOW = {"utils", "storage", "data", "models", "evaluation", "training"}
# Room -> the rooms that it may use besides itself.
ROOMS: dict[str, set[str]] = {
    "utils": set(),
    "storage": {"utils"},
    "data": {"storage", "utils"},
    "models": {"data", "storage", "utils"},
    "evaluation": {"models", "data", "storage", "utils"},
    "training": {"evaluation", "models", "data", "storage", "utils"},
    "datasets": {"models", "data", "storage", "utils"},
    "plots": {*_BELOW, "datasets"},
    "runners": {*_BELOW, "datasets"},
    "hooks": {*_BELOW, "datasets", "plots", "runners"},
    "cli": {*_BELOW, "datasets", "plots", "runners"},
    "pipelines": {*_BELOW, "datasets", "plots", "runners"},
}
# Room -> the wiring that it may use. The parameters of a session reach the registry through a hook.
# ``kedro draft`` checks the whole configuration before it writes a part of it.
WIRED = {"hooks": {"pipeline_registry"}, "cli": {"settings", "config_loader", "pipeline_registry"}}
# Module -> the one package of another room that it may use. A draft is made before there is anything that Kedro could
# run: it is no node, and nothing of it is in the catalog.
BESIDE_KEDRO = {"cli.draft": "pipelines.data.custom.drafting"}


MOST_LINES, DEEPEST = 60, 4

# Modules that no test module is named for, by their path or their name, and why.
TESTED_ELSEWHERE = {
    "__main__.py": "e2e/test_wheel.py starts it",
    "session.py": "e2e/test_run.py runs nothing but sessions",
    "settings.py": "every Kedro session reads it",
    "pipeline.py": "test_structure.py walks every graph",
    "pipelines/describe": "test_describe.py: all its modules make one page",
    "models/blocks": "test_blocks.py: every block goes through the same walk",
    "data/column.py": "a record without behaviour: datasets/test_column.py saves and loads it",
    "runners/executor.py": "a protocol: test_local_executor.py and test_ray.py run what implements it",
    "storage/errors.py": "a class without behaviour: test_paths.py, test_archives.py and test_downloads.py expect it",
    "training/worker.py": "test_distributed.py: it runs only as a process of torchrun",
}


@cache
def source_graph() -> Graph:
    return imports(SOURCE)


def short(module: str) -> str:
    return module.removeprefix(f"{PACKAGE}.")


def room(module: str) -> str:
    return short(module).partition(".")[0]


def test_rooms_use_only_rooms_below() -> None:
    graph = source_graph()
    rooms = {room(module) for module in graph} - WIRING - {PACKAGE}
    assert rooms == ROOMS.keys(), "every room has a rule"
    wrong = set()
    for module, used in graph.items():
        if (here := room(module)) in ROOMS:
            allowed = {here, *ROOMS[here], *WIRED.get(here, ()), PACKAGE}
            direct = BESIDE_KEDRO.get(short(module))
            wrong |= {
                f"{short(module)} -> {short(other)}"
                for other in used
                if room(other) not in allowed and short(other) != direct
            }
    assert wrong == set()


def test_no_circle_of_imports() -> None:
    """Late imports count too."""
    assert circle(source_graph()) == []


def test_rules_have_no_circle_themselves() -> None:
    assert circle({name: set(below) for name, below in ROOMS.items()}) == []


@pytest.mark.parametrize(
    ("name", "foreign"),
    [
        ("storage", {"kedro", "kedro_datasets", "torch", "click"}),
        ("data", {"kedro", "kedro_datasets"}),
        ("models", {"kedro", "kedro_datasets"}),
    ],
)
def test_rooms_without_a_framework(name: str, foreign: set[str]) -> None:
    using = set()
    for module, file in modules(SOURCE).items():
        if room(module) == name:
            nodes = list(ast.walk(ast.parse(file.read_text())))
            names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
            using |= {short(module) for name in names if name.partition(".")[0] in foreign}
    assert using == set()


def test_only_the_wiring_lies_at_the_root() -> None:
    assert {file.stem for file in SOURCE.glob("*.py")} == WIRING


def test_functions_are_short_and_flat() -> None:
    large = {
        f"{file.relative_to(SOURCE)}: {size.name}"
        for file in modules(SOURCE).values()
        for size in sizes(file)
        if size.lines > MOST_LINES or size.depth > DEEPEST
    }
    assert large == set()


def test_every_module_has_a_test_module_of_its_name() -> None:
    """In the same folder of tests/."""
    without = set()
    for file in modules(SOURCE).values():
        path = file.relative_to(SOURCE)
        exempt = {str(path), str(path.parent), path.name} & {*TESTED_ELSEWHERE, "__init__.py"}
        if not exempt and not (TESTS / path.parent / f"test_{path.name}").exists():
            without.add(str(path))
    assert without == set()


def test_every_reason_for_no_test_module_is_used() -> None:
    paths = [file.relative_to(SOURCE) for file in modules(SOURCE).values()]
    used = {name for path in paths for name in (str(path), str(path.parent), path.name)}
    assert not TESTED_ELSEWHERE.keys() - used


# --- the checkers --------------------------------------------------------------------------------------------------


def package(folder: Path, **files: str) -> Path:
    """A package "house" with these modules; ``a__b`` is the file a/b.py."""
    root = folder / "house"
    for name, text in {"__init__": "", **files}.items():
        file = root.joinpath(*name.split("__")).with_suffix(".py") if name != "__init__" else root / "__init__.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        for parent in file.parents:
            if parent == root.parent:
                break
            (parent / "__init__.py").touch()
    return root


@pytest.mark.parametrize(
    "text",
    [
        "import house.low.stone",
        "import house.low.stone as s, os",
        "from house.low import stone",
        "from house.low.stone import Stone",
        "from house.low.stone import *",
        "from ..low import stone",
        "from ..low.stone import Stone",
        "from . import wall\nfrom .. import low\nfrom ..low import stone as s",
        "def late():\n    from house.low import stone\n    return stone",
        "class A:\n    def late(self):\n        import house.low.stone",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.low.stone import Stone",
        "try:\n    import house.low.stone\nexcept ImportError:\n    pass",
        "Stone = lazy('house.low.stone:Stone')",
        "importlib.import_module('house.low.stone')",
        "CLASS: str = 'house.low.stone.Stone'",
    ],
)
def test_every_form_of_import_is_seen(text: str, tmp_path: Path) -> None:
    root = package(tmp_path, low__stone="class Stone: ...", high__roof=text, high__wall="")
    assert "house.low.stone" in imports(root)["house.high.roof"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from house import low", {"house.low"}),
        ("from house import NAME", {"house"}),
        ("import house", {"house"}),
        ("from . import wall", {"house.high.wall"}),
        ("from .wall import brick", {"house.high.wall"}),
        ("import housekeeping.low.stone, os, json", set()),
        ("'''Uses house.low.stone, as in house.low.stone:Stone.'''", set()),
        ("import numpy\nfrom os import path", set()),
    ],
)
def test_what_is_imported_is_the_nearest_module(text: str, expected: set[str], tmp_path: Path) -> None:
    root = package(tmp_path, low__stone="", high__roof=text, high__wall="")
    assert imports(root)["house.high.roof"] == expected


def test_modules_that_a_package_attaches_late_are_seen(tmp_path: Path) -> None:
    root = package(tmp_path, low__stone="", low__sand="")
    (root / "low" / "__init__.py").write_text(
        "import lazy_loader as lazy\n"
        "__getattr__, __dir__, __all__ = lazy.attach(__name__, ['sand'], submod_attrs={'stone': ['Stone']})\n"
    )
    assert imports(root)["house.low"] == {"house.low.sand", "house.low.stone"}


def test_a_circle_is_found(tmp_path: Path) -> None:
    root = package(
        tmp_path,
        a="from house import b",
        b="def late():\n    from house.c import x",
        c="import house.d, house.e",
        d="if TYPE_CHECKING:\n    import house.b",
        e="",
    )
    assert set(circle(imports(root))) == {"house.b", "house.c", "house.d"}
    (root / "d.py").write_text("import house.e")
    assert circle(imports(root)) == []


def test_the_shortest_circle_is_named() -> None:
    assert sorted(circle({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"c"}})) == ["c", "d"]


FUNCTIONS = '''
@decorated
def flat():
    """One."""
    return 1

class Shop:
    async def deep(self):
        if a:
            for b in c:
                with d:
                    try:
                        pass
                    except E:
                        pass

    def chained(self):
        if a:
            pass
        elif b:
            pass
        elif c:
            pass
        else:
            pass

def outer():
    if a:
        def inner():
            while b:
                pass
        return [x for x in y if x]
    match a:
        case 1:
            if b:
                pass
'''


def test_sizes_of_functions(tmp_path: Path) -> None:
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    assert sizes(tmp_path / "functions.py") == [
        Size("flat", 3, 0),
        Size("Shop.deep", 8, 4),
        Size("Shop.chained", 9, 1),
        Size("outer", 10, 2),
        Size("outer.inner", 3, 1),
    ]
