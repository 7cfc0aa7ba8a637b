"""The figures of decisions: calibration before and after, operating point, abstention."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from headstart.decisions import abstention_curve
from headstart.metrics import OutOfFold, roc_curve
from headstart.report.document import Plot
from headstart.report.figures import style
from headstart.report.locale.messages import tr
from headstart.report.text import format as text
from headstart.results.models.calibration import CalibrationFacts, ReliabilityBins
from headstart.results.models.decisions import AbstentionResults, DecisionResults, OperatingPointScores
from headstart.results.models.estimates import EstimateFacts
from headstart.results.read import RunRecord

Floats = NDArray[np.float64]
_SIDE_INCHES = 4.6


def decision_plots(record: RunRecord, oof: OutOfFold) -> tuple[Plot, ...]:
    """Reliability before and after, the operating point on the ROC curve, the abstention curve; as far as there are."""
    decisions = record.results.decisions
    if decisions is None:
        return ()
    found = []
    if calibrates(decisions):
        found.append(_calibration_plot(record, decisions.calibration))
    point = decisions.operating_point
    if point is not None and _known(point.metrics.recall, point.metrics.specificity):
        found.append(_point_plot(record, oof, point.metrics, decisions.requested.operating_point or ""))
    if any(share.accuracy.value is not None for share in decisions.abstention.points):
        found.append(_abstention_plot(record, oof, decisions.abstention))
    return tuple(found)


def calibrates(decisions: DecisionResults) -> bool:
    """Whether any fold calibrated its probabilities."""
    return any(fold.calibrator.kind != "none" for fold in decisions.folds)


def _known(*scores: EstimateFacts) -> bool:
    return all(score.value is not None for score in scores)


def _calibration_plot(record: RunRecord, found: CalibrationFacts) -> Plot:
    losses = found.scores.log_loss
    before, after = text.score(losses.before.value), text.score(losses.after.value)
    title = tr(
        "Calibration takes the log loss from {before} to {after}, n = {n_judged}",
        before=before,
        after=after,
        n_judged=f"{record.n_judged:,}",
    )
    positive = record.positive
    label = tr("the predicted class") if positive is None else style.class_labels(record.classes)[positive]
    names = (
        tr("Predicted probability of {label}", label=label),
        tr("Share of right predictions") if positive is None else tr("Observed share of {label}", label=label),
    )
    caption = tr(
        "Both are of held-out images: calibrators were fitted on inner predictions for the training images of a fold."
    )
    return Plot(
        "decision_calibration",
        before_and_after((found.bins.before, found.bins.after), names=names, title=title),
        tr("Calibration before and after. {title}.", title=title),
        caption,
    )


def _point_plot(record: RunRecord, oof: OutOfFold, metrics: OperatingPointScores, rule: str) -> Plot:
    rows, code = oof.rows_of(0), oof.positive_index
    curve = roc_curve(oof.labels[rows] == code, oof.probabilities[0, rows, code], oof.row_weights[rows])
    title = tr(
        "At {rule}: sensitivity {sensitivity}, specificity {specificity}, n = {n_judged}",
        rule=rule,
        sensitivity=text.score(metrics.recall.value),
        specificity=text.score(metrics.specificity.value),
        n_judged=f"{record.n_judged:,}",
    )
    rates = (curve.false_positive_rate, curve.true_positive_rate)
    drawn = operating_point(rates, metrics, rule=rule, title=title)
    caption = tr(
        "Each fold has a threshold of its own, fitted without its test images, so the point need not lie on the curve "
        "of all folds together."
    )
    return Plot("decision_operating_point", drawn, tr("Operating point. {title}.", title=title), caption)


def _abstention_plot(record: RunRecord, oof: OutOfFold, found: AbstentionResults) -> Plot:
    rows = oof.rows_of(0)
    curve = abstention_curve(oof.probabilities[0, rows], oof.labels[rows], oof.row_weights[rows])
    points = [
        (point.answered, 1 - point.accuracy.value, _turned(point.accuracy.ci95))
        for point in found.points
        if point.accuracy.value is not None
    ]
    everything, some = points[0], points[min(3, len(points) - 1)]
    title = tr(
        "Answering {share} of the images takes the error from {before} to {after}, n = {n_judged}",
        share=text.percent(some[0]),
        before=text.percent(everything[1]),
        after=text.percent(some[1]),
        n_judged=f"{record.n_judged:,}",
    )
    caption = tr(
        "The images of the least certain predictions would be left to a person; predicted is the most probable class."
    )
    drawn = abstention(curve.answered, curve.error, points, title=title)
    return Plot("decision_abstention", drawn, tr("Abstention curve. {title}.", title=title), caption)


def _turned(bounds: Sequence[float] | None) -> list[float] | None:
    return None if bounds is None else [1 - bounds[1], 1 - bounds[0]]


@style.styled()
def before_and_after(bins: tuple[ReliabilityBins, ReliabilityBins], *, names: tuple[str, str], title: str) -> Figure:
    """Reliability of the head's own probabilities beside that of the calibrated ones.

    Parameters
    ----------
    bins : pair of ReliabilityBins
        Before and after calibration.
    names : pair of str
        Names of the horizontal and the vertical axis.
    title : str
        The finding.
    """
    figure = style.new_figure(2 * _SIDE_INCHES - 1.4, _SIDE_INCHES + 0.2)
    panels = figure.subplots(1, 2, sharey=True)
    headings, colours = (tr("as the head gives them"), tr("calibrated")), (style.ORANGE, style.BLUE)
    for axes, table, heading, colour in zip(panels, bins, headings, colours, strict=True):
        _draw_reliability(axes, table, colour=colour)
        axes.set_title(heading)
    figure.supxlabel(names[0], fontsize=9.5)
    panels[0].set(ylabel=names[1])
    style.set_title(figure, title)
    return figure


def _draw_reliability(axes: Axes, bins: ReliabilityBins, *, colour: str) -> None:
    style.unit_square(axes)
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=1, linestyle=(0, (4, 3)))
    reach = np.abs(np.array([bins.low, bins.high]) - np.array(bins.frequency))
    axes.errorbar(bins.probability, bins.frequency, yerr=reach, color=colour, marker="o", markersize=5, capsize=2)


@style.styled()
def operating_point(curve: tuple[Floats, Floats], scores: OperatingPointScores, *, rule: str, title: str) -> Figure:
    """Figure of the operating point on the ROC curve, its intervals as a cross.

    Parameters
    ----------
    curve : pair of ndarray of shape (n_points,)
        False and true positive rates.
    scores : OperatingPointScores
        With a recall and a specificity that are defined.
    rule : str
    title : str
        The finding.
    """
    figure = style.new_figure(_SIDE_INCHES, _SIDE_INCHES + 0.4)
    axes = figure.subplots()
    style.unit_square(axes)
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=1, linestyle=(0, (4, 3)), label=tr("no skill"))
    axes.plot(*curve, color=style.SKY, linewidth=1.8, label=tr("out of fold"))
    recall, specificity = scores.recall.value or 0.0, scores.specificity.value or 0.0
    wide = scores.specificity.ci95
    bounds = None if wide is None else (1 - wide[1], 1 - wide[0])
    axes.errorbar(
        1 - specificity,
        recall,
        xerr=_reach(1 - specificity, bounds),
        yerr=_reach(recall, scores.recall.ci95),
        color=style.ORANGE,
        marker="o",
        markersize=7,
        capsize=3,
        label=tr("{rule}, 95 % intervals", rule=rule),
    )
    axes.set(xlabel=tr("False positive rate (1 - specificity)"), ylabel=tr("True positive rate (sensitivity)"))
    axes.legend(loc="lower right")
    style.set_title(figure, title)
    return figure


def _reach(value: float, bounds: Sequence[float] | None) -> Floats | None:
    return None if bounds is None else np.array([[max(value - bounds[0], 0.0)], [max(bounds[1] - value, 0.0)]])


@style.styled()
def abstention(
    answered: Floats, error: Floats, points: Sequence[tuple[float, float, Sequence[float] | None]], *, title: str
) -> Figure:
    """Error among the images answered against their share, with intervals at some shares.

    Parameters
    ----------
    answered, error : ndarray of shape (n_points,)
    points : sequence of (share answered, error, 95 % interval or None)
    title : str
        The finding.
    """
    figure = style.new_figure(_SIDE_INCHES + 0.4, _SIDE_INCHES - 0.4)
    axes = figure.subplots()
    # with a handful answered one mistake makes the curve leap: drawn from 5 % on
    shown = answered >= min(0.05, float(answered[-1]))
    axes.plot(
        100 * answered[shown], 100 * error[shown], color=style.SKY, linewidth=1.8, label=tr("error of those answered")
    )
    for number, (share, wrong, bounds) in enumerate(points):
        reach = _reach(100 * wrong, None if bounds is None else [100 * bound for bound in bounds])
        name = tr("95 % interval") if number == 0 else None
        axes.errorbar(
            100 * share, 100 * wrong, yerr=reach, color=style.BLUE, marker="o", markersize=4, capsize=2, label=name
        )
    axes.set(xlabel=tr("Images answered, the surest first (%)"), ylabel=tr("Wrong among them (%)"), xlim=(0, 101.5))
    axes.set_ylim(bottom=0)
    axes.grid(True)
    axes.legend(loc="upper left")
    style.set_title(figure, title)
    return figure
