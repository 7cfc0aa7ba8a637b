"""The section on fine-tuning: what was unlocked, how the losses ran, and what it brought over frozen features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from headstart.report.document import Block, FigureRow, Picture, Plot, ReportTable, Section, Text
from headstart.report.figures import style
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_in_sentence, metric_title
from headstart.results.read import RunRecord

PLOT = "fine_tuning"
_MAX_PANELS = 6


def tuning_plots(record: RunRecord) -> tuple[Plot, ...]:
    """The multi-stage plot; none where nothing was fine-tuned."""
    found = record.results.get("fine_tuning")
    if not found:
        return ()
    panels = [
        (
            f"{_panel_title(fold)}{_depth(found['candidates'], number)}",
            fold["tried"][number],
            fold["chosen"] == number,
        )
        for fold in found["folds"]
        for number in range(len(fold["tried"]))
        if not fold["tried"][number]["failed"]
    ][:_MAX_PANELS]
    if not panels:
        return ()
    title = _finding(found)
    return (
        Plot(
            PLOT,
            stages_and_losses(found["stages"], found["candidates"], panels, title=title),
            f"Stages of the network, frozen and unlocked, and training and holdout losses by epoch. {title}.",
            "Above: the stages of the network; grey ones stay frozen, coloured ones are trained, deeper ones at lower "
            "rates. Below: loss by epoch on the training part and the holdout of an outer fold; the line marks the "
            "epoch that was kept. The training loss counts views and label smoothing in, so it may lie above.",
        ),
    )


def _depth(candidates: Sequence[Mapping[str, Any]], number: int) -> str:
    """The depth of a candidate, where there are several."""
    unlock = candidates[number]["unlock"]
    return "" if len(candidates) == 1 else f", {unlock} unlocked"


def _panel_title(fold: Mapping[str, Any]) -> str:
    return f"repeat {fold['repeat'] + 1}, fold {fold['fold'] + 1}" if fold["repeat"] else f"fold {fold['fold'] + 1}"


def _finding(found: Mapping[str, Any]) -> str:
    epochs = [fold["epochs"] for fold in found["folds"] if fold["epochs"] is not None]
    chosen = f"Fine-tuning was chosen in {found['times_chosen']} of {len(found['folds'])} folds"
    if not epochs:
        return chosen
    span = f"{min(epochs)}" if min(epochs) == max(epochs) else f"{min(epochs)} to {max(epochs)}"
    return f"{chosen}, for {span} epochs"


@style.styled()
def stages_and_losses(
    stages: Sequence[str],
    candidates: Sequence[Mapping[str, Any]],
    panels: Sequence[tuple[str, Mapping[str, Any], bool]],
    *,
    title: str,
) -> Figure:
    """What was unlocked, and the losses of every training.

    Parameters
    ----------
    stages : sequence of str
        Of the network, in order.
    candidates : sequence of mappings
        With ``unlock`` and ``label``.
    panels : sequence of (str, mapping, bool)
        Title, training with ``history`` and ``best_epoch``, and whether it was chosen.
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
        history = tried["history"]
        epochs = np.arange(len(history["valid_loss"]))
        for key, label, colour in (
            ("train_loss", "training", style.GREY),
            ("valid_loss", "holdout", style.BLUE),
        ):
            values = np.array([np.nan if value is None else value for value in history[key]], dtype=np.float64)
            axes.plot(epochs, values, color=colour, label=label, linewidth=1.4)
        axes.axvline(tried["best_epoch"], color=style.BLUE, linewidth=0.8, linestyle=":")
        axes.set_title(f"{name}{'' if chosen else ' (not chosen)'}", fontsize="small")
        axes.set_xlabel("epoch")
        if number % n_columns == 0:
            axes.set_ylabel("log loss")
        if number == 0:
            axes.legend(fontsize="x-small")
    figure.suptitle(title)
    return figure


def _stage_strips(axes: Any, stages: Sequence[str], candidates: Sequence[Mapping[str, Any]]) -> None:
    """One strip of stages for each candidate, the unlocked ones coloured."""
    for row, candidate in enumerate(candidates):
        unlock = len(stages) if candidate["unlock"] == "all" else int(candidate["unlock"])
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


def tuning_section(record: RunRecord, drawn: Mapping[str, Picture]) -> Section | None:
    """What fine-tuning gave; None where nothing was fine-tuned."""
    found = record.results.get("fine_tuning")
    if not found:
        return None
    blocks: list[Block] = [Text(_summary(found))]
    if PLOT in drawn:
        blocks.append(FigureRow((drawn[PLOT],)))
    same = Text("Every fold kept frozen features, so the run's predictions are theirs: there is no gain to speak of.")
    blocks += [_gain_table(found) if found["times_chosen"] else same, _fold_table(found)]
    if found["signs"]:
        blocks.append(Text("Warning signs: " + "; ".join(found["signs"]) + "."))
    else:
        blocks.append(Text("The losses show no warning sign of overfitting."))
    return Section("fine-tuning", "Fine-tuning", tuple(blocks))


def _summary(found: Mapping[str, Any]) -> str:
    labels = "; ".join(candidate["label"] for candidate in found["candidates"])
    n_views = found["n_views"]
    views = "" if n_views == 1 else f", each image in {n_views} views, over which predictions are averaged"
    return (
        f"{_finding(found)}. Tried: {labels}{views}. Training starts from a linear head on frozen features. In every "
        "outer fold the number of epochs, the depth and whether to fine-tune at all were chosen on one inner holdout; "
        "the candidate chosen was then trained on all training images of the fold. Test images decided nothing."
    )


def _gain_table(found: Mapping[str, Any]) -> ReportTable:
    rows = []
    for name, row in found["against_frozen"]["metrics"].items():
        bounds = row["ci95"]
        interval = "" if bounds is None else f"{bounds[0]:+.3f} to {bounds[1]:+.3f}"
        rows.append(
            (
                metric_title(name),
                text.score(row["b"]),
                text.score(row["a"]),
                "" if row["difference"] is None else f"{row['difference']:+.3f}",
                interval,
            )
        )
    columns = ("Score", "Frozen features alone", "With fine-tuning", "Difference", "95 % interval, paired")
    return ReportTable("What fine-tuning brought, on the same test images", columns, tuple(rows), frozenset({0}))


def _fold_table(found: Mapping[str, Any]) -> ReportTable:
    metric = metric_in_sentence(found["choose_by"])
    rows = []
    for fold in found["folds"]:
        tried = [("diverged" if one["failed"] else text.score(one["holdout"])) for one in fold["tried"]]
        chosen = "frozen features" if fold["chosen"] is None else found["candidates"][fold["chosen"]]["label"]
        epochs = "" if fold["epochs"] is None else str(fold["epochs"])
        rows.append((_panel_title(fold), text.score(fold["frozen_holdout"]), ", ".join(tried), chosen, epochs))
    columns = ("Outer fold", f"Holdout {metric}, frozen", "fine-tuned", "Chosen", "Epochs")
    return ReportTable("What the inner holdouts said", columns, tuple(rows), frozenset({0, 3}))
