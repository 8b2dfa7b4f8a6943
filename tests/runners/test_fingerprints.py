"""Fingerprints follow meaning: an edit makes exactly those nodes run again whose numbers it can change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from code_edits import Demo, Edit

from mixmas_pipeline.runners.fingerprints import Fingerprint

# Nodes by function. What trains candidates, and what trains whole models.
TRIALS = {"search.train_candidate", "search.finish_candidate"}
TRIALS |= {"validate_search.train_combination", "validate_search.search_within_budget", "describe.estimate_cost"}
TRAININGS = {"training.train_model", "compare.tune", "compare.train_seeds"}
TRAINS = TRIALS | TRAININGS
# What makes architectures, matched in parameters and with their cost.
MATCHES = {"search.propose_encoders", "search.propose_fusion_networks", "describe.plan_search"}
MATCHES |= {"validate_search.enumerate_combinations", "validate_search.search_within_budget"}
PROPOSES = MATCHES | {"search.propose_fusion_functions", "compare.line_up"}
# What computes a finished model's answers.
ANSWERS = {"training.evaluate_model", "compare.evaluate_contenders", "predict.predict_new_rows"}
EXPORTS = {"export.convert", "export.assemble"}
DRAWS_ARCHITECTURE = {"reporting.draw_architecture", "export.assemble"}
BUILDS = TRAINS | PROPOSES | ANSWERS | EXPORTS | DRAWS_ARCHITECTURE

NOTHING = [
    Edit("log text", "training/lightning.py", '"trained for %d epochs, %s"', '"trained %d epochs, %s"'),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return Demo(tmp_path_factory.mktemp("demo"))
