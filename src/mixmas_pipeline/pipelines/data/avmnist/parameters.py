"""Parameters of the AV-MNIST preparation."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from mixmas_pipeline.utils.parameters import Count, Fraction, Parameters

Split = Literal["train", "validation", "test"]


class SoundParameters(Parameters):
    """From clips to spectrograms.

    Attributes:
        sample_rate: working rate in Hz; clips of other rates are resampled. Default 8,000.
        seconds: length of the analysed window; shorter clips are padded, longer ones cropped. Default 1.
        bins: frequency bins and frames of the square spectrogram. Default 112.
        range_db: dynamic range kept below each spectrogram's maximum, in dB. Default 80.
        snr_db: lowest and highest signal-to-noise ratio, in dB; uniform in between.
        onset: "random" puts the clip anywhere in the window, "start" at its beginning. Default "random".
    """

    sample_rate: int = Field(8000, ge=1000)
    seconds: float = Field(1.0, gt=0)
    bins: int = Field(112, ge=8)
    range_db: float = Field(80.0, gt=0)
    snr_db: tuple[float, float]
    onset: Literal["start", "random"] = "random"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError(f"snr_db is {self.snr_db}; expected the lower ratio first")
        return self


class PictureParameters(Parameters):
    """How much of a picture is kept.

    Attributes:
        energy_kept: share of the variance that the kept principal components explain together. Default 0.25
            ("75 % of the energy removed": MFAS, Pérez-Rúa et al. 2019, arXiv 1903.06496).
    """

    energy_kept: Fraction = 0.25


class SpeechSplit(Parameters):
    """Which recordings belong to which split. All others belong to train.

    Attributes:
        by: column that separates the splits: none of its values occurs in two splits.
        validation, test: its values, or a fraction of them drawn at random.
    """

    by: Literal["take", "speaker"]
    validation: list[str] | Fraction
    test: list[str] | Fraction


class PairingParameters(Parameters):
    """Which picture goes with which recording and noise.

    Attributes:
        seed: of the pairing and of the contamination's random draws. Default 0.
        validation_size: the last rows of the training pictures, kept for validation (MNIST: 5,000).
        train_size: how many training pictures are used, in their order. Default null: all.
        speech: how recordings are split.
        noise_folds: folds of noise clips for each split; a fold belongs to one split only.
        variants: how often each example's recording is mixed once more, with other noise of its split, at another
            place and level; training draws from all of them. Not of the test split. Default 0.
    """

    seed: int = Field(0, ge=0)
    validation_size: Count
    train_size: Count | None = None
    speech: SpeechSplit
    noise_folds: dict[Split, list[str]]
    variants: int = Field(0, ge=0, le=100)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if set(self.noise_folds) != {"train", "validation", "test"}:
            raise ValueError(f"noise_folds names {sorted(self.noise_folds)}; expected train, validation, test")
        folds = [fold for named in self.noise_folds.values() for fold in named]
        if len(folds) != len(set(folds)):
            raise ValueError(f"noise_folds {self.noise_folds} shares a fold between splits")
        return self


class AVMNISTParameters(Parameters):
    """Preparation of AV-MNIST.

    Attributes:
        source: of the data; named wherever figures appear.
        picture: how much of a picture is kept.
        sound: from clips to spectrograms.
        pairing: which picture goes with which recording and noise.
    """

    source: str
    picture: PictureParameters = Field(default_factory=PictureParameters)
    sound: SoundParameters
    pairing: PairingParameters
