"""Archives and sound files made by hand, with the standard library only."""

from __future__ import annotations

import io
import wave
import zipfile
from pathlib import Path

import numpy as np


def make_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip file with the given members, in the given order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return path


def make_wav(samples: np.ndarray, rate: int = 8000) -> bytes:
    """A wav file of int16 samples, (n,) or (n, channels)."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return stream.getvalue()


def tone(frequency: float = 440, samples: int = 800, rate: int = 8000) -> np.ndarray:
    """A sine of int16 samples."""
    return (12000 * np.sin(2 * np.pi * frequency * np.arange(samples) / rate)).astype(np.int16)
