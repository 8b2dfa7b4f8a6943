"""Recordings as spectrograms: log magnitudes of their beginning."""

from __future__ import annotations

import hashlib
import io
import logging
import math
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
from mixmas_pipeline.pipelines.data.custom.parameters import AudioParameters

if TYPE_CHECKING:
    import pandas as pd

_LONGEST = 10.0  # seconds that are taken if none are given
_MEASURED = 500  # training recordings whose length is looked up, at most
_log = logging.getLogger(__name__)


def learn(parameters: AudioParameters, rows: pd.DataFrame, source: Path) -> dict[str, Any]:
    """How many seconds are taken.

    Raises:
        ValueError: no training row has a file.
    """
    check_some(parameters, rows, source)
    if parameters.seconds != "auto":
        return {"seconds": parameters.seconds}
    lengths = _lengths(parameters, rows, source)
    shortest = 2 * (parameters.bins - 1) / parameters.sample_rate
    seconds = math.ceil(100 * max(shortest, min(_LONGEST, float(np.quantile(lengths, 0.9))))) / 100
    longer = float(np.mean(lengths > seconds))
    _log.info(
        "%s: the first %.2f s of a recording are taken (training recordings have %.2f to %.2f s; %.0f %% are cut off). "
        "The key seconds sets how many",
        parameters.column, seconds, lengths.min(), lengths.max(), 100 * longer,
    )  # fmt: skip
    return {"seconds": seconds}


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
    variants = parameters.variants
    if parameters.frequencies == "mel":
        transform = mel_transform(parameters.bins, samples, parameters.sample_rate)
    else:
        transform = spectrogram_transform(parameters.bins, samples)

    def decode(content: bytes) -> np.ndarray:
        channels, rate = read_sound(content, seconds=seconds)
        waveform = resample(channels.mean(axis=1), rate, parameters.sample_rate)[:samples]
        whole = np.zeros((1 + variants, samples), np.float32)
        whole[:, : len(waveform)] = waveform
        if variants:
            seed = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
            rng = np.random.default_rng(seed)
            ratios = 10 ** (rng.uniform(*parameters.snr_db, (variants, 1)) / 10)
            noise = coloured_noise(rng.uniform(0, 2, variants), samples, rng)
            whole[1:] += noise * np.sqrt(np.mean(np.square(waveform)) / ratios)
        return to_decibel_bytes(transform(torch.from_numpy(whole)), parameters.range_db)

    shape = (parameters.bins, parameters.bins)
    array, present = read_files(parameters, rows, source, (1 + variants, *shape), decode)
    steps = parameters.range_db / 255
    modality = Modality("audio", shape, "uint8", steps, -parameters.range_db, "dB")
    return Column(array[:, 0], present, modality, array[:, 1:] if variants else None)
