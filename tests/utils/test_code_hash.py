"""The closure of a definition, and what counts of it, on small packages."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixmas_pipeline.utils import code_hash as code
from mixmas_pipeline.utils.code_hash import PackageCode, code_hash


def package(root: Path, **files: str) -> PackageCode:
    """The package ``p``: file name, with ``__`` for the slash, -> text. Folders are packages."""
    for name, text in {"__init__": "", **files}.items():
        parts = ["__init__"] if name == "__init__" else name.split("__")
        file = (root / "p").joinpath(*parts).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        for folder in (file.parent, *file.parent.parents):
            if folder.is_relative_to(root / "p") and not (folder / "__init__.py").exists():
                (folder / "__init__.py").write_text("")
        file.write_text(text)
    return read(root)


def read(root: Path) -> PackageCode:
    """The package ``p`` as it is now."""
    return PackageCode(root / "p", "p", silent=("quiet",), late="late:TABLE")


def reached(made: PackageCode, reference: str = "p.a:f") -> set[str]:
    """The definitions that one depends on, as "module.name"; not the effects of imports, and not itself."""
    found = {f"{module}.{name}" for module, name in made.closure([reference]) if name not in ("", "__main__")}
    return found - {reference.removeprefix("p.").replace(":", ".")}


def test_files_of_editors_are_no_modules(tmp_path: Path) -> None:
    """A lock of Emacs is a link that leads nowhere."""
    package(tmp_path, a="def f():\n    return 1")
    (tmp_path / "p" / ".#a.py").symlink_to("user@host.1")
    (tmp_path / "p" / "folder.py").mkdir()
    assert reached(read(tmp_path)) == set()


B = "def g():\n    return h()\n\ndef h():\n    return 1\n\ndef other():\n    return 2\n"
WHOLE = {"b.*", "b.g", "b.h", "b.other"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from p.b import g\ndef f():\n    return g()", {"b.g", "b.h"}),
        ("from p.b import g as x\ndef f():\n    return x()", {"b.g", "b.h"}),
        ("from .b import g\ndef f():\n    return g()", {"b.g", "b.h"}),
        ("from . import b\ndef f():\n    return b.h()", {"b.h"}),
        ("from p import b\ndef f():\n    return b.h()", {"b.h"}),
        ("from p import b as x\ndef f():\n    return x.h()", {"b.h"}),
        ("import p.b\ndef f():\n    return p.b.h()", {"b.h"}),
        ("import p.b as x\ndef f():\n    return x.h()", {"b.h"}),
        ("def f():\n    from p.b import h\n    return h()", {"b.h"}),
        ("def f():\n    import p.b as x\n    return x.h()", {"b.h"}),
        ("def f():\n    from p import b\n    def inner():\n        return b.h()\n    return inner", {"b.h"}),
        ("def f():\n    return 'p.b:h'", {"b.h"}),
        ("def f():\n    return 'p.b.h'", {"b.h"}),
        ("PATHS = {'one': 'p.b:h'}\ndef f():\n    return PATHS", {"a.PATHS", "b.h"}),
        ("from p.b import g\ndef f(x=g):\n    return x", {"b.g", "b.h"}),
        ("from p.b import g\ndef f(x: g):\n    return x", {"b.g", "b.h"}),
        ("from p.b import g\n@g\ndef f():\n    return 1", {"b.g", "b.h"}),
        ("from p.b import h\nclass f(h):\n    pass", {"b.h"}),
        ("from p.b import h\nclass f(metaclass=h):\n    pass", {"b.h"}),
        ("from p.b import h\nclass f:\n    def method(self):\n        return h()", {"b.h"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.b import h\ndef f(x: h):\n    pass", {"b.h"}),
        ("try:\n    from p.b import h\nexcept ImportError:\n    h = None\ndef f():\n    return h()", {"a.h", "b.h"}),
        # Whole modules: what is taken from them is not known.
        ("from p import b\ndef f(name):\n    return getattr(b, name)", WHOLE),
        ("from p import b\ndef f():\n    return use(b)", WHOLE),
        ("import p.b\ndef f():\n    return use(p.b)", WHOLE),
        ("from p.b import *\ndef f():\n    return g()", WHOLE),
        ("def f():\n    return 'p.b'", WHOLE),
        ("from p.b import missing\ndef f():\n    return missing", WHOLE),
        # Nothing of it is used.
        ("from p.b import g\ndef f():\n    return 1", set()),
        ("from p.b import g\ndef f():\n    return 'p.b:h is a text'", set()),
        ("from p.b import h\nfrom q import g\ndef f():\n    return g(h2)", set()),
    ],
)
def test_forms_of_use(text: str, expected: set[str], tmp_path: Path) -> None:
    assert reached(package(tmp_path, a=text, b=B)) == expected


@pytest.mark.parametrize(
    ("body", "used"),
    [
        ("def f(h):\n    return h()", False),
        ("def f(*h):\n    return h", False),
        ("def f():\n    h = 1\n    return h", False),
        ("def f():\n    for h in []:\n        print(h)", False),
        ("def f():\n    with open('x') as h:\n        return h", False),
        ("def f():\n    return [h for h in range(3)]", False),
        ("def f():\n    return lambda h: h", False),
        ("def f(h):\n    def inner():\n        return h\n    return inner", False),
        ("def f():\n    def h():\n        return 1\n    return h()", False),
        ("def f():\n    try:\n        pass\n    except ValueError as h:\n        return h", False),
        ("def f(x=h):\n    h = x\n    return h", True),
        ("def f(h: h):\n    return h", True),
        ("def f():\n    return [h for h in h()]", True),
        ("def f():\n    return [x for x in range(3) if h]", True),
        ("def f():\n    def inner(h):\n        return h\n    return inner(h)", True),
        ("def f():\n    global h\n    h = 1", True),
        ("class f:\n    h = 1\n    def method(self):\n        return h()", True),
        ("def f(x):\n    return x.h", False),
        ("def f():\n    return lambda x=h: x", True),
        ("class f:\n    x: h", True),
        ("class f:\n    x: list[h] = 1", True),
        ("class f:\n    def method(self, x: h) -> None:\n        pass", True),
        ("class f:\n    def method(self) -> h:\n        pass", True),
        ("def f():\n    x: h = 1\n    return x", True),
        ("def f(x):\n    match x:\n        case h():\n            return 1", True),
    ],
)
@pytest.mark.parametrize("first", ["", "from __future__ import annotations\n"], ids=["evaluated", "postponed"])
def test_a_local_variable_hides_a_name_where_python_says_so(first: str, body: str, used: bool, tmp_path: Path) -> None:
    made = package(tmp_path, a=f"{first}from p.b import h\n{body}", b=B)
    assert reached(made) == ({"b.h"} if used else set())


def test_re_exports_are_followed(tmp_path: Path) -> None:
    made = package(tmp_path, a="from p.x import g\ndef f():\n    return g()", x__y="from p.b import g\n", b=B)
    (tmp_path / "p/x/__init__.py").write_text("from p.x.y import g\n")
    made = read(tmp_path)
    assert reached(made) == {"b.g", "b.h"}


@pytest.mark.parametrize("export", ["from p.x.y import *", "from .y import *"])
def test_re_exports_of_all_names_are_the_whole_module(export: str, tmp_path: Path) -> None:
    made = package(tmp_path, a="from p.x import g\ndef f():\n    return g()", x__y=B)
    (tmp_path / "p/x/__init__.py").write_text(export)
    made = read(tmp_path)
    assert reached(made) == {"x.*", "x.y.*", "x.y.g", "x.y.h", "x.y.other"}


def test_late_exports_are_looked_for_in_the_packages_modules(tmp_path: Path) -> None:
    made = package(tmp_path, a="from p.x import g\ndef f():\n    return g()", x__y=B, x__z="def k():\n    return 1")
    (tmp_path / "p/x/__init__.py").write_text("__getattr__, __dir__, __all__ = attach(__name__, attrs={'y': ['g']})")
    made = read(tmp_path)
    assert reached(made) == {"x.*", "x.__getattr__", "x.__dir__", "x.y.g", "x.y.h"}
    assert reached(made, "p.x.unknown") >= {"x.y.g", "x.y.h", "x.y.other", "x.z.k"}


def test_circles_end(tmp_path: Path) -> None:
    text = "def f():\n    from p.b import g\n    return g(f)"
    assert reached(package(tmp_path, a=text, b="from p.a import f\ndef g(x):\n    return f()")) == {"b.g"}


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ("register('x')", "register('y')", True),
        ("Thing.method = lambda self: 1", "Thing.method = lambda self: 2", True),
        ("TABLE['x'] = 1", "TABLE['x'] = 2", True),
        ("for i in range(3):\n    TABLE.append(i)", "for i in range(4):\n    TABLE.append(i)", True),
        (
            "from p.registry import register\n@register\ndef g():\n    return 1",
            "from p.registry import register\n@register\ndef g():\n    return 2",
            True,
        ),
        (
            "from functools import cache\n@cache\ndef g():\n    return 1",
            "from functools import cache\n@cache\ndef g():\n    return 2",
            False,
        ),
        ("def g():\n    return 1", "def g():\n    return 2", False),
        ("X = 1", "X = 2", False),
        ("import os", "import sys", False),
        ('"""Words."""', '"""Other words."""', False),
        ("__all__ = ['f']", "__all__ = ['f', 'g']", False),
        ("if __name__ == '__main__':\n    run()", "if __name__ == '__main__':\n    run(1)", False),
    ],
)
@pytest.mark.parametrize("way", ["itself", "imported", "imported late", "imported by what is imported"])
def test_what_a_module_does_when_it_is_imported_counts(
    way: str, before: str, after: str, counts: bool, tmp_path: Path
) -> None:
    def hashed(folder: str, statement: str) -> dict[str, str]:
        a = {
            "itself": f"{statement}\ndef f():\n    return 1",
            "imported": "import p.b\ndef f():\n    return 1",
            "imported late": "def f():\n    import p.b",
            "imported by what is imported": "import p.c\ndef f():\n    return 1",
        }[way]
        files = {"a": a, "b": statement, "c": "import p.b", "registry": "def register(x):\n    return x"}
        return package(tmp_path / folder, **files).hashes(["p.a:f"])

    assert (hashed("1", before) != hashed("2", after)) is counts


def test_what_changes_a_constant_counts_with_it(tmp_path: Path) -> None:
    text = "NAMES = {'x'}\nNAMES |= {'y'}\ndef f():\n    return NAMES\n"
    before = package(tmp_path / "1", a=text).hashes(["p.a:f"])
    assert package(tmp_path / "2", a=text.replace("'y'", "'z'")).hashes(["p.a:f"]) != before


def test_silent_modules_are_not_followed(tmp_path: Path) -> None:
    text = "from p.quiet import show\nfrom p.quiet.deep import more\ndef f():\n    show(), more()"
    made = package(tmp_path, a=text, quiet__deep="def more():\n    pass")
    assert reached(made) == set()


def test_a_late_table_does_not_count_and_what_it_names_is_not_followed(tmp_path: Path) -> None:
    late = "TABLE = {'x': 'p.kinds.x:C'}\ndef get(name):\n    return load(TABLE[name])"
    text = "from p.late import get\ndef f():\n    return get('x')"
    made = package(tmp_path / "1", a=text, late=late, kinds__x="class C:\n    pass")
    assert reached(made) == {"late.get", "late.TABLE"}
    other = late.replace("'}", "', 'y': 'p.kinds.x:D'}")
    longer = package(tmp_path / "2", a=text, late=other, kinds__x="class C:\n    pass")
    assert longer.hashes(["p.a:f"]) == made.hashes(["p.a:f"])
    changed = package(tmp_path / "3", a=text, late=late.replace("load", "open"))
    assert changed.hashes(["p.a:f"]) != made.hashes(["p.a:f"])
    assert made.hashes(["p.kinds.x:C"]).keys() == {"kinds.x"}


USES = "from p.utils.progress import Progress, tell\nfrom p.utils import progress as bar\nimport logging\n"
USES += "_log = logging.getLogger(__name__)\n"
SAME = {
    "comment": ("def f(x):\n    return x + 1", "def f(x):\n    return x + 1  # one more"),
    "docstring": ("def f(x):\n    return x", 'def f(x):\n    """Words."""\n    return x'),
    "docstring of a class": ("class f:\n    x = 1", 'class f:\n    """Words."""\n    x = 1\n    """The x."""'),
    "only a docstring": ('def f():\n    """Words."""', "def f():\n    pass"),
    "layout": ("def f(x):\n    return x + 1", "def f( x ):\n\n    return (x\n      + 1)"),
    "log": ("def f(x):\n    return x", "def f(x):\n    _log.info('x is %s', len(x))\n    return x"),
    "log under a condition": (
        "def f(x):\n    return x",
        "def f(x):\n    if x:\n        _log.warning('x')\n    return x",
    ),
    "text for a log": ("def f(x):\n    return x", "def f(x):\n    t = f'{x}!'\n    _log.info(t)\n    return x"),
    "other text for a log": (
        "def f(x):\n    t = 'a'\n    _log.info(t)\n    return x",
        "def f(x):\n    t = 'b'\n    _log.info(t)\n    return x",
    ),
    "event": ("def f(x):\n    return x", "def f(x):\n    tell(x)\n    bar.tell(x)\n    return x"),
    "progress": (
        "def f(x):\n    with Progress(3, 'work') as p:\n        p.advance()\n        return x",
        "def f(x):\n    with Progress(4, 'other', describe=lambda n: n) as p:\n        p.advance(2)\n        return x",
    ),
    "text for progress": (
        "def f(x):\n    def say(n):\n        return f'{n} done'\n    with Progress(3, say) as p:\n        return x",
        "def f(x):\n    def say(n):\n        return f'{n} of 3'\n    with Progress(3, say) as p:\n        return x",
    ),
    "progress of an argument": (
        "def f(x, p: Progress):\n    p.advance()\n    return x",
        "def f(x, p: Progress):\n    p.advance(note='x')\n    return x",
    ),
    "progress of an instance": (
        "class f:\n    def a(self):\n        self.p = Progress(3, 'x')\n    def b(self):\n        self.p.advance()",
        "class f:\n    def a(self):\n        self.p = Progress(4, 'y')\n    def b(self):\n        self.p.advance(1)",
    ),
    "late progress": (
        "def f(x):\n    from p.utils.progress import report\n    report(x)",
        "def f(x):\n    from p.utils.progress import report\n    report(2 * x)",
    ),
    "preview": ("class f:\n    x = 1", "class f:\n    x = 1\n    def preview(self):\n        return 1"),
    "repr": ("class f:\n    x = 1", "class f:\n    x = 1\n    def __repr__(self):\n        return 'f'"),
    "description of a field": (
        "class f:\n    x: int = Field(3, ge=1, description='words')",
        "class f:\n    x: int = Field(3, ge=1, description='other words')",
    ),
}
OTHER = {
    "number": ("def f(x):\n    return x + 1", "def f(x):\n    return x + 2"),
    "type of a number": ("def f(x):\n    return x + 1", "def f(x):\n    return x + 1.0"),
    "name": ("def f(x):\n    return x.a", "def f(x):\n    return x.b"),
    "default": ("def f(x=1):\n    return x", "def f(x=2):\n    return x"),
    "operator": ("def f(x):\n    return x < 1", "def f(x):\n    return x <= 1"),
    "order": ("def f(x):\n    a(), b()", "def f(x):\n    b(), a()"),
    "nesting": ("def f(x):\n    if x:\n        a()\n        b()", "def f(x):\n    if x:\n        a()\n    b()"),
    "branch": ("def f(x):\n    if x:\n        a()", "def f(x):\n    if x:\n        pass\n    else:\n        a()"),
    "default of a field": ("class f:\n    x: int = Field(3)", "class f:\n    x: int = Field(4)"),
    "function called preview": (
        "def f():\n    def preview():\n        return 1\n    return preview()",
        "def f():\n    def preview():\n        return 2\n    return preview()",
    ),
    "text that is used": (
        "def f(x):\n    t = 'a'\n    _log.info(t)\n    return t",
        "def f(x):\n    t = 'b'\n    _log.info(t)\n    return t",
    ),
    "text that an inner function uses": (
        "def f(x):\n    t = 'a'\n    def g():\n        return t\n    return g",
        "def f(x):\n    t = 'b'\n    def g():\n        return t\n    return g",
    ),
    "text of all local variables": (
        "def f(x):\n    t = 'a'\n    return locals()",
        "def f(x):\n    t = 'b'\n    return locals()",
    ),
    "text of a global variable": (
        "def f(x):\n    global t\n    t = 'a'",
        "def f(x):\n    global t\n    t = 'b'",
    ),
    "assignment in a log": (
        "def f(x):\n    _log.info(y := 1)\n    return y",
        "def f(x):\n    _log.info(y := 2)\n    return y",
    ),
    "random number in a log": ("def f(r):\n    return r()", "def f(r):\n    _log.info('%s', r())\n    return r()"),
    "random number in a log under a condition": (
        "def f(x, r):\n    return r()",
        "def f(x, r):\n    if x:\n        _log.info('%s', r.random())\n    return r()",
    ),
    "iterator in a log": ("def f(i):\n    return next(i)", "def f(i):\n    _log.info(next(i))\n    return next(i)"),
    "random number in a text for a log": (
        "def f(r):\n    return r()",
        "def f(r):\n    t = f'{r()}'\n    _log.info(t)\n    return r()",
    ),
    "random number in an event": ("def f(r):\n    return r()", "def f(r):\n    tell(r())\n    return r()"),
    "random number for progress": (
        "def f(r):\n    with Progress(3, 'x') as p:\n        return r()",
        "def f(r):\n    with Progress(r(), 'x') as p:\n        return r()",
    ),
    "random number in a default of a text's function": (
        "def f(r):\n    return r()",
        "def f(r):\n    def t(x=r()):\n        return x\n    return r()",
    ),
    "decorator or base": (
        "def f():\n    class A(B):\n        x = 1\n    return A",
        "def f():\n    @B\n    class A:\n        x = 1\n    return A",
    ),
    "decorator or annotation": (
        "def f():\n    def g() -> d:\n        return 1\n    return g",
        "def f():\n    @d\n    def g():\n        return 1\n    return g",
    ),
    "another's method of the same name": ("def f(x):\n    x.advance(1)", "def f(x):\n    x.advance(2)"),
    "another's function of the same name": (
        "def f(tell):\n    tell(1)",
        "def f(tell):\n    tell(2)",
    ),
    "no logger": ("def f(_log):\n    _log.info(1)", "def f(_log):\n    _log.info(2)"),
    "condition with an effect": (
        "def f(x):\n    if x.pop():\n        _log.info('x')",
        "def f(x):\n    if x.push():\n        _log.info('x')",
    ),
    "progress or another thing": (
        "def f(x):\n    p = Progress(3, 'x') if x else x\n    p.advance(1)",
        "def f(x):\n    p = Progress(3, 'x') if x else x\n    p.advance(2)",
    ),
}


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [(*texts, True) for texts in SAME.values()] + [(*texts, False) for texts in OTHER.values()],
    ids=[f"same-{name}" for name in SAME] + [f"other-{name}" for name in OTHER],
)
def test_what_counts_of_a_definition(before: str, after: str, same: bool, tmp_path: Path) -> None:
    def hashed(folder: str, text: str) -> dict[str, str]:
        progress = "class Progress:\n    pass\ndef tell(x):\n    pass\nreport = tell"
        made = package(tmp_path / folder, a=f"{USES}{text}\n", utils__progress=progress)
        return {module: value for module, value in made.hashes(["p.a:f"]).items() if module == "a"}

    assert (hashed("1", before) == hashed("2", after)) is same


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("from math import floor as g", "from math import ceil as g", False),
        ("import math as g", "import cmath as g", False),
        ("from p.b import g, h", "from p.b import g as h, h as g", False),
        ("from p.b import g, h", "from p.b import h, g, other", True),
        ("import os\nfrom p.b import g, h", "import sys\nfrom p.b import g, h", True),
    ],
)
def test_what_a_used_name_is_bound_to_counts(before: str, after: str, same: bool, tmp_path: Path) -> None:
    first, second = (
        package(tmp_path / folder, a=f"{text}\ndef f():\n    return g(h)\n", b=B).hashes(["p.a:f"])
        for folder, text in (("1", before), ("2", after))
    )
    assert (first == second) is same


def test_a_method_stands_for_its_class_and_an_inner_function_for_the_outer(tmp_path: Path) -> None:
    made = package(tmp_path, a="class C:\n    def m(self):\n        return 1\ndef f():\n    pass\n")
    assert made.hashes(["p.a:C.m"]) == made.hashes(["p.a:C"])
    assert made.hashes(["p.a:f.<locals>.g"]) == made.hashes(["p.a:f"])


def test_hashes_are_by_module_and_of_what_is_used_there(tmp_path: Path) -> None:
    text = "from p.b import g\ndef f():\n    return g()\n"
    made = package(tmp_path / "1", a=text, b=B).hashes(["p.a:f"])
    assert set(made) == {"a", "b"}
    unused = package(tmp_path / "2", a=text, b=B.replace("return 2", "return 3")).hashes(["p.a:f"])
    used = package(tmp_path / "3", a=text, b=B.replace("return 1", "return 3")).hashes(["p.a:f"])
    assert unused == made
    assert used["a"] == made["a"]
    assert used["b"] != made["b"]


def test_a_target_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    made = package(tmp_path, a=B)
    assert made.refers(["p.a:g"], "p.a:h")
    assert not made.refers(["p.a:h"], "p.a:g")
    for target in ("p.a:missing", "p.missing:g", "q.a:g"):
        with pytest.raises(ValueError, match=f"{target} is not defined"):
            made.refers(["p.a:g"], target)


def test_the_hash_is_the_same_in_another_process() -> None:
    module, name = "mixmas_pipeline.training.trial", "run_trials"
    program = f"from mixmas_pipeline.utils.code_hash import code_hash; print(code_hash({module!r}, {name!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == code_hash(module, name)
    assert code_hash(module) != code_hash(module, name)


def test_modules_are_found_without_being_imported() -> None:
    program = (
        "import sys; from mixmas_pipeline.utils.code_hash import code_hash;"
        "code_hash('mixmas_pipeline.training.lightning_module');"
        "print([name for name in sys.modules if name in ('torch', 'numpy', 'kedro')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_late_imports_of_this_package_are_followed() -> None:
    found = {
        module for module, _ in code.package_code().closure(["mixmas_pipeline.pipelines.search.nodes:train_candidate"])
    }
    assert "training.trial" in found
    assert not [
        name for name in found if name.startswith(("plots", "runners", "pipelines.data", "pipelines.reporting"))
    ]
    blocks = {name for name in found if name.startswith("models.blocks.")}
    assert blocks == {"models.blocks.base"}, "the data names the blocks"


KIND_MODULES = ("audio", "embedding", "image", "tabular", "text", "time_series")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        pytest.param(
            "pipelines.data.custom.nodes:learn_modality",
            {f"pipelines.data.custom.kinds.{kind}.{name}" for kind in KIND_MODULES for name in ("learn", "prepare")},
            id="modules in a table",
        ),
        pytest.param(
            "pipelines.search.nodes:train_candidate",
            {f"evaluation.tasks.{task}" for task in ("Task", "Binary", "Multilabel", "Regression")},
            id="objects by name",
        ),
        pytest.param(
            "pipelines.compare.nodes:propose_contenders",
            {"models.presets.PRESETS", "models.presets._mixer", "models.presets.build"},
            id="presets by name",
        ),
        pytest.param(
            "models.blocks.ramlp:RaMLPParameters",
            {"models.blocks.ramlp.RaMLPBlock", "models.blocks.ramlp.on_grid", "models.blocks.layers.MLP"},
            id="a block of its parameters",
        ),
        pytest.param(
            "models.architecture:Architecture",
            {f"models.block_reader.{name}" for name in ("UncheckedBlock", "_known", "parameters_class")},
            id="validators in annotations",
        ),
        pytest.param(
            "training.distributed:train",
            {"training.worker.main", "training.worker.Job", "training.fit.fit"},
            id="a program by its module's name",
        ),
        pytest.param(
            "pipelines.reporting.nodes:draw_search",
            {"plots.search.leaderboard_figure", "pipelines.reporting.nodes.pd", "utils.lazy.lazy", "utils.lazy._Lazy"},
            id="lazy modules",
        ),
    ],
)
def test_the_forms_of_late_use_in_this_package_are_followed(reference: str, expected: set[str]) -> None:
    closure = code.package_code().closure([f"mixmas_pipeline.{reference}"])
    assert expected - {f"{module}.{name}" for module, name in closure} == set()


def test_the_source_is_read_again_when_a_run_begins_or_a_module_is_imported_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = code.package_code()
    assert code.package_code() is first
    monkeypatch.setattr(code, "reloads", lambda: -1)
    again = code.package_code()
    assert again is not first
    code.read_again()
    assert code.package_code() is not again


def test_a_file_outside_that_was_changed_since_the_process_began_has_no_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was imported of it is not known."""
    (tmp_path / "users_own.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("users_own")
    assert code._file_hash("users_own").startswith("changed at ")
    monkeypatch.setattr(code, "STARTED_NS", time.time_ns() + 10**9)
    assert code._file_hash("users_own") == code.digest(b"VALUE = 1\n")
    assert code._file_hash("nothing_of_the_kind") == "unknown"
