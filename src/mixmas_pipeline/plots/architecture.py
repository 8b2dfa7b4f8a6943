"""Drawing of an architecture: its inputs, the width of its tokens on their way, its cost.

One lane per modality (input, tokeniser, encoder), then fusion function, fusion network and head.
"""

from __future__ import annotations

import io
import math
import textwrap
from typing import Any, Literal

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from mixmas_pipeline.models.architecture import Architecture, Encoder, token_grid
from mixmas_pipeline.models.blocks.base import BlockParameters
from mixmas_pipeline.models.cost import cost, parameter_count
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.plots.style import ARROW, BOX_EDGE, BOX_FILL, HEAD_ARROW, NOTE_TEXT

# Left edge and width of each column, in inches.
_INPUT, _TOKENS, _ENCODER, _FUSION, _NETWORK, _HEAD = (
    (0.2, 1.5),
    (2.05, 1.6),
    (4.75, 2.1),
    (8.25, 1.45),
    (10.55, 2.1),
    (13.6, 1.3),
)
_LANE, _HEIGHT, _TITLE, _FOOT = 1.75, 0.95, 0.55, 0.4
_SHEET, _MOST_SHEETS = 0.05, 6  # of a stack of blocks: their distance in inches, and how many are drawn at most
_NAMES = {"mlp_mixer": "MLP-Mixer", "hyper_mixer": "HyperMixer", "ramlp": "RaMLP", "monarch_mixer": "MonarchMixer"}
_NAMES |= {"linear": "Linear", "real_mlp": "RealMLP", "mlp": "MLP"}


def draw_architecture(architecture: Architecture, form: Literal["png", "svg"] = "png") -> bytes:
    """Draw an architecture.

    Args:
        architecture: with any number of modalities.
        form: file format. Default "png", about 1,500 pixels wide.

    Returns:
        The file's bytes; the same bytes for the same architecture and matplotlib.
    """
    parts = _parts(architecture)
    fused = architecture.fusion is not None
    lanes = len(architecture.inputs)
    width = (_HEAD if fused else _FUSION)[0] + 1.5
    height = _TITLE + _LANE * lanes + _FOOT
    # A fixed salt names the parts of an SVG file; its text stays text.
    with mpl.rc_context({"svg.hashsalt": "mixmas", "svg.fonttype": "none", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(width, height), dpi=100)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, width)
        axes.set_ylim(0, height)
        middles = [height - _TITLE - _LANE * (lane + 0.5) for lane in range(lanes)]
        for name, middle in zip(architecture.inputs, middles, strict=True):
            _lane(axes, architecture, name, middle, parts)
        if fused:
            _fusion(axes, architecture, middles, parts)
        price = cost(architecture)
        title = f"{price.parameters:,} parameters, {_flops(price.flops)} an example"
        axes.text(0.2, height - 0.32, title, fontsize=12, fontweight="bold", va="center")
        note = "Above an arrow: tokens × width. Dashed: each modality's own head, whose loss is trained with."
        if architecture.fusion is not None and architecture.fusion.function == "late":
            note += " The mean of all heads decides."
        axes.text(0.2, 0.22, note if fused else "Above an arrow: tokens × width.", fontsize=8.5, color=NOTE_TEXT)
        buffer = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def draw_document(document: Any) -> bytes:
    """Draw an ``Architecture``, or that of a document which has one as ``architecture``, as PNG."""
    return draw_architecture(getattr(document, "architecture", document))


def _lane(axes: Axes, architecture: Architecture, name: str, middle: float, parts: dict[str, int]) -> None:
    """Draw one modality, from its examples to its encoder's tokens."""
    modality, encoder = architecture.inputs[name], architecture.encoders[name]
    grid = token_grid(encoder.tokeniser, modality.shape, name)
    shape = "×".join(map(str, modality.shape))
    flags = {"padded": modality.padded, "may be missing": modality.optional}
    notes = [note for note, applies in flags.items() if applies]
    _box(axes, _INPUT, middle, "data", name, [shape, *notes])
    _arrow(axes, _INPUT, _TOKENS, middle)
    _box(
        axes, _TOKENS, middle, "tokens", encoder.tokeniser.type, _tokeniser(encoder, grid, parts[f"tokenisers.{name}"])
    )
    wide = f"{math.prod(grid)} × {encoder.hidden_dim}"
    _arrow(axes, _TOKENS, _ENCODER, middle, wide)
    count = f"{parts[f'encoders.{name}']:,} parameters"
    _box(axes, _ENCODER, middle, "mixer", *_block(encoder.block, encoder.depth, count), sheets=encoder.depth)
    _arrow(axes, _ENCODER, _FUSION, middle, wide, encoder.depth)
    if architecture.fusion is None:
        _head(axes, _FUSION, middle, architecture)
        return
    bottom = middle - _HEIGHT / 2
    start, end = (_ENCODER[0] + _ENCODER[1] / 2, bottom), (_ENCODER[0] + _ENCODER[1] / 2, bottom - 0.3)
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": HEAD_ARROW, "linestyle": "dashed"})
    axes.text(
        end[0], end[1] - 0.02, f"head: {_outputs(architecture)}", fontsize=8, color=NOTE_TEXT, ha="center", va="top"
    )


def _fusion(axes: Axes, architecture: Architecture, middles: list[float], parts: dict[str, int]) -> None:
    """Draw the fusion of the lanes, the fusion network and the head."""
    fusion = architecture.fusion
    assert fusion is not None
    middle = (middles[0] + middles[-1]) / 2
    count = [f"{parts['fusion']:,} parameters"] if parts["fusion"] else []
    height = middles[0] - middles[-1] + _HEIGHT
    _box(axes, _FUSION, middle, "fusion", fusion.function, ["fusion function", *count], height)
    _arrow(axes, _FUSION, _NETWORK, middle, f"{parts['tokens']} × {parts['width']}")
    network = fusion.network
    lines = _block(network.block, network.depth, f"{parts['fusion_network']:,} parameters")
    _box(axes, _NETWORK, middle, "mixer", *lines, sheets=network.depth)
    _arrow(axes, _NETWORK, _HEAD, middle, "mean", network.depth)
    _head(axes, _HEAD, middle, architecture)


def _head(axes: Axes, column: tuple[float, float], middle: float, architecture: Architecture) -> None:
    _box(axes, column, middle, "head", "head", [_outputs(architecture), architecture.task])


def _box(
    axes: Axes,
    column: tuple[float, float],
    middle: float,
    kind: str,
    title: str,
    lines: list[str],
    height: float = _HEIGHT,
    sheets: int = 1,
) -> None:
    """Draw a box with a bold first line; more than one sheet stands for a stack of blocks."""
    left, width = column
    for sheet in reversed(range(min(sheets, _MOST_SHEETS))):
        shift = _SHEET * sheet
        corner = (left + shift, middle - height / 2 + shift)
        style: dict[str, Any] = {
            "boxstyle": "round,pad=0,rounding_size=0.06",
            "facecolor": BOX_FILL[kind],
            "edgecolor": BOX_EDGE,
        }
        axes.add_patch(FancyBboxPatch(corner, width, height, linewidth=0.8, **style))
    centre = left + width / 2
    top = middle + 0.19 * len(lines) / 2
    axes.text(centre, top, _fit(title, 0.8 * width), fontsize=10, fontweight="bold", ha="center", va="center")
    for number, line in enumerate(lines, start=1):
        axes.text(centre, top - 0.19 * number, _fit(line, width), fontsize=8.5, ha="center", va="center")


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], middle: float, label: str = "", sheets: int = 1
) -> None:
    tail = start[0] + start[1] + _SHEET * (min(sheets, _MOST_SHEETS) - 1) + 0.03
    tip = end[0] - 0.03
    axes.annotate("", (tip, middle), (tail, middle), arrowprops={"arrowstyle": "-|>", "color": ARROW})
    axes.text((tail + tip) / 2, middle + 0.1, label, fontsize=9, ha="center")


def _fit(text: str, width: float) -> str:
    """Cut a text to the width of a box (inches)."""
    most = _letters(width)
    return text if len(text) <= most else text[: most - 1] + "…"


def _letters(width: float) -> int:
    return int(13 * width)


def _tokeniser(encoder: Encoder, grid: tuple[int, ...], count: int) -> list[str]:
    fields = encoder.tokeniser.model_dump(exclude={"type"})
    settings = [f"{key} {_value(value)}" for key, value in fields.items() if value]
    settings += [f"grid {'×'.join(map(str, grid))}"] if len(grid) > 1 else []
    return [", ".join(settings), f"{count:,} parameters"] if settings else [f"{count:,} parameters"]


def _block(block: BlockParameters, depth: int, count: str) -> tuple[str, list[str]]:
    """Title and lines of a block: name and depth; hyperparameters that are not off, two per line; the count."""
    fields = block.model_dump()
    name = fields.pop("block")
    # Spaces that do not break: a value stays beside its name.
    settings = [f"{key}\u00a0{_value(value)}" for key, value in fields.items() if value not in (0.0, False)]
    lines = textwrap.wrap(", ".join(settings), _letters(_ENCODER[1]), break_on_hyphens=False)
    return f"{_NAMES.get(name, name)} × {depth}", [*lines, count]


def _value(value: Any) -> str:
    return "×".join(map(str, value)) if isinstance(value, tuple | list) else f"{value}"


def _outputs(architecture: Architecture) -> str:
    number = len(architecture.classes)
    one, many = ("target", "targets") if architecture.task == "regression" else ("class", "classes")
    return f"{number} {one if number == 1 else many}"


def _flops(number: float) -> str:
    units = ["", "k", "M", "G", "T"]
    while number >= 1000 and len(units) > 1:
        number /= 1000
        units.pop(0)
    return f"{number:.3g} {units[0]}FLOP"


def _parts(architecture: Architecture) -> dict[str, int]:
    """Trainable parameters of each tokeniser, of each encoder's blocks, and of fusion function and network; number and
    width of the tokens after fusion."""
    with torch.device("meta"):
        model: Any = MultimodalMixer(architecture)
    parts = {f"tokenisers.{name}": parameter_count(encoder.tokeniser) for name, encoder in model.encoders.items()}
    parts |= {f"encoders.{name}": parameter_count(encoder.blocks) for name, encoder in model.encoders.items()}
    if architecture.fusion is not None:
        parts |= {name: parameter_count(getattr(model, name)) for name in ("fusion", "fusion_network")}
        parts |= {"tokens": model.fusion.tokens, "width": model.fusion.width}
    return parts
