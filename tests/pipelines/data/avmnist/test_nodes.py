"""Which picture goes with which recording: aligned, without leaks between splits, seeded, and even. Then the reduced
pictures, and whole tables."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from avmnist_samples import Pair, audio_accuracy, pairing_with
from sklearn.decomposition import PCA

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.data.avmnist import nodes, sound
from mixmas_pipeline.pipelines.data.avmnist.nodes import (
    build_table,
    check_alignment,
    fit_energy_basis,
    reduce_images,
    resample_clips,
)
from mixmas_pipeline.pipelines.data.avmnist.parameters import PictureParameters, SoundParameters

SOURCE = "AV-MNIST of the tests"
PAIRING = pairing_with()

Images = dict[str, np.ndarray]
TRAIN = pd.DataFrame({"picture": np.arange(1000)})

SPLITS = ("train", "validation", "test")
FOLDS = {"train": {"1", "2", "3"}, "validation": {"4"}, "test": {"5"}}
BY_SPEAKER = {"by": "speaker", "validation": ["eve"], "test": ["fay", "ann"]}
BY_FRACTION = {"by": "speaker", "validation": 0.17, "test": 0.34}


def test_every_picture_is_used_once(pair: Pair, labels: dict[str, np.ndarray]) -> None:
    train, validation, test = pair()
    assert train["picture"].tolist() == list(range(1000))
    assert validation["picture"].tolist() == list(range(1000, 1300)), "validation is the last pictures"
    assert test["picture"].tolist() == list(range(300))
    ids = pd.concat([train["id"], validation["id"], test["id"]])
    assert ids.is_unique


def test_train_size_takes_the_first_and_leaves_validation(pair: Pair) -> None:
    train, validation, _ = pair(train_size=200)
    assert train["picture"].tolist() == list(range(200))
    assert validation["picture"].tolist() == list(range(1000, 1300))


@pytest.mark.parametrize("split", [None, BY_SPEAKER, BY_FRACTION], ids=["take", "speaker", "fraction"])
def test_what_is_said_is_what_is_seen(
    split: dict[str, Any] | None, pair: Pair, labels: dict[str, np.ndarray], speech: pd.DataFrame
) -> None:
    for name, table in zip(SPLITS, pair(split), strict=True):
        seen = labels["test" if name == "test" else "train"][table["picture"]]
        said = speech["digit"].astype(int).to_numpy()[table["recording"]]
        assert (table["digit"] == seen).all()
        assert (said == seen).all()
        from_the_file_name = table["recording_file"].str[0].astype(int)
        assert (from_the_file_name == seen).all()


@pytest.mark.parametrize("split", [None, BY_SPEAKER, BY_FRACTION], ids=["take", "speaker", "fraction"])
def test_splits_share_no_source(
    split: dict[str, Any] | None, pair: Pair, speech: pd.DataFrame, noise: pd.DataFrame
) -> None:
    tables = dict(zip(SPLITS, pair(split), strict=True))
    by = split["by"] if split else "take"
    for a, b in itertools.combinations(SPLITS, 2):
        assert set(tables[a]["recording"]).isdisjoint(tables[b]["recording"])
        assert set(tables[a]["recording_file"]).isdisjoint(tables[b]["recording_file"])
        assert set(speech[by].iloc[tables[a]["recording"]]).isdisjoint(speech[by].iloc[tables[b]["recording"]])
        assert set(tables[a]["noise"]).isdisjoint(tables[b]["noise"])
    assert set(tables["train"]["picture"]).isdisjoint(tables["validation"]["picture"])
    for name, table in tables.items():
        assert set(noise["fold"].iloc[table["noise"]]) == FOLDS[name]


def test_named_takes_and_speakers_are_where_they_were_put(pair: Pair, speech: pd.DataFrame) -> None:
    for column, split in (("take", None), ("speaker", BY_SPEAKER)):
        _, validation, test = pair(split)
        wanted = split or {"validation": ["6"], "test": ["7"]}
        assert set(speech[column].iloc[validation["recording"]]) == set(wanted["validation"])
        assert set(speech[column].iloc[test["recording"]]) == set(wanted["test"])


def test_fractions_are_of_the_speakers(pair: Pair, speech: pd.DataFrame) -> None:
    counts = [speech["speaker"].iloc[table["recording"]].nunique() for table in pair(BY_FRACTION)]
    assert counts == [3, 1, 2]


@pytest.mark.parametrize("seed", range(6))
def test_a_fraction_beside_named_values_is_drawn_from_the_others(seed: int, pair: Pair, speech: pd.DataFrame) -> None:
    _, validation, test = pair({"by": "speaker", "validation": 0.34, "test": ["ann", "bob"]}, seed=seed)
    assert set(speech["speaker"].iloc[test["recording"]]) == {"ann", "bob"}
    drawn = set(speech["speaker"].iloc[validation["recording"]])
    assert len(drawn) == 2
    assert drawn.isdisjoint({"ann", "bob"})


def test_recordings_and_noises_repeat_evenly(pair: Pair) -> None:
    for table in pair():
        for _, of_digit in table.groupby("digit"):
            counts = of_digit["recording"].value_counts()
            assert counts.max() - counts.min() <= 1
        counts = table["noise"].value_counts()
        assert counts.max() - counts.min() <= 1


def test_every_recording_of_the_split_is_used(pair: Pair, speech: pd.DataFrame) -> None:
    train, _, _ = pair()
    expected = set(np.flatnonzero(~speech["take"].isin(["6", "7"])))
    assert set(train["recording"]) == expected


def test_repeated_recordings_get_fresh_noise(pair: Pair) -> None:
    train, _, _ = pair()
    assert not train.duplicated(["recording", "noise", "noise_start"]).any()
    assert train["noise_start"].is_unique
    assert train["snr_db"].is_unique


def test_draws_lie_in_their_ranges(pair: Pair) -> None:
    for table in pair(sound=SoundParameters(snr_db=(-15, 0))):
        assert table["snr_db"].between(-15, 0).all()
        assert table["snr_db"].min() < -13
        assert table["snr_db"].max() > -2
        for column in ("noise_start", "onset"):
            assert ((table[column] >= 0) & (table[column] < 1)).all()
            assert table[column].std() > 0.2


def test_onset_start_is_at_the_beginning(pair: Pair) -> None:
    for table in pair(sound=SoundParameters(snr_db=(60, 60), onset="start")):
        assert (table["onset"] == 0).all()
        assert (table["snr_db"] == 60).all()


@pytest.mark.parametrize("split", [None, BY_FRACTION], ids=["take", "fraction"])
def test_same_seed_same_pairs_other_seed_other_pairs(split: dict[str, Any] | None, pair: Pair) -> None:
    first, again, other = pair(split), pair(split), pair(split, seed=1)
    for name, a, b, c in zip(SPLITS, first, again, other, strict=True):
        pd.testing.assert_frame_equal(a, b)
        for column in ("recording", "noise", "noise_start", "onset", "snr_db"):
            assert not a[column].equals(c[column]), f"{name}: {column} does not depend on the seed"


def test_pairing_does_not_touch_the_global_random_state(pair: Pair) -> None:
    np.random.seed(0)
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]
    pair()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index]


@pytest.mark.parametrize(
    ("split", "named"),
    [
        ({"by": "take", "validation": ["6"], "test": ["7", "99"]}, r"speech\.test names \['99'\].*take"),
        ({"by": "take", "validation": ["ann"], "test": ["7"]}, r"speech\.validation names \['ann'\].*take"),
        ({"by": "speaker", "validation": ["zoe"], "test": ["ann"]}, r"\['zoe'\].*speaker.*ann, bob"),
    ],
)
def test_unknown_takes_and_speakers_are_named(split: dict[str, Any], named: str, pair: Pair) -> None:
    with pytest.raises(ValueError, match=named):
        pair(split)


def test_a_take_in_both_splits_is_named(pair: Pair) -> None:
    with pytest.raises(ValueError, match=r"take '?7'? is in both validation and test"):
        pair({"by": "take", "validation": ["6", "7"], "test": ["7"]})


def test_a_class_without_a_picture_is_named(pair: Pair, labels: dict[str, np.ndarray]) -> None:
    without = np.where(labels["test"] == 7, 1, labels["test"]).astype(np.uint8)
    with pytest.raises(ValueError, match=r"test split has 0 pictures and \d+ recordings of the digit 7"):
        pair(test_labels=without)


def test_a_class_without_a_recording_is_named(pair: Pair, speech: pd.DataFrame) -> None:
    without = speech[~((speech["digit"] == "3") & (speech["take"] == "6"))].reset_index(drop=True)
    with pytest.raises(ValueError, match=r"validation split has \d+ pictures and 0 recordings of the digit 3"):
        pair(speech=without)


def test_fractions_that_leave_nothing_to_train_are_named(pair: Pair) -> None:
    with pytest.raises(ValueError, match=r"train split has \d+ pictures and 0 recordings"):
        pair({"by": "speaker", "validation": 0.5, "test": 0.5})


def test_a_fold_without_noise_is_named(pair: Pair) -> None:
    folds = {"train": ["1"], "validation": ["9"], "test": ["5"]}
    with pytest.raises(ValueError, match=r"validation takes the noise folds \['9'\]; .*\['1', '2', '3', '4', '5'\]"):
        pair(noise_folds=folds)


@pytest.mark.parametrize("changes", [{"train_size": 1001}, {"validation_size": 1300}, {"validation_size": 2000}])
def test_sizes_beyond_the_source_are_named(changes: dict[str, int], pair: Pair) -> None:
    with pytest.raises(ValueError, match="the source has 1300") as caught:
        pair(**changes)
    assert str(next(iter(changes.values()))) in str(caught.value)


# --- the energy basis and the reduced pictures, against numpy's SVD and scikit-learn's PCA ----------------------


@pytest.fixture(scope="module")
def small(images: Images) -> Images:
    """The pictures at half their resolution: the same algebra in a fraction of the time."""
    return {part: np.ascontiguousarray(pictures[:, ::2, ::2]) for part, pictures in images.items()}


@pytest.fixture(scope="module")
def reference(small: Images) -> PCA:
    """All principal components of the training pictures, by scikit-learn."""
    return PCA(svd_solver="full").fit(flat(small["train"][:1000]))


def flat(images: np.ndarray) -> np.ndarray:
    """Rows of pixels in double precision."""
    return images.reshape(len(images), -1).astype(np.float64)


def basis_of(images: np.ndarray, energy: float = 0.25, pairs: pd.DataFrame = TRAIN) -> Images:
    """The basis at a share of the energy."""
    return fit_energy_basis(images, pairs, PictureParameters(energy_kept=energy))


def grey(reduced: Images, part: str) -> np.ndarray:
    """Stored bytes as grey levels."""
    return flat(reduced[part]) * float(reduced["scale"][0]) + float(reduced["offset"][0])


@pytest.mark.parametrize("energy", [0.01, 0.25, 0.5, 0.8, 0.95])
def test_kept_components_are_the_fewest_that_explain_enough(energy: float, small: Images, reference: PCA) -> None:
    share = reference.explained_variance_ratio_
    basis = basis_of(small["train"], energy)
    kept = len(basis["components"])
    assert share[:kept].sum() >= energy - 1e-6
    assert share[: kept - 1].sum() < energy
    np.testing.assert_allclose(basis["explained"], share, atol=1e-5)


def test_basis_is_that_of_scikit_learn_and_of_the_svd(small: Images, reference: PCA) -> None:
    basis = basis_of(small["train"], 0.8)
    pixels = flat(small["train"][:1000])
    np.testing.assert_allclose(basis["mean"], pixels.mean(axis=0), rtol=1e-5)
    kept = len(basis["components"])
    assert kept > 3
    np.testing.assert_allclose(basis["components"] @ basis["components"].T, np.eye(kept), atol=1e-5)
    by_svd = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)[2][:kept]
    for rows in (by_svd, reference.components_[:kept]):
        agreement = np.abs(np.sum(basis["components"] * rows, axis=1))  # up to the sign
        np.testing.assert_allclose(agreement, 1, atol=1e-3)


def test_basis_knows_the_training_rows_only(small: Images) -> None:
    """Other validation pictures, and pictures beyond ``train_size``, change nothing at all."""
    before = basis_of(small["train"])
    changed = small["train"].copy()
    changed[1000:] = 255 - changed[1000:]
    after = basis_of(changed)
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)
    few = TRAIN.iloc[:400]
    changed[400:1000] = 0
    for name, array in basis_of(small["train"], pairs=few).items():
        np.testing.assert_array_equal(basis_of(changed, pairs=few)[name], array)


def test_basis_uses_every_training_row(small: Images) -> None:
    changed = small["train"].copy()
    changed[999] = 255 - changed[999]
    assert not np.array_equal(basis_of(changed)["mean"], basis_of(small["train"])["mean"])


def test_pictures_without_variance_are_an_error(small: Images) -> None:
    with pytest.raises(ValueError, match="all training pictures are the same"):
        basis_of(np.full_like(small["train"], 7))


@pytest.mark.parametrize("energy", [0.25, 0.8])
def test_reduced_pictures_are_the_projection_with_the_mean_added_back(
    energy: float, small: Images, reference: PCA
) -> None:
    reduced = reduce_images(small["train"], small["test"], basis_of(small["train"], energy))
    pixels = flat(small["train"][:1000])
    mean = pixels.mean(axis=0)
    share = np.cumsum(reference.explained_variance_ratio_)
    rows = np.linalg.svd(pixels - mean, full_matrices=False)[2][: np.searchsorted(share, energy) + 1]
    half_a_step = float(reduced["scale"][0]) / 2 + 0.02
    for part in ("train", "test"):
        expected = (flat(small[part]) - mean) @ rows.T @ rows + mean
        expected = expected.clip(grey(reduced, "train").min(), grey(reduced, "train").max())
        assert np.abs(grey(reduced, part) - expected).max() <= half_a_step
        assert (reduced[part].shape, reduced[part].dtype) == (small[part].shape, np.dtype(np.uint8))
    assert np.abs(grey(reduced, "train")[:1000].mean(axis=0) - mean).max() < half_a_step


def test_energy_that_is_left_is_the_energy_asked(small: Images) -> None:
    """75 % of the energy removed, measured on the pictures themselves."""
    basis = basis_of(small["train"], 0.25)
    reduced = reduce_images(small["train"], small["test"], basis)
    left = grey(reduced, "train")[:1000].var(axis=0).sum() / flat(small["train"][:1000]).var(axis=0).sum()
    kept = len(basis["components"])
    assert left == pytest.approx(float(basis["explained"][:kept].sum()), abs=0.005)


def test_bytes_are_used_from_end_to_end(small: Images) -> None:
    reduced = reduce_images(small["train"], small["test"], basis_of(small["train"]))
    assert (reduced["train"].min(), reduced["train"].max()) == (0, 255)


def test_test_pictures_do_not_change_training_pictures(small: Images) -> None:
    basis = basis_of(small["train"])
    reduced = reduce_images(small["train"], small["test"], basis)
    extreme = np.where(np.random.default_rng(0).random(small["test"].shape) < 0.5, 0, 255).astype(np.uint8)
    other = reduce_images(small["train"], extreme, basis)
    for name in ("train", "scale", "offset"):
        np.testing.assert_array_equal(other[name], reduced[name])


def test_test_pictures_beyond_the_training_range_are_clipped_not_wrapped(small: Images) -> None:
    dim = small["train"] // 2 + 60
    basis = basis_of(dim)
    component = basis["components"][0].reshape(14, 14)
    bright = np.where(component > 0, 255, 0).astype(np.uint8)[None]
    reduced = reduce_images(dim, np.concatenate([bright, 255 - bright]), basis)
    direct = (flat(bright) - basis["mean"]) @ basis["components"].T @ basis["components"] + basis["mean"]
    over = direct.reshape(14, 14) > 255 * float(reduced["scale"][0]) + float(reduced["offset"][0])
    assert over.any(), "the example does not leave the range; the test proves nothing"
    assert (reduced["test"][0][over] == 255).all()


def test_validation_pictures_do_not_change_training_pictures(small: Images) -> None:
    """The range that is spread over the bytes is that of the training pictures."""
    basis = basis_of(small["train"])
    reduced = reduce_images(small["train"], small["test"], basis)
    component = basis["components"][0].reshape(14, 14)
    changed = small["train"].copy()
    changed[1000:] = np.where(component > 0, 255, 0)
    changed[1150:] = np.where(component > 0, 0, 255)
    other = reduce_images(changed, small["test"], basis)
    np.testing.assert_array_equal(other["scale"], reduced["scale"])
    np.testing.assert_array_equal(other["train"][:1000], reduced["train"][:1000])


# --- whole tables, against an independent computation; the alignment check --------------------------------------


@pytest.fixture
def reduced(images: Images) -> Images:
    """The pictures as they are, in the form of reduced ones."""
    return {**images, "scale": np.array([1.5], np.float32), "offset": np.array([-20.0], np.float32)}


def by_hand(row: pd.Series, speech: pd.DataFrame, noise: pd.DataFrame, range_db: float = 80) -> np.ndarray:
    """Decibels of one row's spectrogram, in numpy and in double precision."""
    samples, size, hop = 8000, 222, 72
    clip = speech["waveform"].iloc[row["recording"]].astype(np.float64)[:samples]
    start = int(np.floor(row["onset"] * (samples - len(clip) + 1)))
    window = np.zeros(samples)
    window[start : start + len(clip)] = clip
    hiss = noise["waveform"].iloc[row["noise"]].astype(np.float64)
    while len(hiss) < samples:
        hiss = np.concatenate([hiss, noise["waveform"].iloc[row["noise"]]])
    place = int(np.floor(row["noise_start"] * (len(hiss) - samples + 1)))
    excerpt = hiss[place : place + samples]
    wanted = np.mean(clip**2) / 10 ** (row["snr_db"] / 10)
    mixed = window + excerpt * np.sqrt(wanted / np.mean(excerpt**2))
    padded = np.pad(mixed, size // 2, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    frames = np.stack([padded[t * hop : t * hop + size] * hann for t in range(112)])
    magnitude = np.abs(np.fft.rfft(frames, axis=1)).T
    return np.maximum(20 * np.log10(magnitude / magnitude.max()), -range_db)


def test_rows_are_what_a_slow_computation_gives(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    for pairs, part in zip(pair(train_size=40), ("train", "train", "test"), strict=True):
        pairs = pairs.iloc[:40]
        table = build_table(pairs, reduced, speech, noise, sound, PAIRING, SOURCE)
        assert table.arrays["audio"].shape == (40, 112, 112)
        modality = table.schema.modalities["audio"]
        decibel = table.arrays["audio"] * modality.scale + modality.offset
        for i in range(0, 40, 3):
            expected = by_hand(pairs.iloc[i], speech, noise)
            assert np.abs(decibel[i] - expected).max() < 0.75 * modality.scale, f"row {i} of {part}"
        np.testing.assert_array_equal(table.arrays["image"], reduced[part][pairs["picture"]])


def test_table_says_what_it_holds(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    pairs = pair(train_size=200)[0]
    table = build_table(pairs, reduced, speech, noise, sound, PAIRING, SOURCE)
    assert len(table) == 200
    image, audio = table.schema.modalities["image"], table.schema.modalities["audio"]
    assert (image.kind, image.shape, image.dtype, image.scale, image.offset) == (
        "image",
        (28, 28),
        "uint8",
        1.5,
        -20,
    )
    assert (audio.kind, audio.shape, audio.dtype, audio.unit) == ("audio", (112, 112), "uint8", "dB")
    assert audio.scale * 255 + audio.offset == pytest.approx(0)
    assert audio.offset == -80
    assert table.schema.source == SOURCE
    assert table.schema.classes == tuple("0123456789")
    assert table.ids.tolist() == pairs["id"].tolist()
    np.testing.assert_array_equal(table.labels, pairs["digit"])
    np.testing.assert_array_equal(table.extra["spoken_digit"], pairs["digit"])
    assert table.extra["recording_file"].tolist() == pairs["recording_file"].tolist()
    assert table.extra["noise_file"].tolist() == pairs["noise_file"].tolist()
    np.testing.assert_array_equal(table.extra["snr_db"], pairs["snr_db"])
    MultimodalTable(table.schema, table.arrays, table.labels, table.ids, table.extra)  # passes its checks
    check_alignment(table)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_rows_do_not_depend_on_the_chunk(
    chunk: int,
    pair: Pair,
    reduced: Images,
    speech: pd.DataFrame,
    noise: pd.DataFrame,
    sound: SoundParameters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = pair(train_size=50)[0]
    first = build_table(pairs, reduced, speech, noise, sound, PAIRING, SOURCE)
    monkeypatch.setattr(nodes, "_CHUNK", chunk)
    second = build_table(pairs, reduced, speech, noise, sound, PAIRING, SOURCE)
    for name in ("image", "audio"):
        np.testing.assert_array_equal(first.arrays[name], second.arrays[name])


def test_rows_do_not_depend_on_their_neighbours(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    """The public generator's faults: order of workers, and anything carried from row to row."""
    pairs = pair(train_size=50)[0]
    whole = build_table(pairs, reduced, speech, noise, sound, PAIRING, SOURCE)
    order = np.random.default_rng(0).permutation(50)[:20]
    some = build_table(pairs.iloc[order], reduced, speech, noise, sound, PAIRING, SOURCE)
    np.testing.assert_array_equal(some.arrays["audio"], whole.arrays["audio"][order])
    np.testing.assert_array_equal(some.arrays["image"], whole.arrays["image"][order])
    np.testing.assert_array_equal(some.labels, whole.labels[order])


def test_variants_are_the_recordings_in_other_noise_of_their_split(
    pair: Pair, reduced: Images, speech: pd.DataFrame, sound: SoundParameters
) -> None:
    """Noises are tones: 3,000 Hz in the training folds, 3,400 in validation's and 3,800 in test's."""
    tones = {**dict.fromkeys("123", 3000), "4": 3400, "5": 3800}
    rows = [
        (
            "tone",
            fold,
            f"{fold}-{clip}",
            (3000 * np.sin(2 * np.pi * hz * np.arange(9000 + clip) / 8000)).astype(np.int16),
        )
        for fold, hz in tones.items()
        for clip in range(3)
    ]
    noise = pd.DataFrame(rows, columns=["category", "fold", "file", "waveform"]).assign(sample_rate=8000)
    pairing = pairing_with(variants=3)
    loudest = {}
    for split, pairs in zip(SPLITS, pair(train_size=40, noise=noise), strict=True):
        plain, table = (
            build_table(pairs.iloc[:30], reduced, speech, noise, sound, p, SOURCE) for p in (PAIRING, pairing)
        )
        np.testing.assert_array_equal(plain.arrays["audio"], table.arrays["audio"])
        if split == "test":
            assert not table.variants
            continue
        mixed = table.variants["audio"]
        assert mixed.shape == (30, 3, 112, 112)
        assert len(np.unique(mixed.reshape(90, -1), axis=0)) == 90
        # Rows of a spectrogram are frequencies, 8000 / 222 Hz apart; the digits' tones end at 2,550 Hz.
        loudest[split] = set((75 + mixed[..., 75:, :].mean(axis=-1).argmax(axis=-1)).flatten().tolist())
        # The digit's tone, of 300 + 250 Hz per digit, is the loudest of the rest.
        digits = (mixed[..., :75, :].max(axis=-1).argmax(axis=-1) * 8000 / 222 - 300) / 250
        assert (np.abs(digits - table.labels[:, None]) < 0.2).mean() > 0.95
    assert loudest == {"train": {round(3000 * 222 / 8000)}, "validation": {round(3400 * 222 / 8000)}}


def test_ratio_of_every_row_is_the_one_recorded(
    pair: Pair,
    reduced: Images,
    speech: pd.DataFrame,
    noise: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen from inside: power of each clip over its own length, against the noise that is added to it."""
    measured: list[np.ndarray] = []

    def spy(window: np.ndarray, *arguments: np.ndarray) -> np.ndarray:
        mixed = mix(window, *arguments)
        added = np.mean(np.square(mixed.astype(np.float64) - window), axis=1)
        spoken = np.array(
            [np.mean(np.square(row[np.flatnonzero(row)[0] : np.flatnonzero(row)[-1] + 1])) for row in window]
        )
        measured.append(10 * np.log10(spoken / added))
        return mixed

    mix = sound.mix
    monkeypatch.setattr(sound, "mix", spy)
    pairs = pair(train_size=60)[0]
    table = build_table(pairs, reduced, speech, noise, SoundParameters(snr_db=(-15, 0)), PAIRING, SOURCE)
    np.testing.assert_allclose(np.concatenate(measured), table.extra["snr_db"], atol=0.1)


def test_long_clips_are_cropped_and_short_noises_repeated(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame
) -> None:
    """A window of a tenth of a second is shorter than every clip."""
    short = SoundParameters(snr_db=(0, 0), seconds=0.1, bins=32)
    table = build_table(pair(train_size=20)[0], reduced, speech, noise, short, PAIRING, SOURCE)
    assert table.arrays["audio"].shape == (20, 32, 32)
    assert (table.arrays["audio"].reshape(20, -1).max(axis=1) == 255).all()


def test_clean_audio_tells_the_digit(pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame) -> None:
    """A wrong alignment anywhere shows here: each digit has its own tone."""
    clean = SoundParameters(snr_db=(60, 60), onset="start")
    train, validation, test = (
        build_table(pairs, reduced, speech, noise, clean, PAIRING, SOURCE)
        for pairs in pair(train_size=300, sound=clean)
    )
    assert audio_accuracy(train, validation) > 0.98
    assert audio_accuracy(train, test) > 0.98


def test_shifted_labels_are_caught(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    table = build_table(pair(train_size=60)[0], reduced, speech, noise, sound, PAIRING, SOURCE)
    shifted = MultimodalTable(table.schema, table.arrays, np.roll(table.labels, 1), table.ids, table.extra)
    wrong = int((np.roll(table.labels, 1) != table.labels).sum())
    with pytest.raises(ValueError, match=rf"{wrong} of 60 rows are out of step"):
        check_alignment(shifted)


def test_one_wrong_row_is_named(
    pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    table = build_table(pair(train_size=60)[0], reduced, speech, noise, sound, PAIRING, SOURCE)
    labels = table.labels.copy()
    labels[17] = (labels[17] + 1) % 10
    with pytest.raises(ValueError, match=r"row 17 \(id train-00017\)") as caught:
        check_alignment(MultimodalTable(table.schema, table.arrays, labels, table.ids, table.extra))
    assert f"labelled {labels[17]} but its recording says {table.labels[17]}; 1 of 60" in str(caught.value)


@pytest.mark.parametrize("left", [0, 1])
def test_a_starved_class_is_named(
    left: int, pair: Pair, reduced: Images, speech: pd.DataFrame, noise: pd.DataFrame, sound: SoundParameters
) -> None:
    table = build_table(pair(train_size=200)[0], reduced, speech, noise, sound, PAIRING, SOURCE)
    check_alignment(table)
    fours = np.flatnonzero(table.labels == 4)
    rows = np.setdiff1d(np.arange(200), fours[left:])
    with pytest.raises(ValueError, match=rf"class '4' has {left} of {len(rows)} rows"):
        check_alignment(table.take(rows))


def test_resampled_clips_keep_their_rows(speech: pd.DataFrame, sound: SoundParameters) -> None:
    rng = np.random.default_rng(0)
    quiet = np.zeros(3000, np.int16)
    loud = (rng.standard_normal(22050) * 3000).astype(np.int16)
    clips = pd.DataFrame(
        {
            "digit": ["3", "5"],
            "file": ["a", "b"],
            "sample_rate": [44100, 8000],
            "waveform": [loud, np.concatenate([quiet, loud, quiet])],
        }
    )
    found = resample_clips(clips, sound)
    assert found["digit"].tolist() == ["3", "5"]
    assert found["sample_rate"].tolist() == [8000, 8000]
    assert [wave.dtype for wave in found["waveform"]] == [np.int16] * 2
    assert abs(len(found["waveform"].iloc[0]) - 4000) < 20
    assert abs(len(found["waveform"].iloc[1]) - 22050) < 20
    assert clips["sample_rate"].tolist() == [44100, 8000], "the input is not changed"
