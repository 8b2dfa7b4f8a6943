"""Embeddings of plots against plain transformers calls; killed runs; parts that are not whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mmimdb_samples import films
from object_store import ObjectStore
from text_encoder import reference, write_encoder

from mixmas_pipeline.data.text_embedding import EncoderFiles
from mixmas_pipeline.datasets.text_encoder import EncoderDataset
from mixmas_pipeline.pipelines.data.mmimdb import embedding
from mixmas_pipeline.pipelines.data.mmimdb.parameters import TextParameters
from mixmas_pipeline.storage.cache import cache_folder
from mixmas_pipeline.storage.paths import as_path
from mixmas_pipeline.storage.retention import checkpoint_folder, sweep_checkpoints

TEXT = TextParameters(max_tokens=20, precision="float32", device="cpu", batch_tokens=64)


def split(values: np.ndarray, tokens: pd.DataFrame) -> list[np.ndarray]:
    return np.split(values, tokens["tokens"].cumsum()[:-1])


def test_embeddings_are_those_of_plain_calls(encoder: EncoderFiles, tmp_path: Path) -> None:
    frame = films()
    taken = frame[frame["left_out"] == ""]
    values, tokens, info = embedding.embed_plots(frame, encoder, TEXT, tmp_path)
    wanted = reference(encoder, list(taken["plot"]), TEXT.max_tokens)
    assert list(tokens["id"]) == list(taken["id"])
    assert tokens["tokens"].tolist() == [len(states) for states in wanted]
    assert values.dtype == np.float16
    for mine, theirs in zip(split(values, tokens), wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-3)
    words = [len(text.split()) + 2 for text in taken["plot"]]
    assert tokens["whole"].tolist() == words
    assert info["truncated"] == pytest.approx(np.mean(np.array(words) > 20))
    assert 0 < info["truncated"] < 1
    assert (info["hidden"], info["tokens"], info["films"], info["resumed"]) == (16, len(values), len(taken), False)
    assert info["mean_tokens"] == pytest.approx(np.mean(words))
    assert info["content"] == encoder.content


def test_half_the_precision_is_near(encoder: EncoderFiles, tmp_path: Path) -> None:
    exact, _, _ = embedding.embed_plots(films(), encoder, TEXT, tmp_path)
    coarse, _, info = embedding.embed_plots(
        films(), encoder, TEXT.model_copy(update={"precision": "bfloat16"}), tmp_path
    )
    assert info["computed_in"] == "bfloat16"
    difference = np.abs(exact.astype(float) - coarse.astype(float))
    assert 0 < difference.mean() < 2e-2


class Killed(BaseException):
    """Stands for a signal."""


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_killed_run_goes_on_and_ends_the_same(
    after: int, encoder: EncoderFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_PART_TOKENS", 100)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    whole, tokens, _ = embedding.embed_plots(films(), encoder, TEXT, tmp_path / "one")
    parts = len(list((tmp_path / "one").rglob("*.npy")))
    assert parts >= 4
    save, saved = embedding._save, []

    def dying(path: Path, values: np.ndarray) -> None:
        if len(saved) == after:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.partial").write_bytes(b"half of it")
            raise Killed
        saved.append(path)
        save(path, values)

    monkeypatch.setattr(embedding, "_save", dying)
    with pytest.raises(Killed):
        embedding.embed_plots(films(), encoder, TEXT, tmp_path / "two")
    computed: list[Path] = []
    monkeypatch.setattr(embedding, "_save", lambda path, values: (computed.append(path), save(path, values)))
    again, others, info = embedding.embed_plots(films(), encoder, TEXT, tmp_path / "two")
    np.testing.assert_array_equal(again, whole)
    pd.testing.assert_frame_equal(others, tokens)
    assert len(computed) == parts - after, "what was finished is not done again"
    assert info["resumed"] is (after > 0)
    embedding.embed_plots(films(), encoder, TEXT, tmp_path / "two")
    assert len(computed) == parts - after


def test_parts_outlive_the_machine(
    encoder: EncoderFiles, object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an object store: a second machine resumes from them."""
    monkeypatch.setattr(embedding, "_PART_TOKENS", 100)
    (disk := tmp_path / "disk").mkdir()
    whole, _, _ = embedding.embed_plots(films(), encoder, TEXT, disk)
    scratch: Any = as_path(f"{object_store.url}/parts")
    embedding.embed_plots(films(10), encoder, TEXT, scratch)
    others = set(object_store.objects())
    save, saved = embedding._save, []

    def dying(path: Path, values: np.ndarray) -> None:
        if len(saved) == 2:
            raise Killed
        saved.append(path)
        save(path, values)

    with monkeypatch.context() as patched:
        patched.setattr(embedding, "_save", dying)
        with pytest.raises(Killed):
            embedding.embed_plots(films(), encoder, TEXT, scratch)
    shutil.rmtree(cache_folder())
    assert len(set(object_store.objects()) - others) == 2
    again, _, info = embedding.embed_plots(films(), encoder, TEXT, scratch)
    np.testing.assert_array_equal(again, whole)
    assert info["resumed"]
    new = {name for name in set(object_store.objects()) - others if name.endswith(".npy")}
    assert len(new) == len(list(disk.rglob("*.npy")))


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def damage_emptied(path: Path) -> None:
    path.write_bytes(b"")


def damage_shorter(path: Path) -> None:
    np.save(path, np.load(path)[:-1])


@pytest.mark.parametrize("damage", [damage_cut, damage_emptied, damage_shorter])
def test_a_part_that_is_not_whole_is_computed_again(
    damage: Callable[[Path], None], encoder: EncoderFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_PART_TOKENS", 100)
    whole, _, _ = embedding.embed_plots(films(), encoder, TEXT, tmp_path)
    part = sorted(tmp_path.rglob("*.npy"))[1]
    damage(part)
    again, _, info = embedding.embed_plots(films(), encoder, TEXT, tmp_path)
    np.testing.assert_array_equal(again, whole)
    assert info["resumed"]


def test_parts_are_on_the_disk_and_may_go_once_the_run_has_ended(
    encoder: EncoderFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of a call that fails stay."""
    checkpoints: Any = checkpoint_folder(tmp_path)
    synced: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", synced.append)
        embedding.embed_plots(films(), encoder, TEXT, checkpoints)
    (only,) = tmp_path.rglob("*.npy")
    assert len(synced) == 2, "the part, and the mark that all are finished"
    monkeypatch.setattr(embedding, "_gather", None)
    with pytest.raises(TypeError):
        embedding.embed_plots(films(8), encoder, TEXT, checkpoints)
    assert len(list(tmp_path.rglob("*.npy"))) == 2
    sweep_checkpoints(tmp_path)
    (left,) = tmp_path.rglob("*.npy")
    assert left != only


def test_parts_of_other_plots_encoders_or_settings_are_not_gone_on_with(encoder: EncoderFiles, tmp_path: Path) -> None:
    other = EncoderDataset(encoder=str(write_encoder(tmp_path / "other", seed=1))).load()
    scratch = tmp_path / "scratch"

    def folder(frame: pd.DataFrame, model: EncoderFiles = encoder, **changes: Any) -> str:
        _, _, info = embedding.embed_plots(frame, model, TEXT.model_copy(update=changes), scratch)
        assert not info["resumed"]
        (new,) = {path.name for path in scratch.iterdir()} - known
        known.add(new)
        return new

    known: set[str] = set()
    frame = films(8)
    names = [
        folder(frame),
        folder(frame.assign(plot=frame["plot"].iloc[::-1].to_numpy())),
        folder(frame, other),
        folder(frame, max_tokens=19),
        folder(frame, precision="bfloat16"),
        folder(frame, batch_tokens=65),
    ]
    assert len(set(names)) == len(names)


def test_more_tokens_than_the_encoder_takes(encoder: EncoderFiles, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"max_tokens is 33; the encoder .* takes at most 32"):
        embedding.embed_plots(films(), encoder, TEXT.model_copy(update={"max_tokens": 33}), tmp_path)
