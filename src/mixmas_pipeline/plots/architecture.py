"""An architecture as a drawing: what goes in, how wide it is on its way, what it costs.

One lane a modality (input, tokeniser, encoder), then fusion function, fusion network and head. Needs nothing but the
architecture, and gives the same bytes for it every time.
"""

from __future__ import annotations

import io
import math
import textwrap
from typing import TYPE_CHECKING, Any, Literal

from mixmas_pipeline.models.architecture import Architecture, BlockParameters, Encoder, token_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Left edge and width of every column, in inches.
_INPUT, _TOKENS, _ENCODER, _FUSION, _NETWORK, _HEAD = (
    (0.2, 1.5),
    (2.05, 1.6),
    (4.75, 2.1),
    (8.35, 1.25),
    (10.55, 2.1),
    (13.6, 1.3),
)
_LANE, _HEIGHT, _TITLE, _FOOT = 1.75, 0.95, 0.55, 0.4
_FILL = {"data": "#f1f1f1", "tokens": "#e3ecf7", "mixer": "#cfe0f3", "fusion": "#fbe6d2", "head": "#dcefe1"}
_SHEET, _MOST_SHEETS = 0.05, 6  # of a stack of blocks: how far apart, how many are drawn
_NAMES = {"mlp_mixer": "MLP-Mixer", "hyper_mixer": "HyperMixer", "ramlp": "RaMLP", "monarch_mixer": "MonarchMixer"}
_NAMES |= {"mlp": "MLP"}


def draw_architecture(architecture: Architecture, form: Literal["png", "svg"] = "png") -> bytes:
    """The picture of an architecture.

    Args:
        architecture: of any number of modalities.
        form: of the picture. Default "png", about 1,500 pixels wide.

    Returns:
        The file's bytes. The same architecture gives the same ones (with the same matplotlib).
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from mixmas_pipeline.models.cost import cost

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
        axes.text(0.2, 0.22, note if fused else "Above an arrow: tokens × width.", fontsize=8.5, color="#555555")
        buffer = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def draw_document(document: Any) -> bytes:
    """The picture of an ``Architecture``, or of a document that has one as ``architecture``; PNG."""
    return draw_architecture(getattr(document, "architecture", document))


def _lane(axes: Axes, architecture: Architecture, name: str, middle: float, parts: dict[str, int]) -> None:
    """One modality, from its examples to its encoder's tokens."""
    given, encoder = architecture.inputs[name], architecture.encoders[name]
    grid = token_grid(encoder.tokeniser, given.shape, name)
    shape = "×".join(map(str, given.shape))
    notes = [note for note, said in (("padded", given.padded), ("may be missing", given.optional)) if said]
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
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "#777777", "linestyle": "dashed"})
    axes.text(
        end[0], end[1] - 0.02, f"head: {_answers(architecture)}", fontsize=8, color="#555555", ha="center", va="top"
    )


def _fusion(axes: Axes, architecture: Architecture, middles: list[float], parts: dict[str, int]) -> None:
    """Where the lanes meet, and what follows."""
    fusion = architecture.fusion
    assert fusion is not None
    middle = (middles[0] + middles[-1]) / 2
    own = [f"{parts['fusion']:,} parameters"] if parts["fusion"] else []
    height = middles[0] - middles[-1] + _HEIGHT
    _box(axes, _FUSION, middle, "fusion", fusion.function, ["fusion function", *own], height)
    _arrow(axes, _FUSION, _NETWORK, middle, f"{parts['tokens']} × {parts['width']}")
    network = fusion.network
    count = f"{parts['fusion_network']:,} parameters"
    _box(axes, _NETWORK, middle, "mixer", *_block(network.block, network.depth, count), sheets=network.depth)
    _arrow(axes, _NETWORK, _HEAD, middle, "mean", network.depth)
    _head(axes, _HEAD, middle, architecture)


def _head(axes: Axes, column: tuple[float, float], middle: float, architecture: Architecture) -> None:
    _box(axes, column, middle, "head", "head", [_answers(architecture), architecture.task])


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
    """A box with a bold first line; several sheets stand for blocks one after the other."""
    from matplotlib.patches import FancyBboxPatch

    left, width = column
    for sheet in reversed(range(min(sheets, _MOST_SHEETS))):
        shift = _SHEET * sheet
        corner = (left + shift, middle - height / 2 + shift)
        style: dict[str, Any] = {
            "boxstyle": "round,pad=0,rounding_size=0.06",
            "facecolor": _FILL[kind],
            "edgecolor": "#444444",
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
    axes.annotate("", (tip, middle), (tail, middle), arrowprops={"arrowstyle": "-|>", "color": "#444444"})
    axes.text((tail + tip) / 2, middle + 0.1, label, fontsize=9, ha="center")


def _fit(text: str, width: float) -> str:
    """What has room in a box."""
    most = _letters(width)
    return text if len(text) <= most else text[: most - 1] + "…"


def _letters(width: float) -> int:
    return int(13 * width)


def _tokeniser(encoder: Encoder, grid: tuple[int, ...], count: int) -> list[str]:
    said = [f"{key} {_value(value)}" for key, value in encoder.tokeniser.model_dump(exclude={"type"}).items()]
    said += [f"grid {'×'.join(map(str, grid))}"] if len(grid) > 1 else []
    return [", ".join(said), f"{count:,} parameters"] if said else [f"{count:,} parameters"]


def _block(block: BlockParameters, depth: int, count: str) -> tuple[str, list[str]]:
    """Title and lines: the block, how often, its hyperparameters (two a line) but for those that are off."""
    fields = block.model_dump()
    name = fields.pop("block")
    # Spaces that do not break: a value stays beside its name.
    said = [f"{key}\u00a0{_value(value)}" for key, value in fields.items() if value not in (0.0, False)]
    lines = textwrap.wrap(", ".join(said), _letters(_ENCODER[1]), break_on_hyphens=False)
    return f"{_NAMES.get(name, name)} × {depth}", [*lines, count]


def _value(value: Any) -> str:
    return "×".join(map(str, value)) if isinstance(value, tuple | list) else f"{value}"


def _answers(architecture: Architecture) -> str:
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
    """Trainable parameters of every tokeniser, of every encoder's blocks, and of fusion function and network; tokens
    and width after fusion."""
    import torch

    from mixmas_pipeline.models.multimodal import MultimodalMixer

    with torch.device("meta"):
        model = MultimodalMixer(architecture)
    parts = {f"tokenisers.{name}": _count(encoder.tokeniser) for name, encoder in model.encoders.items()}
    parts |= {f"encoders.{name}": _count(encoder.blocks) for name, encoder in model.encoders.items()}
    if architecture.fusion is not None:
        parts |= {name: _count(getattr(model, name)) for name in ("fusion", "fusion_network")}
        parts |= {"tokens": model.fusion.tokens, "width": model.fusion.width}
    return parts


def _count(module: Any) -> int:
    from mixmas_pipeline.models.cost import parameter_count

    return parameter_count(module)
