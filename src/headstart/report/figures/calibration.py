"""Calibration of the probabilities as a figure."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from headstart.metrics import OutOfFold, Reliability, reliability
from headstart.report.document import Plot
from headstart.report.figures import style
from headstart.report.locale.messages import tr
from headstart.report.text import format as text
from headstart.results.read import RunRecord

Floats = NDArray[np.float64]


def calibration_bins(oof: OutOfFold) -> Reliability:
    """Reliability of the positive class's probability; with more than two classes, of the predicted class's."""
    outcome = oof.outcomes[0]
    return reliability(outcome.event, outcome.confidence, oof.row_weights[oof.rows_of(0)])


def calibration_plot(record: RunRecord, oof: OutOfFold, bins: Reliability) -> Plot:
    """Calibration of the probabilities, with the debiased calibration error in its title."""
    label = style.class_labels(record.classes)[oof.positive_index] if oof.n_classes == 2 else ""
    names = (
        (tr("Predicted probability of {label}", label=label), tr("Observed share of {label}", label=label))
        if label
        else (tr("Predicted probability of the predicted class"), tr("Share of right predictions"))
    )
    title = tr("{finding}, n = {n_judged}", finding=_gap(record), n_judged=f"{record.n_judged:,}")
    figure = calibration(
        bins.probability,
        bins.frequency,
        bins.counts.astype(np.float64),
        (bins.low, bins.high),
        names=names,
        title=title,
    )
    caption = tr("Bins hold about equally many predictions, counted below; bars are 95 % Wilson intervals.")
    if oof.n_repeats > 1:
        caption = f"{caption} {tr('Predictions of the first repeat.')}"
    return Plot("calibration", figure, tr("Calibration plot. {title}.", title=title), caption)


def _gap(record: RunRecord) -> str:
    error = record.results.metrics.get("ece")
    if error is None or error.value is None:
        return tr("Predicted probabilities against what was observed")
    return tr(
        "Probabilities are off by {points} percentage points on average (debiased ECE {error})",
        points=f"{100 * error.value:.1f}",
        error=text.score(error.value),
    )


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
    figure = style.new_figure(style.SQUARE_INCHES, style.SQUARE_INCHES + 0.9)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    above.plot([0, 1], [0, 1], color=style.GREY, linewidth=1, linestyle=(0, (4, 3)), label=tr("perfectly calibrated"))
    reach = np.clip(np.stack([observed - bounds[0], bounds[1] - observed]), 0, None)
    above.errorbar(
        predicted, observed, yerr=reach, color=style.BLUE, marker="o", capsize=2, label=tr("observed, 95 % interval")
    )
    style.unit_square(above)
    above.set(ylabel=names[1], aspect="auto")
    above.legend(loc="upper left")
    below.vlines(predicted, 0, counts, color=style.SKY, linewidth=5)
    below.set(xlabel=names[0], ylabel=tr("Predictions"), ylim=(0, float(counts.max()) * 1.45))
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
