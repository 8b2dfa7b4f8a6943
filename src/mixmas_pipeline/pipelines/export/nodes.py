"""Nodes of export: the chosen model and the results about it in; a folder for use without this project out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.pipelines.export.parameters import ExportParameters
from mixmas_pipeline.pipelines.export.results import ExportReport

if TYPE_CHECKING:
    from mixmas_pipeline.models.exported import ExportedConfig

LATENCY_BATCHES = (1, 32)
README, DRAWING = "README.md", "architecture.png"
_DEFAULTS = ExportParameters()


def convert(
    validation: MultimodalTable, export: ExportParameters = _DEFAULTS, **inputs: Any
) -> tuple[dict[str, bytes], ExportReport]:
    """The model in the chosen formats, each compared with the model on rows of the validation split.

    Args:
        validation: rows to run on.
        export: formats and tolerance.
        inputs: see ``chosen.model_inputs``.

    Returns:
        File name -> content; and a report. Its times are measured, so they change when the node runs again; the rest
        does not.

    Raises:
        ValueError: a format's outputs differ from the model's.
    """
    from mixmas_pipeline.models.architecture import Architecture
    from mixmas_pipeline.models.cost import cost
    from mixmas_pipeline.models.ensemble import Ensemble, member_architectures
    from mixmas_pipeline.models.exported import pretrained_files
    from mixmas_pipeline.pipelines.export import conversion, latency
    from mixmas_pipeline.pipelines.reference.chosen import choose
    from mixmas_pipeline.training.inference import check_fits

    chosen = choose(inputs)
    conversion.check_installed(export.formats)
    check_fits(validation, chosen.model.architecture)
    model = chosen.model.cpu().eval()
    programs: dict[str, bytes] = {}
    runs: dict[str, conversion.Run] = {"torch": latency.eager(model)}
    differences: dict[str, dict[str, float]] = {}
    dtypes = {name: modality.dtype for name, modality in validation.schema.modalities.items()}
    for form in export.formats:
        content, run = conversion.convert(form, model, dtypes)
        try:
            differences[form] = conversion.largest_differences(model, run, validation, export.tolerance)
        except ValueError as error:
            raise ValueError(f"{conversion.FILES[form]}: {error}") from error
        programs[conversion.FILES[form]], runs[form] = content, run
    members = member_architectures(model)
    networks = [cost(member) for member in members if isinstance(member, Architecture)]
    if isinstance(model, Ensemble):
        runs["one network"] = latency.eager(model.networks[0])
    references = [member.size for member in members if not isinstance(member, Architecture)]
    report = ExportReport(
        model=chosen.kind,
        parameters=sum(network.parameters for network in networks) + sum(references),
        flops_per_example=sum(network.flops for network in networks) if networks else None,
        one_network=(networks[0].parameters, networks[0].flops) if isinstance(model, Ensemble) else None,
        files={name: len(content) for name, content in {**pretrained_files(model), **programs}.items()},
        differences=differences,
        tolerance=export.tolerance,
        latency=latency.measure_latency(runs, model, validation, LATENCY_BATCHES),
        threads=latency.THREADS,
        machine=latency.machine(),
        versions=conversion.versions(export.formats),
    )
    return programs, report


def assemble(
    train: MultimodalTable,
    validation: MultimodalTable,
    programs: dict[str, bytes],
    report: ExportReport,
    export: ExportParameters = _DEFAULTS,
    **inputs: Any,
) -> dict[str, bytes]:
    """The folder: file name -> content.

    Args:
        train: its schema and its length are read; for a reference model also its labels.
        validation: rows to compute the model's score on, if it is not recorded.
        programs: the model in other formats.
        report: of these.
        export: licence and intended use.
        inputs: see ``chosen.model_inputs``; for the searched model the fields of ``artefacts.Artefacts``; for a
            reference model "references" and the records of ``chosen.reference_records``.

    Raises:
        ValueError: the artefacts are not of one training.
    """
    from mixmas_pipeline.models.exported import CONFIG_FILE, pretrained_files
    from mixmas_pipeline.pipelines.export.artefacts import Artefacts, check_same_training
    from mixmas_pipeline.pipelines.export.card import write_card
    from mixmas_pipeline.pipelines.export.reference_card import about_reference
    from mixmas_pipeline.pipelines.export.searched_card import about_searched
    from mixmas_pipeline.pipelines.reference.chosen import check_chain, choose
    from mixmas_pipeline.plots.architecture import draw_architecture

    chosen = choose(inputs)
    files = {**pretrained_files(chosen.model), **programs}
    if chosen.kind == "searched":
        results = Artefacts.among(inputs)
        check_same_training(chosen.model, validation, results)
        files[DRAWING] = draw_architecture(chosen.model.architecture)
        about = about_searched(results)
    else:
        record = inputs[f"{chosen.kind}_record"]
        check_chain(inputs["references_record"], record)
        about = about_reference(chosen.model, train, inputs["references"], record)
    config = _config(chosen.model, train, about.thresholds, files)
    files[CONFIG_FILE] = config.model_dump_json(indent=1).encode()
    rows = {"training": len(train), "validation": len(validation), "test": about.test_rows}
    card = write_card(config, train.schema.source, rows, report, about, export, chosen.verdict)
    return {**files, README: card.encode()}


def _config(
    model: Any, train: MultimodalTable, thresholds: dict[str, float], files: dict[str, bytes]
) -> ExportedConfig:
    from mixmas_pipeline import __version__
    from mixmas_pipeline.data.schema import StoredInput
    from mixmas_pipeline.models.ensemble import decision_weights
    from mixmas_pipeline.models.exported import ExportedConfig, digest

    return ExportedConfig(
        version=__version__,
        task=model.architecture.task,
        classes=model.architecture.classes,
        inputs={name: StoredInput(**vars(train.schema.modalities[name])) for name in model.architecture.inputs},
        thresholds=thresholds,
        decision_weights=decision_weights(model),
        files={name: digest(content) for name, content in files.items()},
    )
