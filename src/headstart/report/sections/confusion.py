"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headstart.report.context import ReportContext
from headstart.report.document import Block, ConfusionGrid, Plot, ReportTable, Section
from headstart.report.figures.confusion import confusion_plots
from headstart.report.many_classes import folded, folded_names, most_confused, shown_words
from headstart.report.sections import Drawn, figure_row, register_section
from headstart.report.text import format as text

N_PAIRS: Final = 30


def _plots(context: ReportContext) -> Iterable[Plot]:
    return confusion_plots(context.record)


@register_section("confusion", after="baselines", plots=_plots)
def confusion_section(context: ReportContext, drawn: Drawn) -> Section:
    """Which classes are taken for which."""
    record = context.record
    whole = np.array(record.results.confusion, dtype=np.float64)
    shown = most_confused(whole)
    names, matrix = folded_names(record.classes, shown), folded(whole, shown)
    noun = "weighted counts" if record.results.task.weighted else "counts"
    left_out = shown_words(len(whole), shown, "most often confused", "results.json")
    caption = f"Confusion matrix, {noun} and shares of the row: rows true, columns predicted{left_out}"
    grid = ConfusionGrid(caption, tuple(names), tuple(map(_cells, matrix)), rest=bool(left_out))
    blocks: list[Block] = [grid, *figure_row(drawn, "confusion_counts", "confusion_rates")]
    if left_out:
        blocks.append(_pairs(whole, record.classes, noun))
    return Section("confusion", "Confusion matrix", tuple(blocks))


def _cells(row: NDArray[np.float64]) -> tuple[tuple[str, str], ...]:
    """Count and share of every cell of a row; a row without images has no shares."""
    total = row.sum()
    return tuple((text.count(cell), text.percent(cell / total) if total else text.MISSING) for cell in row)


def _pairs(matrix: NDArray[np.float64], classes: Sequence[str], noun: str) -> ReportTable:
    """The pairs of classes that are taken for one another most often."""
    wrong = matrix * (1 - np.eye(len(matrix)))
    order = np.argsort(-wrong, axis=None, kind="stable")[:N_PAIRS]
    places = [divmod(place, len(matrix)) for place in order.tolist()]
    rows = tuple(
        (classes[true], classes[predicted], text.count(wrong[true, predicted]))
        for true, predicted in places
        if wrong[true, predicted]
    )
    caption = f"The {len(rows)} most frequent confusions, {noun}"
    return ReportTable(caption, ("True class", "Predicted class", "Images"), rows, frozenset({1}))
