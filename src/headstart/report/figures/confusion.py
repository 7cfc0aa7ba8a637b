"""The confusion matrix as a figure, in counts and in rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray

from headstart.report.document import Plot
from headstart.report.figures import style
from headstart.report.locale.messages import mark, tr
from headstart.report.many_classes import MAX_CLASSES, folded, folded_names, most_confused
from headstart.report.text import format as text
from headstart.results.read import RunRecord

Floats = NDArray[np.float64]
_CELL_INCHES = 0.5
_CHARACTER_INCHES = 0.085
_PALEST = 0.06
_BOTH = (0.85, 0.87, 0.89)


def confusion_plots(record: RunRecord) -> tuple[Plot, Plot]:
    """Confusion matrix as counts and as rates."""
    matrix = np.array(record.results.confusion, dtype=np.float64)
    counts, rates = _confusion_titles(record, matrix)
    shown = most_confused(matrix)
    names, matrix = folded_names(record.classes, shown), folded(matrix, shown)
    few = tr(
        "Beyond {n_most} classes the {n_shown} most often confused stand alone.", n_most=MAX_CLASSES, n_shown=len(shown)
    )
    rest = len(shown) < len(record.classes)
    cut = few if rest else ""
    return (
        Plot(
            "confusion_counts",
            confusion(matrix, names, rates=False, title=counts, rest=rest),
            tr(
                "Confusion matrix in counts. {counts}. The numbers stand in the table of the same section.",
                counts=counts,
            ),
            " ".join(filter(None, (_how_to_read(record), cut))),
        ),
        Plot(
            "confusion_rates",
            confusion(matrix, names, rates=True, title=rates, rest=rest),
            tr("Confusion matrix in rates. {rates}.", rates=rates),
            tr(
                "The same matrix, every row as shares of its true class, so that the diagonal holds each class's "
                "recall."
            ),
        ),
    )


def _how_to_read(record: RunRecord) -> str:
    counted = tr("weighted counts") if record.results.task.weighted else tr("images")
    if record.results.protocol.repeats > 1:
        return tr(
            "Out-of-fold {counted}, averaged over the repeats: rows hold the true class, columns the predicted "
            "one; blue is right, orange wrong.",
            counted=counted,
        )
    return tr(
        "Out-of-fold {counted}: rows hold the true class, columns the predicted one; blue is right, orange wrong.",
        counted=counted,
    )


def _confusion_titles(record: RunRecord, matrix: Floats) -> tuple[str, str]:
    right, total = float(np.trace(matrix)), float(matrix.sum())
    share = text.percent(right / max(total, 1e-12))
    counted = mark("{right} of {total} images are classified rightly ({share})")
    if record.results.task.weighted:
        counted = mark("{right} of {total} weighted images are classified rightly ({share})")
    counts = tr(counted, right=text.count(right), total=text.count(total), share=share)
    recalls = {name: record.results.per_class[name].metrics["recall"] for name in record.classes}
    defined = {name: entry.value for name, entry in recalls.items() if entry.value is not None}
    if not defined:
        return counts, tr("No class has a recall")
    worst = min(defined, key=lambda name: defined[name])
    support = text.count(record.results.per_class[worst].support)
    label = style.class_labels(record.classes)[record.classes.index(worst)]
    return counts, tr(
        "Most often missed is {label}: recall {recall}, n = {support}",
        label=label,
        recall=text.estimate(recalls[worst]),
        support=support,
    )


@style.styled()
def confusion(matrix: Floats, classes: Sequence[str], *, rates: bool, title: str, rest: bool = False) -> Figure:
    """Confusion matrix with its numbers in the cells.

    Parameters
    ----------
    matrix : ndarray of shape (n_classes, n_classes), float64
        Rows true, columns predicted, weighted counts.
    classes : sequence of str
    rates : bool
        Show each row as shares of its sum (a row without images stays empty).
    title : str
        The finding.
    rest : bool
        The last class stands for several, so that its cell holds right and wrong ones.
    """
    shown = _row_rates(matrix) if rates else matrix
    labels = style.class_labels(classes)
    grid_inches = max(2.9, _CELL_INCHES * len(classes))
    margin = 0.9 + _CHARACTER_INCHES * max(map(len, labels))
    steep = len(classes) > 3 or max(map(len, labels)) > 12
    figure = style.new_figure(grid_inches + margin, grid_inches + (margin if steep else 1.3))
    axes = figure.subplots()
    top = 1.0 if rates else max(float(matrix.max()), 1.0)
    colours = _colours(np.nan_to_num(shown) / top)
    if rest:
        colours[-1, -1] = _BOTH
    _paint_cells(axes, colours)
    _write_cells(axes, shown, colours, rates=rates, cell_inches=grid_inches / len(classes))
    axes.set_xticks(range(len(classes)), labels, rotation=40 if steep else 0, ha="right" if steep else "center")
    axes.set_yticks(range(len(classes)), labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel=tr("Predicted class"), ylabel=tr("True class (cells: % of the row)") if rates else tr("True class"))
    style.set_title(figure, title)
    return figure


def _row_rates(matrix: Floats) -> Floats:
    totals = matrix.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(matrix, totals, out=np.full(matrix.shape, np.nan), where=totals > 0))


def _colours(shares: Floats) -> Floats:
    """Colour of every cell, shape (n_classes, n_classes, 3): blue for the right ones, orange for the wrong."""
    right, wrong = (colormaps[name](_PALEST + (1 - _PALEST) * shares)[..., :3] for name in ("Blues", "Oranges"))
    return np.where(np.eye(len(shares), dtype=bool)[..., None], right, wrong)


def _paint_cells(axes: Axes, colours: Floats) -> None:
    """Cells in their colours, one unit wide and high, the first row at the top."""
    axes.set(xlim=(-0.5, len(colours) - 0.5), ylim=(len(colours) - 0.5, -0.5), aspect="equal")
    axes.add_image(_Cells(axes, np.floor(255 * colours).astype(np.uint8)))


class _Cells(AxesImage):
    """An image of few cells that fills its axes, each cell enlarged by repeating its row and its column.

    `AxesImage` computes every pixel in floating point, which takes most of the time of a confusion matrix.

    Parameters
    ----------
    axes : Axes
    levels : ndarray of shape (n_cells, n_cells, 3), uint8
    """

    def __init__(self, axes: Axes, levels: NDArray[np.uint8]) -> None:
        high, wide = np.array(levels.shape[:2]) - 0.5
        super().__init__(axes, origin="upper", extent=(-0.5, wide, high, -0.5))
        self.set_data(levels)
        self.set_clip_path(axes.patch)
        self._levels = np.concatenate([levels, np.full_like(levels[..., :1], 255)], axis=-1)

    def make_image(
        self, renderer: RendererBase, magnification: float = 1.0, unsampled: bool = False
    ) -> tuple[NDArray[np.uint8], float, float, Affine2D]:
        """The enlarged cells as RGBA, from the bottom up, and the place of the lower left corner."""
        left, bottom, right, top = np.asarray(self.axes.bbox.extents) * magnification
        across = np.arange(math.floor(left + 0.5), math.floor(right + 0.5))  # whole pixels, as `AxesImage` rounds
        up = np.arange(math.ceil(bottom - 0.5), math.ceil(top - 0.5))
        columns = _cells_at((across + 0.5 - left) / (right - left), len(self._levels))
        rows = _cells_at((top - up - 0.5) / (top - bottom), len(self._levels))
        enlarged = self._levels[rows][:, columns]
        return enlarged, across[0] / magnification, up[0] / magnification, Affine2D()


def _cells_at(shares: Floats, n_cells: int) -> NDArray[np.int64]:
    """Cells at these shares of a side; on an edge the one before it."""
    cells: NDArray[np.int64] = np.ceil(shares * n_cells).astype(np.int64) - 1
    return np.clip(cells, 0, n_cells - 1)


def _write_cells(axes: Axes, shown: Floats, colours: Floats, *, rates: bool, cell_inches: float) -> None:
    """Number of every cell, as large as the cell allows, black on light cells and white on dark ones."""
    labels = {place: _cell(float(value), rates=rates) for place, value in np.ndenumerate(shown)}
    size = min(13.0, cell_inches * 72 * 0.85 / (0.64 * max(3, *map(len, labels.values()))))
    for (row, column), label in labels.items():
        red, green, blue = colours[row, column]
        ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
        written = axes.text(column, row, label, ha="center", va="center", color=ink, fontsize=size)
        written.set_in_layout(False)  # it ends inside its cell, and measuring hundreds takes seconds


def _cell(value: float, *, rates: bool) -> str:
    if np.isnan(value):
        return ""
    return f"{100 * value:.1f}" if rates else text.count(value)
