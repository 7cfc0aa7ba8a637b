"""The scores of every fold as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from headstart.report.document import Plot
from headstart.report.figures import style
from headstart.report.locale.messages import ntr, tr
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_title, ordered_metrics
from headstart.results.models.run_results import RunResults
from headstart.results.read import RunRecord

Floats = NDArray[np.float64]
_FOLD_METRICS = ("accuracy", "balanced_accuracy", "recall", "specificity", "f1", "f1_macro", "mcc", "roc_auc", "pr_auc")


@dataclass(frozen=True)
class FoldScores:
    """One metric over the folds: `scores` of shape (n_folds,), and the overall estimate with its interval."""

    label: str
    scores: Floats
    value: float
    bounds: tuple[float, float] | None


def fold_plots(record: RunRecord) -> tuple[Plot, ...]:
    """Scores of every fold, for the metrics that run up to one; none where no such metric was scored by fold."""
    rows = [row for name in _fold_metrics(record.results) if (row := _fold_row(record.results, name)) is not None]
    if not rows:
        return ()
    lowest, highest = min(rows[0].scores), max(rows[0].scores)
    n_folds = ntr("{n} fold", "{n} folds", len(rows[0].scores))
    title = tr(
        "{label} runs from {lowest} to {highest} over {n_folds}",
        label=rows[0].label,
        lowest=text.score(lowest),
        highest=text.score(highest),
        n_folds=n_folds,
    )
    if len(rows[0].scores) == 1:
        title = tr("{label} is {value} on the one test part", label=rows[0].label, value=text.score(rows[0].value))
    plot = Plot(
        "fold_scores",
        fold_scores(rows, title=title),
        tr("Dot plot of scores per fold. {title}. The numbers stand in the table below.", title=title),
        tr(
            "Each dot is one outer fold. Folds share training images, so their spread alone would understate the "
            "uncertainty; the interval does not."
        ),
    )
    return (plot,)


def _fold_metrics(results: RunResults) -> list[str]:
    """Headline metric first, then the others in their order."""
    first = results.headline.metric
    known = results.metrics
    shown = [
        name for name in ordered_metrics(known) if name in _FOLD_METRICS and not (name == "f1_macro" and "f1" in known)
    ]
    return sorted(shown, key=lambda name: name != first)


def _fold_row(results: RunResults, name: str) -> FoldScores | None:
    scores = [fold.metrics.get(name) for fold in results.folds]
    entry = results.metrics[name]
    known = np.array([score for score in scores if score is not None], dtype=np.float64)
    if entry.value is None or not known.size:
        return None
    bounds = entry.ci95
    return FoldScores(metric_title(name), known, entry.value, None if bounds is None else (bounds[0], bounds[1]))


@style.styled()
def fold_scores(rows: Sequence[FoldScores], *, title: str) -> Figure:
    """One line per metric: a dot for every fold, a bar for the overall score and a pale line for its interval."""
    figure = style.new_figure(style.SQUARE_INCHES, 1.5 + 0.52 * len(rows))
    axes = figure.subplots()
    for height, row in enumerate(rows):
        _draw_fold_row(axes, height, row, first=height == 0)
    axes.set_yticks(range(len(rows)), [f"{row.label}\n{text.score(row.value)}" for row in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=tr("Score (higher is better, 1 is perfect)"))
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    style.set_title(figure, title)
    return figure


def _draw_fold_row(axes: Axes, height: int, row: FoldScores, *, first: bool) -> None:
    if row.bounds is not None:
        name = tr("95 % interval") if first else None
        axes.plot(
            row.bounds, [height, height], color=style.SKY, alpha=0.55, linewidth=9, solid_capstyle="butt", label=name
        )
    offsets = np.linspace(-0.2, 0.2, len(row.scores)) if len(row.scores) > 1 else np.zeros(1)
    axes.plot(
        row.scores, height + offsets, "o", markersize=4, color=style.BLUE, label=tr("one fold") if first else None
    )
    axes.plot(
        [row.value] * 2,
        [height - 0.32, height + 0.32],
        color=style.ORANGE,
        linewidth=2,
        label=tr("overall") if first else None,
    )
