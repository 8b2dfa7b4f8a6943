"""Parameters that fit the small sources of these tests, and the measures by which modalities are judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from kedro.config import OmegaConfigLoader
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.data.avmnist.parameters import (
    PairingParameters,
    PictureParameters,
    SoundParameters,
)
from mixmas_pipeline.settings import CONFIG_LOADER_ARGS

SPEAKERS = ("ann", "bob", "cyn", "dan", "eve", "fay")
TAKES = 8
RATE = 8000

Pairs = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
Pair = Callable[..., Pairs]


class Configuration(NamedTuple):
    """The parameters of one environment."""

    picture: PictureParameters
    sound: SoundParameters
    pairing: PairingParameters
    source: str


def pairing_with(**changes: Any) -> PairingParameters:
    """Parameters for the small source, with some replaced."""
    arguments: dict[str, Any] = {
        "seed": 0,
        "validation_size": 300,
        "speech": {"by": "take", "validation": ["6"], "test": ["7"]},
        "noise_folds": {"train": ["1", "2", "3"], "validation": ["4"], "test": ["5"]},
    }
    return PairingParameters(**{**arguments, **changes})


def configured(environment: str) -> Configuration:
    """What ``conf`` says for an environment, read as Kedro reads it."""
    conf = Path(__file__).parents[2] / "conf"
    parameters = OmegaConfigLoader(str(conf), env=environment, **CONFIG_LOADER_ARGS)["parameters"]["avmnist"]
    return Configuration(
        PictureParameters(**parameters.get("picture", {})),
        SoundParameters(**parameters["sound"]),
        PairingParameters(**parameters["pairing"]),
        parameters["source"],
    )


def clean(sound: SoundParameters) -> SoundParameters:
    """The same analysis of practically pure speech, every clip at the beginning."""
    return sound.model_copy(update={"snr_db": (60.0, 60.0), "onset": "start"})


def audio_accuracy(train: MultimodalTable, other: MultimodalTable) -> float:
    """The better of a linear discriminant and a support vector machine, on coarse spectrograms of ``train``."""

    def features(table: MultimodalTable) -> np.ndarray:
        audio = table.arrays["audio"].astype(np.float32)
        n, bins, frames = audio.shape
        return audio.reshape(n, bins // 4, 4, frames // 8, 8).mean(axis=(2, 4)).reshape(n, -1)

    components = PCA(100, random_state=0).fit(features(train))
    seen, unseen = (components.transform(features(table)) for table in (train, other))
    models = (LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), SVC(C=10))
    return max(model.fit(seen, train.labels).score(unseen, other.labels) for model in models)


def image_accuracy(train: MultimodalTable, other: MultimodalTable) -> float:
    """Of the 15 nearest neighbours among the pictures of ``train``."""
    pixels = [table.arrays["image"].reshape(len(table), -1).astype(np.float32) for table in (train, other)]
    return KNeighborsClassifier(15).fit(pixels[0], train.labels).score(pixels[1], other.labels)
