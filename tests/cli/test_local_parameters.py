"""A block is added to the local parameters; everything else in the file stays byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mixmas_pipeline.cli.local_parameters import NotFree, bordered, check_free, inserted, write

BLOCK = "dataset: pets\npets:\n  table: {file: pets.csv}\n"


def conf(folder: Path, text: str | bytes | None, **others: str) -> Path:
    """A folder of configuration with this file; ``base__a`` is the file base/a.yml."""
    for name, content in {"base__parameters": "dataset: avmnist\n", **others}.items():
        file = folder.joinpath(*name.split("__")).with_suffix(".yml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (folder / "local").mkdir(exist_ok=True)
    if text is not None:
        file = folder / "local/parameters.yml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@pytest.mark.parametrize(
    "old",
    [
        None,
        "",
        "# a comment\n",
        "compute: {cores: 1}",
        "a: 1\r\nb: 2\r\n",
        "\ufeffa: 1\n",
        "a: |\n  text\n\n\n",
        "--- \na: 1\n",
    ],
)
def test_what_is_there_stays(old: str | None, tmp_path: Path) -> None:
    folder = conf(tmp_path, old)
    file = write(folder, "pets", BLOCK, force=False)
    content = file.read_bytes()
    assert content.startswith((old or "").encode())
    assert content.endswith(bordered("pets", BLOCK).encode())
    assert yaml.safe_load(content) == {**(yaml.safe_load(old or "") or {}), **yaml.safe_load(BLOCK)}


def test_force_replaces_the_draft_alone(tmp_path: Path) -> None:
    folder = conf(tmp_path, "a: 1\n")
    file = write(folder, "pets", BLOCK, force=False)
    file.write_bytes(file.read_bytes().replace(b"pets.csv", b"edited.csv") + b"# mine\nb: 2\n")
    with pytest.raises(NotFree, match="has a draft of pets already; --force writes it anew"):
        write(folder, "pets", BLOCK, force=False)
    assert b"edited.csv" in file.read_bytes()
    new = BLOCK.replace("pets.csv", "new.csv")
    write(folder, "pets", new, force=True)
    assert file.read_text() == f"a: 1\n\n{bordered('pets', new)}# mine\nb: 2\n"


@pytest.mark.parametrize("force", [False, True])
def test_a_draft_of_another_table_stays_beside(force: bool, tmp_path: Path) -> None:
    """It is no longer the one that is chosen; the line that did is a comment."""
    folder = conf(tmp_path, "a: 1\n")
    write(folder, "pets", BLOCK, force=False)
    birds = BLOCK.replace("pets", "birds")
    file = write(folder, "birds", birds, force=force)
    pets = bordered("pets", BLOCK).replace("dataset: pets", "# dataset: pets")
    assert file.read_text() == f"a: 1\n\n{pets}\n{bordered('birds', birds)}"
    write(folder, "pets", BLOCK, force=True)
    assert yaml.safe_load(file.read_text()) == {"a": 1, **yaml.safe_load(birds), **yaml.safe_load(BLOCK)}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("old", "message"),
    [
        ("a: 1\ndataset: films\n", "line 2, has the key 'dataset' already; remove that line"),
        ("pets: {}\n", "line 1, has the key 'pets' already; remove it, or name the data set with --name"),
        ("a: [1\n", "is no valid YAML, correct it first"),
        ("- a\n", "has a list; expected keys with values"),
        (b"a: \xff\n", "is no UTF-8 text"),
        ("a: 1\n...\n", "does not end where a block can be added"),
        ("{a: 1}\n", "does not end where a block can be added"),
    ],
)
def test_what_is_refused_stays_as_it_is(old: str | bytes, message: str, force: bool, tmp_path: Path) -> None:
    folder = conf(tmp_path, old)
    with pytest.raises(NotFree, match=message):
        write(folder, "pets", BLOCK, force=force)
    assert (folder / "local/parameters.yml").read_bytes() == (old if isinstance(old, bytes) else old.encode())


@pytest.mark.parametrize(
    ("others", "is_free"),
    [
        ({"local__parameters_small": "custom: {}\n"}, True),
        ({"local__parameters_other": "dataset: films\n"}, False),
        ({"local__parameters__films": "dataset: films\n"}, False),
        ({"base__parameters_mine": "pets: {}\n"}, False),
        ({"local__catalog": "pets: {}\n"}, True),
    ],
)
def test_other_files_of_the_configuration(others: dict[str, str], is_free: bool, tmp_path: Path) -> None:
    folder = conf(tmp_path, None, **others)
    if is_free:
        check_free(folder, "pets", force=False)
        return
    with pytest.raises(NotFree, match=r"has the key '(pets|dataset)' already"):
        check_free(folder, "pets", force=True)


def test_the_message_has_no_secret(tmp_path: Path) -> None:
    folder = conf(tmp_path, "a: 1\n...\n")
    with pytest.raises(NotFree, match=r"remove '\.\.\.' from its end") as error:
        write(folder, "pets", BLOCK.replace("pets.csv", "https://a.org/pets.csv?token=s3cret"), force=False)
    assert "s3cret" not in str(error.value)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    folder = conf(tmp_path / "conf", None)
    (tmp_path / "shared.yml").write_text("a: 1\n")
    (folder / "local/parameters.yml").symlink_to(tmp_path / "shared.yml")
    write(folder, "pets", BLOCK, force=False)
    assert (folder / "local/parameters.yml").is_symlink()
    assert "dataset: pets" in (tmp_path / "shared.yml").read_text()


def test_a_block_in_the_middle_of_a_key_is_not_found() -> None:
    """The lines that begin and end a draft stand at the left."""
    quoted = "a: |\n" + "".join(f"  {line}\n" for line in bordered("pets", BLOCK).splitlines())
    assert inserted(quoted, "pets", bordered("pets", BLOCK), force=False).startswith(quoted)
