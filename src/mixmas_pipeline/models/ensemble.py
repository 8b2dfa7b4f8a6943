"""An ensemble: the weighted mean of its members' probabilities, with one temperature.

With w_m the members' weights, p_m their probabilities and T the temperature:

    multiclass, binary   logits = log(sum_m w_m p_m) / T
    multilabel           logits = logit(sum_m w_m p_m) / T, each label by itself
    regression           predictions = sum_m w_m y_m

Temperature: Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv 1706.04599), section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from mixmas_pipeline.models.architecture import FUSED, Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import ARCHITECTURE_FILE, WEIGHTS_FILE, MultimodalMixer
from mixmas_pipeline.models.reference import Reference, ReferenceModel
from mixmas_pipeline.utils.parameters import Parameters, Positive

ENSEMBLE_FILE = "ensemble.json"


class EnsembleConfig(Parameters):
    """What an ensemble is made of, beside the members' weights (parameters).

    Attributes:
        architecture: of the networks among the members, with the statistics of all rows that they were trained on.
        members: each network's architecture, with the statistics of the rows that it was trained on, and the
            descriptions of reference models.
        weights: of the members' probabilities; their sum is 1. The networks stay if theirs are 0, for their heads.
        temperature: divides the logits. Default 1.
    """

    architecture: Architecture
    members: tuple[Architecture | Reference, ...] = Field(min_length=1)
    weights: tuple[Annotated[float, Field(ge=0, le=1)], ...]
    temperature: Positive = 1.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.weights) != len(self.members):
            raise ValueError(f"{len(self.weights)} weights for {len(self.members)} members; expected one each")
        if abs(sum(self.weights) - 1) > 1e-6:
            raise ValueError(f"the weights add up to {sum(self.weights):g}; expected 1")
        return self


class Ensemble(nn.Module):
    """Members that predict together. It takes and returns what a ``MultimodalMixer`` does.

    Args:
        config: what it is made of.
        members: one module per ``config.members``.
    """

    log_weights: Tensor
    temperature: Tensor

    def __init__(self, config: EnsembleConfig, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(members)
        self.register_buffer("log_weights", torch.tensor(config.weights).log())
        self.register_buffer("temperature", torch.tensor(config.temperature))

    @property
    def architecture(self) -> Architecture:
        """Of the networks among the members."""
        return self.config.architecture

    @property
    def shares(self) -> dict[str, float]:
        """The weight of the networks together, and of each reference model: "networks", "linear", "trees"."""
        shares = {"networks": 0.0}
        for member, weight in zip(self.config.members, self.config.weights, strict=True):
            name = "networks" if isinstance(member, Architecture) else member.kind
            shares[name] = shares.get(name, 0.0) + weight
        return shares

    def forward(self, inputs: dict[str, Tensor], present: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        """As ``MultimodalMixer.forward``. A modality's head is the mean of the networks' heads, without temperature."""
        outputs = [member(inputs, present) for member in self.members]
        task = self.architecture.task
        fused = combine(torch.stack([output[FUSED] for output in outputs]), self.log_weights, task)
        combined = {FUSED: fused if task == "regression" else fused / self.temperature}
        for head in self.architecture.inputs:
            logits = torch.stack([output[head] for output in outputs if head in output])
            combined[head] = combine(logits, logits.new_zeros(len(logits)), task)
        return combined

    @contextmanager
    def left_out(self, modality: str) -> Iterator[None]:
        """Inside the block, every member gets the modality's mean over its training data."""
        with ExitStack() as stack:
            for member in self.members:
                stack.enter_context(cast(Any, member).left_out(modality))
            yield

    def save_pretrained(self, folder: Path) -> None:
        """Write weights (safetensors), the networks' architecture and the ensemble (JSON) into a new folder."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True)
        save_file({name: value.contiguous() for name, value in self.state_dict().items()}, folder / WEIGHTS_FILE)
        (folder / ARCHITECTURE_FILE).write_text(self.architecture.model_dump_json(indent=1))
        (folder / ENSEMBLE_FILE).write_text(self.config.model_dump_json(indent=1))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read what ``save_pretrained`` wrote. The members are in eval mode.

        Raises:
            FileNotFoundError: a file is missing.
            RuntimeError: weights and ensemble do not belong together.
        """
        from safetensors.torch import load_file

        folder = Path(folder)
        config = EnsembleConfig.model_validate_json((folder / ENSEMBLE_FILE).read_text())
        tensors = load_file(folder / WEIGHTS_FILE)
        members: list[nn.Module] = []
        for number, member in enumerate(config.members):
            prefix = f"members.{number}."
            own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            if isinstance(member, Architecture):
                members.append(initialised(MultimodalMixer, 0, member))
            else:
                members.append(ReferenceModel(member, own))
        model = cls(config, members)
        model.load_state_dict(tensors)
        return model.eval()


def combine(logits: Tensor, log_weights: Tensor, task: str) -> Tensor:
    """(members, batch, classes) and (members,) -> (batch, classes): the logits of the mean of the probabilities; of a
    regression the mean. The weights are scaled to add up to 1."""
    log_weights = functional.log_softmax(log_weights, dim=0).to(logits.dtype)[:, None, None]
    if task == "regression":
        return (logits * log_weights.exp()).sum(dim=0)
    if task != "multilabel":
        return torch.logsumexp(functional.log_softmax(logits, dim=2) + log_weights, dim=0)
    yes = torch.logsumexp(functional.logsigmoid(logits) + log_weights, dim=0)
    no = torch.logsumexp(functional.logsigmoid(-logits) + log_weights, dim=0)
    return yes - no


Model = MultimodalMixer | Ensemble


def member_architectures(model: Model) -> tuple[Architecture | Reference, ...]:
    """What each member of an ensemble is; of a single model its architecture."""
    return model.config.members if isinstance(model, Ensemble) else (model.architecture,)


def load_model(folder: str | Path) -> Model:
    """The ``Ensemble`` or ``MultimodalMixer`` of a folder, in eval mode; see their ``from_pretrained``."""
    if (Path(folder) / ENSEMBLE_FILE).is_file():
        return Ensemble.from_pretrained(folder)
    return MultimodalMixer.from_pretrained(folder)
