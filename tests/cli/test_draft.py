"""``kedro draft`` in a project, as a person runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from draft_samples import animals
from project_runs import kedro, make_project

from mixmas_pipeline.cli.draft import draft_command
from mixmas_pipeline.cli.new import new_command

MINE = "# mine\ncompute: {cores: 1}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With a table, and local parameters."""
    made = make_project(tmp_path / "project")
    animals(120, same=1, born=["2024-01-02", "3.4.2024"] * 60).to_csv(made / "pets.csv", index=False)
    (made / "conf/local").mkdir(exist_ok=True)
    (made / "conf/local/parameters.yml").write_text(MINE)
    return made


def draft(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return kedro(project, "draft", *arguments)


def test_a_draft_is_written_and_runs(project: Path) -> None:
    done = draft(project, "pets.csv", "--label", "outcome")
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "Wrote the data set pets (120 rows, 6 columns) into" in said
    assert "same: the same in all rows: 1" in said
    assert "born: dates in 2 forms (2024-01-02, 3.4.2024)" in said
    assert "Next: read the block, then kedro run --pipelines=describe, and kedro run" in said
    text = (project / "conf/local/parameters.yml").read_text()
    assert text.startswith(MINE)
    assert yaml.safe_load(text)["pets"]["table"]["file"] == "pets.csv"
    small = {"custom": {"search": {"sample": {"margin": 0.1, "holdout_margin": 0.1}}}}
    (project / "conf/local/parameters_small.yml").write_text(yaml.safe_dump(small))
    done = kedro(project, "run", "--pipeline=describe")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((project / "data/demo/05_model_input/pets/train.arrow").glob("*/train.arrow"))


def test_nothing_is_overwritten_without_force(project: Path) -> None:
    assert draft(project, "pets.csv", "--label", "outcome").returncode == 0
    written = (project / "conf/local/parameters.yml").read_bytes()
    again = draft(project, "pets.csv", "--label", "breed")
    assert again.returncode == 1
    assert "has a draft of pets already; --force writes it anew" in again.stderr
    assert (project / "conf/local/parameters.yml").read_bytes() == written
    assert draft(project, "pets.csv", "--label", "breed", "--force").returncode == 0
    text = (project / "conf/local/parameters.yml").read_text()
    assert text.startswith(MINE)
    assert yaml.safe_load(text)["pets"]["table"]["label"] == "breed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pets.csv"], "which column is to be predicted? Name it with --label COLUMN"),
        (["pets.csv", "--label", "outcom"], "did you mean 'outcome'?"),
        (["pest.csv", "--label", "outcome"], "pest.csv does not exist"),
        (["pets.csv", "--label", "outcome", "--name", "search"], "'search' cannot name a data set: it is taken"),
        (["pets.csv", "--label", "outcome", "--name", "My Pets"], "expected small letters, digits and _"),
        (["pets.csv", "--label", "outcome", "--sheet", "a"], "sheet is only used where the file ends in .xlsx, .xlsm"),
        (["pets.csv", "--label", "same"], "the label 'same' is '1' in all 120 rows"),
    ],
)
def test_mistakes_are_one_message_and_write_nothing(arguments: list[str], message: str, project: Path) -> None:
    done = draft(project, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (project / "conf/local/parameters.yml").read_text() == MINE


def test_a_mistake_elsewhere_in_the_configuration_is_told(project: Path) -> None:
    (project / "conf/local/parameters.yml").write_text("compute: {core: 1}\n")
    done = draft(project, "pets.csv", "--label", "outcome")
    assert done.returncode == 1
    assert "compute.core" in done.stderr
    assert (project / "conf/local/parameters.yml").read_text() == "compute: {core: 1}\n"


def test_a_table_in_a_folder_of_its_own_is_named_from_the_project(project: Path) -> None:
    (project / "data/raw").mkdir(parents=True)
    (project / "pets.csv").rename(project / "data/raw/My Pets.csv")
    done = draft(project, "data/raw/My Pets.csv", "--label", "outcome")
    assert done.returncode == 0, done.stdout + done.stderr
    parameters = yaml.safe_load((project / "conf/local/parameters.yml").read_text())
    assert parameters["dataset"] == "my_pets"
    assert parameters["my_pets"]["table"]["file"] == "data/raw/My Pets.csv"


def test_a_sheet_of_a_workbook(tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "pets.xlsx") as book:
        pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="notes", index=False)
        animals(120).to_excel(book, sheet_name="my pets", index=False)
    options = ["--table", str(tmp_path / "pets.xlsx"), "--label", "outcome", "--sheet", "my pets"]
    done = CliRunner().invoke(new_command, [str(tmp_path / "project"), *options])
    assert done.exit_code == 0, done.output
    table = yaml.safe_load((tmp_path / "project/conf/local/parameters.yml").read_text())["pets"]["table"]
    assert table["sheet"] == "my pets"


def test_an_environment_that_hides_the_draft_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Metadata:
        project_path = project

    monkeypatch.chdir(project)
    monkeypatch.setenv("KEDRO_ENV", "paper")
    done = CliRunner().invoke(draft_command, ["pets.csv", "--label", "outcome"], obj=Metadata())
    assert done.exit_code == 0, done.output
    assert "KEDRO_ENV is paper: conf/local is not read" in done.output


def test_a_new_project_with_a_draft(tmp_path: Path) -> None:
    animals(120).to_csv(tmp_path / "pets.csv", index=False)
    folder = tmp_path / "project"
    done = CliRunner().invoke(new_command, [str(folder), "--table", str(tmp_path / "pets.csv"), "--label", "outcome"])
    assert done.exit_code == 0, done.output
    assert f"Made {folder}. Next: read the block, then cd {folder} && kedro run" in done.output
    parameters = yaml.safe_load((folder / "conf/local/parameters.yml").read_text())
    assert parameters["pets"]["table"]["file"] == str(tmp_path / "pets.csv")
    assert (folder / "conf/base/parameters.yml").exists()


@pytest.mark.parametrize(
    ("file", "options", "name"),
    [
        ("mimic.csv", [], "table_mimic"),
        ("dataset.csv", [], "table_dataset"),
        ("search.csv", [], "table_search"),
        ("mimic.csv", ["--name", "my_stays"], "my_stays"),
    ],
)
def test_a_new_project_of_a_table_whose_name_is_taken(file: str, options: list[str], name: str, tmp_path: Path) -> None:
    animals(120).to_csv(tmp_path / file, index=False)
    arguments = [str(tmp_path / "project"), "--table", str(tmp_path / file), "--label", "outcome", *options]
    done = CliRunner().invoke(new_command, arguments)
    assert done.exit_code == 0, done.output
    parameters = yaml.safe_load((tmp_path / "project/conf/local/parameters.yml").read_text())
    assert parameters["dataset"] == name
    assert parameters[name]["table"]["label"] == "outcome"


@pytest.mark.parametrize("name", ["mimic", "dataset", "My Pets"])
def test_no_project_is_made_with_a_name_that_no_data_set_can_have(name: str, tmp_path: Path) -> None:
    animals(120).to_csv(tmp_path / "pets.csv", index=False)
    arguments = ["--table", str(tmp_path / "pets.csv"), "--label", "outcome", "--name", name]
    done = CliRunner().invoke(new_command, [str(tmp_path / "project"), *arguments])
    assert done.exit_code == 1
    assert f"{name!r} cannot name a data set" in done.output
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize("label", [[], ["--label", "outcom"]])
def test_no_project_is_made_without_a_draft(label: list[str], tmp_path: Path) -> None:
    animals(120).to_csv(tmp_path / "pets.csv", index=False)
    done = CliRunner().invoke(new_command, [str(tmp_path / "project"), "--table", str(tmp_path / "pets.csv"), *label])
    assert done.exit_code == 1
    assert "outcome" in done.output
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize("option", ["--label", "--name", "--sheet", "--query"])
def test_what_describes_a_table_needs_one(option: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(new_command, [str(tmp_path / "project"), option, "outcome"])
    assert done.exit_code == 2
    assert f"{option} is only used with --table" in done.output


def test_reasons_and_errors_are_printed_without_control_characters(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a bell: click itself takes colours out of what it does not print to a terminal."""

    class Metadata:
        project_path = project

    dates = ["2023-02-30", *["2024-01-02"] * 119]
    pd.read_csv(project / "pets.csv").assign(**{"\aborn": dates}).to_csv(project / "pets.csv", index=False)
    vectors = np.where(np.arange(120)[:, None] == 7, np.inf, np.random.default_rng(0).normal(size=(120, 3)))
    np.savez(project / "signals.npz", outcome=np.arange(120) % 2, **{"\abell": vectors})
    monkeypatch.chdir(project)
    for file, shown in (("pets.csv", "column \\x07born: found"), ("signals.npz", "\\x07bell: found infinity")):
        done = CliRunner().invoke(draft_command, [file, "--label", "outcome", "--force"], obj=Metadata())
        assert "\a" not in done.output
        assert shown in done.output


def test_names_are_printed_without_control_characters(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Metadata:
        project_path = project

    frame = pd.read_csv(project / "pets.csv").assign(**{"\x1b[31mred": 1})
    frame.to_csv(project / "pets.csv", index=False)
    monkeypatch.chdir(project)
    done = CliRunner().invoke(draft_command, ["pets.csv", "--label", "outcome"], obj=Metadata())
    assert "\x1b" not in done.output
    assert "\\x1b[31mred: the same in all rows" in done.output
