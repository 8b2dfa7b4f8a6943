"""Every process collects the same tests: pytest-xdist runs nothing when two workers differ."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from project_runs import ROOT


def test_ids_of_parameters_are_plain_words(collected: list[str]) -> None:
    """No bytes, addresses or line breaks, and short enough to read."""
    ids = [parameters for test in collected if (parameters := test.partition("[")[2].removesuffix("]"))]
    plain = re.compile(r"[A-Za-z0-9_.=/(), '-]{1,160}")
    assert not [name for name in ids if not plain.fullmatch(name) or re.search("0x[0-9a-f]{9}", name)]


@pytest.mark.slow
def test_another_process_collects_the_same_tests_in_the_same_order(
    collected: list[str], pytestconfig: pytest.Config
) -> None:
    """The other process starts seconds later, and with another hash seed: neither time nor a set's order decides."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", "-p", "no:cacheprovider"]
    arguments = [argument for argument in pytestconfig.args if not argument.startswith("-")]
    done = subprocess.run(
        [*command, *arguments], cwd=pytestconfig.invocation_params.dir, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if "::" in line] == collected


def test_the_helpers_of_tests_lie_in_one_folder() -> None:
    """No test module imports another one: a helper that two of them need lies in tests/samples."""
    importing = re.compile(r"^(?:from|import) (test_\w+)", re.MULTILINE)
    found = {
        (file.stem, name) for file in (ROOT / "tests").rglob("*.py") for name in importing.findall(file.read_text())
    }
    # A module may import itself, in a child process.
    assert not {(module, imported) for module, imported in found if module != imported}
