"""How figures look and how they become files: one look, the same bytes every time."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from PIL import Image

from headstart.report.locale.messages import tr

# Okabe and Ito, "Color Universal Design" (2008): colours told apart with every kind of colour vision.
BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
SKY: Final = "#56B4E9"
INK: Final = "#1f2933"
GREY: Final = "#6b7785"
PALE: Final = "#d9dee4"

SQUARE_INCHES: Final = 5.0
PNG_DPI: Final = 150
CSS_PIXELS_PER_INCH: Final = 96
MAX_LABEL: Final = 22
_COMPRESS_LEVEL: Final = 3  # files a tenth larger than at 6, in half the time
_TITLE_CHARACTERS_PER_INCH: Final = 11.6

# Scripts DejaVu Sans does not cover are drawn with the first of these that is installed.
_FALLBACK_FONTS: Final = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans",
    "Noto Sans Devanagari",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
)
_LOOK: Final[dict[str, Any]] = {
    "svg.hashsalt": "headstart",
    "svg.fonttype": "path",
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "font.size": 10,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


_IS_STYLED: Final[ContextVar[bool]] = ContextVar("_IS_STYLED", default=False)


@cache
def font_families() -> tuple[str, ...]:
    """DejaVu Sans, which comes with matplotlib, then those of the known wide fonts that this machine has."""
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in _FALLBACK_FONTS if name in installed))


@cache
def _defaults() -> dict[str, Any]:
    return {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}


@contextmanager
def styled() -> Iterator[None]:
    """Draw with this module's look whatever the user's matplotlibrc says; a decorator too.

    Inside another one it changes nothing: entering checks some 300 settings, so many figures are drawn in one.
    """
    if _IS_STYLED.get():
        yield
        return
    entered = _IS_STYLED.set(True)
    look: Any = {**_defaults(), **_LOOK, "font.family": list(font_families())}
    try:
        with matplotlib.rc_context(look):
            yield
    finally:
        _IS_STYLED.reset(entered)


@cache
def _fonts() -> tuple[FT2Font, ...]:
    return tuple(font_manager.get_font(font_manager.findfont(name)) for name in font_families())


def drawable(text: str) -> bool:
    """Whether some font of `font_families` has every character."""
    return all(any(font.get_char_index(ord(character)) for font in _fonts()) for character in text)


def class_labels(classes: Sequence[str]) -> list[str]:
    """Class names fit for an axis: on one line, cut in the middle where long, numbered where they cannot be drawn.

    Examples
    --------
    >>> class_labels(["ok", "broken in  two", "a very long name of some class"])
    ['ok', 'broken in two', 'a very long…some class']
    """
    labels = [_one_line(name, position) for position, name in enumerate(classes, start=1)]
    return [f"{label} [{i + 1}]" if labels.count(label) > 1 else label for i, label in enumerate(labels)]


def _one_line(name: str, position: int) -> str:
    flat = " ".join(name.split())
    if not flat or not drawable(flat):
        return tr("class {position}", position=position)
    return flat if len(flat) <= MAX_LABEL else f"{flat[: MAX_LABEL // 2]}…{flat[-(MAX_LABEL // 2 - 1) :]}"


def new_figure(width: float, height: float) -> Figure:
    """Empty figure of a size in inches whose parts arrange themselves without overlap."""
    return Figure(figsize=(width, height), layout="constrained")


def set_title(figure: Figure, text: str) -> None:
    """Title that states the finding, flush left and wrapped to the figure's width."""
    characters = int((figure.get_figwidth() - 0.2) * _TITLE_CHARACTERS_PER_INCH)
    lines = "\n".join(textwrap.wrap(text, max(20, characters)))
    figure.suptitle(lines, x=0.1 / figure.get_figwidth(), ha="left", fontsize=10.5, fontweight="bold", linespacing=1.3)


def unit_square(axes: Axes) -> None:
    """Both axes from 0 to 1, square, with a light grid."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.grid(True)


@styled()
def render(figure: Figure) -> tuple[bytes, bytes]:
    """The figure as (SVG, PNG) bytes; equal figures give equal bytes. The PNG has 150 dots per inch.

    The layout is worked out once, then frozen, so that both files agree and the second costs no second layout. The
    engine and the canvases are asked themselves: `Figure.draw_without_rendering` and `Figure.savefig` draw everything
    once more, to lay it out. One canvas lays out and paints, and so measures every text once for both.
    """
    painter = _lay_out(figure)
    return _svg(figure), _png(painter)


@styled()
def render_svg(figure: Figure) -> bytes:
    """The figure as SVG alone, the same bytes as of `render` in two thirds of the time."""
    _lay_out(figure)
    return _svg(figure)


def _lay_out(figure: Figure) -> FigureCanvasAgg:
    """Arrange the figure's parts for good; the canvas that measured them, to paint it."""
    figure.set_dpi(PNG_DPI)
    painter = FigureCanvasAgg(figure)
    if figure.axes and (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:  # the last digits of the layout hang on the addresses of its variables
        box = axes.get_position(original=True)
        axes.set_position(np.round(box.bounds, 9), which="original")
    return painter


def _svg(figure: Figure) -> bytes:
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue().encode()


def _png(painter: FigureCanvasAgg) -> bytes:
    """The painted figure, light on the processor: without the layer of transparency, which nothing on white needs."""
    painter.figure.set_dpi(PNG_DPI)
    painter.draw()
    buffer = io.BytesIO()
    picture = Image.fromarray(np.asarray(painter.buffer_rgba())).convert("RGB")
    picture.save(buffer, format="PNG", dpi=(PNG_DPI, PNG_DPI), compress_level=_COMPRESS_LEVEL)
    return buffer.getvalue()
