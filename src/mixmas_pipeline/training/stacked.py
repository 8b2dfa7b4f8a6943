"""Several models of one architecture trained as one: weights stacked along a first axis, one call for all of them.

Where launching an operation costs more than computing it (a small model on a GPU), several seeds take hardly longer
than one. On a CPU nothing is gained: ``benchmarks/run.py`` measures it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.training.averaging import AveragedWeights
from mixmas_pipeline.training.batches import endless_batches, to_tensors
from mixmas_pipeline.training.loss import fusion_weight, loss_scale, multi_head_loss
from mixmas_pipeline.training.loss_curve import LossCurve
from mixmas_pipeline.training.optimiser import make_optimiser
from mixmas_pipeline.training.parameters import BudgetParameters
from mixmas_pipeline.training.recipe import BatchRecipe
from mixmas_pipeline.utils.progress import Progress

Tensors = dict[str, Tensor]


class StackedModels:
    """Models of the same architecture that are trained side by side, none of them affected by another.

    Attributes:
        parameters: (models, ...) each, leaves to be optimised. Elementwise optimisers treat them as they would treat
            each model alone; ``clip`` does the same for the gradient's norm.
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
        """Every model's logits of its batch (all of one size), see ``MultimodalMixer``."""
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
        """Copy the trained weights back into the models."""
        for i, model in enumerate(self._models):
            for name, parameter in model.named_parameters():
                parameter.copy_(self._weights[name][i])


def train_stacked(
    models: list[MultimodalMixer],
    sample: MultimodalTable,
    device: torch.device,
    budget: BudgetParameters,
    steps: int,
    seeds: Sequence[int],
    label: str,
) -> list[LossCurve]:
    """``trial.train`` for several models at once, each with its seed's batches.

    Returns:
        One loss curve per model.
    """
    architecture = models[0].architecture
    held = to_tensors(sample, device, architecture.inputs, variants=budget.recipe.augmentation.variants)
    weight, scale = fusion_weight(len(architecture.inputs), 0, 0.0), loss_scale(budget, held.labels, architecture)
    for model in models:
        model.train()
    stack = StackedModels(models)
    optimiser, schedule = make_optimiser(budget, stack.parameters, steps, stacked=True)
    averages = AveragedWeights(stack.parameters, budget.recipe.average)
    change = BatchRecipe(budget.recipe, sample.schema, architecture)
    curves = [LossCurve(steps, f"{label}, seed {seed}", budget.learning_rate) for seed in seeds]
    what = f"{label}, seeds {', '.join(map(str, seeds))}"
    # Dropout draws from the global generator, which is restored afterwards.
    with torch.random.fork_rng(), Progress(steps, what, describe=lambda done: f"step {done} of {steps}") as progress:
        torch.manual_seed(seeds[0])
        streams = [endless_batches(sample, held, budget, seed, change) for seed in seeds]
        for step, batches in zip(range(1, steps + 1), zip(*streams, strict=True), strict=False):
            logits = stack([batch.inputs for batch in batches], [batch.present for batch in batches])
            losses = [
                multi_head_loss(heads, batch.labels, architecture.task, weight, scale, batch.present)
                for heads, batch in zip(logits, batches, strict=True)
            ]
            optimiser.zero_grad(set_to_none=True)
            torch.stack(losses).sum().backward()
            stack.clip(budget.clip_norm)
            optimiser.step()
            schedule.step()
            averages.update(step)
            for curve, loss in zip(curves, losses, strict=True):
                curve.add(step, loss)
            progress.advance()
    averages.install()
    stack.unstack()
    return curves


def _stacked(batches: list[Tensors]) -> Tensors:
    return {name: torch.stack([batch[name] for batch in batches]) for name in batches[0]}
