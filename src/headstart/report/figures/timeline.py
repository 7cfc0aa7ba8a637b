"""Timeline of a recording: the true events, the score with its threshold, the alarms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from headstart.report.figures import style
from headstart.report.locale.messages import mark, tr

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Timeline:
    """Contents of a timeline.

    Attributes
    ----------
    name : str
        Of the recording.
    time_s : ndarray of shape (n,)
        End of every window, in seconds from the recording's start.
    score : ndarray of shape (n,)
    threshold : float
        Score above which an alarm is raised.
    events : ndarray of shape (m, 2), or None
        True events in seconds; None where nothing is known.
    alarms : ndarray of shape (k, 2)
    finding : str
        Title.
    score_label : str
    is_probability : bool
        Whether scores lie from 0 to 1, so that all timelines have one scale.
    """

    name: str
    time_s: Floats
    score: Floats
    threshold: float
    events: Floats | None
    alarms: Floats
    finding: str
    score_label: str = mark("distance from normal running")
    is_probability: bool = False


@style.styled()
def draw_timeline(shown: Timeline) -> Figure:
    """Bands of truth and alarms above the score over time."""
    figure = style.new_figure(8.0, 3.4)
    bands, axes = figure.subplots(2, 1, sharex=True, height_ratios=[1, 4])
    unit, seconds = _unit(float(shown.time_s[-1]))
    _draw_bands(bands, shown, seconds)
    axes.plot(shown.time_s / seconds, shown.score, color=style.BLUE, linewidth=0.9)
    axes.axhline(shown.threshold, color=style.GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.annotate(
        tr("alarm above"),
        (1, shown.threshold),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        fontsize=8,
        color=style.GREY,
    )
    if shown.is_probability:
        axes.set_ylim(-0.03, 1.03)
    elif shown.score.min() > 0 and shown.score.max() > 20 * np.median(shown.score):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set(xlabel=tr("time since the start ({unit})", unit=tr(unit)), ylabel=tr(shown.score_label))
    axes.grid(True, axis="y")
    style.set_title(figure, shown.finding)
    return figure


def _draw_bands(axes: Axes, shown: Timeline, seconds: float) -> None:
    rows = [(tr("alarms"), shown.alarms, style.ORANGE)]
    if shown.events is not None:
        rows.append((tr("true events"), shown.events, style.INK))
    for place, (_, spans, colour) in enumerate(rows):
        bars = [(start / seconds, (end - start) / seconds) for start, end in spans.tolist()]
        axes.broken_barh(bars, (place - 0.35, 0.7), facecolors=colour, edgecolors=colour, linewidth=0.5)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.tick_params(axis="x", length=0)
    axes.spines["left"].set_visible(False)


def _unit(last_s: float) -> tuple[str, float]:
    """Unit in which the time reads well, and its seconds."""
    for unit, seconds in ((mark("days"), 86_400.0), (mark("hours"), 3600.0), ("min", 60.0)):
        if last_s >= 3 * seconds:
            return unit, seconds
    return "s", 1.0
