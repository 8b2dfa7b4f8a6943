"""Nodes of the export: the trained model and what is known of it in; a folder that is used without this project out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.pipelines.export.parameters import ExportParameters
from mixmas_pipeline.pipelines.search.results import SamplingReport
from mixmas_pipeline.utils.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd

    from mixmas_pipeline.models.multimodal import MultimodalMixer
else:
    pd = lazy("pandas")

LATENCY_BATCHES = (1, 32)
README, DRAWING = "README.md", "architecture.png"
# Of scores without a record, which are computed again, maybe on another machine: rounding may turn a decision or two.
_SAME_SCORE = 0.01
_DEFAULTS = ExportParameters()


def convert(
    model: Any, validation: MultimodalTable, export: ExportParameters = _DEFAULTS
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The model in the formats that are wanted, each held against the model on rows of the validation split.

    Returns:
        File name -> content; a report: "parameters", "flops_per_example"; "files", name -> bytes; "differences", format
        -> examples in a batch -> largest absolute difference from the model, and "tolerance"; "latency", see
        ``learning.latency.measure_latency``, with "threads", "machine" and "versions". Times are measured, so they are
        other ones when the node is run again; nothing else is.

    Raises:
        ValueError: a format does not give what the model gives.
    """
    from mixmas_pipeline.models.cost import cost
    from mixmas_pipeline.models.exported import pretrained_files
    from mixmas_pipeline.pipelines.export import conversion, latency
    from mixmas_pipeline.training.inference import check_fits

    conversion.check_installed(export.formats)
    check_fits(validation, model.architecture)
    model = model.cpu().eval()
    programs, runs, differences = {}, {"torch": latency.eager(model)}, {}
    dtypes = {name: modality.dtype for name, modality in validation.schema.modalities.items()}
    for form in export.formats:
        content, run = conversion.convert(form, model, dtypes)
        try:
            differences[form] = conversion.largest_differences(model, run, validation, export.tolerance)
        except ValueError as error:
            raise ValueError(f"{conversion.FILES[form]}: {error}") from error
        programs[conversion.FILES[form]], runs[form] = content, run
    counted = cost(model.architecture)
    report = {
        "parameters": counted.parameters,
        "flops_per_example": counted.flops,
        "files": {name: len(content) for name, content in {**pretrained_files(model), **programs}.items()},
        "differences": differences,
        "tolerance": export.tolerance,
        "latency": latency.measure_latency(runs, model, validation, LATENCY_BATCHES),
        "threads": latency.THREADS,
        "machine": latency.machine(),
        "versions": conversion.versions(export.formats),
    }
    return programs, report


def assemble(
    model: Any,
    train: MultimodalTable,
    validation: MultimodalTable,
    record: dict[str, Any],
    programs: dict[str, bytes],
    report: dict[str, Any],
    sampling: SamplingReport,
    architecture: Architecture,
    leaderboard: pd.DataFrame,
    history: pd.DataFrame,
    metrics: dict[str, dict[str, float]],
    thresholds: dict[str, float],
    predictions: pd.DataFrame,
    patterns: pd.DataFrame,
    export: ExportParameters = _DEFAULTS,
    **records: dict[str, Any],
) -> dict[str, bytes]:
    """The folder: file name -> content.

    Args:
        train: only its schema and its length are read.
        record: of the model's training, see ``datasets.record.RecordDataset``; may be empty.
        predictions: only their number is read.
        records: "metrics_record" and so on: of what was measured on the model; may be empty.

    Raises:
        ValueError: the artefacts are not of one training.
    """
    from mixmas_pipeline import __version__
    from mixmas_pipeline.models.exported import CONFIG_FILE, ExportedConfig, StoredInput, digest, pretrained_files
    from mixmas_pipeline.pipelines.export.card import write_card
    from mixmas_pipeline.plots.architecture import draw_architecture

    check_same_training(model, validation, architecture, metrics, record, records)
    files = {**pretrained_files(model), **programs, DRAWING: draw_architecture(model.architecture)}
    config = ExportedConfig(
        version=__version__,
        task=model.architecture.task,
        classes=model.architecture.classes,
        inputs={name: StoredInput(**vars(modality)) for name, modality in train.schema.modalities.items()},
        thresholds=thresholds,
        files={name: digest(content) for name, content in files.items()},
    )
    files[CONFIG_FILE] = config.model_dump_json(indent=1).encode()
    card = write_card(
        config=config,
        source=train.schema.source,
        rows={"training": len(train), "validation": len(validation), "test": len(predictions)},
        record=record,
        report=report,
        sampling=sampling,
        leaderboard=leaderboard,
        history=history,
        metrics=metrics,
        patterns=patterns,
        export=export,
    )
    return {**files, README: card.encode()}


def check_same_training(
    model: MultimodalMixer,
    validation: MultimodalTable,
    architecture: Architecture,
    metrics: dict[str, dict[str, float]],
    record: dict[str, Any],
    records: dict[str, dict[str, Any]],
) -> None:
    """Refuse a search, a model and scores that do not belong together: each is the newest there is, and a run may have
    ended between them.

    Raises:
        ValueError: the architecture that the search chose is not the model's; what was measured was measured on another
            model; or, where there is no record of that, the model's score on the validation split is not the one that
            is told.
    """
    again = "expected what one run made: kedro run --pipeline=training (with the same --env)"
    own = model.architecture
    for part in ("task", "classes", "encoders", "fusion"):
        if getattr(architecture, part) != getattr(own, part):
            raise ValueError(f"the newest search chose another architecture than the model's (its {part}); {again}")
    for name, measured in records.items():
        if record and measured and measured["fingerprint"]["inputs"].get(record["dataset"]) != record["content"]:
            what = name.removesuffix("_record")
            raise ValueError(f"the newest {what} are not of the newest model (run {record['run']}); {again}")
    if not record or not all(records.values()):
        _check_score(model, validation, metrics, again)


def _check_score(
    model: MultimodalMixer, validation: MultimodalTable, metrics: dict[str, dict[str, float]], again: str
) -> None:
    import torch

    from mixmas_pipeline.evaluation.metrics import score
    from mixmas_pipeline.evaluation.tasks import task_of
    from mixmas_pipeline.models.architecture import FUSED
    from mixmas_pipeline.training.inference import compute_logits

    task = task_of(model.architecture.task)
    logits = compute_logits(model, validation, torch.device("cpu"))[FUSED]
    found = score(task.headline, validation.labels, task.predict(logits), len(model.architecture.classes))
    told = metrics["validation"][task.headline]
    if not abs(found - told) <= _SAME_SCORE:
        raise ValueError(
            f"the newest scores are not of the newest model: its {task.headline} on the validation split is "
            f"{found:.4f}; the scores say {told:.4f}; {again}"
        )
