"""Budgets that are tried, and what trainings cost."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from mixmas_pipeline.pipelines.search.results import Proposal
from mixmas_pipeline.pipelines.validate_search.parameters import ProxyParameters, TruthParameters
from mixmas_pipeline.training.parameters import BudgetParameters, OptimiserParameters


class BudgetSetting(NamedTuple):
    """A point of the grid of ``ProxyParameters``."""

    rows: int
    epochs: int
    learning_rate: float
    replicate: int


def budget_grid(proxy: ProxyParameters) -> dict[str, BudgetSetting]:
    """Each budget and replicate by name. (A learning rate is named by its index in the list.)"""
    return {
        f"rows_{rows}_epochs_{epochs}_rate_{index}_replicate_{replicate}": BudgetSetting(rows, epochs, rate, replicate)
        for rows, epochs, (index, rate), replicate in product(
            proxy.rows, proxy.epochs, enumerate(proxy.learning_rates), range(proxy.replicates)
        )
    }


def trial_budget(
    settings: TruthParameters | BudgetParameters, steps: int, learning_rate: float | None = None
) -> BudgetParameters:
    """A budget of exactly this many steps.

    Args:
        settings: give the optimiser and the device.
        steps: optimiser steps; there is no extension.
        learning_rate: at its peak. Default: that of ``settings``.
    """
    values = {name: getattr(settings, name) for name in (*OptimiserParameters.model_fields, "device")}
    if learning_rate is not None:
        values["learning_rate"] = learning_rate
    # A budget needs seeds; the trials here have seeds of their own.
    return BudgetParameters(**values, steps=steps, extended_steps=steps, seeds=(0, 1))


def training_flops(proposal: Proposal, examples: int) -> float:
    """FLOPs of a training on this many examples (repeats count). A forward and backward pass costs about three forward
    passes."""
    return 3.0 * proposal.flops * examples
