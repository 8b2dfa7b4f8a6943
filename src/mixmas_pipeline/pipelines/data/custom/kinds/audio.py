"""Recordings as spectrograms: log magnitudes of their beginning, and of mixtures with noise."""

from __future__ import annotations

import hashlib
import io
import logging
import math
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.sound import (
    coloured_noise,
    mel_transform,
    read_sound,
    resample,
    spectrogram_transform,
    to_decibel_bytes,
)
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.pipelines.data.custom.kinds.files import Files, check_some, file_names, read_files
from mixmas_pipeline.pipelines.data.custom.modalities import AudioParameters

if TYPE_CHECKING:
    import pandas as pd

_LONGEST = 10.0  # seconds that are taken if none are given
_MEASURED = 500  # training recordings whose length is looked up, at most
_NOISE_FILES, _NOISE_SECONDS = 40, 30.0  # that are kept in memory, at most
_log = logging.getLogger(__name__)


def learn(parameters: AudioParameters, rows: pd.DataFrame, source: Path) -> dict[str, Any]:
    """How many seconds are taken.

    Raises:
        ValueError: no training row has a file; there is no noise where some is asked for.
    """
    check_some(parameters, rows, source)
    _noises(parameters, source)
    if parameters.seconds != "auto":
        return {"seconds": _window(parameters, parameters.seconds)}
    lengths = _lengths(parameters, rows, source)
    shortest = 2 * (parameters.bins - 1) / parameters.sample_rate
    seconds = math.ceil(100 * max(shortest, min(_LONGEST, float(np.quantile(lengths, 0.9))))) / 100
    longer = float(np.mean(lengths > seconds))
    _log.info(
        "%s: the first %.2f s of a recording are taken (training recordings have %.2f to %.2f s; %.0f %% are cut off). "
        "The key seconds sets how many",
        parameters.column, seconds, lengths.min(), lengths.max(), 100 * longer,
    )  # fmt: skip
    return {"seconds": _window(parameters, seconds)}


def _window(parameters: AudioParameters, seconds: float) -> float:
    """The seconds that are taken.

    Raises:
        ValueError: a variant could begin after them.
    """
    if parameters.onset[1] >= seconds:
        raise ValueError(
            f"onset is {list(parameters.onset)}, but {seconds:g} s of a recording are taken: nothing of it would be "
            "left; expected less"
        )
    return seconds


def _lengths(parameters: AudioParameters, rows: pd.DataFrame, source: Path) -> np.ndarray:
    """Seconds of up to ``_MEASURED`` recordings, evenly spread over the rows. One that cannot be read has none; reading
    all of it will say so."""
    import soundfile

    found = []
    with Files(source) as files:
        names, present = file_names(parameters, rows, files)
        positions = np.flatnonzero(present)
        for position in positions[:: -(-len(positions) // _MEASURED)]:
            try:
                found.append(soundfile.info(io.BytesIO(files.read(names[position]))).duration)
            except (ValueError, soundfile.LibsndfileError):
                continue
    return np.array(found or [1.0])


def prepare(parameters: AudioParameters, learnt: dict[str, Any], rows: pd.DataFrame, source: Path) -> Column:
    """(n, bins, bins) uint8: frequency, from low to high, then time; 255 is a recording's loudest point. Channels are
    mixed to one. A recording's variants follow from its content.

    Raises:
        CellError: a row's file is not there, is outside the folder, or is no sound that can be read.
    """
    import torch

    seconds = learnt["seconds"]
    samples = round(parameters.sample_rate * seconds)
    if parameters.frequencies == "mel":
        transform = mel_transform(parameters.bins, samples, parameters.sample_rate)
    else:
        transform = spectrogram_transform(parameters.bins, samples)
    noises = _noises(parameters, source) if parameters.variants else []

    def decode(content: bytes) -> np.ndarray:
        waveform = _waveform(content, seconds, parameters.sample_rate)[:samples]
        whole = np.zeros((1, samples), np.float32)
        whole[0, : len(waveform)] = waveform
        if parameters.variants:
            seed = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
            mixed = _mix(parameters, waveform, samples, noises, np.random.default_rng(seed))
            whole = np.concatenate([whole, mixed])
        return to_decibel_bytes(transform(torch.from_numpy(whole)), parameters.range_db)

    variants = parameters.variants
    shape = (parameters.bins, parameters.bins)
    array, present = read_files(parameters, rows, source, (1 + variants, *shape), decode)
    steps = parameters.range_db / 255
    modality = Modality("audio", shape, "uint8", steps, -parameters.range_db, "dB")
    return Column(array[:, 0], present, modality, array[:, 1:] if variants else None)


def _mix(
    parameters: AudioParameters, waveform: np.ndarray, samples: int, noises: list[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """(variants, samples): the recording after some silence, in noise."""
    variants = parameters.variants
    ratios = 10 ** (rng.uniform(*parameters.snr_db, (variants, 1)) / 10)
    if noises:
        chosen = [noises[k] for k in rng.integers(len(noises), size=variants)]
        noise = np.stack([_excerpt(clip, samples, rng) for clip in chosen])
    else:
        noise = coloured_noise(rng.uniform(0, 2, variants), samples, rng)
    mixed = noise * np.sqrt(np.mean(np.square(waveform)) / ratios)
    for row, seconds in enumerate(rng.uniform(*parameters.onset, variants)):
        onset = min(round(seconds * parameters.sample_rate), samples)
        mixed[row, onset : onset + len(waveform)] += waveform[: samples - onset]
    return mixed.astype(np.float32)


def _excerpt(clip: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(samples,) of mean square 1, from a random place on; a clip that is too short begins again."""
    start = rng.integers(len(clip))
    taken = np.take(clip, np.arange(start, start + samples), mode="wrap")
    return taken / np.sqrt(max(np.mean(np.square(taken)), 1e-12))


def _noises(parameters: AudioParameters, source: Path) -> list[np.ndarray]:
    """The beginnings of the files that ``noise`` names, at most ``_NOISE_FILES`` of ``_NOISE_SECONDS`` each.

    Raises:
        ValueError: there is none, or one cannot be read or is silent.
    """
    if parameters.noise is None:
        return []
    found = []
    with Files(source) as files:
        names = [name for name in files.names() if fnmatchcase(name, parameters.noise)]
        if not names:
            raise ValueError(f"no file in {source} fits noise: {parameters.noise!r}")
        for name in names[:: -(-len(names) // _NOISE_FILES)]:
            try:
                clip = _waveform(files.read(name), _NOISE_SECONDS, parameters.sample_rate)
            except ValueError as error:
                raise ValueError(f"the noise {name} in {source}: {error}") from error
            if not clip.any():
                raise ValueError(f"the noise {name} in {source} is silent; expected some sound")
            found.append(clip)
    return found


def _waveform(content: bytes, seconds: float, sample_rate: int) -> np.ndarray:
    """(samples,) float32: the beginning, its channels mixed to one."""
    channels, rate = read_sound(content, seconds=seconds)
    return resample(channels.mean(axis=1), rate, sample_rate)
