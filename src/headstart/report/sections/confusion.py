"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headstart.report.context import ReportContext
from headstart.report.document import Block, ConfusionGrid, Plot, ReportTable, Section
from headstart.report.figures.confusion import confusion_plots
from headstart.report.locale.messages import mark, tr
from headstart.report.many_classes import folded, folded_names, most_confused, with_left_out
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
    weighted, is_cut = record.results.task.weighted, len(shown) < len(whole)
    caption = with_left_out(
        tr("Confusion matrix, weighted counts and shares of the row: rows true, columns predicted")
        if weighted
        else tr("Confusion matrix, counts and shares of the row: rows true, columns predicted"),
        len(whole),
        shown,
        mark("Of {n_classes} classes the {n_shown} most often confused; the others stand in results.json"),
    )
    grid = ConfusionGrid(caption, tuple(names), tuple(map(_cells, matrix)), rest=is_cut)
    blocks: list[Block] = [grid, *figure_row(drawn, "confusion_counts", "confusion_rates")]
    if is_cut:
        blocks.append(_pairs(whole, record.classes, weighted=weighted))
    return Section("confusion", tr("Confusion matrix"), tuple(blocks))


def _cells(row: NDArray[np.float64]) -> tuple[tuple[str, str], ...]:
    """Count and share of every cell of a row; a row without images has no shares."""
    total = row.sum()
    return tuple((text.count(cell), text.percent(cell / total) if total else text.missing()) for cell in row)


def _pairs(matrix: NDArray[np.float64], classes: Sequence[str], *, weighted: bool) -> ReportTable:
    """The pairs of classes that are taken for one another most often."""
    wrong = matrix * (1 - np.eye(len(matrix)))
    order = np.argsort(-wrong, axis=None, kind="stable")[:N_PAIRS]
    places = [divmod(place, len(matrix)) for place in order.tolist()]
    rows = tuple(
        (classes[true], classes[predicted], text.count(wrong[true, predicted]))
        for true, predicted in places
        if wrong[true, predicted]
    )
    caption = mark("The {n_rows} most frequent confusions, counts")
    if weighted:
        caption = mark("The {n_rows} most frequent confusions, weighted counts")
    caption = tr(caption, n_rows=len(rows))
    return ReportTable(caption, (tr("True class"), tr("Predicted class"), tr("Images")), rows, frozenset({1}))
