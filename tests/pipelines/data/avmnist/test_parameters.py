"""Parameters out of range are named with what was expected."""

from __future__ import annotations

from typing import Any

import pytest
from avmnist_samples import pairing_with
from pydantic import ValidationError

from mixmas_pipeline.pipelines.data.avmnist.parameters import PictureParameters, SoundParameters


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
