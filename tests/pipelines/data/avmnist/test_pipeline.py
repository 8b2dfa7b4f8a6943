"""The whole graph, run by Kedro on the small sources."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from avmnist_samples import pairing_with
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from mixmas_pipeline.pipelines.data.avmnist import create_pipeline
from mixmas_pipeline.pipelines.data.avmnist.nodes import check_alignment
from mixmas_pipeline.pipelines.data.avmnist.parameters import PictureParameters, SoundParameters


def run(inputs: dict[str, Any], outputs: list[str]) -> dict[str, Any]:
    """Outputs of the pipeline on sources in memory."""
    catalog = DataCatalog({name: MemoryDataset(data, copy_mode="assign") for name, data in inputs.items()})
    for name in outputs:
        catalog[name] = MemoryDataset(copy_mode="assign")
    SequentialRunner().run(create_pipeline(), catalog)
    return {name: catalog[name].load() for name in outputs}


@pytest.fixture
def inputs(
    labels: dict[str, np.ndarray], images: dict[str, np.ndarray], speech: pd.DataFrame, noise: pd.DataFrame
) -> dict[str, Any]:
    """The small sources under the pipeline's names."""
    return {
        **{f"avmnist.raw_{part}_images": pictures for part, pictures in images.items()},
        **{f"avmnist.raw_{part}_labels": of_part for part, of_part in labels.items()},
        "avmnist.raw_speech": speech,
        "avmnist.raw_noise": noise,
        "params:avmnist.source": "AV-MNIST of the tests",
        "params:avmnist.sound": SoundParameters(snr_db=(-5, 5)),
        "params:avmnist.pairing": pairing_with(train_size=200),
        "params:avmnist.picture": PictureParameters(),
    }


def test_inputs_and_outputs(inputs: dict[str, Any]) -> None:
    pipeline = create_pipeline()
    assert pipeline.inputs() == set(inputs)
    assert {"avmnist.train", "avmnist.validation", "avmnist.test"} <= pipeline.outputs()
    assert {node.namespace for node in pipeline.nodes} == {"data.avmnist"}


def test_from_sources_to_aligned_tables(inputs: dict[str, Any], labels: dict[str, np.ndarray]) -> None:
    names = ["avmnist.train", "avmnist.validation", "avmnist.test"]
    tables = [run(inputs, names)[name] for name in names]
    assert [len(table) for table in tables] == [200, 300, 300]
    for table, expected in zip(tables, (labels["train"][:200], labels["train"][1000:], labels["test"]), strict=True):
        np.testing.assert_array_equal(table.labels, expected)
        assert table.schema == tables[0].schema
        check_alignment(table)


def test_other_test_sources_leave_training_and_validation_alone(inputs: dict[str, Any]) -> None:
    names = ["avmnist.train", "avmnist.validation"]
    before = run(inputs, names)
    raw = inputs["avmnist.raw_test_images"]
    after = run({**inputs, "avmnist.raw_test_images": 255 - raw}, names)
    for name in names:
        for modality in ("image", "audio"):
            np.testing.assert_array_equal(before[name].arrays[modality], after[name].arrays[modality])
