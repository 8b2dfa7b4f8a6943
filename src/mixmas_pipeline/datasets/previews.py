"""What kedro-viz shows of arrays, sounds and aligned tables: a few examples as small pictures.

Drawn with Pillow alone, of at most ``EXAMPLES`` examples and ``_MOST`` values per axis, so that a preview takes
milliseconds however large the artefact is.
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from kedro_datasets._typing import HTMLPreview, ImagePreview

if TYPE_CHECKING:
    from PIL import Image

    from mixmas_pipeline.data.table import MultimodalTable

EXAMPLES = 24
_ROWS = 12
_SIDE = 96  # pixels of a picture's longer side
_MOST = 256
_LINE = 14  # height of a caption, in pixels
_WORDS = 60
# kedro-viz reads the HTML as Markdown too: a pair of underscores would vanish and leave italics.
_LETTERS = str.maketrans({"_": "\u02cd", "*": "\u2217", "`": "\u02cb", "\n": " "})
_FRAME, _SECONDS, _DECIBELS = 256, 5, 60
# Colours from the least value to the greatest.
_GREY = ("#000000", "#808080", "#ffffff")
_HEAT = ("#0b0722", "#c23b6b", "#fdf3c0")
_SIGNED = ("#2f6db5", "#f7f7f7", "#b8363f")


def png(picture: Image.Image) -> str:
    """The picture as a PNG file of at most 256 colours, base64."""
    buffer = io.BytesIO()
    picture.convert("RGB").quantize(256).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def draw(array: np.ndarray, kind: str = "image") -> Image.Image:
    """An example of a modality as a picture of about ``_SIDE`` pixels.

    Args:
        array: 1 axis: bars; 2: a picture, or (steps, features) of a time series or text, time along the width; 3: a
            colour picture, channels first or last, or else its first part.
        kind: of the modality, one of ``table.KINDS``.
    """
    from PIL import Image

    array = _reduced(np.asarray(array))
    if array.size == 0:
        return Image.new("RGB", (_SIDE, _SIDE), "#f1f1f1")
    if array.ndim == 3 and 3 in (array.shape[0], array.shape[2]):
        colours = array if array.shape[2] == 3 else np.moveaxis(array, 0, -1)
        return scaled(Image.fromarray(_bytes(colours), "RGB"))
    while array.ndim > 2:
        array = array[0]
    if array.ndim < 2:
        return _bars(np.atleast_1d(array).astype(float))
    if kind == "audio":
        return scaled(_coloured(_bytes(array)[::-1], _HEAT))
    if kind == "image":
        return scaled(_coloured(_bytes(array), _GREY), proportional=max(array.shape) <= 4 * min(array.shape))
    limit = float(np.quantile(np.abs(array.astype(float)), 0.99)) or 1.0
    levels = np.clip(127.5 + 127.5 * array.T.astype(float) / limit, 0, 255).astype(np.uint8)
    return scaled(_coloured(levels, _SIGNED), proportional=False)


def spectrogram(waveform: np.ndarray, rate: int) -> Image.Image:
    """The first seconds of a sound: time along the width, frequency upwards, the level in decibels as colour.

    Args:
        waveform: (samples,), any scale.
        rate: in Hz.
    """
    sound = np.asarray(waveform[: _SECONDS * rate], float)
    sound = np.pad(sound, (0, max(0, _FRAME - len(sound))))
    step = max(_FRAME // 4, (len(sound) - _FRAME) // _MOST)
    frames = np.lib.stride_tricks.sliding_window_view(sound, _FRAME)[::step] * np.hanning(_FRAME)
    power = np.abs(np.fft.rfft(frames)) ** 2
    level = 10 * np.log10(np.maximum(power / (power.max() or 1.0), 10 ** (-_DECIBELS / 10)))
    return scaled(_coloured(_bytes(level.T[::-1]), _HEAT), proportional=False)


def sheet(pictures: Sequence[Image.Image], captions: Sequence[str], columns: int = 6) -> ImagePreview:
    """Pictures side by side, each above its caption of one or two lines."""
    from PIL import Image, ImageDraw, ImageFont

    pictures = pictures[:EXAMPLES]
    columns = min(columns, max(len(pictures), 1))
    width, height = (max((p.size[axis] for p in pictures), default=_SIDE) for axis in (0, 1))
    lines = 1 + max((caption.count("\n") for caption in captions), default=0)
    cell, rows = (width + 8, height + lines * _LINE + 8), -(-len(pictures) // columns)
    canvas = Image.new("RGB", (columns * cell[0] + 8, rows * cell[1] + 8), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=10)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=False)):
        left, top = 8 + number % columns * cell[0], 8 + number // columns * cell[1]
        canvas.paste(picture, (left, top))
        for line, text in enumerate(caption.split("\n")):
            corner = (left, top + picture.size[1] + 1 + line * _LINE)
            pen.text(corner, _fitting(text, width, font), fill="black", font=font)
    return ImagePreview(png(canvas))


def markup(page: str) -> HTMLPreview:
    """HTML for kedro-viz: without scripts, which it does not run, and styles, which would change kedro-viz itself.
    Letters that mean something in Markdown are replaced by others that look the same."""
    body = re.sub(r"(?s)<(script|style|title)\b.*?</\1>|<!doctype[^>]*>", "", page)
    return HTMLPreview(body.translate(_LETTERS).replace("](", "] ("))


def sounds(clips: Any) -> ImagePreview:
    """Spectrograms of some clips of a DataFrame with the columns ``waveform``, ``sample_rate`` (Hz) and ``file``."""
    chosen = clips.iloc[spread(len(clips))]
    pictures = [spectrogram(w, int(rate)) for w, rate in zip(chosen["waveform"], chosen["sample_rate"], strict=True)]
    return sheet(pictures, list(chosen["file"]))


def arrays(named: Iterable[tuple[str, np.ndarray]]) -> ImagePreview:
    """Arrays by name, above name, shape and type: some pictures of an array of pictures, other arrays as a whole."""
    pictures, captions = [], []
    for name, array in named:
        title = f"{name}\n{_shape(array)} {array.dtype}".strip()
        parts = array[spread(len(array), 6)] if array.ndim > 2 else [array]
        pictures += [draw(part) for part in parts]
        captions += [title, *[""] * (len(parts) - 1)]
    return sheet(pictures, captions)


def examples(table: MultimodalTable) -> HTMLPreview:
    """The first rows of a table: ids, labels, one picture per modality, and the extra columns."""
    schema, head = table.schema, table.take(np.arange(min(_ROWS, len(table))))
    labels = _labels(head)
    columns = ["id", *(["label"] if labels else []), *schema.modalities, *head.extra]
    lines = []
    for row, name in enumerate(head.ids):
        cells = [html.escape(str(name)), *([html.escape(labels[row])] if labels else [])]
        for modality, kind in schema.modalities.items():
            present = modality not in head.present or head.present[modality][row]
            cells.append(_image(draw(head.arrays[modality][row], kind.kind), modality) if present else "missing")
        cells += [html.escape(_brief(column[row])) for column in head.extra.values()]
        lines.append("".join(f"<td>{cell}</td>" for cell in cells))
    kinds = (
        f"{name}: {m.kind} {'×'.join(map(str, m.shape))} {m.dtype}{f', {m.unit}' if m.unit else ''}"
        for name, m in schema.modalities.items()
    )
    summary = f"{len(table):,} rows, {schema.task} of {', '.join(schema.classes[:30])}. {'; '.join(kinds)}"
    heads = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return markup(f"<p>{html.escape(summary)}</p><table><tr>{heads}</tr>{body}</table>")


def spread(count: int, wanted: int = EXAMPLES) -> np.ndarray:
    """At most ``wanted`` positions from the first of ``count`` to the last."""
    return np.linspace(0, count - 1, min(wanted, count)).round().astype(int)


def _labels(head: MultimodalTable) -> list[str]:
    """The name of each row's label; [] if the table has no labels."""
    if not head.labelled:
        return []
    if head.schema.task == "regression":
        pairs = [zip(head.schema.classes, values, strict=True) for values in head.labels]
        return [", ".join(f"{name} {value:.4g}" for name, value in pair) for pair in pairs]
    names = np.array(head.schema.classes)
    return [", ".join(names[row]) for row in head.label_matrix()]


def _shape(array: np.ndarray) -> str:
    return "x".join(map(str, array.shape))  # Pillow's own font has no ×


def _brief(value: Any) -> str:
    if getattr(value, "ndim", 0):
        return f"{_shape(value)} {value.dtype}"
    text = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
    return text if len(text) <= _WORDS else text[: _WORDS - 1] + "…"


def _image(picture: Image.Image, name: str) -> str:
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{png(picture)}">'


def _reduced(array: np.ndarray) -> np.ndarray:
    """Subsample each axis to at most ``_MOST`` values."""
    return array[tuple(slice(None, None, -(-size // _MOST) or 1) for size in array.shape)]


def _bytes(array: np.ndarray) -> np.ndarray:
    """Values as grey levels: bytes unchanged, others scaled from the least to the greatest."""
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    values = np.nan_to_num(array.astype(float))
    low, high = float(values.min()), float(values.max())
    return ((values - low) * (255 / ((high - low) or 1.0))).round().astype(np.uint8)


def _coloured(levels: np.ndarray, colours: tuple[str, str, str]) -> Image.Image:
    from PIL import Image, ImageOps

    black, middle, white = colours
    return ImageOps.colorize(Image.fromarray(np.ascontiguousarray(levels), "L"), black, white, middle)


def scaled(picture: Image.Image, proportional: bool = True) -> Image.Image:
    """About ``_SIDE`` pixels along the longer side; along both unless it is ``proportional``."""
    from PIL import Image

    width, height = picture.size
    if not proportional:
        return picture.resize((_SIDE, _SIDE), Image.Resampling.BOX if min(width, height) > _SIDE else 0)
    scale = _SIDE / max(width, height)
    method = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
    return picture.resize((max(1, round(width * scale)), max(1, round(height * scale))), method)


def _bars(values: np.ndarray) -> Image.Image:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (_SIDE, _SIDE), "#f1f1f1")
    pen, middle = ImageDraw.Draw(picture), _SIDE // 2
    values = np.nan_to_num(values)
    limit = float(np.abs(values).max(initial=0)) or 1.0
    width = _SIDE / max(len(values), 1)
    for number, value in enumerate(values):
        top = round(middle - value / limit * (middle - 2))
        left, right = round(number * width), max(round((number + 1) * width) - 2, round(number * width))
        pen.rectangle((left, min(top, middle), right, max(top, middle)), fill=_SIGNED[0])
    return picture


def _fitting(text: str, width: int, font: Any) -> str:
    """A caption cut to the width."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text
