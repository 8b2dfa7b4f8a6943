"""Recordings as spectrograms: log magnitudes of their beginning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.sound import read_sound, resample, spectrogram_transform, to_decibel_bytes
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.pipelines.data.custom.kinds.files import check_some, read_files
from mixmas_pipeline.pipelines.data.custom.parameters import AudioParameters

if TYPE_CHECKING:
    import pandas as pd


def learn(parameters: AudioParameters, rows: pd.DataFrame, source: Path) -> dict[str, Any]:
    """Nothing.

    Raises:
        ValueError: no training row has a file.
    """
    check_some(parameters, rows, source)
    return {}


def prepare(parameters: AudioParameters, learnt: dict[str, Any], rows: pd.DataFrame, source: Path) -> Column:
    """(n, bins, bins) uint8: frequency, from low to high, then time; 255 is a recording's loudest point. Channels are
    mixed to one.

    Raises:
        CellError: a row's file is not there, is outside the folder, or is no sound that can be read.
    """
    import torch

    samples = round(parameters.sample_rate * parameters.seconds)
    transform = spectrogram_transform(parameters.bins, samples)

    def decode(content: bytes) -> np.ndarray:
        channels, rate = read_sound(content, seconds=parameters.seconds)
        waveform = resample(channels.mean(axis=1), rate, parameters.sample_rate)[:samples]
        whole = np.zeros((1, samples), np.float32)
        whole[0, : len(waveform)] = waveform
        return to_decibel_bytes(transform(torch.from_numpy(whole)), parameters.range_db)[0]

    shape = (parameters.bins, parameters.bins)
    array, present = read_files(parameters, rows, source, shape, decode)
    steps = parameters.range_db / 255
    return Column(array, present, Modality("audio", shape, "uint8", steps, -parameters.range_db, "dB"))
