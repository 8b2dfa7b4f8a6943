"""Archives of recordings: a clip that is not what pattern, rate and channel count say is named."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from kedro.io import DatasetError
from source_samples import make_wav, make_zip, tone

from mixmas_pipeline.pipelines.data.avmnist.clips import ClipArchiveDataset, read_clip
from mixmas_pipeline.storage.downloads import content_hash

PATTERN = r"recordings/(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<take>\d+)\.wav$"
GOOD = {f"recordings/{d}_anna_{t}.wav": make_wav(tone(200 + 50 * d + t)) for d in (0, 1) for t in (0, 1)}


def archive_of(folder: Path, members: dict[str, bytes], **changes: Any) -> ClipArchiveDataset:
    """A data set on a cached archive of the given members."""
    make_zip(folder / "clips.zip", members)
    arguments = {
        "filepath": str(folder / "clips.zip"),
        "mirror": "none/clips.zip",
        "url": "http://127.0.0.1:9/none",
        "pattern": PATTERN,
        "sample_rate": 8000,
    }
    return ClipArchiveDataset(**{**arguments, **changes})


def test_clips_and_their_names(tmp_path: Path) -> None:
    members = {"recordings/": b"", "README.md": b"about", **dict(reversed(GOOD.items()))}
    clips = archive_of(tmp_path, members).load()
    assert list(clips.columns) == ["digit", "speaker", "take", "file", "sample_rate", "waveform"]
    assert clips["file"].tolist() == ["0_anna_0", "0_anna_1", "1_anna_0", "1_anna_1"]
    assert clips["digit"].tolist() == ["0", "0", "1", "1"]
    assert clips["take"].tolist() == ["0", "1", "0", "1"]
    assert set(clips["speaker"]) == {"anna"}
    assert set(clips["sample_rate"]) == {8000}
    for row in clips.itertuples():
        assert row.waveform.dtype == np.int16
        np.testing.assert_array_equal(row.waveform, tone(200 + 50 * int(row.digit) + int(row.take)))


def test_a_folder_in_front_changes_nothing(tmp_path: Path) -> None:
    plain = archive_of(tmp_path / "a", GOOD).load()
    prefixed = archive_of(tmp_path / "b", {f"repo-master/{name}": content for name, content in GOOD.items()}).load()
    pd.testing.assert_frame_equal(plain.drop(columns="waveform"), prefixed.drop(columns="waveform"))
    for one, other in zip(plain["waveform"], prefixed["waveform"], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (make_wav(tone(), 16000), "16000 Hz; expected 8000 Hz"),
        (make_wav(tone()[:0]), "empty"),
        (make_wav(np.stack([tone(), tone()], axis=1)), "2 channels; expected 1"),
        (b"this is a text", "not a readable sound file"),
        (b"", "not a readable sound file"),
    ],
    ids=["rate", "empty", "stereo", "text", "nothing"],
)
def test_a_bad_clip_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    dataset = archive_of(tmp_path, {**GOOD, "recordings/7_bad_3.wav": content})
    with pytest.raises(DatasetError, match=message) as caught:
        dataset.load()
    assert str(tmp_path / "clips.zip") in str(caught.value)
    assert "recordings/7_bad_3.wav" in str(caught.value)


@pytest.mark.parametrize("name", ["recordings/x_anna_0.wav", "recordings/7-anna-0.wav", "other/7_anna_0.wav"])
def test_a_name_that_does_not_match_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not match the expected name") as caught:
        archive_of(tmp_path, {**GOOD, name: make_wav(tone())}).load()
    assert name in str(caught.value)


@pytest.mark.parametrize("members", [{}, {"README.md": b"about"}, {"recordings/0_anna_0.ogg": b""}])
def test_an_archive_without_clips_is_an_error(members: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds no member that ends in '\.wav'") as caught:
        archive_of(tmp_path, members).load()
    assert str(tmp_path / "clips.zip") in str(caught.value)


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    dataset = archive_of(tmp_path, GOOD)
    path = tmp_path / "clips.zip"
    content = bytearray(path.read_bytes())
    at = content.index(b"recordings/0_anna_1.wav") + 200
    content[at : at + 20] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"recordings/0_anna_1\.wav"):
        dataset.load()


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    dataset = archive_of(tmp_path, GOOD)
    path = tmp_path / "clips.zip"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="not a readable zip archive") as caught:
        dataset.load()
    assert str(path) in str(caught.value)


def test_an_archive_that_climbs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="points outside the archive"):
        archive_of(tmp_path, {**GOOD, "../recordings/0_anna_9.wav": make_wav(tone())}).load()


def test_hash_covers_the_clips_only(tmp_path: Path) -> None:
    archive_of(tmp_path, GOOD)
    sha256 = content_hash(tmp_path / "clips.zip", ".wav")
    assert len(archive_of(tmp_path, {**GOOD, "README.md": b"new"}, sha256=sha256).load()) == 4
    with pytest.raises(DatasetError, match="altered"):
        archive_of(tmp_path, {**GOOD, "recordings/0_anna_0.wav": make_wav(tone(99))}, sha256=sha256).load()


def test_fingerprint_follows_content_pattern_and_rate(tmp_path: Path) -> None:
    def fingerprint(**changes: Any) -> str:
        return archive_of(tmp_path, GOOD, **{"sha256": hashlib.sha256(b"1").hexdigest(), **changes}).fingerprint()

    others = [{"sha256": "2"}, {"pattern": PATTERN.replace("take", "round")}, {"sample_rate": 16000}]
    assert fingerprint() == fingerprint()
    assert len({fingerprint(), *(fingerprint(**other) for other in others)}) == 4


def test_source_is_only_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only read"):
        archive_of(tmp_path, GOOD).save(pd.DataFrame())


def test_ogg_keeps_the_tone() -> None:
    """Vorbis is lossy: the spectrum's peak stays."""
    stream = io.BytesIO()
    soundfile.write(stream, tone(1000, 44100, 44100), 44100, format="OGG", subtype="VORBIS")
    clip = read_clip(stream.getvalue(), 44100)
    assert (clip.dtype, clip.shape) == (np.dtype(np.int16), (44100,))
    spectrum = np.abs(np.fft.rfft(clip.astype(float)))
    assert spectrum.argmax() == 1000
    assert np.abs(clip).max() == pytest.approx(12000, rel=0.05)


def test_24_bit_wav_is_brought_to_16_bits() -> None:
    stream = io.BytesIO()
    soundfile.write(stream, tone().astype(np.float64) / 32768, 8000, format="WAV", subtype="PCM_24")
    clip = read_clip(stream.getvalue(), 8000)
    assert np.abs(clip.astype(int) - tone()).max() <= 1
