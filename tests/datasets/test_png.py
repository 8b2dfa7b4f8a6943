"""A picture in the catalog: its bytes are kept."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mixmas_pipeline.datasets.png import PNGDataset


def test_the_file_is_not_encoded_anew(tmp_path: Path) -> None:
    """Texts in the file and its compression stay."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    texts, stream = PngInfo(), io.BytesIO()
    texts.add_text("Title", "mistakes")
    Image.fromarray(pixels).save(stream, "PNG", pnginfo=texts, compress_level=0)
    dataset = PNGDataset(filepath=str(tmp_path / "a.png"))
    dataset.save(stream.getvalue())
    assert dataset.load() == stream.getvalue()
    assert (tmp_path / "a.png").read_bytes() == stream.getvalue()
    with Image.open(io.BytesIO(base64.b64decode(dataset.preview(), validate=True))) as shown:
        assert shown.info["Title"] == "mistakes"
        np.testing.assert_array_equal(np.asarray(shown), pixels)
