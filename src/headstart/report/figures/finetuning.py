"""The figure of fine-tuning: which stages were unlocked, and how the losses ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from headstart.report.document import Plot
from headstart.report.figures import style
from headstart.report.locale.messages import tr
from headstart.results.models.finetuning import (
    FineTunedFoldFacts,
    FineTuningCandidate,
    FineTuningResults,
    TriedFineTuning,
)
from headstart.results.read import RunRecord

PLOT = "fine_tuning"
_MAX_PANELS = 6


def finetuning_plots(record: RunRecord) -> tuple[Plot, ...]:
    """The multi-stage plot; none where nothing was fine-tuned."""
    found = record.results.fine_tuning
    if not found:
        return ()
    panels = [
        (
            _with_depth(panel_title(fold), found.candidates, number),
            fold.tried[number],
            fold.chosen == number,
        )
        for fold in found.folds
        for number in range(len(fold.tried))
        if not fold.tried[number].failed
    ][:_MAX_PANELS]
    if not panels:
        return ()
    title = finding(found)
    return (
        Plot(
            PLOT,
            stages_and_losses(found.stages, found.candidates, panels, title=title),
            tr(
                "Stages of the network, frozen and unlocked, and training and holdout losses by epoch. {title}.",
                title=title,
            ),
            tr(
                "Above: the stages of the network; grey ones stay frozen, coloured ones are trained, deeper ones "
                "at lower rates. Below: loss by epoch on the training part and the holdout of an outer fold; the "
                "line marks the epoch that was kept. The training loss counts views and label smoothing in, so it "
                "may lie above."
            ),
        ),
    )


def _with_depth(fold: str, candidates: Sequence[FineTuningCandidate], number: int) -> str:
    """A fold and the depth of a candidate, where there are several."""
    unlock = candidates[number].unlock
    if len(candidates) == 1:
        return fold
    return tr("{fold}, {unlock} unlocked", fold=fold, unlock=unlock)


def panel_title(fold: FineTunedFoldFacts) -> str:
    """Number of an outer fold in words, after its repeat where that is not the first."""
    return (
        tr("repeat {repeat}, fold {fold}", repeat=fold.repeat + 1, fold=fold.fold + 1)
        if fold.repeat
        else tr("fold {fold}", fold=fold.fold + 1)
    )


def finding(found: FineTuningResults) -> str:
    """How often fine-tuning was chosen, and for how many epochs."""
    epochs = [fold.epochs for fold in found.folds if fold.epochs is not None]
    times, n_folds = found.times_chosen, len(found.folds)
    if not epochs:
        return tr("Fine-tuning was chosen in {times} of {n_folds} folds", times=times, n_folds=n_folds)
    span = f"{min(epochs)}" if min(epochs) == max(epochs) else tr("{low} to {high}", low=min(epochs), high=max(epochs))
    return tr(
        "Fine-tuning was chosen in {times} of {n_folds} folds, for {span} epochs",
        times=times,
        n_folds=n_folds,
        span=span,
    )


@style.styled()
def stages_and_losses(
    stages: Sequence[str],
    candidates: Sequence[FineTuningCandidate],
    panels: Sequence[tuple[str, TriedFineTuning, bool]],
    *,
    title: str,
) -> Figure:
    """Figure of the stages unlocked, and of the losses of every training.

    Parameters
    ----------
    stages : sequence of str
        Stages of the network, in order.
    candidates : sequence of FineTuningCandidate
    panels : sequence of (str, TriedFineTuning, bool)
        Title, training, and whether it was chosen.
    title : str
        The finding.
    """
    n_columns = min(len(panels), 3)
    n_rows = -(-len(panels) // n_columns)
    heights = [0.35 * len(candidates) + 0.4, *[1.7] * n_rows]
    figure = Figure(figsize=(max(2.4 * n_columns, 6.0), sum(heights) + 0.8), layout="constrained")
    grid = figure.add_gridspec(1 + n_rows, n_columns, height_ratios=heights)
    _stage_strips(figure.add_subplot(grid[0, :]), stages, candidates)
    first = None
    for number, (name, tried, chosen) in enumerate(panels):
        place = grid[1 + number // n_columns, number % n_columns]
        axes = figure.add_subplot(place, sharey=first)
        first = first or axes
        history = tried.history
        epochs = np.arange(len(history.valid_loss))
        for losses, label, colour in (
            (history.train_loss, tr("training"), style.GREY),
            (history.valid_loss, tr("holdout"), style.BLUE),
        ):
            values = np.array([np.nan if value is None else value for value in losses], dtype=np.float64)
            axes.plot(epochs, values, color=colour, label=label, linewidth=1.4)
        axes.axvline(tried.best_epoch, color=style.BLUE, linewidth=0.8, linestyle=":")
        axes.set_title(name if chosen else tr("{fold} (not chosen)", fold=name), fontsize="small")
        axes.set_xlabel(tr("epoch"))
        if number % n_columns == 0:
            axes.set_ylabel(tr("log loss"))
        if number == 0:
            axes.legend(fontsize="x-small")
    figure.suptitle(title)
    return figure


def _stage_strips(axes: Any, stages: Sequence[str], candidates: Sequence[FineTuningCandidate]) -> None:
    """One strip of stages for each candidate, the unlocked ones coloured."""
    for row, candidate in enumerate(candidates):
        unlock = len(stages) if candidate.unlock == "all" else int(candidate.unlock)
        for column, name in enumerate(stages):
            free = column >= len(stages) - unlock
            axes.barh(row, 0.94, left=column, height=0.7, color=style.BLUE if free else style.PALE, edgecolor="none")
            axes.text(
                column + 0.47,
                row,
                name,
                ha="center",
                va="center",
                fontsize="x-small" if len(stages) <= 12 else 5,
                color="white" if free else style.INK,
            )
    axes.set_xlim(0, len(stages))
    axes.set_ylim(len(candidates) - 0.5, -0.5)
    axes.axis("off")
