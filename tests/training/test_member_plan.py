"""A member's plan is kept as a JSON document."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_samples import architecture, parameters

from mixmas_pipeline.datasets.document import DocumentDataset
from mixmas_pipeline.training.member_plan import MemberPlan


@pytest.mark.parametrize("fold", [None, 2])
def test_a_plan_survives_the_catalog(fold: int | None, tmp_path: Path) -> None:
    plan = MemberPlan(member=1, fold=fold, architecture=architecture(), training=parameters(recipe="published"))
    dataset = DocumentDataset(filepath=str(tmp_path / "plan.json"), model=f"{MemberPlan.__module__}.MemberPlan")
    dataset.save(plan)
    assert dataset.load() == plan
