"""The multimodal model: encoders, fusion function, fusion network, a head for the fused tokens and one per modality."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from mixmas_pipeline.models.architecture import FUSED, Architecture
from mixmas_pipeline.models.encoder import Encoder, MixerStack, initialised, token_mean
from mixmas_pipeline.models.fusion import FusionFunction, late_decision

Statistic = float | tuple[float, ...]  # for a whole modality, or one per channel
WEIGHTS_FILE, ARCHITECTURE_FILE = "model.safetensors", "architecture.json"


class Standardise(nn.Module):
    """Stored values to floats of mean 0 and standard deviation 1, by the training data's statistics."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Statistic, std: Statistic) -> None:
        super().__init__()
        self.register_buffer("mean", self._buffer(mean))
        self.register_buffer("std", self._buffer(std))

    @staticmethod
    def _buffer(values: Statistic) -> Tensor:
        return torch.tensor(values)[:, None, None] if isinstance(values, tuple) else torch.tensor(values)

    def forward(self, x: Tensor) -> Tensor:
        return (x.to(self.mean.dtype) - self.mean) / self.std


class Units(nn.Module):
    """A regression's standardised predictions to the targets' units: the inverse of ``Standardise``.

    (batch, targets) -> the same shape, in the precision of the statistics.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, x: Tensor) -> Tensor:
        return x.to(self.mean.dtype) * self.std + self.mean


class Head(nn.Module):
    """(batch, tokens, width) -> (batch, classes): mean over the unmasked tokens, then one linear layer."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, classes)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.linear(token_mean(x, mask))


class MultimodalMixer(nn.Module):
    """A model built from an ``Architecture`` and nothing else.

    Padding enters every block as zeros and is left out of the heads' means. After fusion a token is padding if only
    padding was combined into it. Tokens of a missing modality are treated like padding; see ``FusionFunction``.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        classes = len(architecture.classes)
        self.standardise = nn.ModuleDict({n: Standardise(i.mean, i.std) for n, i in architecture.inputs.items()})
        encoders = {n: Encoder(e, architecture.inputs[n].shape, n) for n, e in architecture.encoders.items()}
        self.encoders = nn.ModuleDict(encoders)
        self.heads = nn.ModuleDict({n: Head(e.hidden, classes) for n, e in encoders.items()})
        if architecture.fusion is not None:
            self.fusion = FusionFunction(
                architecture.fusion.function, [(e.tokens, e.hidden) for e in encoders.values()]
            )
            network = architecture.fusion.network
            self.fusion_network = MixerStack(network.block, network.depth, self.fusion.width, (self.fusion.tokens,))
            self.fused_head = Head(self.fusion.width, classes)
        targets = architecture.targets
        self.units = nn.Identity() if targets is None else Units(targets.mean, targets.std)

    def forward(self, inputs: dict[str, Tensor], present: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Logits of a batch.

        Args:
            inputs: modality -> (batch, *shape) in the stored type, which may be bytes.
            present: modality -> (batch,) booleans: whether the example has it. The input of an example that lacks the
                modality has no effect. Default: all examples have all modalities that are not named.

        Returns:
            Logits, (batch, classes): under "fused" the decision, and under each modality's name those of its auxiliary
            head (M2-Mixer's multi-head training), which mean nothing for an example that lacks the modality. For a
            regression predictions in the targets' units, (batch, targets). With one modality there is no fusion, and
            "fused" is that modality's head.
        """
        present = present or {}
        inputs = {n: _blanked(inputs[n], present[n]) if n in present else inputs[n] for n in self.encoders}
        masks = {n: (inputs[n] != 0).any(dim=-1) if i.padded else None for n, i in self.architecture.inputs.items()}
        tokens = {n: self.encoders[n](self.standardise[n](inputs[n]), masks[n]) for n in self.encoders}
        logits = {name: self.units(self.heads[name](tokens[name], masks[name])) for name in tokens}
        if self.architecture.fusion is None:
            (only,) = logits.values()
            return {FUSED: only, **logits}
        sequences, padding = [tokens[name] for name in tokens], [masks[name] for name in tokens]
        has = [present.get(name) for name in tokens]
        mask = self.fusion.mask(sequences, padding, has)
        fused = self.fusion_network(self.fusion(sequences, has, padding), mask)
        decision = self.units(self.fused_head(fused, mask))
        if self.fusion.function == "late":
            decision = late_decision(decision, list(logits.values()), has)
        return {FUSED: decision, **logits}

    @contextmanager
    def left_out(self, modality: str) -> Iterator[None]:
        """Inside the block, the modality's input is its mean over the training data, whatever the model gets."""
        handle = self.standardise[modality].register_forward_hook(lambda module, given, out: torch.zeros_like(out))
        try:
            yield
        finally:
            handle.remove()

    def save_pretrained(self, folder: Path) -> None:
        """Write weights (safetensors) and architecture (JSON) into a new folder."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True)
        save_file(self.state_dict(), folder / WEIGHTS_FILE)
        (folder / ARCHITECTURE_FILE).write_text(self.architecture.model_dump_json(indent=1))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read what ``save_pretrained`` wrote. The model is in eval mode.

        Raises:
            FileNotFoundError: a file is missing.
            RuntimeError: weights and architecture do not belong together.
        """
        from safetensors.torch import load_file

        folder = Path(folder)
        architecture = Architecture.model_validate(json.loads((folder / ARCHITECTURE_FILE).read_text()))
        model = initialised(cls, 0, architecture)
        model.load_state_dict(load_file(folder / WEIGHTS_FILE))
        return model.eval()


def _blanked(x: Tensor, present: Tensor) -> Tensor:
    """``x`` with zeros for the examples that lack the modality."""
    return torch.where(present.view(-1, *[1] * (x.dim() - 1)), x, torch.zeros((), dtype=x.dtype, device=x.device))
