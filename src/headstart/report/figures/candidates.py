"""The inner scores of the candidates as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from headstart.metrics import METRICS
from headstart.report.document import Plot
from headstart.report.figures import style
from headstart.report.figures.labels import middle_cut, told_apart
from headstart.report.locale.messages import ntr, tr
from headstart.results.models.candidates import CandidateSummary
from headstart.results.models.run_results import RunResults
from headstart.results.read import RunRecord

MAX_LABEL = 34
MAX_CANDIDATES = 25


@dataclass(frozen=True)
class CandidateScore:
    """One candidate: its inner log loss, the spread over inner choices and how often it was chosen."""

    label: str
    mean: float
    spread: float
    times_chosen: int


def candidate_plots(record: RunRecord) -> tuple[Plot, ...]:
    """Inner log loss of the best candidates and of all that were chosen; none where nothing was compared."""
    scored = [entry for entry in sorted_candidates(record.results) if entry.inner_log_loss is not None]
    if len(scored) < 2:
        return ()
    title = _candidate_title(record, scored)
    shown = [entry for place, entry in enumerate(scored) if place < MAX_CANDIDATES or entry.times_chosen]
    labels = told_apart([entry.label for entry in shown], MAX_LABEL)
    rows = [
        CandidateScore(
            label,
            entry.inner_log_loss or 0.0,
            entry.inner_log_loss_sd or 0.0,
            entry.times_chosen,
        )
        for label, entry in zip(labels, shown, strict=True)
    ]
    cut = (
        tr("{n_shown} of {n_scored} are drawn, the best and the chosen.", n_shown=len(shown), n_scored=len(scored))
        if len(shown) < len(scored)
        else ""
    )
    plot = Plot(
        "candidates",
        candidates(rows, title=title),
        tr("Dot plot of the candidates' inner log loss. {title}. The numbers stand in the table below.", title=title),
        " ".join(filter(None, (tr("Mean and standard deviation over the choices made, one per outer fold."), cut))),
    )
    return (plot,)


def _candidate_title(record: RunRecord, scored: Sequence[CandidateSummary]) -> str:
    winner = max(scored, key=lambda entry: entry.times_chosen)
    n_choices = len(record.results.folds)
    name = middle_cut(winner.label, MAX_LABEL)
    return ntr(
        "{name} was chosen in {times_chosen} of {n} choice",
        "{name} was chosen in {times_chosen} of {n} choices",
        n_choices,
        name=name,
        times_chosen=winner.times_chosen,
    )


def sorted_candidates(results: RunResults) -> list[CandidateSummary]:
    """Candidates by the score they were chosen by, the best first, those without a score last."""
    choose_by = results.protocol.choose_by
    sign = -1.0 if choose_by in METRICS and METRICS[choose_by].greater_is_better else 1.0

    def place(entry: CandidateSummary) -> tuple[bool, float, str]:
        value = entry.inner_log_loss if choose_by == "log_loss" else entry.inner_score
        return value is None, sign * (value or 0.0), entry.label

    return sorted(results.candidates, key=place)


@style.styled()
def candidates(rows: Sequence[CandidateScore], *, title: str) -> Figure:
    """Inner log loss of every candidate, best first; those that were chosen stand out and say how often."""
    figure = style.new_figure(style.SQUARE_INCHES * 1.15, 1.4 + 0.3 * len(rows))
    axes = figure.subplots()
    for height, row in enumerate(rows):
        colour = style.ORANGE if row.times_chosen else style.GREY
        axes.errorbar(row.mean, height, xerr=row.spread, color=colour, marker="o", markersize=5, capsize=2)
        if row.times_chosen:
            reach = (row.mean + row.spread, height)
            axes.annotate(
                tr("chosen {times_chosen}×", times_chosen=row.times_chosen),
                reach,
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.margins(x=0.18)
    axes.set(ylim=(len(rows) - 0.4, -0.6))
    figure.supxlabel(tr("Inner log loss (nats per image, lower is better), mean ± SD"), fontsize=9.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    style.set_title(figure, title)
    return figure
