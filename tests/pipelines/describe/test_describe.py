"""Every planted fault is found and named, and nothing is reported where nothing is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import planted
import pytest

from mixmas_pipeline.data import table as tables
from mixmas_pipeline.data.table import Modality, MultimodalTable, TableSchema
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.data.custom.cells import ID
from mixmas_pipeline.pipelines.describe import duplicates, estimate, judging, nodes
from mixmas_pipeline.pipelines.search import nodes as searching
from mixmas_pipeline.pipelines.search.parameters import SearchParameters
from mixmas_pipeline.plots.text import estimate_sentences
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.resources import ComputeParameters

NAMES = ("photo", "facts")
METRICS = {"multiclass": "accuracy", "binary": "f1", "multilabel": "f1_weighted", "regression": "r2"}
COMPUTE = ComputeParameters(cores=1)
Splits = dict[str, MultimodalTable]


def made(task: str = "multiclass", names: tuple[str, ...] = NAMES, seed: int = 0, **more: Any) -> Splits:
    sizes = zip(planted.SPLITS, (500, 120, 150), strict=True)
    return {s: planted.planted(task, names, rows, 10 * seed + i, **more) for i, (s, rows) in enumerate(sizes)}


def settings(splits: Splits, **changes: Any) -> tuple[SearchParameters, TrainingParameters]:
    schema = splits["train"].schema
    section = planted.parameters(list(schema.modalities), METRICS[schema.task], **changes)
    return SearchParameters.model_validate(section["search"]), TrainingParameters.model_validate(section["training"])


def as_written(both: tuple[SearchParameters, TrainingParameters]) -> tuple[dict[str, Any], TrainingParameters]:
    return both[0].model_dump(), both[1]


def described(splits: Splits, **changes: Any) -> tuple[dict[str, Any], pd.DataFrame]:
    tables, duplicated, leaks = (
        look(**splits) for look in (nodes.measure_tables, nodes.find_duplicates, nodes.find_leaks)
    )
    plan = nodes.plan_search(splits["train"], *as_written(settings(splits, **changes)))
    description, findings, figure = judging.conclude(tables, duplicated, leaks, plan)
    assert figure.data
    assert description["search_would_stop"] == ("error" in set(findings["severity"]))
    return description, findings


def changed(table: MultimodalTable, **columns: Any) -> MultimodalTable:
    own = {name: getattr(table, name) for name in ("schema", "arrays", "labels", "ids", "extra", "present")}
    return MultimodalTable(**{**own, **columns})


def joined(table: MultimodalTable, other: MultimodalTable, prefix: str = "again ") -> MultimodalTable:
    return MultimodalTable(
        table.schema,
        {name: np.concatenate([array, other.arrays[name]]) for name, array in table.arrays.items()},
        np.concatenate([table.labels, other.labels]),
        [*table.ids, *(f"{prefix}{i}" for i in other.ids)],
        {name: np.concatenate([column, other.extra[name]]) for name, column in table.extra.items()},
        present={name: np.concatenate([there, other.present[name]]) for name, there in table.present.items()},
    )


@pytest.mark.parametrize("task", METRICS)
@pytest.mark.parametrize("names", [NAMES, ("facts",), tuple(planted.MODALITIES)])
def test_nothing_is_found_where_nothing_is_wrong(task: str, names: tuple[str, ...]) -> None:
    missing = {"photo": 0.3, "notes": 0.2} if len(names) > 2 else {}
    _, findings = described(made(task, names, seed=1, missing=missing))
    allowed = findings["what"].str.contains("none of the labels")  # of three labels some rows have none
    assert findings[~allowed].empty, findings[~allowed].to_string()


def test_facts_are_those_of_the_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever chunks they are read, without padding, and without the rows that lack the modality."""
    monkeypatch.setattr(tables, "CHUNK_BYTES", 1000)
    splits = made("binary", ("photo", "notes"), missing={"photo": 0.25})
    photo = splits["train"].schema.modalities["photo"]
    scaled = Modality("image", photo.shape, "uint8", scale=0.5, offset=-3, unit="K", optional=True)
    schema = TableSchema({**splits["train"].schema.modalities, "photo": scaled}, "binary", ("well", "ill"), "planted")
    splits = {split: changed(table, schema=schema) for split, table in splits.items()}
    description, _ = described(splits)
    for split, table in splits.items():
        seen = table.arrays["photo"][table.present["photo"]] * 0.5 - 3
        own = description["modalities"]["photo"]["splits"][split]
        found = [own[key] for key in ("minimum", "maximum", "mean", "std", "missing")]
        expected = [seen.min(), seen.max(), seen.mean(), seen.std(), 1 - table.present["photo"].mean()]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        notes = table.arrays["notes"].astype(float)
        steps = notes.any(axis=-1)
        own = description["modalities"]["notes"]["splits"][split]
        np.testing.assert_allclose([own["mean"], own["std"]], [notes[steps].mean(), notes[steps].std()], rtol=1e-9)
        lengths = steps.sum(axis=1)
        assert own["padding"] == {
            "steps": 6, "shortest": lengths.min(), "median": np.median(lengths), "longest": lengths.max(),
            "full": pytest.approx((lengths == 6).mean()), "share": pytest.approx(1 - steps.mean()),
        }  # fmt: skip
        assert description["patterns"][split] == {
            "photo + notes": table.present["photo"].sum(),
            "notes": (~table.present["photo"]).sum(),
        }
        assert description["labels"]["classes"][split] == {"well": (table.labels == 0).sum(), "ill": table.labels.sum()}


def test_duplicates_are_those_of_a_comparison_of_all_pairs() -> None:
    """Few values, so that there are many, some with other labels; and one that a modality lacks is no value."""
    rng = np.random.default_rng(0)
    modalities = {"a": Modality("tabular", (2,), "int16", optional=True), "b": Modality("tabular", (1,), "int16")}
    schema = TableSchema(modalities, "multilabel", ("x", "y"))
    splits = {}
    for split, rows in (("train", 60), ("validation", 25), ("test", 30)):
        there = rng.random(rows) < 0.8
        arrays = {
            "a": rng.integers(0, 4, (rows, 2)).astype(np.int16) * there[:, None],
            "b": rng.integers(0, 9, (rows, 1), np.int16),
        }
        labels = rng.integers(0, 2, (rows, 2))
        splits[split] = MultimodalTable(
            schema, arrays, labels, [f"{split}{i}" for i in range(rows)], present={"a": there}
        )
    facts, _ = duplicates.find_duplicates(splits)

    def rows_of(split: str, name: str) -> list[tuple[Any, tuple[int, ...]]]:
        table, rows = splits[split], []
        for i in range(len(table)):
            a = tuple(table.arrays["a"][i]) if table.present["a"][i] else None
            value = {"": (a, tuple(table.arrays["b"][i])), "a": a, "b": tuple(table.arrays["b"][i])}[name]
            if value is not None:
                rows.append((value, tuple(table.labels[i])))
        return rows

    for name in ("", "a", "b"):
        own = facts["values"][name]
        everything = [row for split in splits for row in rows_of(split, name)]
        for split in splits:
            values = [value for value, _ in rows_of(split, name)]
            assert own["within"][split] == sum(value in values[:i] for i, value in enumerate(values))
        for early, late in itertools.combinations(splits, 2):
            known = [value for value, _ in rows_of(early, name)]
            assert own["across"][f"{late}, {early}"] == sum(value in known for value, _ in rows_of(late, name))
        conflicts = [any(v == value and o != labels for v, o in everything) for value, labels in everything]
        assert own["conflicting"] == sum(conflicts)


def overlap(splits: Splits) -> None:
    splits["train"] = joined(splits["train"], splits["test"].take(np.arange(3)))


def repeat(splits: Splits) -> None:
    splits["train"] = joined(splits["train"], splits["train"].take(np.arange(4)))


def contradict(splits: Splits) -> None:
    other = splits["train"].take(np.arange(2))
    splits["train"] = joined(splits["train"], changed(other, labels=(other.labels + 1) % 3))


def same_photo(splits: Splits) -> None:
    splits["validation"].arrays["photo"][:5] = splits["train"].arrays["photo"][10:15]


def same_ids(splits: Splits) -> None:
    splits["test"].ids[:2] = splits["train"].ids[:2]


def tell(splits: Splits) -> None:
    for table in splits.values():
        table.arrays["facts"][:, 3] = table.labels == 1


def tell_by_code(splits: Splits) -> None:
    """In an order that no ranking sees."""
    for table in splits.values():
        table.arrays["facts"][:, 2] = 2 * table.labels + 5 * (np.arange(len(table)) % 2)


def tell_by_brightness(splits: Splits) -> None:
    for table in splits.values():
        table.arrays["photo"][:] = np.minimum(table.arrays["photo"], 200)
        table.arrays["photo"][table.labels == 0] += 55


def stand_still(splits: Splits) -> None:
    splits["train"].arrays["facts"][:, [1, 4]] = 7


def go_blank(splits: Splits) -> None:
    splits["train"].arrays["photo"][[3, 9]] = 0


def grow_rare(splits: Splits) -> None:
    blue = np.flatnonzero(splits["train"].labels == 2)
    splits["train"].labels[blue[5:]] = 0


def vanish(splits: Splits) -> None:
    splits["test"].labels[splits["test"].labels == 2] = 0


def drift(splits: Splits) -> None:
    splits["test"].labels[:60] = 1


def change_scale(splits: Splits) -> None:
    splits["test"].arrays["facts"] *= 100


def shrink(splits: Splits) -> None:
    splits["validation"] = splits["validation"].take(np.arange(40))


def share_patients(splits: Splits) -> None:
    for split, table in splits.items():
        table.extra["patient"] = np.arange(len(table)) + {"train": 0, "validation": 480, "test": 900}[split]
        table.extra["count"] = np.arange(len(table)) % 9


@pytest.mark.parametrize(
    ("fault", "severity", "words", "split", "modality", "count"),
    [
        (overlap, "warning", "3 rows of test in train too, bit for bit", "test, train", "", 3),
        (repeat, "note", "4 rows that repeat an earlier one", "train", "", 4),
        (contradict, "warning", "4 rows with equals that have another label", "", "", 4),
        (
            same_photo,
            "warning",
            "5 rows of validation with a value that is in train too",
            "validation, train",
            "photo",
            5,
        ),
        (same_ids, "warning", "2 ids in test and in train", "test, train", "", 2),
        (
            tell,
            "warning",
            r"feature 3 \(from 0\) alone tells class 'green' \(AUROC at least 1.000",
            "train",
            "facts",
            1,
        ),
        (tell_by_code, "warning", r"feature 2 \(from 0\) alone tells .*the class", "train", "facts", 1),
        (tell_by_brightness, "warning", "the mean of its values alone tells class 'red'", "train", "photo", 1),
        (stand_still, "warning", r"2 of 5 features without variation: feature 1 .*, feature 4", "train", "facts", 2),
        (go_blank, "warning", "2 of 500 examples hold one and the same value", "train", "photo", 2),
        (grow_rare, "warning", "class 'blue' has 5 training examples", "train", "", 5),
        (vanish, "warning", "no example of 'blue'", "test", "", 1),
        (drift, "warning", "class 'green' is .* of the rows, and .* of the training rows", "test", "", None),
        (change_scale, "warning", "mean .* and standard deviation .*; of the training rows", "test", "facts", 150),
        (shrink, "warning", "40 rows: a share measured on them, such as accuracy, is uncertain", "validation", "", 1),
        (
            share_patients,
            "warning",
            "20 of 120 rows have a 'patient' that training rows have too",
            "validation",
            "",
            20,
        ),
    ],
)
def test_a_fault_is_found(
    fault: Callable[[Splits], None], severity: str, words: str, split: str, modality: str, count: int | None
) -> None:
    splits = made()
    fault(splits)
    _, findings = described(splits)
    hits = findings[findings["what"].str.contains(words)]
    assert len(hits) == 1, findings.to_string()
    (hit,) = hits.to_dict("records")
    assert (hit["severity"], hit["split"], hit["modality"]) == (severity, split, modality)
    assert count is None or hit["count"] == count
    assert not findings["what"].str.contains("'count'").any()
    assert "error" not in set(findings["severity"])


def test_the_rows_of_a_fault_are_named() -> None:
    splits = made()
    overlap(splits)
    _, findings = described(splits)
    assert "train again 2-0 = test 2-0" in findings["rows"].iloc[0]


def test_missing_modalities() -> None:
    splits = made("binary", missing={"photo": 0.2})
    train = splits["train"]
    for split in ("train", "validation"):  # photos only of the ill
        table = splits[split]
        there = table.labels == 1 if split == "train" else np.ones(len(table), bool)
        table.arrays["photo"][~there] = 0
        splits[split] = changed(table, present={"photo": there})
    _, findings = described(splits)
    text = findings["modality"] + ": " + findings["what"]
    assert text.str.contains("photo: whether it is there says class 'ill' .AUROC 1.000").sum() == 1
    assert text.str.contains("photo: .* of the rows lack it, and .* of the training rows").sum() == 2
    always = changed(train, arrays=made("binary")["train"].arrays, present={"photo": np.ones(500, bool)})
    _, findings = described({**splits, "train": always})
    assert findings["what"].str.contains("of the rows lack it, and no training row does").sum() == 1


def test_a_modality_that_no_training_row_has() -> None:
    splits = made(missing={"photo": 0.2})
    train = splits["train"]
    train.arrays["photo"][:] = 0
    splits["train"] = changed(train, present={"photo": np.zeros(len(train), bool)})
    _, findings = described(splits)
    (hit,) = findings[findings["what"] == "no training row has it"].to_dict("records")
    assert (hit["severity"], hit["split"], hit["modality"]) == ("error", "train", "photo")
    _, findings = described(made(missing={"photo": 0.2}))
    assert not findings["what"].str.contains("no training row").any()


def test_a_modality_whose_few_values_tell_the_label() -> None:
    """By no order and no mean: two pictures a class, all as bright."""
    splits = made()
    pictures = np.stack([np.random.default_rng(i).permutation(192).reshape(3, 8, 8) for i in range(6)])
    for table in splits.values():
        table.arrays["photo"][:] = pictures[table.labels + 3 * (np.arange(len(table)) % 2)]
    _, findings = described(splits)
    (hit,) = findings[findings["modality"] == "photo"].to_dict("records")
    assert hit["what"] == "the exact value alone says the label of 100.0% of the training rows; values are few"


# What measure_cells has to know of the columns.
TABLE = {
    "file": "x.csv",
    "label": "full",
    "task": "regression",
    "split": {"fractions": {"validation": 0.2, "test": 0.2}},
    "modalities": {"facts": {"kind": "tabular", "columns": ["half", "most"]}},
}


def rows_of_a_file(**columns: Any) -> dict[str, pd.DataFrame]:
    columns = {"full": np.arange(100.0), "half": 1.0, "most": 1.0, ID: [f"r{i}" for i in range(100)], **columns}
    return {split: pd.DataFrame(columns) for split in planted.SPLITS}


def test_groups_in_columns_of_a_file_that_nothing_uses() -> None:
    """Patients lie in two splits; a colour, a number of visits, and what is different in each split do not matter."""
    rows = rows_of_a_file(
        patient=np.arange(100) // 3, colour=["red", "blue"] * 50, visits=np.arange(100) % 30, room=["a", None] * 50
    )
    for split, frame in rows.items():
        frame["sheet"] = [f"{split} {i // 2}" for i in range(100)]
    rows["validation"]["patient"] += 1000
    found = nodes.measure_cells(**rows, table=TABLE)["findings"]
    assert [(f["split"], f["count"]) for f in found if "training rows have too" in f["what"]] == [("test", 100)]
    assert "'patient'" in next(f["what"] for f in found if "training rows have too" in f["what"])


def test_empty_cells_of_a_file() -> None:
    rows = rows_of_a_file()
    rows["test"].loc[:39, "half"] = None
    for frame in rows.values():
        frame.loc[:69, "most"] = None
    found = nodes.measure_cells(**rows, table=TABLE)
    assert found["facts"] == {
        "half": {"train": 0, "validation": 0, "test": pytest.approx(0.4)},
        "most": dict.fromkeys(planted.SPLITS, pytest.approx(0.7)),
    }
    assert [(f["split"], f["what"], f["count"]) for f in found["findings"]] == [
        ("test", "40.0% of the cells of column 'half' are empty, and 0.0% in training", 40),
        ("train", "70.0% of the cells of column 'most' are empty", 70),
    ]


def test_regression() -> None:
    splits = made("regression")
    splits["test"].labels[:, 1] += 4
    for table in splits.values():
        table.arrays["facts"][:, 0] = np.arctan((table.labels[:, 0] - 5000) / 800)  # by rank, not by line
    _, findings = described(splits)
    told = findings["what"].tolist()
    assert len(told) == 2, told
    assert any(what.startswith("feature 0 (from 0) alone tells target 'price' (R2 at least 1.000") for what in told)
    assert any(what.startswith("target 'age' is distributed otherwise than in training") for what in told)


def stop_at_nothing(splits: Splits) -> dict[str, Any]:
    return {}


def one_of_a_class(splits: Splits) -> dict[str, Any]:
    splits["train"].labels[np.flatnonzero(splits["train"].labels == 2)[1:]] = 0
    return {}


def constant_photo(splits: Splits) -> dict[str, Any]:
    splits["train"].arrays["photo"][:] = 3
    return {}


def no_fit(splits: Splits) -> dict[str, Any]:
    return {"search": {"encoders": {"photo": {"tokeniser": {"type": "patches", "patch": 5}}}}}


def no_match(splits: Splits) -> dict[str, Any]:
    return {"search": {"match": {"tolerance": 0.0001}}}


def metric(splits: Splits) -> dict[str, Any]:
    return {"search": {"selection": {"metric": "r2"}}}


def large_sample(splits: Splits) -> dict[str, Any]:
    return {"search": {"sample": {"margin": 0.01}}}


def unbalanced(splits: Splits) -> dict[str, Any]:
    return {"search": {"sample": {"balance": 1e-9}}}


FAULTS = [stop_at_nothing, one_of_a_class, constant_photo, no_fit, no_match, metric, large_sample, unbalanced]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_is_what_a_search_stops_at(fault: Callable[[Splits], dict[str, Any]]) -> None:
    splits = made()
    changes = fault(splits)
    search, training = settings(splits, **changes)
    description, findings = described(splits, **changes)
    stopped = ""
    try:
        searching.check_parameters(splits["train"], search.selection, search.budget, training)
        sample, *_ = searching.sample_for_search(splits["train"], search.sample)
        encoders = {name: stage.model_dump() for name, stage in search.encoders.items()}
        searching.propose_encoders(sample, encoders, search.match)
    except ValueError as error:
        stopped = str(error)
    assert description["search_would_stop"] == bool(stopped), (stopped, findings.to_string())
    if stopped:
        plan = {"facts": description["search"], "findings": description["findings"]}
        assert (
            nodes.estimate_cost(splits["train"], splits["validation"], plan, search.model_dump(), training, COMPUTE)
            == {}
        )


def test_errors_are_told_together() -> None:
    splits = made()
    one_of_a_class(splits)
    constant_photo(splits)
    changes = {"search": {"selection": {"metric": "r2"}, "encoders": {"facts": {"tokeniser": {"type": "projection"}}}}}
    description, findings = described(splits, **changes)
    errors = findings[findings["severity"] == "error"]["what"].tolist()
    for words in ("'blue' has 1 training", "metric is 'r2'", "a constant input", "a projection expects"):
        assert sum(words in what for what in errors) == 1, errors
    assert len(errors) == 4, errors
    assert description["search_would_stop"]


def test_proposals_are_those_of_the_search() -> None:
    splits = made()
    search, training = settings(splits)
    facts = nodes.plan_search(splits["train"], search.model_dump(), training)["facts"]
    sample, holdout, _ = searching.sample_for_search(splits["train"], search.sample)
    encoders = {name: stage.model_dump() for name, stage in search.encoders.items()}
    expected = searching.propose_encoders(sample, encoders, search.match)
    assert (facts["sample"], facts["holdout"]) == (len(sample), len(holdout))
    assert facts["proposals"][: len(expected)] == [p.model_dump(mode="json") for p in expected.values()]
    stages = [f"{proposal['stage']}.{proposal['candidate']}" for proposal in facts["proposals"][len(expected) :]]
    assert stages == ["fusion_function.concat", "fusion_function.mean", "fusion_network.mixer"]


@pytest.fixture
def slow_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial takes 3 seconds, and half a second a step."""

    def run(architecture: Any, sample: Any, holdout: Any, budget: Any, steps: int, seeds: Any, *_: Any) -> list[Any]:
        return [SimpleNamespace(seconds=3 + 0.5 * steps) for _ in seeds]

    monkeypatch.setattr(estimate, "run_trials", run)
    monkeypatch.setattr(estimate, "time_training", lambda *_: 7.0)


def test_estimate_follows_from_the_measured_seconds(slow_steps: None) -> None:
    """Two modalities with two candidates each, two functions, one network; two seeds; 40 steps."""
    splits = made()
    search, training = settings(splits)
    plan = nodes.plan_search(splits["train"], search.model_dump(), training)
    compute = ComputeParameters.model_validate({"cores": 3, "shares": {"training": {"cpus": 1}}})
    found = nodes.estimate_cost(splits["train"], splits["validation"], plan, search.model_dump(), training, compute)
    trial = 3 + 0.5 * 40
    assert [one["seconds_a_trial"] for one in found["candidates"]] == pytest.approx([trial] * 7)
    node = 2 * trial
    assert [found["search"][key] for key in ("candidates", "trials", "steps", "at_once")] == [7, 14, 560, 3]
    # Four encoders on three cores, then the functions side by side, then the network.
    assert found["search"]["seconds"] == pytest.approx(4 * node)
    assert found["search"]["least_seconds"] == pytest.approx(4 * node)
    assert [found["training"][key] for key in ("seconds_an_epoch", "epochs", "seconds")] == [7.0, 12, 84.0]
    one = nodes.estimate_cost(splits["train"], splits["validation"], plan, search.model_dump(), training, COMPUTE)
    assert one["search"]["seconds"] == pytest.approx(7 * node)


def test_a_training_that_fails_is_told(slow_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> float:
        raise FloatingPointError("epoch 1: the loss is not finite; lower the learning rate")

    monkeypatch.setattr(estimate, "time_training", fail)
    splits = made(names=("facts",))
    search, training = settings(splits)
    plan = nodes.plan_search(splits["train"], search.model_dump(), training)
    found = nodes.estimate_cost(splits["train"], splits["validation"], plan, search.model_dump(), training, COMPUTE)
    description, _ = described(splits)
    said = estimate_sentences(found, description)["training"]
    assert said == "Full training: not timed, for it failed: epoch 1: the loss is not finite; lower the learning rate"


def test_estimate_of_a_race_and_of_an_extension(slow_steps: None) -> None:
    splits = made(names=("facts",))
    changes = {"search": {"budget": {"seeds": [0, 1, 2], "race": {"seeds": 2}, "extended_steps": 80}}}
    search, training = settings(splits, **changes)
    plan = nodes.plan_search(splits["train"], search.model_dump(), training)
    found = nodes.estimate_cost(splits["train"], splits["validation"], plan, search.model_dump(), training, COMPUTE)[
        "search"
    ]
    assert found["least_seconds"] == pytest.approx(2 * 2 * 23)
    assert found["seconds"] == pytest.approx(2 * 3 * 23)
    assert found["most_seconds"] == pytest.approx(2 * 2 * 23 + 2 * 3 * 43)


def test_tasks_on_slots() -> None:
    assert estimate.makespan([], 2) == 0
    assert estimate.makespan([3, 1, 1, 1], 2) == 3
    assert estimate.makespan([1, 1, 3], 2) == 4
    assert estimate.makespan([1, 2, 3], 1) == 6


def test_memory_counts_what_is_kept_for_the_backward_pass() -> None:
    """Twice the batch: twice of that, and the same weights."""
    splits = made(names=("facts",))
    search, training = settings(splits)
    (_, mixer) = nodes.plan_search(splits["train"], search.model_dump(), training)["facts"]["proposals"]
    architecture = Architecture.model_validate(mixer["architecture"])
    sizes = [
        estimate.working_bytes(architecture, splits["train"], search.budget.model_copy(update={"batch_size": b}))
        for b in (20, 40, 60)
    ]
    weights = 16 * mixer["parameters"]
    assert sizes[1] - sizes[0] == sizes[2] - sizes[1] > 0
    assert weights <= sizes[0] - (sizes[1] - sizes[0]) < weights + 1000
    # At least its tokens, once: 5 of width 8, of 4 bytes.
    assert sizes[1] - sizes[0] > 20 * 5 * 8 * 4


def test_describe_runs_and_ends_with_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splits = made()
    overlap(splits)
    project = planted.make(tmp_path / "project", planted.parameters(NAMES, "accuracy"), splits)
    catalog = planted.run(project, "describe")
    printed = capsys.readouterr().out
    assert "3 rows of test in train too" in " ".join(printed.replace("│", " ").split())
    assert "A search would run; 1 warning" in printed
    assert "Search: about" in printed
    assert catalog.load("planted.findings")["severity"].tolist() == ["warning"]
    page = catalog.load("planted.description_page")
    assert "3 rows of test in train too, bit for bit" in page
    assert "train again 2-0 = test 2-0" in page
    assert "http://" not in page.split("</script>")[1]
    assert catalog.load("planted.estimate")["search"]["candidates"] == 7
    # Seconds are measured; nothing else depends on them.
    assert "seconds" not in str(catalog.load("planted.description"))
