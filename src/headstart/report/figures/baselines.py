"""The run beside its simple baselines as a figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from headstart.report.document import Plot
from headstart.report.figures import style
from headstart.report.locale.messages import tr
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_in_sentence, metric_title
from headstart.results.models.estimates import EstimateFacts
from headstart.results.models.transfer import TransferResults
from headstart.results.read import RunRecord

PLOT = "baselines"


def baseline_plots(record: RunRecord) -> tuple[Plot, ...]:
    """The run and every baseline with intervals on one axis; none where no baseline was judged."""
    transfer, name = record.results.transfer, record.results.headline.metric
    if transfer is None:
        return ()
    rows = [(tr("this run"), record.results.metrics[name])]
    rows += [(baseline.title, baseline.metrics[name]) for baseline in transfer.baselines]
    known = [(label, entry) for label, entry in rows if entry.value is not None]
    if len(known) < 2:
        return ()
    title = _plot_title(transfer, name)
    words = "; ".join(f"{label} {text.estimate(entry)}" for label, entry in known)
    plot = Plot(
        PLOT,
        _figure(known, metric=metric_title(name), title=title),
        tr("Dot plot of {metric} with 95 % intervals. {words}.", metric=metric_in_sentence(name), words=words),
        tr(
            "All were chosen and judged on the same folds. Intervals of single scores may overlap where the paired "
            "difference, which the verdict rests on, is clear."
        ),
    )
    return (plot,)


def _plot_title(transfer: TransferResults, name: str) -> str:
    gain = transfer.gains[name]
    if gain.gain is None:
        return tr("The run beside its simple baselines")
    return tr("{points} against the best simple baseline, chosen on inner folds", points=_points(gain.gain, gain.ci95))


def _points(gain: float, interval: tuple[float, float] | None) -> str:
    """A gain in percentage points, and its interval."""
    shown = f"{100 * gain:+.1f}"
    if interval is None:
        return tr("{gain} points", gain=shown)
    low, high = (f"{100 * end:+.1f}" for end in interval)
    return tr("{gain} points ({low} to {high})", gain=shown, low=low, high=high)


@style.styled()
def _figure(rows: Sequence[tuple[str, EstimateFacts]], *, metric: str, title: str) -> Figure:
    figure = style.new_figure(6.4, 1.3 + 0.34 * len(rows))
    axes = figure.subplots()
    for height, (_, entry) in enumerate(rows):
        colour = style.ORANGE if height == 0 else style.BLUE
        value = entry.value or 0.0
        bounds = entry.ci95 or (value, value)
        axes.plot(bounds, [height, height], color=colour, alpha=0.45, linewidth=6, solid_capstyle="butt")
        axes.plot(value, height, "o", color=colour, markersize=6)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=tr("{metric} with 95 % interval", metric=metric))
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    style.set_title(figure, title)
    return figure
