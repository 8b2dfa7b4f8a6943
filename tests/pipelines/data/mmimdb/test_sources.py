"""Arrays larger than memory, and encoders."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kedro.io import DatasetError
from text_encoder import write_encoder

from mixmas_pipeline.datasets.array import ArrayDataset
from mixmas_pipeline.datasets.text_encoder import EncoderDataset
from mixmas_pipeline.storage.memory_maps import RowFile


# --- arrays larger than memory ------------------------------------------------------------------------------------
def test_rows_survive_the_file_they_were_written_to(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wanted = rng.integers(0, 255, (70, 3, 5), dtype=np.uint8)
    with RowFile(tmp_path, (3, 5), np.uint8) as rows:
        for part in np.array_split(wanted, 7):
            rows.append(part)
        with pytest.raises(ValueError, match=r"rows of shape \(5, 3\); expected \(3, 5\)"):
            rows.append(np.zeros((1, 5, 3)))
        array = rows.array()
    np.testing.assert_array_equal(array, wanted)
    assert not list(tmp_path.iterdir()), "the file has no name"
    kept = ArrayDataset(filepath=str(tmp_path / "a.npy"))
    kept.save(array)
    loaded = kept.load()
    np.testing.assert_array_equal(loaded, wanted)
    assert isinstance(loaded, np.memmap)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), wanted)
    with RowFile(tmp_path, (3,), np.float16) as nothing:
        kept.save(nothing.array())
    assert kept.load().shape == (0, 3)


# --- encoders -----------------------------------------------------------------------------------------------------
def test_encoders_are_found(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "tiny")
    local = EncoderDataset(encoder=str(folder))
    found = local.load()
    assert (found.folder, found.revision) == (folder, "")
    before = local.fingerprint()
    write_encoder(tmp_path / "other", seed=1)
    (tmp_path / "other/model.safetensors").replace(folder / "model.safetensors")
    assert local.load().content != found.content
    assert local.fingerprint() != before


@pytest.mark.parametrize("where", ["folder", "package"])
def test_a_revision_pins_no_files_of_ones_own(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_package").mkdir()
    (tmp_path / "a_package/__init__.py").touch()
    folder = write_encoder(tmp_path / "a_package/tiny")
    source = EncoderDataset(encoder=str(folder) if where == "folder" else "package:a_package/tiny", revision="0" * 40)
    before = source.fingerprint()
    (folder / "vocab.txt").write_text("other")
    assert source.fingerprint() != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("package:no_such_package/model", r"no_such_package.*not installed: pip install no-such-package"),
        ("package:json/model", "has no folder 'model'"),
        ("package:json/../json", "has no folder"),
        ("/no/such/folder", "there is no folder /no/such/folder; expected a folder"),
        ("a--b/c", "there is no folder a--b/c, and that is no name of the hub"),
    ],
)
def test_missing_encoders_say_what_to_do(name: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        EncoderDataset(encoder=name).load()


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "tiny")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DatasetError, match=r"has no weights \(\*.safetensors\); pytorch_model.bin is a pickle"):
        EncoderDataset(encoder=str(folder)).load()
    (folder / "config.json").unlink()
    with pytest.raises(DatasetError, match="has no configuration"):
        EncoderDataset(encoder=str(folder)).load()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("RepositoryNotFoundError", "neither a folder nor a hub repository 'someone/tiny'"),
        ("RevisionNotFoundError", "the hub's someone/tiny has no revision v9"),
        ("GatedRepoError", "gives someone/tiny only to people who were let in"),
        ("HfHubHTTPError", "hub cannot be reached"),
    ],
)
def test_what_the_hub_refuses_is_told_apart(error: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import errors

    def refuse(*_: Any, **__: Any) -> None:
        raise getattr(errors, error)("refused", response=SimpleNamespace(headers={}, request=None))

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(DatasetError, match=message):
        EncoderDataset(encoder="someone/tiny", revision="v9").load()


def test_the_hub_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DatasetError, match=r"hub cannot be reached \(HF_HUB_OFFLINE is set\).*local folder.*HF_HOME"):
        EncoderDataset(encoder="google-bert/bert-base-uncased").load()


def test_a_cached_hub_model_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The cache's own layout, made by hand. A branch is no pinned revision: its weights may change."""
    from huggingface_hub import constants

    commit = "0123456789" * 4
    place = tmp_path / "models--someone--tiny"
    write_encoder(place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs/main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for revision in (None, "main"):
        caplog.clear()
        assert EncoderDataset(encoder="someone/tiny", revision=revision).load().revision == commit
        assert "no pinned revision" in caplog.text
        assert f"revision: {commit}" in caplog.text
    branch = EncoderDataset(encoder="someone/tiny", revision="main")
    before = branch.fingerprint()
    write_encoder(place / "snapshots" / ("f" * 40), seed=1)
    (place / "refs/main").write_text("f" * 40)
    assert branch.fingerprint() != before
    caplog.clear()
    pinned = EncoderDataset(encoder="someone/tiny", revision=commit)
    assert pinned.load().folder == place / "snapshots" / commit
    assert commit in pinned.fingerprint()
    assert not caplog.text
