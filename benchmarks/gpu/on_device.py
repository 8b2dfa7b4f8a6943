"""A plugin of pytest: what a test computes on "cpu" by its parameters runs on the device in MIXMAS_TEST_DEVICE."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as tests/conftest.py does, which comes after: torch reads it once

import torch

from mixmas_pipeline.utils import devices

_pick = devices.pick_device


def pick_device(device: str) -> torch.device:
    """``utils.devices.pick_device``, for which "cpu" is the device of this run."""
    return _pick(os.environ["MIXMAS_TEST_DEVICE"] if device == "cpu" else device)


# Modules import the function by name: this plugin is loaded before them.
devices.pick_device = pick_device
