"""The sounds that the embedded demo makes itself: the same everywhere, complete, and never silent."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

from mixmas_pipeline.pipelines.data.avmnist.clips import DemoNoiseDataset, DemoSpeechDataset, make_noise


def digest(clips: pd.DataFrame) -> str:
    """One hash of every column of every clip."""
    total = hashlib.sha256()
    for row in clips.itertuples(index=False):
        for value in row:
            total.update(value.tobytes() if isinstance(value, np.ndarray) else str(value).encode())
    return total.hexdigest()


# In a process whose C library's random numbers have been used by somebody else, if a seed is given.
SAY = """
import ctypes, sys
sys.path.insert(0, sys.argv[1])
if len(sys.argv) > 2:
    ctypes.CDLL(None).srand(int(sys.argv[2]))
from test_demo_sounds import DemoSpeechDataset, digest
print(digest(DemoSpeechDataset(rates=[150, 190]).load()))
"""


def digests_in_other_processes(*arguments: list[str]) -> list[str]:
    """What fresh processes say, one for each list of arguments."""
    folder = __file__.rpartition("/")[0]
    processes = [
        subprocess.Popen([sys.executable, "-c", SAY, folder, *extra], stdout=subprocess.PIPE, text=True)
        for extra in arguments
    ]
    return [process.communicate(timeout=60)[0].strip() for process in processes]


@pytest.fixture(scope="module")
def speech() -> pd.DataFrame:
    """Every voice at two rates."""
    pytest.importorskip("espeakng_loader", reason="the demo's speech needs espeakng-loader")
    return DemoSpeechDataset(rates=[150, 190]).load()


def test_speech_is_bit_identical_across_processes_whatever_they_did_before(speech: pd.DataFrame) -> None:
    """A fresh process, one whose C random numbers were seeded by another library, and this one."""
    assert digests_in_other_processes([], ["7"]) == [digest(speech)] * 2


def test_speech_is_bit_identical_when_loaded_again(speech: pd.DataFrame) -> None:
    assert digest(DemoSpeechDataset(rates=[150, 190]).load()) == digest(speech)


def test_every_voice_says_ten_digits_at_every_rate(speech: pd.DataFrame) -> None:
    assert list(speech.columns) == ["digit", "speaker", "take", "file", "sample_rate", "waveform"]
    assert speech["speaker"].nunique() >= 50
    said = speech.groupby("speaker")[["digit", "take"]].agg(list)
    expected = sorted((str(d), str(t)) for d in range(10) for t in range(2))
    for row in said.itertuples():
        assert sorted(zip(row.digit, row.take, strict=True)) == expected
    assert speech["file"].is_unique
    assert set(speech["sample_rate"]) == {22050}


def test_no_clip_is_silent(speech: pd.DataFrame) -> None:
    for row in speech.itertuples():
        assert row.waveform.dtype == np.int16
        assert 0.1 < len(row.waveform) / row.sample_rate < 3, row.file
        assert np.abs(row.waveform.astype(int)).max() > 500, row.file


def test_clips_differ_between_digits_and_rates(speech: pd.DataFrame) -> None:
    """A voice never says the same sound for two digits: the word did reach the synthesiser."""
    for _, clips in speech.groupby("speaker"):
        assert len({waveform.tobytes() for waveform in clips["waveform"]}) == 20
    length = speech.assign(length=speech["waveform"].map(len)).groupby("take")["length"].mean()
    assert length["0"] > length["1"], "190 words a minute are shorter than 150"


def test_noise_is_deterministic_and_complete() -> None:
    noise = DemoNoiseDataset(clips=2, seconds=1.0).load()
    assert digest(noise) == digest(DemoNoiseDataset(clips=2, seconds=1.0).load())
    assert digest(noise) != digest(DemoNoiseDataset(clips=2, seconds=1.0, seed=1).load())
    counts = noise.groupby(["category", "fold"]).size()
    assert set(counts.index) == {(c, str(f)) for c in DemoNoiseDataset.CATEGORIES for f in range(1, 6)}
    assert set(counts) == {2}
    assert noise["file"].is_unique
    assert len({waveform.tobytes() for waveform in noise["waveform"]}) == len(noise)


def test_noise_is_sound_of_the_length_asked() -> None:
    for row in DemoNoiseDataset(clips=1, seconds=1.5).load().itertuples():
        assert row.waveform.dtype == np.int16
        assert (row.sample_rate, len(row.waveform)) == (8000, 12000)
        assert 0.7 < np.abs(row.waveform.astype(int)).max() / 32767 <= 1, row.file


@pytest.mark.parametrize("category", DemoNoiseDataset.CATEGORIES)
def test_every_category_has_its_own_formula(category: str) -> None:
    one, again = (make_noise(category, np.random.default_rng(5), 8000, 8000) for _ in range(2))
    assert one.shape == (8000,)
    assert np.isfinite(one).all()
    assert one.std() > 0
    np.testing.assert_array_equal(one, again)


def test_rain_and_sea_fall_with_frequency() -> None:
    """Amplitude falls as f^-1/2 for rain: 3 dB less per octave in power."""
    spectrum = np.abs(np.fft.rfft(make_noise("rain", np.random.default_rng(0), 80_000, 8000))) ** 2
    low, high = spectrum[1000:2000].mean(), spectrum[8000:16000].mean()
    assert low / high == pytest.approx(8, rel=0.15)


def test_unknown_category_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown category 'thunder'"):
        make_noise("thunder", np.random.default_rng(0), 100, 8000)


def test_demo_sounds_are_only_read() -> None:
    for dataset in (DemoSpeechDataset(), DemoNoiseDataset()):
        assert dataset.exists()
        with pytest.raises(DatasetError, match="only read"):
            dataset.save(pd.DataFrame())


def test_fingerprints_follow_the_arguments() -> None:
    pytest.importorskip("espeakng_loader", reason="the demo's speech needs espeakng-loader")
    prints = [DemoSpeechDataset().fingerprint(), DemoSpeechDataset(rates=[100]).fingerprint()]
    prints += [DemoNoiseDataset().fingerprint(), DemoNoiseDataset(seed=1).fingerprint()]
    assert len(set(prints)) == 4
    assert DemoSpeechDataset().fingerprint() == prints[0]
