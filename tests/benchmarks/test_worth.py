"""The table and the data sets of benchmarks/worth.py. Nothing is trained."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from project_runs import ROOT

from mixmas_pipeline.pipelines.data.custom.defaults import merge
from mixmas_pipeline.training.parameters import NO_AUGMENTATION, PUBLISHED, RecipeParameters, TrainingParameters


@pytest.fixture(scope="module")
def worth() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_worth", ROOT / "benchmarks" / "worth.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def write_scores(worth: ModuleType, folder: Path, scores: dict[str, list[float]]) -> None:
    """Results of liver, seeds 0, 1 and so on."""
    for contender, values in scores.items():
        for seed, score in enumerate(values):
            result = {"data_set": "liver", "seed": seed, "contender": contender, "metric": "auroc", "score": score}
            worth._write(worth._path(folder, "liver", seed, contender), {**result, "seconds": 1.0, "parameters": None})


def test_differences_are_paired_with_the_better_reference_of_the_same_seed(worth: ModuleType, tmp_path: Path) -> None:
    scores = {"linear": [0.7, 0.9, 0.8], "trees": [0.8, 0.6, 0.8], "ensemble": [0.85, 0.91, 0.89], "single": [0.6]}
    write_scores(worth, tmp_path, scores)
    results = worth.read_results(tmp_path)
    ensemble = results[results["contender"] == "ensemble"].sort_values("seed")
    np.testing.assert_allclose(ensemble["difference"], [0.05, 0.01, 0.09])
    mean, half = worth.interval(ensemble["difference"].to_numpy())
    np.testing.assert_allclose([mean, half], [0.05, 4.302653 * 0.04 / np.sqrt(3)], rtol=1e-6)
    text = worth.table_text(results)
    assert "| searched, ensemble | 0.883 ± 0.031 | +0.050 [-0.049, +0.149] |" in text
    assert "searched, single: liver (1 of 3 seeds)" in text
    assert "AutoGluon: liver (0 of 3 seeds)" in text


def test_an_ablation_is_paired_with_the_whole_recipe_of_the_same_seed(worth: ModuleType, tmp_path: Path) -> None:
    scores = {"single": [0.7, 0.9, 0.8], "without_mixup": [0.65, 0.89, 0.71], "without_recipe": [0.5]}
    write_scores(worth, tmp_path, scores)
    text = worth.ablation_text(worth.read_results(tmp_path))
    assert "| whole recipe | 0.800 |" in text
    assert "| no mixup | -0.050 [-0.149, +0.049] |" in text  # as in the test above
    assert "| nothing of it | -0.200 |" in text
    assert "no averaged weights" not in text


def test_parts_that_are_left_out_are_parts_of_the_recipe(worth: ModuleType) -> None:
    whole = RecipeParameters()
    for name in worth.ABLATIONS:
        settings = TrainingParameters.model_validate(
            merge({"learning_rate": 0.1, "max_epochs": 1, "patience": 1, "metric": "r2"}, worth.TRAININGS[name])
        )
        assert settings.deploy == "single"
        assert settings.recipe != whole, name
        if name == "without_augmentation":
            assert settings.recipe == whole.model_copy(
                update={"augmentation": NO_AUGMENTATION.model_copy(update={"variants": True})}
            )
    assert settings.recipe == PUBLISHED, "the last one leaves out all"


def test_a_seed_without_both_references_has_no_difference(worth: ModuleType, tmp_path: Path) -> None:
    write_scores(worth, tmp_path, {"linear": [0.7, 0.7], "trees": [0.8], "ensemble": [0.9, 0.9]})
    results = worth.read_results(tmp_path)
    assert results[results["contender"] == "ensemble"]["difference"].notna().sum() == 1
    worth.report(tmp_path)
    assert (tmp_path / "worth.png").stat().st_size > 1000


def test_a_seed_draws_split_samples_and_initialisations(worth: ModuleType, tmp_path: Path) -> None:
    data_set = worth.data_sets()["diabetes"]
    (tmp_path / "raw" / "diabetes").mkdir(parents=True)  # nothing is downloaded
    worth.make_project(tmp_path / "project", data_set, 3, tmp_path / "raw", 1)
    local = yaml.safe_load((tmp_path / "project/conf/local/parameters.yml").read_text())
    section = local["diabetes"]
    assert section["table"]["split"] == {"fractions": {"validation": 0.2, "test": 0.3}, "seed": 3}
    assert section["search"]["sample"]["seed"] == 3
    assert section["search"]["budget"]["seeds"] == [30, 31, 32]
    assert section["training"]["seed"] == 30
    assert local["compute"] == {"cores": 1}


def test_results_are_json(worth: ModuleType, tmp_path: Path) -> None:
    write_scores(worth, tmp_path, {"linear": [0.5]})
    assert json.loads(worth._path(tmp_path, "liver", 0, "linear").read_text())["score"] == 0.5
    assert not list(tmp_path.rglob("*.part"))
