"""The figures of a report: arrays and words in, a matplotlib Figure out, nothing read and no global state kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from headstart.report.figures import style
from headstart.report.text import format as text

Floats = NDArray[np.float64]

MAX_NUMBERED = 40  # classes; beyond, a cell's number could not be read on any page
_CELL_INCHES = 0.5
_BARE_CELL_INCHES = 0.2
_CHARACTER_INCHES = 0.085
_SQUARE_INCHES = 5.0


@dataclass(frozen=True)
class CurveLine:
    """One ROC or precision-recall curve and its band.

    Parameters
    ----------
    label : str
        Heading of its panel; empty where there is one panel only.
    x, y : ndarray of shape (n_points,)
        The curve, as fractions.
    band : tuple of ndarray, or None
        Grid, lower and upper edge of the pointwise 95 % band, each of shape (n_grid,).
    chance : float or None
        Height of the line a classifier without skill reaches (precision-recall); None draws the diagonal (ROC).
    """

    label: str
    x: Floats
    y: Floats
    band: tuple[Floats, Floats, Floats] | None
    chance: float | None = None


@dataclass(frozen=True)
class FoldScores:
    """One metric over the folds: `scores` of shape (n_folds,), and the overall estimate with its interval."""

    label: str
    scores: Floats
    value: float
    bounds: tuple[float, float] | None


@dataclass(frozen=True)
class CandidateScore:
    """One candidate: its inner log loss, the spread over inner choices and how often it was chosen."""

    label: str
    mean: float
    spread: float
    times_chosen: int


@style.styled()
def confusion(matrix: Floats, classes: Sequence[str], *, rates: bool, title: str) -> Figure:
    """Confusion matrix with its numbers in the cells, up to `MAX_NUMBERED` classes.

    Parameters
    ----------
    matrix : ndarray of shape (n_classes, n_classes), float64
        Rows true, columns predicted, weighted counts.
    classes : sequence of str
    rates : bool
        Show each row as shares of its sum (a row without images stays empty).
    title : str
        The finding.
    """
    shown = _row_rates(matrix) if rates else matrix
    labels = style.class_labels(classes)
    numbered = len(classes) <= MAX_NUMBERED
    grid_inches = max(2.9, (_CELL_INCHES if numbered else _BARE_CELL_INCHES) * len(classes))
    margin = 0.9 + _CHARACTER_INCHES * max(map(len, labels))
    steep = len(classes) > 3 or max(map(len, labels)) > 12
    figure = style.new_figure(grid_inches + margin, grid_inches + (margin if steep else 1.3))
    axes = figure.subplots()
    top = 1.0 if rates else max(float(matrix.max()), 1.0)
    axes.imshow(np.nan_to_num(shown), cmap="cividis", vmin=0, vmax=top)
    if numbered:
        _write_cells(axes, shown, top, rates=rates, cell_inches=grid_inches / len(classes))
    axes.set_xticks(range(len(classes)), labels, rotation=40 if steep else 0, ha="right" if steep else "center")
    axes.set_yticks(range(len(classes)), labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="Predicted class", ylabel="True class (cells: % of the row)" if rates else "True class")
    style.set_title(figure, title)
    return figure


def _row_rates(matrix: Floats) -> Floats:
    totals = matrix.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(matrix, totals, out=np.full(matrix.shape, np.nan), where=totals > 0))


def _write_cells(axes: Axes, shown: Floats, top: float, *, rates: bool, cell_inches: float) -> None:
    """Number of every cell, as large as the cell allows, black on light cells and white on dark ones."""
    labels = {place: _cell(float(value), rates=rates) for place, value in np.ndenumerate(shown)}
    size = min(13.0, cell_inches * 72 * 0.85 / (0.64 * max(3, *map(len, labels.values()))))
    for ((row, column), label), value in zip(labels.items(), shown.flat, strict=True):
        red, green, blue, _ = colormaps["cividis"](0.0 if np.isnan(value) else value / top)
        ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
        axes.text(column, row, label, ha="center", va="center", color=ink, fontsize=size)


def _cell(value: float, *, rates: bool) -> str:
    if np.isnan(value):
        return ""
    return f"{100 * value:.1f}" if rates else text.count(value)


@style.styled()
def roc(curves: Sequence[CurveLine], *, title: str) -> Figure:
    """ROC curves with their bands, one panel per curve."""
    axes_names = ("False positive rate (fraction of negatives)", "True positive rate (fraction of positives)")
    return _curve_panels(curves, axes_names, title)


@style.styled()
def precision_recall(curves: Sequence[CurveLine], *, title: str) -> Figure:
    """Precision-recall curves with their bands, one panel per curve."""
    axes_names = ("Recall (fraction of positives found)", "Precision (fraction of alarms that are right)")
    return _curve_panels(curves, axes_names, title)


def _curve_panels(curves: Sequence[CurveLine], axes_names: tuple[str, str], title: str) -> Figure:
    n_columns = min(len(curves), 2)
    n_rows = -(-len(curves) // n_columns)
    panel = _SQUARE_INCHES if n_columns == 1 else 3.1
    figure = style.new_figure(panel * n_columns, (panel + 0.1) * n_rows + 0.4)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
    for axes, curve in zip(grid.flat, curves, strict=False):
        _draw_curve(axes, curve)
    for axes in grid.flat[len(curves) :]:
        axes.set_axis_off()
    figure.supxlabel(axes_names[0], fontsize=9.5)
    figure.supylabel(axes_names[1], fontsize=9.5)
    style.set_title(figure, title)
    return figure


def _draw_curve(axes: Axes, curve: CurveLine) -> None:
    style.unit_square(axes)
    chance = [0.0, 1.0] if curve.chance is None else [curve.chance] * 2
    axes.plot([0, 1], chance, color=style.GREY, linewidth=1, linestyle=(0, (4, 3)), label="no skill")
    if curve.band is not None:
        axes.fill_between(*curve.band, color=style.SKY, alpha=0.4, linewidth=0, label="95 % band")
    steps = "default" if curve.chance is None else "steps-pre"  # between two recalls no precision can be interpolated
    axes.plot(curve.x, curve.y, color=style.BLUE, linewidth=1.8, drawstyle=steps, label="out of fold")
    axes.set_title(curve.label, fontsize=8.5)
    if not curve.label:
        axes.legend(loc="lower right" if curve.chance is None else "lower left")


@style.styled()
def calibration(
    predicted: Floats,
    observed: Floats,
    counts: Floats,
    bounds: tuple[Floats, Floats],
    *,
    names: tuple[str, str],
    title: str,
) -> Figure:
    """Calibration plot above the number of predictions in each bin.

    Parameters
    ----------
    predicted, observed, counts : ndarray of shape (n_bins,)
        Mean predicted probability, observed share and number of predictions of every bin that holds any.
    bounds : pair of ndarray of shape (n_bins,)
        Lower and upper edge of each share's 95 % interval.
    names : pair of str
        Names of the horizontal and the vertical axis.
    title : str
    """
    figure = style.new_figure(_SQUARE_INCHES, _SQUARE_INCHES + 0.9)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    above.plot([0, 1], [0, 1], color=style.GREY, linewidth=1, linestyle=(0, (4, 3)), label="perfectly calibrated")
    reach = np.clip(np.stack([observed - bounds[0], bounds[1] - observed]), 0, None)
    above.errorbar(
        predicted, observed, yerr=reach, color=style.BLUE, marker="o", capsize=2, label="observed, 95 % interval"
    )
    style.unit_square(above)
    above.set(ylabel=names[1], aspect="auto")
    above.legend(loc="upper left")
    below.vlines(predicted, 0, counts, color=style.SKY, linewidth=5)
    below.set(xlabel=names[0], ylabel="Predictions", ylim=(0, float(counts.max()) * 1.45))
    _write_counts(below, predicted, counts)
    style.set_title(figure, title)
    return figure


def _write_counts(axes: Axes, places: Floats, counts: Floats) -> None:
    """Count above each bar, left out where it would run into its neighbour."""
    free_from = -1.0
    for place, height in zip(places, counts, strict=True):
        label = text.count(float(height))
        if place >= free_from:
            axes.annotate(label, (place, height), (0, 2), textcoords="offset points", ha="center", fontsize=7)
            free_from = place + 0.017 * (len(label) + 1)


@style.styled()
def fold_scores(rows: Sequence[FoldScores], *, title: str) -> Figure:
    """One line per metric: a dot for every fold, a bar for the overall score and a pale line for its interval."""
    figure = style.new_figure(_SQUARE_INCHES, 1.5 + 0.52 * len(rows))
    axes = figure.subplots()
    for height, row in enumerate(rows):
        _draw_fold_row(axes, height, row, first=height == 0)
    axes.set_yticks(range(len(rows)), [f"{row.label}\n{text.score(row.value)}" for row in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="Score (higher is better, 1 is perfect)")
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    style.set_title(figure, title)
    return figure


def _draw_fold_row(axes: Axes, height: int, row: FoldScores, *, first: bool) -> None:
    if row.bounds is not None:
        name = "95 % interval" if first else None
        axes.plot(
            row.bounds, [height, height], color=style.SKY, alpha=0.55, linewidth=9, solid_capstyle="butt", label=name
        )
    offsets = np.linspace(-0.2, 0.2, len(row.scores)) if len(row.scores) > 1 else np.zeros(1)
    axes.plot(row.scores, height + offsets, "o", markersize=4, color=style.BLUE, label="one fold" if first else None)
    axes.plot(
        [row.value] * 2,
        [height - 0.32, height + 0.32],
        color=style.ORANGE,
        linewidth=2,
        label="overall" if first else None,
    )


@style.styled()
def candidates(rows: Sequence[CandidateScore], *, title: str) -> Figure:
    """Inner log loss of every candidate, best first; those that were chosen stand out and say how often."""
    figure = style.new_figure(_SQUARE_INCHES * 1.15, 1.4 + 0.3 * len(rows))
    axes = figure.subplots()
    for height, row in enumerate(rows):
        colour = style.ORANGE if row.times_chosen else style.GREY
        axes.errorbar(row.mean, height, xerr=row.spread, color=colour, marker="o", markersize=5, capsize=2)
        if row.times_chosen:
            reach = (row.mean + row.spread, height)
            axes.annotate(
                f"chosen {row.times_chosen}×", reach, (6, 0), textcoords="offset points", va="center", fontsize=8.5
            )
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.margins(x=0.18)
    axes.set(ylim=(len(rows) - 0.4, -0.6))
    figure.supxlabel("Inner log loss (nats per image, lower is better), mean ± SD", fontsize=9.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    style.set_title(figure, title)
    return figure
