"""How a block is read: at once in an architecture, late in parameters."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from mixmas_pipeline.models.block_reader import CHECKED, UNCHECKED, Block, LateBlock, UncheckedBlock
from mixmas_pipeline.models.blocks import BLOCKS
from mixmas_pipeline.models.blocks.hyper_mixer import HyperMixerParameters

WRITTEN = {"block": "hyper_mixer", "channel_dim": 8, "tied": True}
FULL = HyperMixerParameters(channel_dim=8, tied=True)
BLOCK, LATE = TypeAdapter(Block), TypeAdapter(LateBlock)


def test_an_architecture_checks_at_once_and_parameters_late() -> None:
    assert BLOCK.validate_python(WRITTEN) == FULL
    assert type(LATE.validate_python(WRITTEN)) is UncheckedBlock
    assert LATE.validate_python(WRITTEN).checked() == FULL


def test_the_context_decides() -> None:
    assert type(BLOCK.validate_python(WRITTEN, context=UNCHECKED)) is UncheckedBlock
    assert LATE.validate_python(WRITTEN, context=CHECKED) == FULL


def test_what_is_checked_stays() -> None:
    assert LATE.validate_python(FULL) is FULL
    assert FULL.checked() is FULL


def test_an_unchecked_block_keeps_what_is_written() -> None:
    block = LATE.validate_python(WRITTEN)
    assert {key: value for key, value in LATE.dump_python(block).items() if key != "dropout"} == WRITTEN
    assert BLOCK.validate_python(LATE.dump_python(block)) == FULL


@pytest.mark.parametrize("adapter", [BLOCK, LATE], ids=["architecture", "parameters"])
def test_an_unknown_name_is_refused_even_late(adapter: TypeAdapter[object]) -> None:
    with pytest.raises(ValidationError, match=r"unknown block 'hyper_mixr'.*did you mean hyper_mixer") as error:
        adapter.validate_python({**WRITTEN, "block": "hyper_mixr"})
    assert all(name in str(error.value) for name in BLOCKS)


@pytest.mark.parametrize("adapter", [BLOCK, LATE], ids=["architecture", "parameters"])
@pytest.mark.parametrize("value", [{}, {"channel_dim": 8}, "hyper_mixer", None, {"block": 3}])
def test_a_block_needs_a_name(adapter: TypeAdapter[object], value: object) -> None:
    with pytest.raises(ValidationError):
        adapter.validate_python(value)


def test_every_unknown_key_is_named_with_the_one_that_was_probably_meant() -> None:
    unchecked = LATE.validate_python({**WRITTEN, "chanel_dim": 8, "tide": True})
    with pytest.raises(ValidationError) as error:
        unchecked.checked()
    first, second = error.value.errors()
    assert first["loc"] == ("chanel_dim",)
    assert second["loc"] == ("tide",)
    assert "expected one of dropout, channel_dim, block, token_dim, tied; did you mean channel_dim?" in first["msg"]
    assert second["msg"].endswith("did you mean tied?")


def test_a_value_out_of_range_is_refused_late() -> None:
    late = LATE.validate_python({**WRITTEN, "token_dim": 0})
    with pytest.raises(ValidationError, match="token_dim"):
        late.checked()


def test_reading_parameters_imports_no_block_and_no_torch() -> None:
    code = (
        "import sys; from pydantic import TypeAdapter; from mixmas_pipeline.models.block_reader import LateBlock;"
        "TypeAdapter(LateBlock).validate_python({'block': 'ramlp', 'channel_dim': 'wide'});"
        "sys.exit('torch' in sys.modules or 'mixmas_pipeline.models.blocks.ramlp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
