"""Shared by all tests: one thread per process, plain ids of parameters, and the folder of the real data."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from object_store import BUCKET, KEYS, ObjectStore, start_conditional

pytest_plugins = ["architecture_fixtures", "encoder_fixtures", "mirror_fixtures", "run_fixtures", "table_fixtures"]
ROOT = Path(__file__).parents[1]
MIRROR = "MIXMAS_MIRROR"

# With small tensors a second thread per process only waits. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Shared machines are slow at times; benchmarks/ measures speed.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

if MIRROR not in os.environ and (ROOT.parent / "shared" / "datasets").is_dir():
    os.environ[MIRROR] = str(ROOT.parent / "shared" / "datasets")


# All test ids that this process has collected, before any are deselected.
COLLECTED = pytest.StashKey[list[str]]()


def pytest_make_parametrize_id(val: Any, argname: str) -> str | None:
    """Plain words as the id of a parameter: the same in every process, and easy to type."""
    if isinstance(val, bytes):
        return argname
    if isinstance(val, str):
        return re.sub(r"[^A-Za-z0-9_.=/-]+", " ", val).strip()[:60].strip() or argname
    name = getattr(val, "__name__", "")
    return argname if name.startswith("<") else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps the ids for the test of the collection. Tests that need the real data say so when they are skipped."""
    config.stash[COLLECTED] = [item.nodeid for item in items]
    if MIRROR not in os.environ:
        for item in items:
            if "mirror" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"needs the real data in the folder named by {MIRROR}"))


@pytest.fixture(scope="session")
def collected(pytestconfig: pytest.Config) -> list[str]:
    """The ids of all collected tests, in order."""
    return pytestconfig.stash[COLLECTED]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A running S3 server: the folder of its bucket, and its address."""
    pytest.importorskip("s3fs", reason="reads S3: pip install s3fs")
    buckets = tmp_path_factory.mktemp("s3")
    (buckets / BUCKET).mkdir()
    process, address = start_conditional(buckets)
    yield buckets / BUCKET, address
    process.kill()
    process.wait()


@pytest.fixture
def object_store(s3_server: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An empty prefix of the S3 server, and an empty cache: the machine has seen nothing of it."""
    bucket, address = s3_server
    prefix = uuid.uuid4().hex
    cache = tmp_path / "cache of stores"
    environment = {**KEYS, "AWS_ENDPOINT_URL": address, "MIXMAS_CACHE": str(cache)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return ObjectStore(f"s3://{BUCKET}/{prefix}", bucket / prefix, environment)
