"""Errors of storage, as Kedro reports them."""

from __future__ import annotations

import pytest
from kedro.io import DatasetError

from mixmas_pipeline.datasets.errors import as_dataset_error
from mixmas_pipeline.storage.errors import StorageError


def test_the_text_stays_and_the_cause_is_kept() -> None:
    cause = StorageError("s3://bucket/a: no such bucket")
    with pytest.raises(DatasetError, match=r"^s3://bucket/a: no such bucket$") as caught, as_dataset_error():
        raise cause
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("error", [ValueError("a value"), OSError("the disk is full"), KeyboardInterrupt()])
def test_other_errors_pass_unchanged(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, as_dataset_error():
        raise error
    assert caught.value is error
