"""`kedro run --pipelines=export` on a finished run writes a complete folder that works and agrees with the run."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from kedro.io import Version
from project_runs import ROOT, kedro, make_project, newest

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.datasets.model import ModelDataset
from mixmas_pipeline.datasets.record import RecordDataset
from mixmas_pipeline.datasets.references import ReferencesDataset
from mixmas_pipeline.datasets.table import TableDataset
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.cost import cost
from mixmas_pipeline.models.exported import ExportedModel, pretrained_files
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.pipelines.export import conversion
from mixmas_pipeline.pipelines.export.artefacts import Artefacts, check_same_training
from mixmas_pipeline.plots.architecture import draw_architecture
from mixmas_pipeline.training.inference import compute_logits

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")

EXPORT = ("run", "--env=test", "--pipeline=export")
LICENCE = "--params=avmnist.export.licence=cc0-1.0"


@pytest.fixture(scope="module")
def exported(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished project, exported."""
    project = tmp_path_factory.mktemp("exported") / "project"
    shutil.copytree(finished_project, project)
    done = kedro(project, *EXPORT, LICENCE, timeout=600)
    (project / "export.log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def artefact(project: Path, place: str) -> Path:
    return newest(project / "data/test" / place)


def folder_of(project: Path) -> Path:
    return artefact(project, "08_reporting/avmnist/exported")


def model_of(project: Path) -> MultimodalMixer:
    place = str(artefact(project, "06_models/avmnist/model"))
    return ModelDataset(filepath=place, drawing="mixmas_pipeline.plots.architecture.draw_document").load()


def table_of(project: Path, split: str) -> MultimodalTable:
    return TableDataset(filepath=str(artefact(project, f"05_model_input/avmnist/{split}.arrow"))).load()


def front_matter(card: str) -> tuple[dict[str, Any], str]:
    _, head, body = card.split("---\n", 2)
    return yaml.safe_load(head), body


def table(body: str, first: str) -> list[list[str]]:
    """The rows below the header that begins with ``first``."""
    lines = body.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(first))
    assert set(lines[start + 1]) == {"|", "-", " "}
    assert lines[start].count("|") == lines[start + 1].count("|")
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_nothing_is_trained_and_the_folder_is_whole(exported: Path) -> None:
    said = (exported / "export.log").read_text()
    assert "Running training" not in said
    assert "avmnist: exported the searched model, " in said
    folder = folder_of(exported)
    assert str(folder.relative_to(exported)) in said.replace("\n", "")
    names = {"README.md", "architecture.json", "architecture.png", "config.json"}
    assert {file.name for file in folder.iterdir()} == names | {"model.onnx", "model.pt2", "model.safetensors"}
    again = kedro(exported, *EXPORT, LICENCE)
    assert "Running" not in again.stdout + again.stderr


def test_another_export_gives_the_same_bits(exported: Path) -> None:
    """In another process."""
    model = model_of(exported)
    modalities = table_of(exported, "validation").schema.modalities
    program = conversion.trace(model, {name: modality.dtype for name, modality in modalities.items()})
    files = {
        **pretrained_files(model),
        "architecture.png": draw_architecture(model.architecture),
        "model.pt2": conversion.to_pt2(program),
        "model.onnx": conversion.to_onnx(program, model),
    }
    for name, content in files.items():
        assert content == (folder_of(exported) / name).read_bytes(), name
    config = json.loads((folder_of(exported) / "config.json").read_text())
    assert set(files) == set(config["files"]), "the rest is config.json, which follows from these, and the card"


def test_loaded_models_answer_as_the_run_did(exported: Path) -> None:
    """Thirty test rows, in the run's own predictions, in the exported model and in ONNX Runtime."""
    measured = pd.read_parquet(artefact(exported, "07_model_output/avmnist/predictions.parquet"))[:30]
    wanted = measured[[c for c in measured if c.startswith("probability_")]].to_numpy()
    test = table_of(exported, "test")
    rows = {name: np.array(array[:30]) for name, array in test.arrays.items()}
    model = ExportedModel.from_pretrained(folder_of(exported))
    np.testing.assert_allclose(model.probabilities(model(rows)["fused"]).numpy(), wanted, atol=1e-6)
    session = onnxruntime.InferenceSession(folder_of(exported) / "model.onnx")
    logits = session.run(["fused"], rows)[0]
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(chances, wanted, atol=1e-5)
    schema = test.schema.modalities["audio"]
    stored = model.config.inputs["audio"]
    assert (stored.shape, stored.dtype, stored.scale, stored.unit) == (
        schema.shape,
        schema.dtype,
        schema.scale,
        schema.unit,
    )


def test_figures_of_the_card_are_the_artefacts(exported: Path) -> None:
    head, body = front_matter((folder_of(exported) / "README.md").read_text())
    metrics = json.loads(artefact(exported, "07_model_output/avmnist/metrics.json").read_text())
    listed = {m["name"]: m["value"] for m in head["model-index"][0]["results"][0]["metrics"]}
    assert listed == {name: value for name, value in metrics["test"].items() if "," not in name}
    assert head["license"] == "cc0-1.0"
    scores = table(body, "|  | validation | test |")
    assert [row[0] for row in scores] == list(metrics["test"])
    for name, *cells in scores:
        assert cells == [f"{metrics[split][name]:.4f}" for split in ("validation", "test")]
    assert "accuracy, most frequent class" in metrics["test"]
    assert table(body, "| split") == [
        ["training", "400", "search and training"],
        ["validation", "60", "early stopping"],
        ["test", "1000", "scores, after everything was chosen"],
    ]
    board = pd.read_parquet(artefact(exported, "08_reporting/avmnist/leaderboard.parquet"))
    chosen = board[board["chosen"]].set_index("stage")
    stages = table(body, "| stage")
    assert [(row[0], row[2], row[3]) for row in stages] == [
        (stage, row["candidate"], f"{row['mean']:.4f}") for stage, row in chosen.iterrows()
    ]
    assert all(row[5] == "0, 1" for row in stages)
    sampling = json.loads(artefact(exported, "05_model_input/avmnist/search/sampling.json").read_text())
    assert f"trained on {sampling['sample']['rows']} of the 400" in body
    assert f"scored on {sampling['holdout']['rows']} others" in body
    assert table(body, "| class") == [[name, str(n), "10.0 %"] for name, n in sampling["classes"].items()]
    patterns = pd.read_parquet(artefact(exported, "07_model_output/avmnist/patterns.parquet"))
    shown = table(body, "| modalities")
    assert [float(row[4]) for row in shown] == pytest.approx(patterns["score_when_masked"].tolist(), abs=1e-4)
    assert "max_epochs 2" in body
    assert "seed 0" in body


def test_report_counts_and_measures(exported: Path) -> None:
    report = json.loads(artefact(exported, "08_reporting/avmnist/export_report.json").read_text())
    body = (folder_of(exported) / "README.md").read_text()
    folder = folder_of(exported)
    model = MultimodalMixer.from_pretrained(folder)
    assert (report["parameters"], report["flops_per_example"]) == cost(model.architecture)
    assert f"{report['parameters']:,} parameters" in body
    sizes = {name: (folder / name).stat().st_size for name in report["files"]}
    assert sizes == report["files"]
    assert set(sizes) == {"architecture.json", "model.safetensors", "model.pt2", "model.onnx"}
    assert set(report["differences"]) == {"torch_export", "onnx"}
    assert all(0 <= d <= 1e-4 for found in report["differences"].values() for d in found.values())
    measured = [(row["form"], row["examples"]) for row in report["latency"]]
    assert measured == [(form, size) for size in (1, 32) for form in ("torch", "torch_export", "onnx")]
    assert all(0 < row["median_ms"] <= row["p90_ms"] for row in report["latency"])
    shown = table(body, "| form")
    assert [row[2] for row in shown] == [f"{row['median_ms']:.3f}" for row in report["latency"]]
    listed = {row[0]: row[1:] for row in table(body, "| file")}
    assert {name: int(cells[0]) for name, cells in listed.items()} == sizes
    assert float(listed["model.onnx"][1]) == pytest.approx(report["differences"]["onnx"]["1"], rel=0.06)


def test_hugging_face_reads_the_card(exported: Path) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(folder_of(exported) / "README.md")
    metrics = json.loads(artefact(exported, "07_model_output/avmnist/metrics.json").read_text())
    assert card.data.license == "cc0-1.0"
    assert card.data.eval_results[0].metric_value == metrics["test"]["accuracy"]


def test_code_that_is_shown_works(exported: Path) -> None:
    """That of the card, and that of the documentation, in the exported folder."""
    test = table_of(exported, "test")
    rows = {name: np.array(array[:3]) for name, array in test.arrays.items()}
    folder = folder_of(exported)
    assert folder.name == "exported"
    for page, place, least in ((ROOT / "docs" / "export.md", folder.parent, 3), (folder / "README.md", folder, 1)):
        shown = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
        assert len(shown) >= least
        for block in shown:
            names: dict[str, Any] = dict(rows)
            with contextlib.chdir(place):
                exec(block, names)
            assert names["logits"].shape == (3, 10)


MEASURED = ("metrics.json", "thresholds.json", "predictions.parquet", "patterns.parquet")


def artefacts_of(project: Path) -> Artefacts:
    """What the check reads; the rest is not set."""
    records = (
        RecordDataset(filepath=str(project / "data/test" / path), version=Version(None, None)).load()
        for path in ("06_models/avmnist/model", *(f"07_model_output/avmnist/{file}" for file in MEASURED))
    )
    names = ("record", *(f"{Path(file).stem}_record" for file in MEASURED))
    unset = dict.fromkeys(("sampling", "leaderboard", "history", "thresholds", "predictions", "patterns"))
    return Artefacts(
        architecture=Architecture.model_validate_json(
            artefact(project, "06_models/avmnist/architecture.json").read_text()
        ),
        metrics=json.loads(artefact(project, "07_model_output/avmnist/metrics.json").read_text()),
        **unset,  # type: ignore[arg-type]
        **dict(zip(names, records, strict=True)),  # type: ignore[arg-type]
    )


def test_a_model_and_scores_of_different_runs_are_refused(exported: Path) -> None:
    made = json.loads((folder_of(exported).parent / "provenance.json").read_text())["fingerprint"]["inputs"]
    assert {f"avmnist.training.record.{file}" for file in MEASURED} < set(made)
    check = partial(check_same_training, model_of(exported), table_of(exported, "validation"))
    artefacts = artefacts_of(exported)
    check(artefacts)
    record = artefacts.metrics_record
    assert record is not None
    made_from = record.fingerprint.model_copy(update={"inputs": {**record.fingerprint.inputs, "avmnist.model": "x"}})
    of_another = record.model_copy(update={"fingerprint": made_from})
    for name in artefacts.measured:
        words = rf"newest {name} are not of the newest model \(run .*\); .* --pipelines=training"
        with pytest.raises(ValueError, match=words):
            check(replace(artefacts, **{f"{name}_record": of_another}))
    validation = {**artefacts.metrics["validation"], "accuracy": artefacts.metrics["validation"]["accuracy"] + 0.05}
    other = {**artefacts.metrics, "validation": validation}
    check(replace(artefacts, metrics=other))  # the record decides
    for missing in ("record", "patterns_record"):
        unrecorded = replace(artefacts, **{missing: None})
        check(unrecorded)
        with pytest.raises(
            ValueError, match=r"scores are not of the newest model: its accuracy .*--pipelines=training"
        ):
            check(replace(unrecorded, metrics=other))
    functions = {"concat": "max", "max": "sum", "mean": "max", "sum": "max"}
    fusion = artefacts.architecture.fusion
    assert fusion is not None
    changed = fusion.model_copy(update={"function": functions[fusion.function]})
    searched = artefacts.architecture.model_copy(update={"fusion": changed})
    with pytest.raises(ValueError, match=r"another architecture than the model's \(its fusion\)"):
        check(replace(artefacts, architecture=searched))


@pytest.mark.parametrize("choice", ["linear", "recommended"])
def test_a_reference_is_exported_with_the_scores_of_the_run(
    choice: str, finished_project: Path, tmp_path: Path
) -> None:
    """The folder answers as the catalog's refitted model; the numbers of its card are those of the run."""
    project = tmp_path / "project"
    shutil.copytree(finished_project, project)
    done = kedro(project, *EXPORT, f"--params=avmnist.export.model={choice}", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "avmnist: exported the linear model, " in done.stdout
    folder, test = folder_of(project), table_of(project, "test")
    assert {file.name for file in folder.iterdir()} == {
        *("README.md", "config.json", "model.onnx", "model.pt2", "model.safetensors", "reference.json")
    }
    place = str(artefact(project, "06_models/avmnist/reference/linear_refitted"))
    (kept, *_) = ReferencesDataset(filepath=place).load()
    logits = compute_logits(kept, test, torch.device("cpu"))["fused"]
    rows = {name: np.array(array) for name, array in test.arrays.items()}
    np.testing.assert_allclose(ExportedModel.from_pretrained(folder)(rows)["fused"], logits, atol=1e-5)
    program = torch.export.load(folder / "model.pt2").module()
    np.testing.assert_allclose(program({n: torch.from_numpy(a) for n, a in rows.items()})["fused"], logits, atol=1e-5)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    np.testing.assert_allclose(session.run(["fused"], rows)[0], logits, atol=1e-4)
    head, body = front_matter((folder / "README.md").read_text())
    scores = pd.read_parquet(artefact(project, "07_model_output/avmnist/references.parquet"))
    row = scores[(scores["model"] == "linear") & (scores["modalities"] == "image + audio")].iloc[0]
    listed = {m["name"]: m["value"] for m in head["model-index"][0]["results"][0]["metrics"]}
    assert listed == {"accuracy": row["test"], "auroc": row["auroc"]}
    assert listed["accuracy"] == pytest.approx((logits.argmax(axis=1) == test.labels).mean())
    assert [cells[:2] for cells in table(body, "| split")] == [
        *(["training", "400"], ["validation", "60"], ["test", "1000"])
    ]
    verdict = json.loads(artefact(project, "08_reporting/avmnist/verdict.json").read_text())
    assert (" ".join(verdict["sentences"]) in body) == (choice == "recommended")
    (block,) = re.findall(r"```python\n(.*?)```", body, flags=re.DOTALL)
    names: dict[str, Any] = {name: array[:3] for name, array in rows.items()}
    with contextlib.chdir(folder):
        exec(block, names)
    assert names["logits"].shape == (3, 10)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    done = kedro(project, *EXPORT)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "does not exist" in said
    assert "kedro run --pipelines=search makes it" in said
    done = kedro(project, *EXPORT, "--params=avmnist.export.format=x")
    assert "avmnist.export.format: Extra inputs are not permitted (found: 'x'); did you mean formats?" in done.stderr
