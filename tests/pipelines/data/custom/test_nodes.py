"""From a file to tables: nothing is learnt of validation and test rows; what is missing; new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from custom_samples import pets
from PIL import Image

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.data.custom import nodes
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters

PARTS = {"column": "part"}
FACTS = {"kind": "tabular", "columns": "*", "categories": ["breed"]}
PULSE = {"kind": "time_series", "columns": ["hr_*"]}


def parameters(modalities: dict[str, Any], **changes: Any) -> dict[str, Any]:
    written = {"file": "pets.csv", "id": "name", "label": "kind", "task": "multiclass", "split": PARTS}
    return TableParameters.model_validate({**written, "modalities": modalities, **changes}).model_dump(mode="json")


def frame(rows: int = 40) -> pd.DataFrame:
    return pets(rows).assign(part=["train"] * (rows - 10) + ["validation"] * 5 + ["test"] * 5).drop(columns="sick")


def prepared(file: Path, table: dict[str, Any]) -> tuple[dict[str, Any], dict[str, MultimodalTable]]:
    """What is learnt, and the tables."""
    train, validation, test, labels, _ = nodes.split_rows(nodes.read_table(file, table), table)
    learnt = {name: nodes.learn_modality(train, table, modality) for name, modality in table["modalities"].items()}
    tables = {}
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        columns = [
            nodes.prepare_modality(rows, learnt[m], modality, "pets.csv") for m, modality in table["modalities"].items()
        ]
        tables[name] = nodes.build_table(rows, labels, table, "pets.csv", *columns)
        tables[name].check()
    return {**learnt, "labels": labels}, tables


def new_rows(file: Path, table: dict[str, Any], learnt: dict[str, Any]) -> MultimodalTable:
    rows = nodes.read_new_table(file, table)
    columns = [
        nodes.prepare_modality(rows, learnt[name], modality, file.name)
        for name, modality in table["modalities"].items()
    ]
    return nodes.build_new_table(rows, learnt["labels"], table, file.name, *columns)


def write(rows: pd.DataFrame, file: Path) -> Path:
    rows.to_csv(file, index=False)
    return file


def test_tables(tmp_path: Path) -> None:
    data = frame().drop(columns="owner")
    _, tables = prepared(write(data, tmp_path / "pets.csv"), parameters({"facts": FACTS, "pulse": PULSE}))
    assert list(tables["train"].ids) == list(data["name"][:30])
    assert tables["train"].schema.classes == ("cat", "cow", "dog")
    names = np.array(tables["test"].schema.classes)[tables["test"].labels]
    assert list(names) == list(data["kind"][35:])


def test_all_that_nothing_else_uses(tmp_path: Path) -> None:
    table = parameters({"pulse": PULSE, "facts": FACTS})
    data = frame().drop(columns="owner")
    learnt, _ = prepared(write(data, tmp_path / "pets.csv"), table)
    assert learnt["facts"]["columns"] == ["age", "breed"]
    with pytest.raises(ValueError, match=r"pets.csv: row 0 \(id pet0\), column owner: found 'owner0'; .*categories"):
        prepared(write(frame(), tmp_path / "pets.csv"), table)


def test_a_saved_index_is_no_input(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = parameters({"pulse": PULSE, "facts": FACTS})
    frame().drop(columns="owner").to_csv(tmp_path / "pets.csv")
    learnt, _ = prepared(tmp_path / "pets.csv", table)
    assert learnt["facts"]["columns"] == ["age", "breed"]
    assert "Unnamed: 0: left out of '*'" in caplog.text


@pytest.mark.parametrize(
    ("name", "first"), [("Unnamed: 0.1", 7), ("index", 0), ("rownames", 1), ("X", 1), ("visits", None), ("day", -1)]
)
def test_a_column_of_row_numbers_is_no_input_unless_it_is_named(
    tmp_path: Path, name: str, first: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    data = frame().drop(columns="owner")
    counter = first in (None, -1)  # neither row numbers nor an index's name is enough
    data[name] = 3 * np.arange(len(data)) if first is None else np.arange(len(data)) + max(first, 0)
    table = parameters({"pulse": PULSE, "facts": FACTS})
    learnt, _ = prepared(write(data, tmp_path / "pets.csv"), table)
    assert (name in learnt["facts"]["columns"]) == counter
    assert (f"{name}: left out of '*'" in caplog.text) == (not counter)
    caplog.clear()
    named = parameters({"pulse": PULSE, "facts": {"kind": "tabular", "columns": ["age", name]}})
    learnt, _ = prepared(tmp_path / "pets.csv", named)
    assert learnt["facts"]["columns"] == ["age", name]
    assert "left out" not in caplog.text


def test_label_is_no_input_of_groups_either(tmp_path: Path) -> None:
    table = parameters({"facts": {"kind": "time_series", "groups": {"all": ["*"]}}}, label="age", task="regression")
    rows = frame().drop(columns=["owner", "kind", "breed"])
    learnt, _ = prepared(write(rows, tmp_path / "pets.csv"), table)
    assert learnt["facts"]["columns"] == ["hr_0", "hr_1", "hr_2", "hr_3"]


def test_new_rows_without_a_label_may_say_so_in_words(tmp_path: Path) -> None:
    table = parameters({"facts": {**FACTS, "columns": ["age", "breed"]}})
    learnt, _ = prepared(write(frame(), tmp_path / "pets.csv"), table)
    fresh = frame().head(4).assign(kind="NA")
    assert not new_rows(write(fresh, tmp_path / "new.csv"), table, learnt).labelled


def test_nothing_is_learnt_of_validation_and_test_rows(tmp_path: Path) -> None:
    table = parameters({"pulse": {**PULSE, "mask": True}, "facts": FACTS}, label="kind")
    data = frame().drop(columns="owner")
    before, tables = prepared(write(data, tmp_path / "pets.csv"), table)
    data.loc[30:, ["age", "hr_0", "hr_1"]] = [1e6, -1e6, np.nan]
    data.loc[30:, "breed"] = "never seen"
    data.loc[30:, "kind"] = "cat"
    after, others = prepared(write(data, tmp_path / "pets.csv"), table)
    assert after == before
    for name, array in tables["train"].arrays.items():
        np.testing.assert_array_equal(others["train"].arrays[name], array)
    assert (others["test"].arrays["facts"] != tables["test"].arrays["facts"]).any()


def test_new_rows_are_prepared_as_the_others_were(tmp_path: Path) -> None:
    """In another order of columns, without label and split, and with a column that nobody knows."""
    table = parameters({"pulse": PULSE, "facts": FACTS})
    data = frame().drop(columns="owner")
    learnt, tables = prepared(write(data, tmp_path / "pets.csv"), table)
    some = data[35:].drop(columns=["kind", "part"]).iloc[:, ::-1].assign(colour="red")
    found = new_rows(write(some, tmp_path / "new.csv"), table, learnt)
    assert not found.labelled
    assert list(found.ids) == list(data["name"][35:])
    for name, array in tables["test"].arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
    labelled = new_rows(write(data[35:], tmp_path / "new.csv"), table, learnt)
    np.testing.assert_array_equal(labelled.labels, tables["test"].labels)
    for text, message in (
        ("name,age,breed\nx,1,a\n", r"new.csv: modalities.pulse: there is no column 'hr_\*'"),
        ("name,age,breed,hr_0,hr_1,hr_2\nx,1,a,1,2,3\n", "new.csv: there is no column 'hr_3', .*did you mean 'hr_"),
        ("name,age,breed,hr_0,hr_1,hr_2,hr_3\nx,old,a,1,2,3,4\n", r"new.csv: row 0 \(id x\), column age: found 'old'"),
    ):
        (tmp_path / "new.csv").write_text(text)
        with pytest.raises(ValueError, match=message):
            new_rows(tmp_path / "new.csv", table, learnt)


def test_missing_modalities(tmp_path: Path) -> None:
    data = frame().drop(columns="owner")
    data.loc[[2, 37], [f"hr_{t}" for t in range(4)]] = np.nan
    file = write(data, tmp_path / "pets.csv")
    with pytest.raises(
        ValueError, match=r"pets.csv: row 2 \(id pet2\), column hr_0, hr_1, hr_2: the modality is .*1 of 30 of the"
    ):
        prepared(file, parameters({"pulse": PULSE, "facts": FACTS}))
    table = parameters({"pulse": {**PULSE, "optional": True}, "facts": FACTS})
    learnt, tables = prepared(file, table)
    assert list(np.flatnonzero(~tables["train"].present["pulse"])) == [2]
    assert list(np.flatnonzero(~tables["test"].present["pulse"])) == [2]
    without = data[35:].drop(columns=[f"hr_{t}" for t in range(4)])
    found = new_rows(write(without, tmp_path / "new.csv"), table, learnt)
    assert not found.present["pulse"].any()
    np.testing.assert_array_equal(found.arrays["facts"], tables["test"].arrays["facts"])
    both = parameters({"pulse": {**PULSE, "optional": True}, "facts": {**FACTS, "optional": True}})
    data.loc[2, ["age", "breed"]] = np.nan
    with pytest.raises(ValueError, match=r"pets.csv: row 2 \(id pet2\): every modality is missing"):
        prepared(write(data, tmp_path / "pets.csv"), both)


def test_a_label_that_only_the_test_has(tmp_path: Path) -> None:
    data = frame()
    data.loc[36, "kind"] = "cats"
    with pytest.raises(ValueError, match=r"pets.csv: row 36 \(id pet36\), column kind: the label 'cats' is unknown"):
        prepared(write(data, tmp_path / "pets.csv"), parameters({"pulse": PULSE}))


def test_one_modality_and_several_targets(tmp_path: Path) -> None:
    """A regression's tables have the numbers as they are, under the columns' names."""
    data = frame()
    table = parameters({"pulse": PULSE}, label=["age", "weight"], task="regression")
    data["weight"] = np.arange(40) / 4
    _, tables = prepared(write(data, tmp_path / "pets.csv"), table)
    assert tables["train"].schema.classes == ("age", "weight")
    np.testing.assert_allclose(tables["test"].labels, data[["age", "weight"]][35:].to_numpy(), rtol=1e-6)
    data.loc[3, "weight"] = np.nan
    with pytest.raises(ValueError, match=r"pets.csv: row 3 \(id pet3\), column weight: there is no number"):
        prepared(write(data, tmp_path / "pets.csv"), table)


def test_a_table_of_arrays(tmp_path: Path) -> None:
    """Arrays beside columns; new rows come in the same layout."""
    rng = np.random.default_rng(0)
    arrays = {"y": np.arange(30) % 2, "trace": rng.normal(size=(30, 4, 2)), "summary": rng.normal(size=(30, 3))}
    modalities = {
        "trace": {"kind": "time_series", "array": "trace"},
        "summary": {"kind": "embedding", "array": "summary", "optional": True},
    }
    table = parameters(
        modalities, file="s.npz", id=None, label="y", split={"fractions": {"validation": 0.2, "test": 0.2}}
    )
    file = tmp_path / "s.npz"
    np.savez(file, **arrays)
    train, validation, _, labels, _ = nodes.split_rows(nodes.read_table(file, table), table)
    columns, new = [], []
    for modality in table["modalities"].values():
        learnt = nodes.learn_modality(train, table, modality, file)
        columns.append(nodes.prepare_modality(validation, learnt, modality, "s.npz", file))
        np.savez(tmp_path / "new.npz", trace=arrays["trace"][:5])
        rows = nodes.read_new_table(tmp_path / "new.npz", table)
        new.append(nodes.prepare_modality(rows, learnt, modality, "new.npz", tmp_path / "new.npz"))
    built = nodes.build_table(validation, labels, table, "s.npz", *columns)
    built.check()
    numbers = built.ids.astype(int)
    np.testing.assert_array_equal(built.arrays["summary"], arrays["summary"][numbers].astype(np.float32))
    np.testing.assert_array_equal(np.array(built.schema.classes)[built.labels], (numbers % 2).astype(str))
    found = nodes.build_new_table(rows, labels, table, "new.npz", *new)
    assert not found.present["summary"].any()
    assert not found.labelled


def test_rows_that_training_may_not_divide_are_marked(tmp_path: Path) -> None:
    """Those of a group; all of them, where a column gives the split; none where it is drawn row by row."""
    file, facts = write(frame(), tmp_path / "pets.csv"), {"facts": {"kind": "tabular", "columns": ["age"]}}
    owners = pd.read_csv(file)["owner"]
    fractions = {"validation": 0.2, "test": 0.2}
    cases = (
        (PARTS, {"given_split"}),
        ({"fractions": fractions, "group": "owner"}, {"group"}),
        ({"fractions": fractions}, set()),
    )
    for split, expected in cases:
        _, tables = prepared(file, parameters(facts, split=split))
        assert {name for table in tables.values() for name in table.extra} == expected
        for table in tables.values() if "group" in expected else ():
            by_id = dict(zip(pd.read_csv(file)["name"].astype(str), owners, strict=True))
            assert list(table.extra["group"]) == [f"group {by_id[name]}" for name in table.ids]


def test_an_image_folder_with_metadata(tmp_path: Path) -> None:
    """As Hugging Face describes it: metadata.csv lies beside the pictures, which its column file_name names."""
    names = [f"{folder}/{number}.png" for folder in ("a", "b") for number in range(10)]
    for value, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((6, 6, 3), value, np.uint8)).save(tmp_path / name)
    pd.DataFrame({"file_name": names, "kind": ["x", "y"] * 10}).to_csv(tmp_path / "metadata.csv", index=False)
    photo = {"kind": "image", "column": "file_name", "folder": str(tmp_path), "height": 4, "width": 4}
    split = {"fractions": {"validation": 0.2, "test": 0.2}}
    written = parameters({"photo": photo}, id=None, split=split)
    rows = nodes.read_table(tmp_path / "metadata.csv", written)
    train, *_ = nodes.split_rows(rows, written)
    learnt = nodes.learn_modality(train, written, photo, tmp_path)
    column = nodes.prepare_modality(train, learnt, photo, "metadata.csv", tmp_path)
    assert column.array[:, 0, 0, 0].tolist() == train["row number"].tolist()
