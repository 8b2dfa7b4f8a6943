"""A tiny text encoder."""

from __future__ import annotations

import pytest
from text_encoder import write_encoder

from mixmas_pipeline.data.text_embedding import EncoderFiles
from mixmas_pipeline.datasets.text_encoder import EncoderDataset


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> EncoderFiles:
    return EncoderDataset(encoder=str(write_encoder(tmp_path_factory.mktemp("encoder") / "tiny"))).load()
