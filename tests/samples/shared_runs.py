"""Runs that many tests look at: each is done once per test session, by whichever worker asks first."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from project_runs import kedro, make_project


@dataclass(frozen=True)
class Run:
    """A kedro command that has ended well.

    Attributes:
        arguments: what followed ``kedro``.
        project: the folder it ran in. Not to be changed: other tests look at it too. Copy it first.
        output: what it has printed, errors included.
        words: the output with every run of blanks and line breaks as one blank.
    """

    arguments: tuple[str, ...]
    project: Path
    output: str

    @property
    def words(self) -> str:
        return " ".join(self.output.split())


class SharedRuns:
    """Kedro commands whose results tests share.

    Args:
        folder: common to all workers of the session.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(
        self,
        *arguments: str,
        after: Run | None = None,
        prepare: Callable[[Path], object] | None = None,
        command: Callable[..., subprocess.CompletedProcess[str]] = kedro,
    ) -> Run:
        """Runs ``kedro`` with these arguments, or returns what it has left when it was run before.

        Args:
            after: start with a copy of what that run has left; otherwise with a project without data.
            prepare: done to the project's folder first. Must be the same for the same arguments.
            command: what runs kedro.

        Raises:
            AssertionError: the command failed, now or before.
        """
        start = str(after.project.parent) if after else ""
        digest = hashlib.sha1(repr((start, arguments)).encode()).hexdigest()[:8]
        readable = "_".join(re.findall(r"\w+", " ".join(arguments)))[:60]
        place = self._folder / f"{readable}_{digest}"
        project, log, failed = place / "project", place / "log", place / "failed"
        with FileLock(f"{place}.lock"):
            if not log.exists():
                assert not failed.exists(), failed.read_text()
                shutil.rmtree(place, ignore_errors=True)
                if after:
                    shutil.copytree(after.project, project)
                else:
                    make_project(project)
                if prepare:
                    prepare(project)
                done = command(project, *arguments)
                said = done.stdout + done.stderr
                if done.returncode:
                    failed.write_text(said)
                    raise AssertionError(said)
                log.write_text(said)
        return Run(arguments, project, log.read_text())
