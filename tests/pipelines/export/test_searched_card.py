"""What the card says of the searched model comes from the artefacts of its search and training."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from export_samples import artefacts

from mixmas_pipeline.pipelines.export.searched_card import about_searched


def test_settings_are_those_of_the_record(make_architecture: Callable) -> None:
    assert "Settings: max_epochs 2. Run: r1" in about_searched(artefacts(make_architecture())).sections
    unrecorded = about_searched(artefacts(make_architecture(), record=None)).sections
    assert "The settings are not recorded." in unrecorded


def test_scores_of_others_are_no_scores_of_the_model(make_architecture: Callable) -> None:
    about = about_searched(artefacts(make_architecture()))
    assert about.test == {"accuracy": 0.625}
    assert "| accuracy, image head alone |  | 0.5000 |" in about.sections.splitlines()
    assert (about.test_rows, about.classes) == (2, {"a": 6, "b": 2})


def test_an_ensemble_says_what_its_validation_rows_were_used_for(make_architecture: Callable) -> None:
    history = pd.DataFrame({"epoch": [0, 1, 0], "member": [0, 0, 1]})
    about = about_searched(artefacts(make_architecture(), history=history, thresholds={"a": 0.5}))
    assert about.uses["validation"] == "training or early stopping, weights of the members, thresholds"
    assert "trained as 2 members of an ensemble. A linear model" in about.sections
