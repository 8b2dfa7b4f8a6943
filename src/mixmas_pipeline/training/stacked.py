"""Models of one architecture as one: weights stacked along a first axis, one call for all of them.

Where launching an operation costs more than computing it (a GPU and a small model), several seeds take hardly longer
than one. On a CPU there is nothing to gain: ``benchmarks/run.py`` measures it.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from mixmas_pipeline.models.multimodal import MultimodalMixer

Tensors = dict[str, Tensor]


class StackedModels:
    """Models of the same architecture that are trained side by side, none of them affected by another.

    Attributes:
        parameters: (models, ...) each, leaves to be optimised. Elementwise optimisers treat them as they would treat
            each model alone; for the gradient's norm there is ``clip``.
    """

    def __init__(self, models: list[MultimodalMixer]) -> None:
        self._models = models
        self._weights, self._buffers = stack_module_state(models)  # type: ignore[arg-type]
        self.parameters = list(self._weights.values())
        skeleton = copy.deepcopy(models[0]).to("meta")

        def call(weights: Tensors, buffers: Tensors, inputs: Tensors, present: Tensors) -> Tensors:
            return functional_call(skeleton, (weights, buffers), (inputs, present))

        self._call = vmap(call, randomness="different")

    def __call__(self, inputs: list[Tensors], present: list[Tensors] | None = None) -> list[Tensors]:
        """Every model's logits of its own batch (all of one size), see ``MultimodalMixer``."""
        stacked = _stacked(inputs)
        logits = self._call(self._weights, self._buffers, stacked, _stacked(present or [{}]))
        return [{head: values[i] for head, values in logits.items()} for i in range(len(inputs))]

    def clip(self, norm: float) -> None:
        """Scale each model's gradient down to this norm, as ``torch.nn.utils.clip_grad_norm_`` does for one model."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)
        factors = (norm / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient *= factors.view(-1, *[1] * (gradient.dim() - 1))

    @torch.no_grad()
    def unstack(self) -> None:
        """Give the models the weights that they have come to."""
        for i, model in enumerate(self._models):
            for name, parameter in model.named_parameters():
                parameter.copy_(self._weights[name][i])


class OneModel:
    """A model by itself, with the interface of ``StackedModels``."""

    def __init__(self, models: list[MultimodalMixer]) -> None:
        (self._model,) = models
        self.parameters = list(self._model.parameters())

    def __call__(self, inputs: list[Tensors], present: list[Tensors] | None = None) -> list[Tensors]:
        """The model's logits of its batch."""
        return [self._model(batch, there) for batch, there in zip(inputs, present or [{}], strict=True)]

    def clip(self, norm: float) -> None:
        """Scale the gradient down to this norm."""
        torch.nn.utils.clip_grad_norm_(self.parameters, norm)

    def unstack(self) -> None:
        """The model has its weights."""


def _stacked(batches: list[Tensors]) -> Tensors:
    return {name: torch.stack([batch[name] for batch in batches]) for name in batches[0]}
