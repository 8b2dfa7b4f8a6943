"""Every planted fault has its finding, and clean data has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import planted
import pytest
from described import METRICS, NAMES, Splits, changed, described, joined, made, overlap

from mixmas_pipeline.pipelines.describe import nodes
from mixmas_pipeline.pipelines.describe.results import CellReport


@pytest.mark.parametrize("task", METRICS)
@pytest.mark.parametrize("names", [NAMES, ("facts",), tuple(planted.MODALITIES)])
def test_nothing_is_found_where_nothing_is_wrong(task: str, names: tuple[str, ...]) -> None:
    missing = {"photo": 0.3, "notes": 0.2} if len(names) > 2 else {}
    _, findings = described(made(task, names, seed=1, missing=missing))
    allowed = findings["what"].str.contains("none of the labels")  # of three labels some rows have none
    assert findings[~allowed].empty, findings[~allowed].to_string()


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
        (overlap, "warning", "3 rows of test also in train, bit for bit", "test, train", "", 3),
        (repeat, "note", "copies of an earlier row: 4 rows", "train", "", 4),
        (contradict, "warning", "4 rows with an equal row that has another label", "", "", 4),
        (
            same_photo,
            "warning",
            "5 rows of validation with a value that also occurs in train",
            "validation, train",
            "photo",
            5,
        ),
        (same_ids, "warning", "2 ids in both test and train", "test, train", "", 2),
        (
            tell,
            "warning",
            r"feature 3 \(from 0\) alone predicts class 'green' \(AUROC at least 1.000",
            "train",
            "facts",
            1,
        ),
        (tell_by_code, "warning", r"feature 2 \(from 0\) alone predicts .*the class", "train", "facts", 1),
        (tell_by_brightness, "warning", "the mean of its values alone predicts class 'red'", "train", "photo", 1),
        (stand_still, "warning", r"2 of 5 features without variation: feature 1 .*, feature 4", "train", "facts", 2),
        (go_blank, "warning", "2 of 500 examples hold one value throughout", "train", "photo", 2),
        (grow_rare, "warning", "fewer than 10 training examples of 'blue' .5.", "train", "", 1),
        (vanish, "warning", "no example of 'blue'", "test", "", 1),
        (drift, "warning", "class 'green' is .* of the rows, and .* of the training rows", "test", "", None),
        (change_scale, "warning", "mean .* and standard deviation .*; of the training rows", "test", "facts", 150),
        (shrink, "warning", "40 rows: a share such as accuracy is uncertain", "validation", "", 1),
        (
            share_patients,
            "warning",
            "20 of 120 rows have a 'patient' that training rows also have",
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


def test_every_run_of_a_table_logs_what_gives_labels_away(caplog: pytest.LogCaptureFixture) -> None:
    splits = made()
    for table in splits.values():
        table.arrays["facts"][:, 3] = table.labels == 1
    overlap(splits)
    repeat(splits)
    found = nodes.report_checks(nodes.find_duplicates(**splits), nodes.find_leaks(**splits), CellReport(facts={}))
    logged = [record.getMessage() for record in caplog.records]
    assert sum("feature 3 (from 0) alone predicts class 'green'" in line for line in logged) == 1
    assert any(line.startswith("test, train: 3 rows of test also in train") for line in logged)
    assert len(logged) == (found["severity"] == "warning").sum()
    assert "note" in set(found["severity"]), "rows twice in one split are no warning"


def test_a_target_with_a_heavy_tail_is_told() -> None:
    splits = made("regression")
    _, findings = described(splits)
    assert not findings["what"].str.contains("of the variance").any()
    for table in splits.values():
        table.labels[:, 0] = np.exp((table.labels[:, 0] - table.labels[:, 0].mean()) / table.labels[:, 0].std() * 3)
    _, findings = described(splits)
    (hit,) = findings[findings["what"].str.contains("of the variance of target 'price'")].to_dict("records")
    assert hit["count"] == 5, "a hundredth of 500 rows"
    assert "logarithm" in hit["advice"]


def test_many_findings_of_a_kind_are_one() -> None:
    splits = made(names=("facts", "graph"))
    for table in splits.values():
        table.arrays["facts"][:] = (table.labels == 1)[:, None] + 0.001 * table.arrays["facts"]
    _, findings = described(splits)
    assert not findings["what"].str.contains("each of").any(), "each of five features has a finding"
    for table in splits.values():
        table.arrays["graph"][:] = (table.labels == 1)[:, None] + 0.001 * table.arrays["graph"]
    _, findings = described(splits)
    of_graph = findings[findings["modality"] == "graph"]
    width = splits["train"].schema.modalities["graph"].shape[-1]
    assert width > 5
    assert of_graph["what"].str.contains(f"each of {width} features alone predicts").sum() == len(of_graph) == 1


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
        present = table.labels == 1 if split == "train" else np.ones(len(table), bool)
        table.arrays["photo"][~present] = 0
        splits[split] = changed(table, present={"photo": present})
    _, findings = described(splits)
    text = findings["modality"] + ": " + findings["what"]
    assert text.str.contains("photo: its presence alone predicts class 'ill' .AUROC 1.000").sum() == 1
    assert text.str.contains("photo: .* of the rows lack it, and .* of the training rows").sum() == 2
    always = changed(train, arrays=made("binary")["train"].arrays, present={"photo": np.ones(500, bool)})
    _, findings = described({**splits, "train": always})
    assert findings["what"].str.contains("of the rows lack it, but no training row does").sum() == 1


def test_the_positive_class_is_named() -> None:
    description, _ = described(splits := made("binary"))
    ill = int((splits["train"].labels == 1).sum())
    assert description.task_text == f"binary, the positive class is ill ({ill} of 500 training rows)"
    assert described(made())[0].task_text == "multiclass"


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


def test_a_modality_whose_few_values_predict_the_label() -> None:
    """Neither an order nor a mean predicts it: two pictures per class, all equally bright."""
    splits = made()
    pictures = np.stack([np.random.default_rng(i).permutation(192).reshape(3, 8, 8) for i in range(6)])
    for table in splits.values():
        table.arrays["photo"][:] = pictures[table.labels + 3 * (np.arange(len(table)) % 2)]
    _, findings = described(splits)
    (hit,) = findings[findings["modality"] == "photo"].to_dict("records")
    assert hit["what"] == "a few distinct values alone predict the label of 100.0% of the training rows"


def test_regression() -> None:
    splits = made("regression")
    splits["test"].labels[:, 1] += 4
    for table in splits.values():
        table.arrays["facts"][:, 0] = np.arctan((table.labels[:, 0] - 5000) / 800)  # correlated by rank, not linearly
    _, findings = described(splits)
    sentences = findings["what"].tolist()
    assert len(sentences) == 2, sentences
    assert any(
        what.startswith("feature 0 (from 0) alone predicts target 'price' (R2 at least 1.000") for what in sentences
    )
    assert any(what.startswith("the distribution of target 'age' differs from training") for what in sentences)


def test_describe_runs_and_prints_its_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splits = made()
    overlap(splits)
    project = planted.make(tmp_path / "project", planted.parameters(NAMES, "accuracy"), splits)
    catalog = planted.run(project, "describe")
    printed = capsys.readouterr().out
    assert "3 rows of test also in train" in " ".join(printed.replace("│", " ").split())
    assert "A search would run; 1 warning" in printed
    assert "Search: about" in printed
    assert catalog.load("planted.findings")["severity"].tolist() == ["warning"]
    page = catalog.load("planted.description_page")
    assert "3 rows of test also in train, bit for bit" in page
    assert "train again 2-0 = test 2-0" in page
    assert "http://" not in page.split("</script>")[1]
    assert catalog.load("planted.estimate").search.candidates == 7
    # Seconds are measured; nothing else depends on them.
    assert "seconds" not in catalog.load("planted.description").model_dump_json()
