"""The log of every run in the catalog: a folder for TensorBoard, and a record for comparisons."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from mixmas_pipeline.datasets.contents import PREVIEW_ROWS, table_preview
from mixmas_pipeline.datasets.errors import as_dataset_error
from mixmas_pipeline.storage.atomic import is_complete, write_atomically
from mixmas_pipeline.storage.paths import as_path, read_bytes, remove, subfolders

RECORD_FILE = "run.json"
# TensorBoard's run within a run's folder that has the parameters, scores, texts and pictures. Curves are not below it:
# TensorBoard would take each of them for a score to compare runs by.
SUMMARY = "summary"


@dataclass(frozen=True)
class Record:
    """What is recorded of one run.

    Attributes:
        run: its id, which is the version that it saves: when it began.
        dataset: what it worked on.
        environment: ``--env``; "" if none was given.
        pipeline: what was run.
        metric: full training takes the epoch with its best value.
        chosen: stage of the search -> the chosen candidate.
        parameters: of the data set, and ``compute``, as configuration and ``--params`` give them: dotted name -> value.
        key_parameters: names of those that the HParams table shows.
        metrics: name, as "test/accuracy" -> value.
        artefacts: data set -> version that the run made or reused.
        versions: of Kedro, Python, libraries and the code.
        positive: the class that f1 is about; "" but for a binary task.
    """

    run: str
    dataset: str
    environment: str
    pipeline: str
    metric: str
    chosen: dict[str, str]
    parameters: dict[str, Any]
    key_parameters: list[str]
    metrics: dict[str, float]
    artefacts: dict[str, str]
    versions: dict[str, str]
    positive: str = ""

    @property
    def began(self) -> datetime:
        """When the run began."""
        return datetime.strptime(self.run, "%Y-%m-%dT%H.%M.%S.%fZ").replace(tzinfo=UTC)

    def covers(self, artefacts: dict[str, str]) -> bool:
        """Whether the run made or reused all of these versions."""
        return artefacts.items() <= self.artefacts.items()


@dataclass(frozen=True)
class RunLog:
    """Everything that is logged of one run.

    Attributes:
        record: what runs are compared by.
        texts: title -> Markdown.
        pictures: title -> bytes of a PNG file.
        curves: folder -> title -> points (step, value). Curves with the same title share a chart.
    """

    record: Record
    texts: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    curves: dict[str, dict[str, list[tuple[int, float]]]] = field(default_factory=dict)


class RunsDataset(AbstractDataset[RunLog, list[Record]]):
    """The runs of a data set: ``<filepath>/<run>/`` has ``run.json`` and TensorBoard's event files.

    Saving adds a run atomically. It loads as the records, newest first.

    Args:
        filepath: a folder, on this machine or in an object store; what ``tensorboard --logdir`` is given.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        with as_dataset_error():
            self._filepath: Any = as_path(filepath)  # Path or UPath

    def load(self) -> list[Record]:
        names = {entry.name for entry in fields(Record)}
        records = []
        for folder in sorted(subfolders(self._filepath), key=lambda f: f.name, reverse=True):
            if not folder.name.startswith(".") and is_complete(folder):
                content = json.loads(read_bytes(folder / RECORD_FILE))
                records.append(Record(**{key: value for key, value in content.items() if key in names}))
        return records

    def save(self, data: RunLog) -> None:
        for folder in subfolders(
            self._filepath
        ):  # in a store a kill leaves half a folder, which TensorBoard would show
            if not is_complete(folder):
                remove(folder)
        write_atomically(self.folder(data.record.run), lambda partial: _write(partial, data))

    def preview(self) -> TablePreview:
        """The newest runs: what was run, what was chosen, and the scores."""
        records = self.load()[:PREVIEW_ROWS]
        scores = list(dict.fromkeys(name for record in records for name in record.metrics))
        rows = [
            [record.run, record.pipeline, ", ".join(record.chosen.values())]
            + [round(record.metrics[name], 4) if name in record.metrics else None for name in scores]
            for record in records
        ]
        return table_preview(["run", "pipeline", "chosen", *scores], rows)

    def folder(self, run: str) -> Any:
        """The folder of a run."""
        return self._filepath / run

    def _exists(self) -> bool:
        return bool(self.load())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


def _write(folder: Path, log: RunLog) -> None:
    from mixmas_pipeline.storage.event_file import EventFile

    record, time = log.record, log.record.began.timestamp()
    with EventFile(folder / SUMMARY, time) as events:
        events.hyperparameters(record.run, _hyperparameters(record))
        for name, value in record.metrics.items():
            events.scalar(name, value)
        for title, text in log.texts.items():
            events.text(title, text)
        for title, png in log.pictures.items():
            events.picture(title, png)
    for name, curves in log.curves.items():
        with EventFile(folder / name, time) as events:
            for title, points in curves.items():
                for step, value in points:
                    events.scalar(title, value, step)
    (folder / RECORD_FILE).write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")


def _hyperparameters(record: Record) -> dict[str, Any]:
    """Values for the HParams table: numbers, booleans and strings, by names without the data set's."""
    shown: dict[str, Any] = {"pipeline": record.pipeline}
    shown |= {f"chosen {stage}": candidate for stage, candidate in record.chosen.items()}
    for name in record.key_parameters:
        value = record.parameters[name]
        plain = value if isinstance(value, bool | int | float | str) else json.dumps(value)
        shown[name.removeprefix(f"{record.dataset}.")] = plain
    return shown
