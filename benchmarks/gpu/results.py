"""Results of the kit: one file, always whole, from which the next command goes on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from report import report_text

ROOT = Path(__file__).parents[2]
# What a result depends on: of another one of these, it is measured again.
KEYS = ("device", "card", "torch", "tiny", "code")


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is whole or not there. (Standard library only: the project may not be installed yet.)"""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.replace(path)


def code_hash(root: Path = ROOT) -> str:
    """Of the code and the configuration that results depend on."""
    digest = hashlib.sha256()
    files = [*root.glob("src/**/*.py"), *root.glob("benchmarks/**/*.py"), *root.glob("conf/*/*.yml")]
    for path in sorted(path for path in files if path.parent.name != "local"):
        digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Results:
    """Case -> what it found, in ``results.json`` of the work folder, with a copy and a report in the output folder.

    Args:
        work: keeps the results from command to command.
        out: gets ``results.json`` and ``report.md`` after every case.
        any_code: results of other code count too. Default false.
    """

    def __init__(self, work: Path, out: Path, *, any_code: bool = False) -> None:
        self._work, self._out = work / "results.json", out
        self._keys = [key for key in KEYS if not (any_code and key == "code")]
        self.cases: dict[str, dict[str, Any]] = json.loads(self._work.read_text()) if self._work.exists() else {}

    def add_earlier(self, file: Path) -> None:
        """Take over results that an earlier command has brought back; newer ones stay."""
        for name, found in json.loads(file.read_text()).items():
            if name not in self.cases or found["ended"] > self.cases[name]["ended"]:
                self.cases[name] = found

    def unfinished(self, name: str, settings: dict[str, Any]) -> bool:
        """Whether a case has to be measured (on): it has no result, a part of one, an error, or one of other
        settings."""
        found = self.cases.get(name)
        if found is None or "error" in found or not found["result"].get("complete", True):
            return True
        return any(found["settings"].get(key) != settings.get(key) for key in self._keys)

    def passed(self, name: str) -> bool:
        """Whether a case is no check, or one that has passed."""
        return bool(self.cases[name].get("result", {}).get("passed", True))

    def part(self, name: str, settings: dict[str, Any]) -> dict[str, Any]:
        """What a case that was cut off has found so far, of the same settings; else nothing."""
        found = self.cases.get(name, {})
        same = all(found.get("settings", {}).get(key) == settings.get(key) for key in self._keys)
        return found.get("result", {}) if same else {}

    def put(self, name: str, found: dict[str, Any]) -> None:
        """Keep a result, and write it to both folders."""
        self.cases[name] = found
        self.write()

    def write(self) -> None:
        """Write ``results.json`` to both folders, and the report."""
        text = json.dumps(self.cases, indent=1)
        write_atomically(self._work, text)
        write_atomically(self._out / "results.json", text)
        write_atomically(self._out / "report.md", report_text(self.cases))
