"""Which distributions this project needs beside those that a machine has: a walk over requirements, from the pins."""

from __future__ import annotations

import tomllib
import zipfile
from collections.abc import Callable, Iterable, Mapping
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
# Not needed by what the kit runs: drawings of graphs, MIMIC-III's tables, usage statistics. PyTorch, with CUDA, is too
# large to carry and is expected on the machine.
LEFT_OUT = ("kedro-viz", "duckdb", "kedro-telemetry", "torch")
# Name -> version; None: there, of a version that is not known.
Installed = Mapping[str, str | None]


def project_requirements(pyproject: Path = ROOT / "pyproject.toml") -> list[Requirement]:
    """What the project itself requires, without extras."""
    return [Requirement(line) for line in tomllib.loads(pyproject.read_text())["project"]["dependencies"]]


def read_versions(lines: Iterable[str]) -> dict[str, str | None]:
    """Lines such as those of ``pip list --format=freeze``: name==version, or only a name.

    Raises:
        ValueError: a line is neither.
    """
    versions: dict[str, str | None] = {}
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].partition(";")[0].strip()
        if not text or text.startswith("-e "):
            continue
        name, _, version = text.partition(" @ ")[0].partition("==")
        if not name or set(name) & set(" =<>~!,"):
            raise ValueError(f"line {number}: {line.strip()!r}; expected name==version or a name, one per line")
        versions[canonicalize_name(name)] = version.split("+")[0].strip() or None
    return versions


def unmet(
    requirements: Iterable[Requirement],
    installed: Installed,
    requires: Callable[[str], list[str]],
    python: str,
    left_out: Iterable[str] = LEFT_OUT,
) -> list[Requirement]:
    """The requirements, and those of what they name, that a machine with ``installed`` does not meet.

    Args:
        requires: the ``Requires-Dist`` lines of an installed distribution, by its name.
        python: version, for example "3.12", of the machine; it is taken to be Linux on x86-64.
        left_out: names that are not asked for.
    """
    skipped, seen = {canonicalize_name(name) for name in left_out}, set[str]()
    waiting, missing = list(requirements), []
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = f"{name} {sorted(requirement.extras)} {requirement.specifier}"
        if key in seen or name in skipped or not _applies(requirement, python):
            continue
        seen.add(key)
        version = installed.get(name)
        met = name in installed and (version is None or requirement.specifier.contains(version, prereleases=True))
        if not met:
            missing.append(requirement)
            continue
        for line in requires(name):
            needed = Requirement(line)
            if _applies(needed, python, requirement.extras):
                waiting.append(Requirement(line.partition(";")[0]))
    return missing


def _applies(requirement: Requirement, python: str, extras: Iterable[str] = ()) -> bool:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))


def requires_of_wheel(wheel: Path) -> list[str]:
    """The ``Requires-Dist`` lines in a wheel's metadata."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1)
        return HeaderParser().parsestr(archive.read(name).decode()).get_all("Requires-Dist") or []
