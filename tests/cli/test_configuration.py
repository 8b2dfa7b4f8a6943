"""The configuration that commands read without a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro.framework.project import configure_project
from kedro.framework.startup import ProjectMetadata

from mixmas_pipeline.cli.configuration import load_configuration

PACKAGE = "mixmas_pipeline"


@pytest.fixture
def metadata(tmp_path: Path) -> ProjectMetadata:
    """A project with an environment that has its own data root."""
    configure_project(PACKAGE)
    for env, text in (("base", "data_root: in base\nother: 1\n"), ("local", ""), ("paper", "data_root: in paper\n")):
        (tmp_path / "conf" / env).mkdir(parents=True)
        (tmp_path / "conf" / env / "globals.yml").write_text(text)
    paths = {"config_file": tmp_path / "pyproject.toml", "project_path": tmp_path, "source_dir": tmp_path / "src"}
    names = {"package_name": PACKAGE, "project_name": PACKAGE, "kedro_init_version": "1.0.0"}
    return ProjectMetadata(**paths, **names, tools=None, example_pipeline=None)


@pytest.mark.parametrize(
    ("option", "variable", "expected"),
    [
        ("paper", None, "in paper"),
        (None, "paper", "in paper"),
        ("paper", "no such environment", "in paper"),
        (None, None, "in base"),
        (None, "", "in base"),
    ],
)
def test_the_option_comes_before_the_variable_and_both_before_the_default(
    option: str | None, variable: str | None, expected: str, metadata: ProjectMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEDRO_ENV", raising=False)
    if variable is not None:
        monkeypatch.setenv("KEDRO_ENV", variable)
    assert load_configuration(metadata, option)["globals"]["data_root"] == expected


def test_what_the_environment_leaves_out_is_that_of_base(metadata: ProjectMetadata) -> None:
    assert load_configuration(metadata, "paper")["globals"]["other"] == 1
