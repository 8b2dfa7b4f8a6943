"""AV-MNIST: raw digits, speech and noise in; aligned multimodal tables out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from mixmas_pipeline.data.table import GROUP, Modality, MultimodalTable, TableSchema
from mixmas_pipeline.pipelines.data.avmnist.parameters import (
    PairingParameters,
    PictureParameters,
    SoundParameters,
    Split,
)
from mixmas_pipeline.utils.lazy import lazy
from mixmas_pipeline.utils.progress import Progress

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
DIGITS = tuple("0123456789")
_CHUNK = 500
_VARIANTS_STREAM = 23  # sets these random numbers apart from others of the same seed
_log = logging.getLogger(__name__)


def resample_clips(clips: pd.DataFrame, sound: SoundParameters) -> pd.DataFrame:
    """Bring clips to the working rate and cut the silence at their ends.

    Args:
        clips: columns of a clip data set (``mixmas_pipeline.pipelines.data.avmnist.clips``).

    Returns:
        The same rows; ``waveform`` int16 at ``sound.sample_rate``.
    """
    from mixmas_pipeline.data.sound import resample
    from mixmas_pipeline.pipelines.data.avmnist.sound import trim_silence

    waveforms = []
    for waveform, rate in zip(clips["waveform"], clips["sample_rate"], strict=True):
        waveforms.append(trim_silence(resample(waveform, rate, sound.sample_rate)))
    return clips.assign(waveform=waveforms, sample_rate=sound.sample_rate)


def pair_digits(
    train_labels: np.ndarray,
    test_labels: np.ndarray,
    speech: pd.DataFrame,
    noise: pd.DataFrame,
    pairing: PairingParameters,
    sound: SoundParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Decide which picture goes with which recording, noise, onset and noise level.

    Each picture is used once. Within a class the recordings of the split are assigned in turn, in a seeded random
    order, so that they repeat evenly. Splits share no picture, no recording (by ``pairing.speech.by``) and no noise
    fold.

    Returns:
        One DataFrame per split: id, digit, picture (row of the source images), recording and noise (row of ``speech``
        and ``noise``), noise_start and onset (0 to 1, of the possible range), snr_db; file names, for people; and
        group: the speaker if splits share none, else the recording.

    Raises:
        ValueError: a split would have a class without a picture or recording, or no noise.
    """
    rng = np.random.default_rng(pairing.seed)
    pictures = _split_pictures(train_labels, test_labels, pairing)
    recording_split = _split_recordings(speech, pairing, rng)
    tables, together = [], speech["speaker" if pairing.speech.by == "speaker" else "file"].to_numpy()
    for split in SPLITS:
        rows, labels = pictures[split]
        noise_rows = np.flatnonzero(noise["fold"].isin(pairing.noise_folds[split]))
        folds = sorted(noise["fold"].unique())
        if len(noise_rows) == 0 or not set(pairing.noise_folds[split]) <= set(folds):
            raise ValueError(
                f"{split} takes the noise folds {pairing.noise_folds[split]}; the noise has the folds {folds}"
            )
        recordings = _deal_recordings(labels, speech, recording_split == split, split, rng)
        noises = _deal(noise_rows, len(rows), rng)
        tables.append(
            pd.DataFrame(
                {
                    "id": [f"{split}-{row:05d}" for row in rows],
                    "digit": labels.astype(np.int64),
                    "picture": rows,
                    "recording": recordings,
                    "noise": noises,
                    "noise_start": rng.random(len(rows)),
                    "onset": rng.random(len(rows)) if sound.onset == "random" else np.zeros(len(rows)),
                    "snr_db": rng.uniform(*sound.snr_db, len(rows)),
                    "recording_file": speech["file"].to_numpy()[recordings],
                    "noise_file": noise["file"].to_numpy()[noises],
                    GROUP: together[recordings],
                }
            )
        )
    _require_disjoint(tables)
    return tuple(tables)


def _deal_recordings(
    labels: np.ndarray, speech: pd.DataFrame, in_split: np.ndarray, split: Split, rng: np.random.Generator
) -> np.ndarray:
    """A recording, as a row of ``speech``, for each picture: of its digit and in its split."""
    recordings = np.empty(len(labels), dtype=np.int64)
    for digit in range(10):
        of_digit = np.flatnonzero(labels == digit)
        choices = np.flatnonzero((speech["digit"].astype(int) == digit) & in_split)
        if len(of_digit) == 0 or len(choices) == 0:
            raise ValueError(
                f"the {split} split has {len(of_digit)} pictures and {len(choices)} recordings of the digit "
                f"{digit}; both must be at least 1 (check the split parameters under avmnist.pairing)"
            )
        recordings[of_digit] = _deal(choices, len(of_digit), rng)
    return recordings


def fit_energy_basis(
    train_images: np.ndarray, train_pairs: pd.DataFrame, picture: PictureParameters
) -> dict[str, np.ndarray]:
    """Principal components of the training pictures, only as many as explain ``energy_kept`` of the variance.

    Returns:
        mean (pixels,), components (k, pixels) with unit rows, explained (pixels,) shares of the variance, range (2,)
        lowest and highest grey level of the reduced training pictures, float32.
    """
    pixels = train_images[train_pairs["picture"]].reshape(len(train_pairs), -1).astype(np.float32)
    mean = pixels.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = pixels - mean
    covariance = (centred.T @ centred).astype(np.float64) / len(centred)
    variance, vectors = np.linalg.eigh(covariance)
    variance, vectors = variance[::-1].clip(min=0), vectors[:, ::-1]
    if variance.sum() == 0:
        raise ValueError("all training pictures are the same; principal components need variance")
    explained = variance / variance.sum()
    kept = int(np.searchsorted(np.cumsum(explained), picture.energy_kept) + 1)
    _log.info("%d components keep %.1f %% of the pictures' energy", kept, 100 * explained[:kept].sum())
    return {
        "mean": mean,
        "components": np.ascontiguousarray(vectors[:, :kept].T).astype(np.float32),
        "explained": explained.astype(np.float32),
        "range": _range(pixels, mean, vectors[:, :kept]),
    }


def reduce_images(
    train_images: np.ndarray, test_images: np.ndarray, basis: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Project pictures on the basis and back, mean included, as bytes.

    Returns:
        train, test: uint8 of the input shapes; scale, offset: (1,) float32, grey level = value * scale + offset. The
        reconstructions leave 0-255, so the range of the training pictures is spread over the bytes (others clip).
    """
    reduced = {}
    for part, images in (("train", train_images), ("test", test_images)):
        centred = images.reshape(len(images), -1).astype(np.float32) - basis["mean"]
        reduced[part] = (centred @ basis["components"].T) @ basis["components"] + basis["mean"]
    low, high = map(float, basis["range"])
    scale = (high - low) / 255
    for part, images in (("train", train_images), ("test", test_images)):
        stored = np.rint((reduced[part] - low) / scale).clip(0, 255).astype(np.uint8)
        reduced[part] = stored.reshape(images.shape)
    return {
        **reduced,
        "scale": np.array([scale], dtype=np.float32),
        "offset": np.array([low], dtype=np.float32),
    }


def build_table(
    pairs: pd.DataFrame,
    reduced: dict[str, np.ndarray],
    speech: pd.DataFrame,
    noise: pd.DataFrame,
    sound: SoundParameters,
    pairing: PairingParameters,
    source: str,
) -> MultimodalTable:
    """Contaminate the recordings, compute the spectrograms, and align them with the pictures.

    Args:
        source: name of the data, shown wherever figures made from it appear.

    Returns:
        Modalities image (28, 28) uint8 and audio (bins, bins) uint8, in dB; label the digit; as extra columns, what
        each example was made from; and variants of audio, see ``PairingParameters``.
    """
    split: Split = pairs["id"].iloc[0].split("-")[0]
    images = reduced["test" if split == "test" else "train"][pairs["picture"].to_numpy()]
    audio = _spectrograms(pairs, speech, noise, sound, f"{split} spectrograms")
    variants = {}
    if split != "test" and pairing.variants:
        again = _mix_again(pairs, noise, sound, pairing, split)
        mixed = _spectrograms(again, speech, noise, sound, f"{split} spectrograms in other noise")
        variants["audio"] = mixed.reshape(len(pairs), pairing.variants, *audio.shape[1:])
    modalities = {
        "image": Modality(
            "image", images.shape[1:], "uint8", float(reduced["scale"][0]), float(reduced["offset"][0]), "grey level"
        ),
        "audio": Modality("audio", audio.shape[1:], "uint8", sound.range_db / 255, -sound.range_db, "dB"),
    }
    extra = {
        "spoken_digit": speech["digit"].astype(np.int64).to_numpy()[pairs["recording"]],
        "snr_db": pairs["snr_db"].to_numpy(),
        "recording_file": pairs["recording_file"].to_numpy(dtype=object),
        "noise_file": pairs["noise_file"].to_numpy(dtype=object),
        GROUP: pairs[GROUP].to_numpy(dtype=object),
    }
    return MultimodalTable(
        TableSchema(modalities, "multiclass", DIGITS, source=source),
        {"image": images, "audio": audio},
        pairs["digit"].to_numpy(),
        pairs["id"].to_numpy(),
        extra,
        variants=variants,
    )


def _mix_again(
    pairs: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters, pairing: PairingParameters, split: Split
) -> pd.DataFrame:
    """``pairing.variants`` rows for each, one after the other, with other noise, place and level."""
    rng = np.random.default_rng((pairing.seed, SPLITS.index(split), _VARIANTS_STREAM))
    again = pairs.loc[pairs.index.repeat(pairing.variants)]
    choices = np.flatnonzero(noise["fold"].isin(pairing.noise_folds[split]))
    return again.assign(
        noise=rng.choice(choices, len(again)),
        noise_start=rng.random(len(again)),
        onset=rng.random(len(again)) if sound.onset == "random" else 0.0,
        snr_db=rng.uniform(*sound.snr_db, len(again)),
    )


def check_alignment(table: MultimodalTable) -> None:
    """Catalog validator: the spoken digit is the pictured one, and every class has enough rows.

    Raises:
        ValueError: a row's recording says another digit than its label; or a class has less than half of an equal
            share of the rows.
    """
    spoken = table.extra["spoken_digit"]
    wrong = np.flatnonzero(spoken != table.labels)
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"row {row} (id {table.ids[row]}) is labelled {table.labels[row]} but its recording says {spoken[row]}; "
            f"{len(wrong)} of {len(table)} rows are out of step"
        )
    counts = np.bincount(table.labels, minlength=len(table.schema.classes))
    least = int(counts.argmin())
    if counts[least] < 0.5 * len(table) / len(counts):
        raise ValueError(
            f"class {table.schema.classes[least]!r} has {counts[least]} of {len(table)} rows; expected at least half "
            f"of an equal share ({0.5 * len(table) / len(counts):.0f})"
        )


def _range(pixels: np.ndarray, mean: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float32)
    reduced = ((pixels - mean) @ vectors) @ vectors.T + mean
    return np.array([reduced.min(), reduced.max()], dtype=np.float32)


def _split_pictures(
    train_labels: np.ndarray, test_labels: np.ndarray, pairing: PairingParameters
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    available = len(train_labels) - pairing.validation_size
    size = available if pairing.train_size is None else pairing.train_size
    if not 0 < size <= available:
        raise ValueError(
            f"avmnist.pairing asks for {pairing.train_size or 'all'} training and {pairing.validation_size} validation "
            f"pictures; the source has {len(train_labels)}"
        )
    train = np.arange(size)
    validation = np.arange(available, len(train_labels))
    test = np.arange(len(test_labels))
    return {
        "train": (train, train_labels[train]),
        "validation": (validation, train_labels[validation]),
        "test": (test, test_labels),
    }


def _split_recordings(speech: pd.DataFrame, pairing: PairingParameters, rng: np.random.Generator) -> np.ndarray:
    column = speech[pairing.speech.by].astype(str)
    values = np.array(sorted(column.unique()))
    fixed = {v for s in ("test", "validation") if isinstance(w := getattr(pairing.speech, s), list) for v in w}
    shuffled = [value for value in values[rng.permutation(len(values))].tolist() if value not in fixed]
    split_of = dict.fromkeys(values, "train")
    taken = 0
    for split in ("test", "validation"):
        wanted = getattr(pairing.speech, split)
        if isinstance(wanted, float):
            count = max(1, round(wanted * len(values)))
            named = shuffled[taken : taken + count]
            taken += count
        else:
            named = wanted
            if unknown := sorted(set(wanted) - set(values)):
                raise ValueError(
                    f"avmnist.pairing.speech.{split} names {unknown}, which no recording has as its "
                    f"{pairing.speech.by}; there are {', '.join(values[:10])}, ..."
                )
        for value in named:
            if split_of[value] != "train":
                raise ValueError(f"{pairing.speech.by} {value!r} is in both validation and test")
            split_of[value] = split
    return column.map(split_of).to_numpy()


def _deal(choices: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` items of ``choices``, each as often as any other (give or take one), in random order."""
    rounds = [rng.permutation(choices) for _ in range(-(-count // len(choices)))]
    return np.concatenate(rounds)[:count]


def _require_disjoint(tables: list[pd.DataFrame]) -> None:
    for column in ("recording", "noise"):
        for a in range(len(tables)):
            for b in range(a):
                shared = np.intersect1d(tables[a][column], tables[b][column])
                if len(shared):
                    raise ValueError(
                        f"the splits {SPLITS[b]} and {SPLITS[a]} share {len(shared)} {column} clips; expected none"
                    )


def _spectrograms(
    pairs: pd.DataFrame, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters, what: str
) -> np.ndarray:
    """(n, bins, bins) uint8, made in chunks: the floating-point work of 55,000 clips would not fit in memory."""
    import torch

    from mixmas_pipeline.data.sound import spectrogram_transform, to_decibel_bytes
    from mixmas_pipeline.pipelines.data.avmnist.sound import mix

    samples = round(sound.seconds * sound.sample_rate)
    clips = [np.asarray(w[:samples], dtype=np.float32) for w in speech["waveform"]]
    noises = [np.asarray(w, dtype=np.float32) for w in noise["waveform"]]
    power = np.array([np.mean(np.square(clip)) for clip in clips])
    # A quiet stretch of a recording is raised by at most 20 dB against the recording as a whole.
    floor = np.array([0.01 * np.mean(np.square(clip)) for clip in noises]) + 1e-6
    transform = spectrogram_transform(sound.bins, samples)
    result = np.empty((len(pairs), sound.bins, sound.bins), dtype=np.uint8)
    columns = {name: pairs[name].to_numpy() for name in ("recording", "noise", "noise_start", "onset", "snr_db")}
    with Progress(len(pairs), f"avmnist {what}") as progress:
        for start in range(0, len(pairs), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(pairs)))
            window = np.zeros((2, len(rows), samples), dtype=np.float32)
            for i, row in enumerate(rows):
                clip = clips[columns["recording"][row]]
                onset = int(columns["onset"][row] * (samples - len(clip) + 1))
                window[0, i, onset : onset + len(clip)] = clip
                window[1, i] = _excerpt(noises[columns["noise"][row]], columns["noise_start"][row], samples)
            chunk = slice(rows.start, rows.stop)
            recording, noise_row = columns["recording"][chunk], columns["noise"][chunk]
            mixed = mix(window[0], power[recording], window[1], floor[noise_row], columns["snr_db"][chunk])
            result[chunk] = to_decibel_bytes(transform(torch.from_numpy(mixed)), sound.range_db)
            progress.advance(len(rows))
    return result


def _excerpt(noise: np.ndarray, fraction: float, samples: int) -> np.ndarray:
    """An excerpt of so many samples. ``fraction`` (0 to 1) says where it starts; a short noise is repeated."""
    if len(noise) < samples:
        noise = np.tile(noise, -(-samples // len(noise)))
    start = int(fraction * (len(noise) - samples + 1))
    return noise[start : start + samples]
