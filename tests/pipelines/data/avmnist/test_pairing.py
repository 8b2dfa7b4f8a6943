"""Which picture goes with which recording: aligned, without leaks between splits, seeded, and even."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from avmnist_samples import Pair, pairing_with
from pydantic import ValidationError

from mixmas_pipeline.pipelines.data.avmnist.parameters import PictureParameters, SoundParameters

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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_folds": {"train": ["1"], "validation": ["1"], "test": ["5"]}}, "shares a fold"),
        ({"noise_folds": {"train": ["1"], "test": ["5"]}}, "expected train, validation, test"),
        ({"noise_folds": {"train": ["1"], "validation": ["2"], "tset": ["5"]}}, "tset"),
        ({"validation_size": 0}, "greater than or equal to 1"),
        ({"train_size": 0}, "greater than or equal to 1"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"speech": {"by": "digit", "validation": ["6"], "test": ["7"]}}, "'take' or 'speaker'"),
        ({"speech": {"by": "take", "validation": 1.0, "test": ["7"]}}, "less than 1"),
        ({"sped": 1}, "Extra inputs are not permitted"),
    ],
)
def test_pairing_parameters_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        pairing_with(**changes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"snr_db": (0, -15)}, "expected the lower ratio first"),
        ({}, "snr_db"),
        ({"snr_db": (0, 0), "onset": "middle"}, "'start' or 'random'"),
        ({"snr_db": (0, 0), "bins": 4}, "greater than or equal to 8"),
        ({"snr_db": (0, 0), "seconds": 0}, "greater than 0"),
    ],
)
def test_sound_parameters_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SoundParameters(**arguments)


@pytest.mark.parametrize("energy", [0, 1, 25])
def test_energy_is_a_share(energy: float) -> None:
    with pytest.raises(ValidationError, match="energy_kept"):
        PictureParameters(energy_kept=energy)
