"""Sound clips: archives of recordings (FSDD, ESC-10, ESC-50) and the clips that the embedded demo makes itself.

Every data set here loads as a DataFrame, one row per clip, with the columns that its file names carry (text), and:
``file`` (base name), ``sample_rate`` (Hz), ``waveform`` (int16 numpy array, mono).
"""

from __future__ import annotations

import ctypes
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import ImagePreview

from mixmas_pipeline.data.sound import read_sound
from mixmas_pipeline.datasets.download import DownloadDataset
from mixmas_pipeline.datasets.errors import as_dataset_error
from mixmas_pipeline.datasets.previews import sounds, spread
from mixmas_pipeline.storage.archives import open_archive
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.packages import package_version

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


class ClipArchiveDataset(DownloadDataset):
    """A zip archive of wav or ogg recordings, read without being unpacked.

    Args:
        pattern: regular expression that a member's path must match from some folder on; its named groups become
            columns. Members with the same ending that do not match are an error: they would silently be left out.
        sample_rate: the rate that every clip must have, in Hz.
        filepath, mirror, url, sha256, metadata: see ``DownloadDataset``.

    Raises:
        DatasetError: missing, altered or damaged archive; a clip that is empty, of another rate, or not mono.
    """

    def __init__(
        self,
        *,
        filepath: str,
        mirror: str,
        url: str,
        pattern: str,
        sample_rate: int,
        sha256: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        ending = pattern.rsplit(".", 1)[-1].rstrip("$")
        super().__init__(
            filepath=filepath, mirror=mirror, url=url, sha256=sha256, members=f".{ending}", metadata=metadata
        )
        self._pattern = re.compile(pattern)
        self._sample_rate = sample_rate

    def preview(self) -> ImagePreview:
        """Spectrograms of some clips. Nothing is fetched for it.

        Raises:
            DatasetError: the archive has not been fetched yet, or is damaged.
        """
        return sounds(self._read(self.fetched(), some=True))

    def _read(self, path: Path, some: bool = False) -> pd.DataFrame:
        rows = []
        ending = self._source.members
        with as_dataset_error(), open_archive(path) as archive:
            names = [n for n in sorted(archive.namelist()) if n.endswith(ending)]
            if not names:
                raise DatasetError(f"{path} holds no member that ends in {ending!r}")
            for name in [names[i] for i in spread(len(names))] if some else names:
                match = self._pattern.search(name)
                if match is None:
                    raise DatasetError(
                        f"{path}: member {name!r} does not match the expected name {self._pattern.pattern!r}"
                    )
                try:
                    waveform = read_clip(archive.read(name), self._sample_rate)
                except Exception as error:
                    raise DatasetError(f"{path}: member {name!r}: {error}") from error
                rows.append(
                    {
                        **match.groupdict(),
                        "file": PurePosixPath(name).stem,
                        "sample_rate": self._sample_rate,
                        "waveform": waveform,
                    }
                )
        return pd.DataFrame(rows)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "pattern": self._pattern.pattern}

    def fingerprint(self) -> str:
        """Content, and how it is read."""
        return f"{super().fingerprint()} {self._pattern.pattern} {self._sample_rate}"


def read_clip(content: bytes, sample_rate: int) -> np.ndarray:
    """Decode a wav or ogg file to mono int16.

    Raises:
        ValueError: it cannot be decoded, is empty, has another rate than ``sample_rate`` (Hz), or is not mono.
    """
    waveform, rate = read_sound(content, "int16")
    if rate != sample_rate:
        raise ValueError(f"its sample rate is {rate} Hz; expected {sample_rate} Hz")
    if waveform.shape[1] != 1:
        raise ValueError(f"it has {waveform.shape[1]} channels; expected 1")
    return waveform[:, 0].copy()


class DemoSpeechDataset(AbstractDataset[None, pd.DataFrame]):
    """Spoken digits from the synthesiser eSpeak NG (package ``espeakng-loader``, GPL-3.0); no download.

    Every voice variant says "zero" to "nine" at several speaking rates. Columns: digit, speaker (the voice), take
    (the index of the rate).

    Args:
        rates: words per minute, one take each. Default 140, 175, 210.
        language: eSpeak voice that the variants modify. Default "en".
    """

    WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

    def __init__(
        self,
        *,
        rates: tuple[int, ...] | list[int] = (140, 175, 210),
        language: str = "en",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.metadata = metadata
        self._rates = tuple(rates)
        self._language = language

    def load(self) -> pd.DataFrame:
        return self._spoken(self._rates)

    def preview(self) -> ImagePreview:
        """Spectrograms of the digits as the first voices say them."""
        return sounds(self._spoken(self._rates[:1], voices=2))

    def _spoken(self, rates: tuple[int, ...], voices: int | None = None) -> pd.DataFrame:
        try:
            import espeakng_loader
        except ImportError as error:
            raise DatasetError(
                "the embedded demo's digits are spoken by the package espeakng-loader, which is not installed: "
                "pip install 'mixmas_pipeline[demo]' (or `make run`, which does it)"
            ) from error
        # In a process of its own: some voices draw from the C library's random numbers, which other threads of this
        # process may draw from too (Ray's do).
        library, data = espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
        order = pickle.dumps((library, data, self._language, rates, voices))
        paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        command = [sys.executable, "-c", f"from {__name__} import _speak_in_child; _speak_in_child()"]
        environment = {**os.environ, "PYTHONPATH": paths}
        done = subprocess.run(command, input=order, capture_output=True, env=environment, check=False)
        if done.returncode != 0:
            raise DatasetError(f"eSpeak NG could not speak: {done.stderr.decode(errors='replace').strip()}")
        return pd.DataFrame(pickle.loads(done.stdout))

    def save(self, data: None) -> None:
        raise DatasetError("the embedded speech is only read")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"rates": self._rates, "language": self._language}

    def fingerprint(self) -> str:
        """The synthesiser's version, rates and language."""
        return f"{package_version('espeakng-loader')} {self._describe()}"


def _speak_in_child() -> None:
    """The child process: arguments of ``_speak`` come by standard input, the rows go to standard output."""
    rows = _speak(*pickle.load(sys.stdin.buffer))
    sys.stdout.buffer.write(pickle.dumps(rows))


def _speak(library: str, data: str, language: str, rates: tuple[int, ...], voices: int | None) -> list[dict[str, Any]]:
    synthesiser = _Synthesiser(library, data)
    variants = Path(data) / "voices" / "!v"
    rows = []
    for voice in sorted(path.name for path in variants.iterdir() if path.is_file())[:voices]:
        if not synthesiser.use(f"{language}+{voice}"):
            continue
        for take, rate in enumerate(rates):
            for digit, word in enumerate(DemoSpeechDataset.WORDS):
                waveform = synthesiser.say(word, rate)
                if len(waveform) == 0 or not waveform.any():
                    raise DatasetError(f"the voice {voice!r} is silent when it says {word!r} at {rate} wpm")
                rows.append(
                    {
                        "digit": str(digit),
                        "speaker": voice,
                        "take": str(take),
                        "file": f"{digit}_{voice}_{take}",
                        "sample_rate": synthesiser.sample_rate,
                        "waveform": waveform,
                    }
                )
    return rows


class _Synthesiser:
    """The few calls of eSpeak NG's C interface (speak_lib.h) that turn a word into samples."""

    _SYNCHRONOUS, _POSITION_CHARACTER, _CHARS_UTF8, _RATE = 2, 1, 1, 1

    def __init__(self, library: str, data: str) -> None:
        # A copy of its own has fresh state, and the C library's random numbers start anew: what is said does not
        # depend on what the process did before.
        with tempfile.TemporaryDirectory() as folder:
            self._lib = ctypes.CDLL(shutil.copy(library, folder))
        ctypes.CDLL(None).srand(1)
        self.sample_rate: int = self._lib.espeak_Initialize(self._SYNCHRONOUS, 0, str(data).encode(), 0)
        if self.sample_rate <= 0:
            raise DatasetError(f"eSpeak NG could not start with the data folder {data}")
        self._chunks: list[np.ndarray] = []
        callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = callback(self._collect)  # kept: the library holds only its address
        self._lib.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: Any, count: int, events: Any) -> int:
        if count > 0 and samples:
            self._chunks.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        return 0

    def use(self, voice: str) -> bool:
        return self._lib.espeak_SetVoiceByName(voice.encode()) == 0

    def say(self, word: str, rate: int) -> np.ndarray:
        self._chunks = []
        # Breathy voices add random noise, seeded by the time of day unless told otherwise.
        self._lib.espeak_ng_SetRandSeed(ctypes.c_long(1))
        self._lib.espeak_SetParameter(self._RATE, rate, 0)
        text = word.encode()
        status = self._lib.espeak_Synth(
            text, ctypes.c_size_t(len(text) + 1), 0, self._POSITION_CHARACTER, 0, self._CHARS_UTF8, None, None
        )
        if status != 0:
            raise DatasetError(f"eSpeak NG refused to say {word!r} (status {status})")
        self._lib.espeak_Synchronize()
        return np.concatenate(self._chunks) if self._chunks else np.zeros(0, dtype=np.int16)


class DemoNoiseDataset(AbstractDataset[None, pd.DataFrame]):
    """Environmental-like noises made by formula, in the place of ESC's recordings; no download.

    Six categories (rain, sea, crackle, clock, siren, chirp) in five folds; each clip lasts ``seconds``. They are
    stand-ins: coloured noise, modulated noise, impulses and tones, not recordings.

    Args:
        seed: of the random numbers. Default 0.
        clips: of each category and fold. Default 4.
        seconds: length of a clip. Default 5.
    """

    SAMPLE_RATE = 8000
    CATEGORIES = ("rain", "sea", "crackle", "clock", "siren", "chirp")

    def __init__(
        self, *, seed: int = 0, clips: int = 4, seconds: float = 5.0, metadata: dict[str, Any] | None = None
    ) -> None:
        self.metadata = metadata
        self._seed, self._clips, self._seconds = seed, clips, seconds

    def load(self) -> pd.DataFrame:
        return self._made(5, self._clips)

    def preview(self) -> ImagePreview:
        """Spectrograms: clips of every category."""
        return sounds(self._made(2, min(2, self._clips)))

    def _made(self, folds: int, clips: int) -> pd.DataFrame:
        rows = []
        for c, category in enumerate(self.CATEGORIES):
            for fold in range(1, folds + 1):
                for clip in range(clips):
                    rng = np.random.default_rng([self._seed, c, fold, clip])
                    sound = make_noise(category, rng, int(self._seconds * self.SAMPLE_RATE), self.SAMPLE_RATE)
                    sound = sound / np.abs(sound).max() * 0.8
                    rows.append(
                        {
                            "category": category,
                            "fold": str(fold),
                            "file": f"{fold}-{category}-{clip}",
                            "sample_rate": self.SAMPLE_RATE,
                            "waveform": (sound * 32767).astype(np.int16),
                        }
                    )
        return pd.DataFrame(rows)

    def save(self, data: None) -> None:
        raise DatasetError("the embedded noises are only read")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"seed": self._seed, "clips": self._clips, "seconds": self._seconds}

    def fingerprint(self) -> str:
        """What is made; the formulas are covered by the code's own fingerprint."""
        return str(self._describe())


def make_noise(category: str, rng: np.random.Generator, samples: int, rate: int) -> np.ndarray:
    """One noise of a category of ``DemoNoiseDataset``: float64 (samples,), any scale."""
    time = np.arange(samples) / rate
    white = rng.standard_normal(samples)
    if category == "rain":
        return _coloured(white, 0.5)
    if category == "sea":
        swell = 1.2 + np.sin(2 * np.pi * rng.uniform(0.15, 0.4) * time + rng.uniform(0, 2 * np.pi))
        return _coloured(white, 1.0) * swell
    if category == "crackle":
        impulses = (rng.random(samples) < rng.uniform(5, 25) / rate) * rng.standard_normal(samples)
        decay = np.exp(-np.arange(rate // 50) / (rate * 0.003))
        return np.convolve(impulses, decay * rng.standard_normal(len(decay)), mode="same") + 0.02 * white
    if category == "clock":
        ticks = np.zeros(samples)
        ticks[:: int(rate * rng.uniform(0.25, 0.6))] = 1.0
        ring = np.sin(2 * np.pi * rng.uniform(1200, 2800) * time[: rate // 25]) * np.exp(-time[: rate // 25] * 120)
        return np.convolve(ticks, ring, mode="same") + 0.01 * white
    if category == "siren":
        sweep = rng.uniform(600, 900) + rng.uniform(150, 350) * np.sin(2 * np.pi * rng.uniform(0.3, 1.5) * time)
        return np.sin(2 * np.pi * np.cumsum(sweep) / rate) + 0.05 * white
    if category == "chirp":
        gate = (np.sin(2 * np.pi * rng.uniform(2, 5) * time) > 0.4).astype(float)
        sweep = rng.uniform(1800, 3000) + 500 * np.sin(2 * np.pi * rng.uniform(8, 20) * time)
        return np.sin(2 * np.pi * np.cumsum(sweep) / rate) * gate + 0.05 * white
    raise ValueError(f"unknown category {category!r}; expected one of {DemoNoiseDataset.CATEGORIES}")


def _coloured(white: np.ndarray, exponent: float) -> np.ndarray:
    """Noise whose amplitude spectrum falls as frequency to the power ``-exponent``."""
    spectrum = np.fft.rfft(white)
    # Flat below 1/40 of the band: energy that no spectrogram shows would only use up the noise's share.
    spectrum /= np.maximum(np.arange(len(spectrum)), len(spectrum) / 40) ** exponent
    return np.fft.irfft(spectrum, len(white))
