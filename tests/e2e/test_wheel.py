"""The wheel, installed outside the checkout, runs in an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from project_runs import ROOT


def run(*words: str | Path, site: Path | None = None, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python there, with the packages in ``site`` before those of this environment."""
    environment = {**os.environ, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(site or "")}
    done = subprocess.run([sys.executable, *map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what git has, and of what it must never take."""
    tree, made = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "conf", "notebooks"):
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    for secret in ("conf/local/credentials.yml", "conf/local/parameters.yml", "conf/base/credentials_s3.yml"):
        (tree / secret).write_text("key: secret\n")
    run("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", made, ".", cwd=tree)
    (file,) = made.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("site")
    run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel, cwd=folder)
    return folder


@pytest.mark.slow
def test_the_wheel_has_the_package_and_its_configuration_and_no_secrets(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        held = {name: archive.read(name).decode() for name in names if "/project/" in name}
    modules = {str(file.relative_to(ROOT / "src")) for file in (ROOT / "src").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules
    for env in ("base", "paper"):
        for file in (ROOT / "conf" / env).glob("*.yml"):
            assert held[f"mixmas_pipeline/project/conf/{env}/{file.name}"] == file.read_text()
    for file in (ROOT / "notebooks").glob("*.ipynb"):
        assert held[f"mixmas_pipeline/project/notebooks/{file.name}"] == file.read_text()
    assert not [name for name in held if "/local/" in name or "credential" in name]


@pytest.mark.slow
def test_a_project_runs_with_the_wheel_alone(site: Path, tmp_path: Path) -> None:
    """Made, searched in small, and searched again after an edit of its YAML, outside any checkout."""
    command, project = site / "bin" / "mixmas_pipeline", tmp_path / "mine"
    said = run(command, "new", project, site=site, cwd=tmp_path).stdout
    assert said.startswith(f"Made {project}. Next: cd {project} && kedro run\n")
    where = run("-c", "import mixmas_pipeline; print(mixmas_pipeline.__file__)", site=site, cwd=project).stdout
    assert Path(where.strip()).is_relative_to(site)

    listed = run("-m", "kedro", "registry", "list", site=site, cwd=project).stdout
    assert set(re.findall(r"- (\w+)", listed)) >= {"__default__", "avmnist", "search", "training", "reporting"}
    small = yaml.safe_load((ROOT / "conf" / "test" / "parameters.yml").read_text())
    small["avmnist"]["search"]["encoders"]["image"]["candidates"] = {"hyper_mixer": None}
    local = project / "conf" / "local" / "parameters.yml"
    local.write_text(yaml.safe_dump(small))
    done = run(command, "--pipeline=search", site=site, cwd=project)
    shown = done.stdout + done.stderr
    assert "avmnist: chosen architecture" in shown
    assert "hyper_mixer" not in shown.split("avmnist: audio")[0].split("avmnist: image")[1]

    small["avmnist"]["search"]["encoders"]["audio"]["candidates"] = {"ramlp": None}
    local.write_text(yaml.safe_dump(small))
    done = run("-m", "kedro", "run", "--pipeline=search", site=site, cwd=project)
    shown = done.stdout + done.stderr
    assert "ramlp" not in shown.split("avmnist: fusion_function")[0].split("avmnist: audio")[1]
    assert "Reused: " in shown
