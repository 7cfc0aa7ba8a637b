"""Writing the report: read the run, draw, put the page together, save page and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.metrics import OutOfFold, Reliability
from headstart.progress import Progress, Silent
from headstart.report.document import Picture, Plot, ReportTable, Section
from headstart.report.figures import plots
from headstart.report.figures.curves import (
    calibration_bins,
    calibration_plot,
    calibration_table,
    curve_plots,
    out_of_fold,
)
from headstart.report.figures.search_plots import search_plots
from headstart.report.figures.style import render
from headstart.report.html import picture, render_page
from headstart.report.sections import candidates as drawn_sections
from headstart.report.sections import software as sections
from headstart.report.sections.audit import audit_section
from headstart.report.sections.baselines import transfer_plot, transfer_section
from headstart.report.sections.decisions import decision_plots, decision_section
from headstart.report.sections.finetuning import tuning_plots, tuning_section
from headstart.report.sections.gallery import gallery_blocks
from headstart.report.sections.labels import labels_section
from headstart.report.sections.search import Search, analysed, search_section
from headstart.report.sections.training_set import treatment_section
from headstart.report.sections.transferability import ranking_section
from headstart.report.text import format as text
from headstart.results.anonymise import without_image_names
from headstart.results.read import RunRecord, read_run
from headstart.storage import write_bytes
from headstart.study.candidates_table import CANDIDATES_FILE, read_candidates

if TYPE_CHECKING:
    from headstart.data import ImageDataset


def write_report(
    run: Path, *, dataset: ImageDataset | None = None, images: bool = True, progress: Progress | None = None
) -> Path:
    """Write ``report.html`` and ``figures/`` into the folder of a finished run.

    Everything is read from the run's own files, so a report can be written again at any time. Equal runs give equal
    bytes on one machine.

    Parameters
    ----------
    run : Path
        Folder that ``headstart fit DATA -o RUN`` wrote.
    dataset : ImageDataset, optional
        The images of the run, for the gallery. Without it the gallery lists names only.
    images : bool
        False leaves pictures and image names out of the whole page, for images of patients.
    progress : Progress, optional
        Told of every figure drawn; None shows nothing.

    Returns
    -------
    Path
        ``report.html``, one file that loads nothing from anywhere.

    Raises
    ------
    RunError
        When the run is incomplete or damaged; the message names the file and the remedy.
    StorageError
        When the folder cannot be written.
    """
    record = read_run(Path(run)) if images else without_image_names(read_run(Path(run)))
    oof = out_of_fold(record)
    bins = calibration_bins(oof)
    search = _search(record.folder)
    made = [
        *_plots(record, oof, bins),
        *decision_plots(record, oof),
        *tuning_plots(record),
        *(() if search is None else search_plots(search.table, search.found)),
    ]
    drawn = _draw(record, made, progress or Silent())
    gallery = Section("gallery", "Mistakes and close calls", gallery_blocks(record, dataset=dataset, images=images))
    parts = _sections(record, drawn, calibration_table(bins), audit_section(record, named=images), gallery)
    labels = labels_section(record, dataset=dataset, images=images)
    if labels is not None:
        parts = inserted(parts, labels, after="gallery")
    if search is not None:
        found = search_section(search, drawn, record.results["search"]["notes"])
        parts = inserted(parts, found, after="candidates")
    more = (
        (ranking_section(record), "candidates"),
        (decision_section(record, drawn), "calibration"),
        (tuning_section(record, drawn), "candidates"),
        (transfer_section(record, drawn), "scores"),
        (treatment_section(record, dataset=dataset, images=images), "candidates"),
    )
    for section, after in more:
        parts = parts if section is None else inserted(parts, section, after=after)
    page = render_page(_title(record), parts, version=record.results["headstart"])
    path = record.folder / "report.html"
    write_bytes(path, page.encode())
    return path


def inserted(parts: tuple[Section, ...], section: Section, *, after: str) -> tuple[Section, ...]:
    """The sections with one more behind the one whose anchor is `after`."""
    place = [part.anchor for part in parts].index(after) + 1
    return (*parts[:place], section, *parts[place:])


def _title(record: RunRecord) -> str:
    n_images = text.plural(record.results["task"]["n_images"], "image")
    return f"{record.folder.resolve().name}: {n_images}, {len(record.classes)} classes"


def _search(run: Path) -> Search | None:
    """The search that a run recorded; None where it recorded none."""
    path = run / CANDIDATES_FILE
    return analysed(read_candidates(path)) if path.is_file() else None


def _plots(record: RunRecord, oof: OutOfFold, bins: Reliability) -> Iterator[Plot]:
    """Every figure of the run."""
    yield from plots.confusion_plots(record)
    yield from curve_plots(record, oof)
    yield calibration_plot(record, oof, bins)
    for plot in (plots.fold_plot(record), plots.candidate_plot(record), transfer_plot(record)):
        if plot is not None:
            yield plot


def _draw(record: RunRecord, made: Sequence[Plot], progress: Progress) -> dict[str, Picture]:
    """Save every figure as SVG and PNG and keep it for the page, by name."""
    folder = record.folder / "figures"
    drawn = {}
    with progress.task("Figures", len(made), "figures") as advance:
        for plot in made:
            svg, png = render(plot.figure)
            write_bytes(folder / f"{plot.name}.svg", svg)
            write_bytes(folder / f"{plot.name}.png", png)
            drawn[plot.name] = picture(plot, svg)
            advance(1)
    return drawn


def _sections(
    record: RunRecord, drawn: dict[str, Picture], calibration: ReportTable, audit: Section, gallery: Section
) -> tuple[Section, ...]:
    return (
        sections.headline_section(record),
        sections.warnings_section(record),
        sections.question_section(record),
        sections.scores_section(record),
        drawn_sections.confusion_section(record, drawn),
        drawn_sections.curves_section(record, drawn),
        drawn_sections.calibration_section(drawn, calibration),
        drawn_sections.folds_section(record, drawn),
        drawn_sections.candidates_section(record, drawn),
        sections.optimism_section(record),
        audit,
        gallery,
        sections.split_section(record),
        sections.software_section(record),
        sections.methods_section(record),
        sections.predict_section(record),
    )
