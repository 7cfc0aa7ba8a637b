"""The figures of decisions: arrays and words in, a matplotlib Figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from headstart.report.figures import style

Floats = NDArray[np.float64]
_SIDE_INCHES = 4.6


@style.styled()
def before_and_after(bins: Mapping[str, Mapping[str, Floats]], *, names: tuple[str, str], title: str) -> Figure:
    """Reliability of the head's own probabilities beside that of the calibrated ones.

    Parameters
    ----------
    bins : mapping
        For ``before`` and ``after`` arrays of shape (n_bins,): ``probability``, ``frequency``, ``low``, ``high``.
    names : pair of str
        Names of the horizontal and the vertical axis.
    title : str
        The finding.
    """
    figure = style.new_figure(2 * _SIDE_INCHES - 1.4, _SIDE_INCHES + 0.2)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (key, heading) in zip(
        panels, (("before", "as the head gives them"), ("after", "calibrated")), strict=True
    ):
        _draw_reliability(axes, bins[key], colour=style.ORANGE if key == "before" else style.BLUE)
        axes.set_title(heading)
    figure.supxlabel(names[0], fontsize=9.5)
    panels[0].set(ylabel=names[1])
    style.set_title(figure, title)
    return figure


def _draw_reliability(axes: Axes, bins: Mapping[str, Floats], *, colour: str) -> None:
    style.unit_square(axes)
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=1, linestyle=(0, (4, 3)))
    reach = np.abs(np.stack([bins["low"], bins["high"]]) - bins["frequency"])
    axes.errorbar(bins["probability"], bins["frequency"], yerr=reach, color=colour, marker="o", markersize=5, capsize=2)


@style.styled()
def operating_point(
    curve: tuple[Floats, Floats], point: Mapping[str, tuple[float, Sequence[float] | None]], *, rule: str, title: str
) -> Figure:
    """Where the operating point lies on the ROC curve, its intervals as a cross.

    Parameters
    ----------
    curve : pair of ndarray of shape (n_points,)
        False and true positive rates.
    point : mapping
        For ``recall`` and ``specificity`` the value and its 95 % interval.
    rule : str
    title : str
        The finding.
    """
    figure = style.new_figure(_SIDE_INCHES, _SIDE_INCHES + 0.4)
    axes = figure.subplots()
    style.unit_square(axes)
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=1, linestyle=(0, (4, 3)), label="no skill")
    axes.plot(*curve, color=style.SKY, linewidth=1.8, label="out of fold")
    (recall, tall), (specificity, wide) = point["recall"], point["specificity"]
    bounds = None if wide is None else (1 - wide[1], 1 - wide[0])
    axes.errorbar(
        1 - specificity,
        recall,
        xerr=_reach(1 - specificity, bounds),
        yerr=_reach(recall, tall),
        color=style.ORANGE,
        marker="o",
        markersize=7,
        capsize=3,
        label=f"{rule}, 95 % intervals",
    )
    axes.set(xlabel="False positive rate (1 - specificity)", ylabel="True positive rate (sensitivity)")
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
        100 * answered[shown], 100 * error[shown], color=style.SKY, linewidth=1.8, label="error of those answered"
    )
    for number, (share, wrong, bounds) in enumerate(points):
        reach = _reach(100 * wrong, None if bounds is None else [100 * bound for bound in bounds])
        name = "95 % interval" if number == 0 else None
        axes.errorbar(
            100 * share, 100 * wrong, yerr=reach, color=style.BLUE, marker="o", markersize=4, capsize=2, label=name
        )
    axes.set(xlabel="Images answered, the surest first (%)", ylabel="Wrong among them (%)", xlim=(0, 101.5))
    axes.set_ylim(bottom=0)
    axes.grid(True)
    axes.legend(loc="upper left")
    style.set_title(figure, title)
    return figure
