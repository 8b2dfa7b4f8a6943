"""TensorBoard event files, written with TensorBoard's own code; neither torch nor TensorFlow is imported."""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary


class EventFile:
    """The events of one TensorBoard run. The same calls write the same bytes.

    Use it in a ``with`` statement, at whose end the file is closed.

    Args:
        folder: its path is TensorBoard's name of the run. It is made if it does not exist.
        time: of all entries, in seconds since 1970.
    """

    def __init__(self, folder: Path, time: float) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._time, self._event = time, Event
        # TensorBoard's own writers put the time, the host and the process into the name.
        self._records = RecordWriter((folder / "events.out.tfevents.0").open("wb"))
        self._records.write(Event(wall_time=time, file_version="brain.Event:2").SerializeToString())

    def scalar(self, tag: str, value: float, step: int = 0) -> None:
        """A point of a curve; kept in single precision."""
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        self._add(scalar_pb(tag, value), step)

    def text(self, tag: str, markdown: str) -> None:
        """A text in Markdown."""
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.text.metadata import create_summary_metadata
        from tensorboard.util.tensor_util import make_tensor_proto

        value = Summary.Value(
            tag=tag,
            metadata=create_summary_metadata(display_name=tag, description=""),
            tensor=make_tensor_proto(np.array([markdown.encode()], dtype=object)),
        )
        self._add(Summary(value=[value]))

    def picture(self, tag: str, png: bytes) -> None:
        """A picture, from the bytes of a PNG file."""
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        with Image.open(io.BytesIO(png)) as opened:
            width, height, channels = *opened.size, len(opened.getbands())
        image = Summary.Image(width=width, height=height, colorspace=channels, encoded_image_string=png)
        self._add(Summary(value=[Summary.Value(tag=tag, image=image)]))

    def hyperparameters(self, trial: str, values: dict[str, Any]) -> None:
        """Make this a trial in the HParams table; its metrics are the scalars of this file and of folders below.

        Args:
            trial: its name.
            values: numbers, booleans and strings.
        """
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        self._add(hparams_pb(values, trial_id=trial, start_time_secs=self._time))

    def _add(self, summary: Summary, step: int = 0) -> None:
        self._records.write(self._event(wall_time=self._time, step=step, summary=summary).SerializeToString())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._records.close()
