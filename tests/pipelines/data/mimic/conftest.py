"""The demo's tables, made-up tables, and the whole preparation of either."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from mimic_samples import Prepared, Tables, prepare, small_tables, write_tables

from mixmas_pipeline.pipelines.data.mimic.parameters import LabelParameters
from mixmas_pipeline.pipelines.data.mimic.sources import MimicTablesDataset


@pytest.fixture(scope="session")
def labels() -> LabelParameters:
    return LabelParameters(task="mortality", edges=(2000, 8760))


@pytest.fixture(scope="session")
def tables() -> Tables:
    """30 patients; not to be changed: copy what is altered."""
    return small_tables()


@pytest.fixture(scope="session")
def folder(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tables, tmp_path_factory.mktemp("mimic") / "tables")


@pytest.fixture(scope="session")
def prepared(folder: Path, labels: LabelParameters) -> Prepared:
    return prepare(MimicTablesDataset(filepath=str(folder), mirror="none").load(), labels)


@pytest.fixture
def prepare_changed(tmp_path: Path, tables: Tables, labels: LabelParameters) -> Callable[..., Prepared]:
    """The preparation of the small tables with some of them replaced."""

    def run(mask_as_input: bool = False, threads: int = 2, **changed: pd.DataFrame) -> Prepared:
        place = write_tables({**tables, **changed}, tmp_path / "changed")
        source = MimicTablesDataset(filepath=str(place), mirror="none").load()
        return prepare(source, labels, mask_as_input, threads)

    return run


@pytest.fixture(scope="session")
def demo_folder() -> Path:
    if not os.environ.get("MIXMAS_MIRROR"):
        pytest.skip("reads the MIMIC-III demo: set MIXMAS_MIRROR to a folder that has mimic-iii-demo")
    return Path(os.environ["MIXMAS_MIRROR"]) / "mimic-iii-demo"


@pytest.fixture(scope="session")
def demo(demo_folder: Path) -> Prepared:
    tables = MimicTablesDataset(filepath=str(demo_folder), mirror="none").load()
    return prepare(tables, LabelParameters(task="mortality", edges=(720, 8760)))
