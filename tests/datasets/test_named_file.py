"""Files that a parameter names, on this machine and on the web."""

from __future__ import annotations

from pathlib import Path

import pytest
from custom_samples import pets
from kedro.io import DatasetError

from mixmas_pipeline.datasets.named_file import NamedFileDataset


def test_files_that_parameters_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pets(3).to_csv(tmp_path / "pets.csv", index=False)
    here = NamedFileDataset(filepath=str(tmp_path / "pets.csv"), key="pets.table.file")
    assert here.load() == tmp_path / "pets.csv"
    before = here.fingerprint()
    pets(4).to_csv(tmp_path / "pets.csv", index=False)
    assert here.fingerprint() != before
    with pytest.raises(DatasetError, match=r"nothing.csv does not exist; pets.table.file names it"):
        NamedFileDataset(filepath=str(tmp_path / "nothing.csv"), key="pets.table.file").load()
    monkeypatch.setenv("MIXMAS_MIRROR", str(tmp_path))
    monkeypatch.setenv("MIXMAS_CACHE", str(tmp_path / "cache"))
    there = NamedFileDataset(filepath="https://example.org/data/pets.csv?raw=1", key="pets.table.file")
    assert there.load().read_bytes() == (tmp_path / "pets.csv").read_bytes()
    assert there.load().name == "pets.csv"


def test_an_address_with_a_space_is_refused_without_being_shown() -> None:
    named = NamedFileDataset(filepath="https://example.org/pets.csv?sig=a S3CR3T", key="pets.table.file")
    for ask in (named.load, named.fingerprint):
        with pytest.raises(DatasetError, match=r"pets.table.file is a web address with a space; write %20") as caught:
            ask()
        assert "S3CR3T" not in str(caught.value)


def test_a_file_of_the_user_is_only_read(tmp_path: Path) -> None:
    (tmp_path / "pets.csv").write_text("name,age\nRex,3\n")
    named = NamedFileDataset(filepath=str(tmp_path / "pets.csv"), key="pets.table.file")
    with pytest.raises(DatasetError, match=r"pets\.csv.* it is only read"):
        named.save("a")
    assert (tmp_path / "pets.csv").read_text() == "name,age\nRex,3\n"
    shown = {"columns": ["name", "age"], "index": [0], "data": [["Rex", "3"]]}
    assert named.preview() == shown


def test_a_relative_path_stays_that_of_the_folder_it_was_given_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker process may run in another folder."""
    (tmp_path / "pets.csv").write_text("name\nRex\n")
    monkeypatch.chdir(tmp_path)
    named = NamedFileDataset(filepath="pets.csv", key="pets.table.file")
    monkeypatch.chdir("/")
    assert named.load() == tmp_path / "pets.csv"
