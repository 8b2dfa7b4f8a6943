"""Whole drafts: of the documented data sets, of tables with something odd, and of tables from which none can be made.

That every other module's part is right is tested beside it; here is what the parts make together, and that a run takes
it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from draft_samples import animals, drafted, table_of
from project_runs import ROOT
from real_data import LAY_OUT, Unavailable

from mixmas_pipeline import pipeline_registry
from mixmas_pipeline.config_loader import ARGUMENTS, ProjectConfigLoader
from mixmas_pipeline.pipelines.data.custom.drafting import Draft, DraftError, data_set_name, draft

ROWS = 120
LARGE = ("digits", "support")
RNG = np.random.default_rng(0)


def is_taken_by_a_run(made: Draft) -> bool:
    """Whether every pipeline can be made with it."""
    parameters = ProjectConfigLoader(str(ROOT / "conf"), env="base", **ARGUMENTS)["parameters"]
    pipeline_registry.use_parameters({**parameters, **made.parameters})
    try:
        return bool(pipeline_registry.register_pipelines()["__default__"].nodes)
    finally:
        pipeline_registry.use_parameters(None)


def test_a_table_with_something_of_everything(tmp_path: Path) -> None:
    walks = {f"hr_{i}": column for i, column in enumerate(RNG.normal(size=(ROWS, 24)).cumsum(axis=1).T.round(3))}
    frame = animals(
        ROWS, owner_id=[f"o{i // 3}" for i in range(ROWS)], born="2024-01-02", sick=RNG.random(ROWS), **walks
    )
    frame["answer"] = frame["outcome"].map({"no": "healthy", "yes": "ill"})
    made = drafted(frame, tmp_path)
    assert made.parameters == {
        "dataset": "pets",
        "pets": {
            "table": {
                "file": "pets.csv",
                "id": "name",
                "label": "outcome",
                "task": "binary",
                "positive": "yes",
                "split": {"fractions": {"validation": 0.2, "test": 0.3}, "group": "owner_id"},
                "modalities": {
                    "hr": {"kind": "time_series", "columns": ["hr_*"]},
                    "facts": {"kind": "tabular", "columns": ["age", "breed", "sick"], "categories": ["breed"]},
                },
            }
        },
    }
    assert yaml.safe_load(made.text) == made.parameters
    assert made.left_out.keys() == {"born", "answer"}
    assert "answer gives the label away and is left out" in made.warnings[0]
    assert (made.rows, made.columns) == (ROWS, 32)
    assert is_taken_by_a_run(made)


@pytest.mark.parametrize(("rows", "shares"), [(999, (0.2, 0.3)), (1000, (0.15, 0.25)), (10_000, (0.15, 0.15))])
def test_shares_of_the_splits(rows: int, shares: tuple[float, float], tmp_path: Path) -> None:
    split = table_of(drafted(animals(rows), tmp_path))["split"]
    assert split == {"fractions": {"validation": shares[0], "test": shares[1]}}


def test_few_rows_are_warned_of(tmp_path: Path) -> None:
    assert "60 rows are few" in drafted(animals(60), tmp_path).warnings[0]
    assert drafted(animals(100), tmp_path).warnings == ()


def test_separator_and_missing_words_are_written(tmp_path: Path) -> None:
    frame = animals(ROWS, power=["?" if i % 9 == 0 else str(i) for i in range(ROWS)])
    frame.to_csv(tmp_path / "pets.csv", index=False, sep=";")
    table = table_of(draft(tmp_path / "pets.csv", "pets.csv", ("outcome",), "pets", tmp_path))
    assert (table["separator"], table["missing"]) == (";", ["?"])


def test_nasty_names(tmp_path: Path) -> None:
    nasty = ["yes", "1e3", "a: b #c", "it's", '"', "${x}", "a*", "[b]", "ü 雪", "line\nbreak", "\x1b[31m"]
    frame = animals(ROWS, **{name: RNG.normal(size=ROWS) for name in nasty}, **{"on": RNG.choice(["u", "v"], ROWS)})
    made = drafted(frame.assign(same=1), tmp_path)
    facts = table_of(made)["modalities"]["facts"]
    assert facts["columns"] == ["age", "breed", *nasty, "on"]
    assert facts["categories"] == ["breed", "on"]
    assert "\x1b" not in made.text


def test_a_label_that_is_no_text(tmp_path: Path) -> None:
    made = drafted(animals(ROWS), tmp_path, "age")
    assert table_of(made)["task"] == "regression"
    assert table_of(made)["modalities"]["facts"]["categories"] == ["breed", "outcome"]


def test_several_labels(tmp_path: Path) -> None:
    frame = animals(ROWS, a=RNG.integers(0, 2, ROWS), b=RNG.integers(0, 2, ROWS))
    table = table_of(drafted(frame, tmp_path, "a", "b"))
    assert (table["label"], table["task"]) == (["a", "b"], "multilabel")


def test_rows_without_anything_to_predict_from(tmp_path: Path) -> None:
    walks = {f"x_{i}": column for i, column in enumerate(RNG.normal(size=(ROWS, 12)).cumsum(axis=1).T)}
    frame = animals(ROWS, **walks).drop(columns=["age", "breed"])
    frame.loc[[3, 5], list(walks)] = np.nan
    with pytest.raises(DraftError, match=r"pets.csv: row 3 has nothing to predict from: x \(such rows: 2 of 120\)"):
        drafted(frame, tmp_path)


def test_what_only_a_run_finds_is_found(tmp_path: Path) -> None:
    """No training row would have the class of the split's only row for it."""
    split = ["train"] * 60 + ["validation"] * 30 + ["test"] * 30
    frame = animals(ROWS, split=split, outcome=["a", "b"] * 59 + ["a", "c"])
    with pytest.raises(DraftError, match="the label 'c' is unknown") as error:
        drafted(frame, tmp_path)
    assert str(error.value).count("pets.csv") == 1
    assert "classes of outcome too rare to be in each split: c (1). Merge them" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "pets.csv: it is empty; expected a first line with the columns' names"),
        ("age,outcome\n", "pets.csv: it has no rows"),
        ("age,age,outcome\n1,2,a\n", "pets.csv: the column 'age' is there twice"),
        ("age,outcome\n1\n", "pets.csv: line 2 has fewer cells than the first line"),
        ("name,outcome\n" + "".join(f"n{i},{'ab'[i % 2]}\n" for i in range(30)), "no column is left to predict"),
    ],
)
def test_tables_without_a_draft(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "pets.csv").write_text(text)
    with pytest.raises(DraftError, match=message):
        draft(tmp_path / "pets.csv", "pets.csv", ("outcome",), "pets", tmp_path)


def test_without_a_label_the_candidates_are_listed(tmp_path: Path) -> None:
    numbered = {f"hr_{i}": RNG.normal(size=ROWS) for i in range(4)}
    frame = animals(ROWS, note=[f"the animal of row {i}" for i in range(ROWS)], index=range(ROWS), **numbered)
    frame.to_csv(tmp_path / "pets.csv", index=False)
    with pytest.raises(DraftError) as error:
        draft(tmp_path / "pets.csv", "pets.csv", (), "pets", tmp_path)
    first, *candidates = str(error.value).splitlines()
    assert "Name it with --label COLUMN" in first
    assert [line.split(":")[0].strip() for line in candidates] == ["outcome", "breed", "age"]


@pytest.mark.parametrize(
    ("file", "name"),
    [("data/My Pets.csv.gz", "my_pets"), ("2024.csv", "table_2024"), ("https://a.org/x/pets.csv?key=1", "pets")],
)
def test_names_of_data_sets(file: str, name: str) -> None:
    assert data_set_name(file) == name


def by_hand() -> dict[str, dict[str, Any]]:
    page = (ROOT / "docs/custom_examples.md").read_text()
    found = [yaml.safe_load(part.partition("```")[0]) for part in page.split("```yaml\n")[1:]]
    return {block["dataset"]: block[block["dataset"]]["table"] for block in found if "dataset" in block}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in sorted(LAY_OUT)]
)
def test_the_documented_data_sets_are_drafted_as_they_were_written_by_hand(name: str, tmp_path: Path) -> None:
    """But for what only a person knows: the names of modalities, that emoji with one ``base`` belong together, how many
    visits matter, and where the data come from."""
    folder = tmp_path / "data/01_raw" / name
    folder.mkdir(parents=True)
    try:
        LAY_OUT[name](folder)
    except Unavailable as reason:
        pytest.skip(str(reason))
    wanted = by_hand()[name]
    made = draft(tmp_path / wanted["file"], wanted["file"], (wanted["label"],), name, tmp_path)
    table = table_of(made)
    hand = {key: value for key, value in wanted.items() if key not in ("source", "modalities", "split", "positive")}
    assert {key: table[key] for key in hand} == hand
    assert table["split"]["fractions"] == wanted["split"]["fractions"]
    written = {frozenset(columns(m, folder, wanted)) for m in wanted["modalities"].values()}
    assert {frozenset(columns(m, folder, wanted)) for m in table["modalities"].values()} == written
    kinds = sorted(m["kind"] for m in wanted["modalities"].values())
    assert sorted(m["kind"] for m in table["modalities"].values()) == kinds
    for key in ("categories", "optional"):
        assert sorted(str(m.get(key)) for m in table["modalities"].values()) == sorted(
            str(m.get(key)) for m in wanted["modalities"].values()
        )


def columns(modality: dict[str, Any], folder: Path, table: dict[str, Any]) -> list[str]:
    """The names of the columns that a modality has."""
    from mixmas_pipeline.pipelines.data.custom.cells import choose

    if "file" in modality or "column" in modality:
        return [modality.get("column", ""), *modality.get("columns", [])]
    header = pd.read_csv(folder / Path(table["file"]).name, nrows=1)
    named = [table.get("id"), table["label"]]
    header = header[[c for c in header.columns if c not in named]]
    return choose(header, ["*"] if modality["columns"] == "*" else modality["columns"])


def test_patients_with_long_numbers_are_a_group(tmp_path: Path) -> None:
    table = table_of(drafted(animals(ROWS, patient_id=[10**17 + i // 3 for i in range(ROWS)]), tmp_path))
    assert table["split"]["group"] == "patient_id"


def test_all_splits_are_tried(tmp_path: Path) -> None:
    """A row that is not trained on lacks a modality of which no training row does."""
    vectors = np.where(np.arange(ROWS)[:, None] == ROWS - 1, np.inf, RNG.normal(size=(ROWS, 3)))
    np.savez(
        tmp_path / "pets.npz", vectors=vectors, x=np.arange(ROWS) % 7, outcome=np.arange(ROWS) % 2,
        split=np.array(["train"] * 60 + ["validation"] * 30 + ["test"] * 30),
    )  # fmt: skip
    with pytest.raises(DraftError, match=r"row 119.*found infinity; expected finite numbers"):
        draft(tmp_path / "pets.npz", "pets.npz", ("outcome",), "pets", tmp_path)
