"""Whose mistake an error is."""

from __future__ import annotations

import pickle

import pytest
from kedro.io import DatasetError

from mixmas_pipeline.runners.remote import RemoteError
from mixmas_pipeline.storage.errors import StorageError
from mixmas_pipeline.utils.errors import InputError, is_users


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "users"),
    [
        pytest.param(InputError("pets.csv: row 3"), True, id="input"),
        pytest.param(StorageError("no such bucket"), True, id="storage"),
        pytest.param(DatasetError("does not exist"), True, id="data set"),
        pytest.param(_caused(DatasetError("cannot save"), OSError("disk full")), True, id="disk"),
        pytest.param(_caused(DatasetError("cannot save"), TypeError("ours")), False, id="ours in a data set"),
        pytest.param(ValueError("ours"), False, id="ours"),
    ],
)
def test_whose_mistake_it_is_here_and_in_another_process(error: Exception, users: bool) -> None:
    assert is_users(error) is users
    assert is_users(pickle.loads(pickle.dumps(RemoteError.of(error))).restored()) is users
