"""How a block is read from parameters. No torch is imported here before a block is used.

A block's hyperparameters and its module, which needs torch, are in one file. So the parameters, which decide the graph,
keep a block unchecked: only its name is validated. Its other keys are checked when an architecture is made, or on
demand:

    SearchParameters.model_validate(section, context=CHECKED)
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, SerializeAsAny, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from mixmas_pipeline.models.blocks import BLOCKS
from mixmas_pipeline.models.blocks.base import BlockParameters
from mixmas_pipeline.utils.parameters import suggestion

# Contexts of a validation: import blocks and check their hyperparameters, or do not.
CHECKED, UNCHECKED = {"check_blocks": True}, {"check_blocks": False}


def parameters_class(name: str) -> type[BlockParameters]:
    """The class of a block's hyperparameters; imports the block's file, and torch with it.

    Raises:
        KeyError: ``BLOCKS`` has no block of this name.
    """
    module, _, attribute = BLOCKS[name].partition(":")
    return getattr(import_module(module), attribute)


def _known(name: str) -> str:
    if name not in BLOCKS:
        raise ValueError(f"unknown block {name!r}; {suggestion(name, BLOCKS)}")
    return name


class UncheckedBlock(BlockParameters):
    """A block whose hyperparameters, except its name, are as they were written.

    Attributes:
        block: its name, one of ``BLOCKS``.
    """

    model_config = ConfigDict(extra="allow")

    block: Annotated[str, AfterValidator(_known)]

    def checked(self) -> BlockParameters:
        """The block's own class of parameters; its file is imported.

        Raises:
            ValidationError: the block has no such hyperparameter, or a value is out of range.
        """
        parameters, written = parameters_class(self.block), self.model_dump(exclude_unset=True)
        unknown = [key for key in written if key not in parameters.model_fields]
        if not unknown:
            return parameters.model_validate(written)
        raise ValidationError.from_exception_data(
            parameters.__name__,
            [
                InitErrorDetails(
                    type=PydanticCustomError(
                        "unknown_hyperparameter",
                        "Extra inputs are not permitted; {suggestion}",
                        {"suggestion": suggestion(key, parameters.model_fields)},
                    ),
                    loc=(key,),
                    input=written[key],
                )
                for key in unknown
            ],
        )


def _reader(check: bool) -> BeforeValidator:
    """Read a block from a mapping.

    Args:
        check: whether to check its hyperparameters where the validation's context does not say so.
    """

    def read(value: Any, info: ValidationInfo) -> BlockParameters:
        if isinstance(value, BlockParameters):
            return value
        block = UncheckedBlock.model_validate(value)
        return block.checked() if (info.context or {}).get("check_blocks", check) else block

    return BeforeValidator(read)


# A block of an architecture, and one of parameters.
Block = Annotated[SerializeAsAny[BlockParameters], _reader(check=True)]
LateBlock = Annotated[SerializeAsAny[BlockParameters], _reader(check=False)]
