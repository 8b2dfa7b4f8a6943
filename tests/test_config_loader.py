"""The project's configuration: what the loader adds to the files."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader
from project_runs import ROOT

from mixmas_pipeline.config_loader import ProjectConfigLoader
from mixmas_pipeline.settings import CONFIG_LOADER_ARGS


def loader(conf: Path, env: str) -> ProjectConfigLoader:
    return ProjectConfigLoader(str(conf), env=env, **CONFIG_LOADER_ARGS)


@pytest.mark.parametrize("env", ["base", "test", "paper"])
def test_checkpoints_lie_in_the_environments_data_root(env: str) -> None:
    found = loader(ROOT / "conf", env)
    root = ROOT / found["globals"]["data_root"]
    assert found["parameters"]["checkpoints"] == f"{root}/06_models/checkpoints"


def test_checkpoints_may_lie_in_an_object_store(tmp_path: Path) -> None:
    (tmp_path / "conf" / "base").mkdir(parents=True)
    (tmp_path / "conf" / "base" / "globals.yml").write_text("data_root: memory://bucket/data\n")
    (tmp_path / "conf" / "base" / "parameters.yml").write_text("dataset: avmnist\n")
    assert (
        loader(tmp_path / "conf", "base")["parameters"]["checkpoints"] == "memory://bucket/data/06_models/checkpoints"
    )


@pytest.mark.parametrize("env", ["local", "test", "paper"])
def test_parameters_are_merged_as_kedro_does(env: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = loader(ROOT / "conf", env)["parameters"]
    monkeypatch.setattr(ProjectConfigLoader, "_soft_merge", staticmethod(OmegaConfigLoader._soft_merge))
    assert ours == loader(ROOT / "conf", env)["parameters"]
