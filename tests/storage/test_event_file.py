"""TensorBoard event files, against the format's own definition."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixmas_pipeline.storage.event_file import EventFile


def png(mode: str) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (7, 3)).save(stream, "PNG")
    return stream.getvalue()


def write(folder: Path, time: float = 1767225600.5) -> Path:
    with EventFile(folder, time) as events:
        events.scalar("loss", 0.1, step=3)
        events.text("note", "*ü*")
        events.picture("drawing", png("L"))
    (file,) = folder.iterdir()
    return file


def crc32c(data: bytes) -> int:
    """CRC-32C bit by bit, with its reversed polynomial."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    """As TFRecord files store a checksum: rotated right by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_records_have_the_frame_of_tfrecord(tmp_path: Path) -> None:
    """Length, its checksum, the event, its checksum; the first event names the version of the format."""
    content, lengths, start = write(tmp_path / "run").read_bytes(), [], 0
    while start < len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        assert struct.unpack_from("<I", content, start + 8)[0] == masked(content[start : start + 8])
        event = content[start + 12 : start + 12 + length]
        assert struct.unpack_from("<I", content, start + 12 + length)[0] == masked(event)
        assert struct.pack("<d", 1767225600.5) in event
        lengths.append(length)
        start += 16 + length
    assert len(lengths) == 4
    assert b"brain.Event:2" in content[: 16 + lengths[0]]


def test_another_time_is_the_only_difference_between_two_files(tmp_path: Path) -> None:
    first, again = write(tmp_path / "a").read_bytes(), write(tmp_path / "b").read_bytes()
    later = write(tmp_path / "c", 2).read_bytes()
    assert first == again
    assert first != later
    assert len(first) == len(later)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_a_picture_states_its_size_and_channels(mode: str, channels: int, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    with EventFile(tmp_path / "run", 1) as events:
        events.picture("drawing", png(mode))
    *_, raw = RawEventFileLoader(str(next((tmp_path / "run").iterdir()))).Load()
    image = Event.FromString(raw).summary.value[0].image
    assert (image.height, image.width, image.colorspace) == (3, 7, channels)


def test_numbers_are_kept_in_single_precision_with_their_step(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.util.tensor_util import make_ndarray

    _, raw, *_ = RawEventFileLoader(str(write(tmp_path / "run"))).Load()
    event = Event.FromString(raw)
    assert (event.step, event.wall_time, event.summary.value[0].tag) == (3, 1767225600.5, "loss")
    assert make_ndarray(event.summary.value[0].tensor) == np.float32(0.1)
