"""ROC and precision-recall curves with their bands, from the run's own out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from headstart.metrics import Band, OutOfFold, precision_recall_band, precision_recall_curve, roc_band, roc_curve
from headstart.report.document import Plot
from headstart.report.figures import style
from headstart.report.locale.messages import mark, tr
from headstart.report.text import format as text
from headstart.results.models.estimates import EstimateFacts
from headstart.results.read import RunRecord

Floats = NDArray[np.float64]
MAX_PANELS = 12
N_RESAMPLES = 400
_BAND = mark(
    "The band is a 95 % interval at each point by itself, made as the intervals of the scores are, with groups drawn "
    "as wholes; the whole curve leaves it more often than one time in twenty."
)


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


def curve_plots(record: RunRecord, oof: OutOfFold) -> tuple[Plot, ...]:
    """ROC and precision-recall curves: of the positive class of two, else one panel for every class."""
    shown = _shown_classes(record, oof)
    if not shown:
        return ()
    labels = style.class_labels(record.classes)
    fraction = _fraction(record)
    rocs = [_roc(oof, code, _heading(record, code, labels, "roc_auc"), fraction) for code in shown]
    curves = [_precision_recall(oof, code, _heading(record, code, labels, "pr_auc"), fraction) for code in shown]
    cut = (
        tr(
            "Of {n_labels} classes, the {n_shown} with the lowest ROC AUC are drawn.",
            n_labels=len(labels),
            n_shown=len(shown),
        )
        if len(shown) < _n_drawable(oof)
        else ""
    )
    shares = {code: curve.chance or 0.0 for code, curve in zip(shown, curves, strict=True)}
    roc_title, pr_title = _roc_title(record, labels, shown), _pr_title(record, labels, shares)
    return (
        Plot(
            "roc",
            roc(rocs, title=roc_title),
            tr("ROC curve. {title}.", title=roc_title),
            " ".join(filter(None, (tr(_BAND), cut))),
        ),
        Plot(
            "precision_recall",
            precision_recall(curves, title=pr_title),
            tr("Precision-recall curve. {title}.", title=pr_title),
            " ".join(
                filter(None, (tr("The dashed line is the class's share of the images, which guessing reaches."), cut))
            ),
        ),
    )


def _drawable(oof: OutOfFold) -> list[int]:
    """Classes that have judged weight inside and outside, in their order."""
    weight = np.bincount(oof.labels[oof.judged], weights=oof.row_weights[oof.judged], minlength=oof.n_classes)
    return [code for code in range(oof.n_classes) if 0 < weight[code] < weight.sum()]


def _n_drawable(oof: OutOfFold) -> int:
    return 1 if oof.n_classes == 2 else len(_drawable(oof))


def _shown_classes(record: RunRecord, oof: OutOfFold) -> list[int]:
    """The positive class of two; else all, or the `MAX_PANELS` hardest to tell apart where there are more."""
    drawable = _drawable(oof)
    if oof.n_classes == 2:
        return [oof.positive_index] if drawable else []
    hardest = sorted(drawable, key=lambda code: _class_entry(record, code, "roc_auc").value or 0.0)
    return sorted(hardest[:MAX_PANELS])


def _fraction(record: RunRecord) -> float:
    """Share of all images that a judged model was trained on, mean over the folds."""
    n_train = np.mean([fold.n_train for fold in record.results.folds])
    return float(np.clip(n_train / record.results.task.n_images, 1e-9, 1.0))


def _class_entry(record: RunRecord, code: int, metric: str) -> EstimateFacts:
    return record.results.per_class[record.classes[code]].metrics[metric]


def _heading(record: RunRecord, code: int, labels: list[str], metric: str) -> str:
    """Heading of a class's panel; empty for two classes, where the title says it."""
    if len(labels) == 2:
        return ""
    support = text.count(record.results.per_class[record.classes[code]].support)
    heading = tr("{label}, n = {support}", label=labels[code], support=support)
    return f"{heading}\n{text.estimate(_class_entry(record, code, metric))}"


def _roc_title(record: RunRecord, labels: list[str], shown: list[int]) -> str:
    if len(shown) == 1:
        auc = text.estimate(_class_entry(record, shown[0], "roc_auc"))
        return tr(
            "ROC AUC {auc}: how often a {label} image ranks above another, n = {n_judged}",
            auc=auc,
            label=labels[shown[0]],
            n_judged=f"{record.n_judged:,}",
        )
    worst = min(shown, key=lambda code: _class_entry(record, code, "roc_auc").value or 0.0)
    auc = text.estimate(_class_entry(record, worst, "roc_auc"))
    return tr(
        "Hardest to tell from the rest is {label}: ROC AUC {auc}, n = {n_judged}",
        label=labels[worst],
        auc=auc,
        n_judged=f"{record.n_judged:,}",
    )


def _pr_title(record: RunRecord, labels: list[str], shares: dict[int, float]) -> str:
    worst = min(shares, key=lambda code: _class_entry(record, code, "pr_auc").value or 0.0)
    average = text.estimate(_class_entry(record, worst, "pr_auc"))
    told = mark("Average precision {average}; guessing would reach {share}, n = {n_judged}")
    if len(shares) > 1:
        told = mark(
            "Lowest average precision, {label}: {average}; guessing would reach {share}, n = {n_judged}",
        )
    return tr(
        told,
        label=labels[worst],
        average=average,
        share=text.score(shares[worst]),
        n_judged=f"{record.n_judged:,}",
    )


def _edges(band: Band) -> tuple[Floats, Floats, Floats]:
    return band.grid, band.low, band.high


def _roc(oof: OutOfFold, code: int, heading: str, fraction: float) -> CurveLine:
    """The exact curve of one repeat; the mean on the band's grid of several."""
    band = roc_band(oof, code, n_train_fraction=fraction, n_resamples=N_RESAMPLES)
    if oof.n_repeats > 1:
        return CurveLine(heading, band.grid, band.value, _edges(band))
    rows = oof.rows_of(0)
    curve = roc_curve(oof.labels[rows] == code, oof.probabilities[0, rows, code], oof.row_weights[rows])
    return CurveLine(heading, curve.false_positive_rate, curve.true_positive_rate, _edges(band))


def _precision_recall(oof: OutOfFold, code: int, heading: str, fraction: float) -> CurveLine:
    """As `_roc`, for precision against recall."""
    band = precision_recall_band(oof, code, n_train_fraction=fraction, n_resamples=N_RESAMPLES)
    rows = oof.rows_of(0)
    weights, inside = oof.row_weights[rows], oof.labels[rows] == code
    share = float(weights[inside].sum() / weights.sum())
    if oof.n_repeats > 1:
        return CurveLine(heading, band.grid, band.value, _edges(band), share)
    curve = precision_recall_curve(inside, oof.probabilities[0, rows, code], weights)
    found = curve.recall > 0  # a mistake at the very top finds nothing yet, and weighs nothing in the average precision
    recall, precision = curve.recall[found], curve.precision[found]
    return CurveLine(heading, np.append(0.0, recall), np.append(precision[:1], precision), _edges(band), share)


@style.styled()
def roc(curves: Sequence[CurveLine], *, title: str) -> Figure:
    """ROC curves with their bands, one panel per curve."""
    axes_names = (tr("False positive rate (fraction of negatives)"), tr("True positive rate (fraction of positives)"))
    return _curve_panels(curves, axes_names, title)


@style.styled()
def precision_recall(curves: Sequence[CurveLine], *, title: str) -> Figure:
    """Precision-recall curves with their bands, one panel per curve."""
    axes_names = (tr("Recall (fraction of positives found)"), tr("Precision (fraction of alarms that are right)"))
    return _curve_panels(curves, axes_names, title)


def _curve_panels(curves: Sequence[CurveLine], axes_names: tuple[str, str], title: str) -> Figure:
    n_columns = min(len(curves), 2)
    n_rows = -(-len(curves) // n_columns)
    panel = style.SQUARE_INCHES if n_columns == 1 else 3.1
    figure = style.new_figure(panel * n_columns, (panel + 0.1) * n_rows + 0.4)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
    style.unit_square(grid.flat[0])  # all panels share its scales; setting them in each takes most of the time
    for axes, curve in zip(grid.flat, curves, strict=False):
        axes.set_aspect("equal")
        axes.grid(True)
        _draw_curve(axes, curve)
    for axes in grid.flat[len(curves) :]:
        axes.set_axis_off()
    figure.supxlabel(axes_names[0], fontsize=9.5)
    figure.supylabel(axes_names[1], fontsize=9.5)
    style.set_title(figure, title)
    return figure


def _draw_curve(axes: Axes, curve: CurveLine) -> None:
    chance = [0.0, 1.0] if curve.chance is None else [curve.chance] * 2
    axes.plot([0, 1], chance, color=style.GREY, linewidth=1, linestyle=(0, (4, 3)), label=tr("no skill"))
    if curve.band is not None:
        axes.fill_between(*curve.band, color=style.SKY, alpha=0.4, linewidth=0, label=tr("95 % band"))
    steps = "default" if curve.chance is None else "steps-pre"  # between two recalls no precision can be interpolated
    axes.plot(curve.x, curve.y, color=style.BLUE, linewidth=1.8, drawstyle=steps, label=tr("out of fold"))
    axes.set_title(curve.label, fontsize=8.5, y=1.0)  # placed, since looking for a place measures all ticks each time
    if not curve.label:
        axes.legend(loc="lower right" if curve.chance is None else "lower left")
