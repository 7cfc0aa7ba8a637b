"""The page of a count of cells: the shares of the wells, over dose and time, and how far to trust them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headstart.errors import plural
from headstart.report.document import Bullets, FigureRow, Picture, Plot, ReportTable, Section, Text
from headstart.report.figures.cells_count import agreement_plot, known_rows, share_plot
from headstart.report.figures.style import render
from headstart.report.html import picture, render_page
from headstart.results.models.cells_count import CellsCountResults, CountedFacts, ShareFacts
from headstart.storage import write_bytes

PAGE: Final = "count.html"
_CAPTION: Final = "Shares of every well; those of every micrograph stand in images.csv"


def write_count_page(folder: Path, results: CellsCountResults) -> Path:
    """Write ``count.html``, and its figures as SVG and PNG under ``figures/``.

    Parameters
    ----------
    folder : Path
    results : CellsCountResults
        Content of ``count.json``.

    Returns
    -------
    Path
        The page.
    """
    sections = [Section("result", "The count", (Text(summary(results)), *_notes(results)))]
    over = {"dose": results.dose_column, "time": results.time_column}
    plots = [share_plot(results, column, kind=kind) for kind, column in over.items() if column is not None]
    pictures = tuple(_written(folder, plot) for plot in plots if plot is not None)
    if pictures:
        sections.append(Section("over", "Over dose and time", (FigureRow(pictures),)))
    sections.append(Section("wells", "The wells", (wells_table(results),)))
    sections += _trust(folder, results)
    sections.append(Section("method", "How it was made", (Text(_method(results)),)))
    page = render_page(
        f"{results.counted} cells in {plural(len(results.images), 'micrograph')}",
        sections,
        version=results.headstart,
        beside="count.json, images.csv, wells.csv and cells.csv",
    )
    path = folder / PAGE
    write_bytes(path, page.encode())
    return path


def summary(results: CellsCountResults) -> str:
    """The count in one sentence."""
    n_images, n_wells = plural(len(results.images), "micrograph"), plural(len(results.wells), "well")
    if not results.n_cells:
        return f"No cell was found in {n_images}."
    share = results.n_counted / results.n_cells
    return (
        f"{results.n_counted:,} of {plural(results.n_cells, 'cell')} in {n_images} of {n_wells} were called "
        f"{results.counted}: {100 * share:.1f} %."
    )


def share_words(value: float, low: float, high: float) -> str:
    """A share with its interval.

    >>> share_words(0.25, 0.125, 0.4)
    '25.0 % (12.5 to 40.0 %)'
    """
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)"


def _written(folder: Path, plot: Plot) -> Picture:
    svg, png = render(plot.figure)
    write_bytes(folder / "figures" / f"{plot.name}.svg", svg)
    write_bytes(folder / "figures" / f"{plot.name}.png", png)
    return picture(plot, svg)


def _notes(results: CellsCountResults) -> Iterator[Bullets]:
    if results.notes or results.skipped:
        yield Bullets((*results.notes, *(f"left out: {one}" for one in results.skipped)), tone="note")


def well_rows(results: CellsCountResults) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Columns and rows of the table of wells, in words."""
    about = list(results.wells[0].about)
    columns = ("well", *about, "fields", "cells", results.counted, "as called, 95 %", "corrected, 95 %")
    rows = tuple(
        (
            _place(one),
            *(one.about[name] for name in about),
            f"{one.n_fields:,}",
            f"{one.n_cells:,}",
            f"{one.n_counted:,}",
            _share(one.called),
            _share(one.corrected),
        )
        for one in results.wells
    )
    return columns, rows


def wells_table(results: CellsCountResults) -> ReportTable:
    """Table of the wells; what a plate table says in words is aligned as words."""
    columns, rows = well_rows(results)
    n_about = len(results.wells[0].about)
    words = {place for place in range(1, n_about + 1) if not all(_is_number(row[place]) for row in rows)}
    return ReportTable(_CAPTION, columns, rows, frozenset(words))


def _is_number(words: str) -> bool:
    try:
        float(words or "0")
    except ValueError:
        return False
    return True


def _place(one: CountedFacts) -> str:
    return f"{one.plate} {one.well}".strip() or "all micrographs"


def _share(found: ShareFacts | None) -> str:
    return "-" if found is None else share_words(found.value, *found.ci95)


def _trust(folder: Path, results: CellsCountResults) -> Iterator[Section]:
    """Section on the model's counting errors."""
    if results.known is None:
        return
    table = ReportTable(
        "Errors of the model, out of fold", ("Rate", "Share", "Rests on"), known_rows(results.known), frozenset({2})
    )
    plot = agreement_plot(results)
    figures = () if plot is None else (FigureRow((_written(folder, plot),)),)
    yield Section("trust", "How well the model counts", (table, *figures))


def _method(results: CellsCountResults) -> str:
    alike = (
        f"Calls of one field are alike (intracluster correlation {results.likeness:.2f}, "
        f"{'from wells of several fields' if results.likeness_freedom else 'assumed'}), so that cells count for fewer "
        "than there are."
    )
    corrected = (
        " Shares are corrected for the model's sensitivity and specificity out of fold (Rogan and Gladen 1978), with "
        "the interval of Lang and Reiczigel (2014), which knows that both are estimates. Of a micrograph the columns "
        "these_cells_percent_low and these_cells_percent_high hold the share among its very cells; all other intervals "
        "speak of the well."
        if any(one.corrected is not None for one in results.wells)
        else ""
    )
    return f"Intervals of shares as called are Wilson's, 95 %. {alike}{corrected}"
