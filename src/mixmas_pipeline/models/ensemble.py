"""An ensemble: the weighted sum of its members' log-probabilities, a logarithmic opinion pool.

With w_m the members' weights and p_m their probabilities:

    multiclass, binary   log p = sum_m w_m log p_m + a constant per row
    multilabel           logits = sum_m w_m logit(p_m), each label by itself
    regression           predictions = sum_m w_m y_m, where the weights add up to 1

Beside the members, the networks' heads of single modalities may have weights: then a modality's heads together predict
like one more member. Of an example that lacks the modality, the networks' fused logits take their place.

The sum of the weights is the reciprocal of a temperature (Guo et al. 2017, arXiv 1706.04599, section 4.2). Logarithmic
pools: Genest and Zidek 1986, "Combining Probability Distributions", section 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from mixmas_pipeline.models.architecture import FUSED, Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import ARCHITECTURE_FILE, WEIGHTS_FILE, MultimodalMixer
from mixmas_pipeline.models.reference import Reference, ReferenceModel, decision_offset
from mixmas_pipeline.utils.parameters import NonNegative, Parameters, Positive

ENSEMBLE_FILE = "ensemble.json"


class EnsembleConfig(Parameters):
    """What an ensemble is made of, beside the members' weights (parameters).

    Attributes:
        architecture: of the networks among the members, with the statistics of all rows that they were trained on.
        members: each network's architecture, with the statistics of the rows that it was trained on, and the
            descriptions of reference models.
        weights: one per member; for a regression they add up to 1. Networks of weight 0 are kept for their heads.
        head_weights: modality -> weight of the networks' heads of it. Default none.
        decision_weights: one per class. The fused logits are the logarithms of the probabilities times these, so that
            the decision may differ from the most probable class. Default None: ``Architecture.class_weights``.
    """

    architecture: Architecture
    members: tuple[Architecture | Reference, ...] = Field(min_length=1)
    weights: tuple[NonNegative, ...]
    head_weights: dict[str, Positive] = Field(default_factory=dict)
    decision_weights: tuple[Positive, ...] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.weights) != len(self.members):
            raise ValueError(f"{len(self.weights)} weights for {len(self.members)} members; expected one each")
        if unknown := sorted(set(self.head_weights) - set(self.architecture.inputs)):
            raise ValueError(
                f"head_weights names {unknown[0]!r}; expected some of {', '.join(self.architecture.inputs)}"
            )
        total = self.total
        if total == 0 or (self.architecture.task == "regression" and abs(total - 1) > 1e-6):
            expected = "1" if self.architecture.task == "regression" else "more than 0"
            raise ValueError(f"the weights add up to {total:g}; expected {expected}")
        return self

    @property
    def total(self) -> float:
        """The sum of all weights."""
        return sum(self.weights) + sum(self.head_weights.values())


class Ensemble(nn.Module):
    """Members that predict together. It takes and returns what a ``MultimodalMixer`` does.

    Args:
        config: what it is made of.
        members: one module per ``config.members``.
    """

    weights: Tensor
    head_weights: Tensor
    offset: Tensor

    def __init__(self, config: EnsembleConfig, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(members)
        self.register_buffer("weights", torch.tensor(config.weights))
        self.register_buffer("head_weights", torch.tensor(list(config.head_weights.values())), persistent=False)
        offset = decision_offset(config.decision_weights, config.architecture.class_weights)
        self.register_buffer("offset", offset, persistent=False)

    @property
    def architecture(self) -> Architecture:
        """Of the networks among the members."""
        return self.config.architecture

    @property
    def networks(self) -> list[MultimodalMixer]:
        """The networks among the members."""
        return [member for member in self.members if isinstance(member, MultimodalMixer)]

    @property
    def shares(self) -> dict[str, float]:
        """The share in the sum of the weights, of the networks together, of their heads of each modality, and of each
        reference model: "networks", "photo head", "linear", "trees"."""
        shares, total = {"networks": 0.0}, self.config.total
        for member, weight in zip(self.config.members, self.config.weights, strict=True):
            name = "networks" if isinstance(member, Architecture) else member.kind
            shares[name] = shares.get(name, 0.0) + weight / total
        return shares | {f"{head} head": weight / total for head, weight in self.config.head_weights.items()}

    def forward(self, inputs: dict[str, Tensor], present: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        """As ``MultimodalMixer.forward``. A modality's head combines the networks' heads with equal weights."""
        outputs = [member(inputs, present) for member in self.members]
        task = self.architecture.task
        combined = {
            head: average(torch.stack([output[head] for output in outputs if head in output]), task)
            for head in self.architecture.inputs
        }
        used = [number for number, weight in enumerate(self.config.weights) if weight > 0]
        fused, weights = [outputs[number][FUSED] for number in used], self.weights[used]
        if self.config.head_weights:
            networks = [
                o[FUSED] for o, m in zip(outputs, self.config.members, strict=True) if isinstance(m, Architecture)
            ]
            instead, has = average(torch.stack(networks), task), present or {}
            fused += [
                where_present(combined[head].to(instead.dtype), instead, has.get(head))
                for head in self.config.head_weights
            ]
            weights = torch.cat([weights, self.head_weights])
        return {FUSED: combine(torch.stack(fused), weights, task) + self.offset, **combined}

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


def combine(logits: Tensor, weights: Tensor, task: str) -> Tensor:
    """(members, batch, classes) and (members,) -> (batch, classes): what the ensemble predicts, see above. Of a task
    with one class per row, the probabilities' logarithms."""
    weights = weights.to(logits.dtype)[:, None, None]
    if task not in ("multiclass", "binary"):
        return (logits * weights).sum(dim=0)
    return functional.log_softmax((functional.log_softmax(logits, dim=2) * weights).sum(dim=0), dim=1)


def where_present(head: Tensor, fused: Tensor, present: Tensor | None) -> Tensor:
    """A head's logits, and the fused ones for the examples that lack the modality; (batch, classes)."""
    return head if present is None else torch.where(present[:, None], head, fused)


def average(logits: Tensor, task: str) -> Tensor:
    """``combine`` with equal weights that add up to 1."""
    return combine(logits, logits.new_full((len(logits),), 1 / len(logits)), task)


Model = MultimodalMixer | Ensemble
AnyModel = Model | ReferenceModel


def decision_weights(model: AnyModel) -> tuple[float, ...] | None:
    """The weights of the classes that are in the fused logits, see ``EnsembleConfig``; None if all are the same."""
    chosen = None
    if isinstance(model, Ensemble):
        chosen = model.config.decision_weights
    elif isinstance(model, ReferenceModel):
        chosen = model.architecture.decision_weights
    return model.architecture.class_weights if chosen is None else chosen


def member_architectures(model: AnyModel) -> tuple[Architecture | Reference, ...]:
    """What each member of an ensemble is; of a single model its architecture."""
    return model.config.members if isinstance(model, Ensemble) else (model.architecture,)


def load_model(folder: str | Path) -> Model:
    """The ``Ensemble`` or ``MultimodalMixer`` of a folder, in eval mode; see their ``from_pretrained``."""
    if (Path(folder) / ENSEMBLE_FILE).is_file():
        return Ensemble.from_pretrained(folder)
    return MultimodalMixer.from_pretrained(folder)
