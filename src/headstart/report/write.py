"""Writing the report: read the run, draw its figures, put the page together, save page and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from headstart.progress import Progress, Silent
from headstart.report.context import ReportContext
from headstart.report.document import Picture, Plot, Section
from headstart.report.figures.style import render, render_svg, styled
from headstart.report.html import SVG_AND_PNG, picture, render_page
from headstart.report.locale.messages import ENGLISH, Language, mark, ntr, speaking, tr
from headstart.report.markdown import render_markdown
from headstart.report.pdf import find_browser, print_page
from headstart.report.sections import SectionSpec, ordered_sections
from headstart.results.anonymise import without_image_names
from headstart.results.read import RunRecord, read_run
from headstart.storage import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from headstart.data import ImageDataset

ReportFormat: TypeAlias = Literal["html", "pdf", "md"]
_OPEN: Final = frozenset({"result", "gallery"})
"""Sections that need not be opened: for who decides, and for who works with the images."""
_LATER: Final = frozenset({"curves", "calibration", "folds"})
"""Sections that a provisional report leaves to the whole job: the figures of many classes take most of its seconds."""


def write_report(
    run: Path | RunRecord,
    *,
    dataset: ImageDataset | None = None,
    images: bool = True,
    to: ReportFormat = "html",
    language: Language = ENGLISH,
    progress: Progress | None = None,
) -> Path:
    """Write ``report.html`` and ``figures/`` into the folder of a finished run, or its report in another format.

    Everything is read from the run's own files, so a report can be written again at any time. Equal runs give equal
    bytes on one machine.

    Parameters
    ----------
    run : Path or RunRecord
        Folder that ``headstart fit DATA -o RUN`` wrote, or what was read of it.
    dataset : ImageDataset, optional
        The images of the run, for the gallery. Without it the gallery lists names only.
    images : bool
        False leaves pictures and image names out of the whole page, for images of patients.
    to : {"html", "pdf", "md"}
        Format. A PDF is printed from the page, which is written first, by an installed Chromium; Markdown links the
        figures and has no pictures of single images.
    language : Language
        Language of the page, as `headstart.report.locale.catalogues.find_language` gives it. Sentences that the run
        itself wrote, such as its warnings, stay English.
    progress : Progress, optional
        Told of every figure drawn; None shows nothing.

    Returns
    -------
    Path
        ``report.html``, one file that loads nothing from anywhere; ``report.pdf``; or ``report.md``.

    Raises
    ------
    InputError
        When a PDF is asked for and no browser is installed; nothing is written then.
    RunError
        When the run is incomplete or damaged; the message names the file and the remedy.
    StorageError
        When the folder cannot be written.
    """
    if to == "pdf":
        find_browser()
    record = run if isinstance(run, RunRecord) else read_run(Path(run))
    record = record if images else without_image_names(record)
    context, progress = ReportContext(record, dataset, images, pictures=to != "md"), progress or Silent()
    path = record.folder / f"report.{to}"
    with speaking(language):
        if to == "md":
            sections = _sections(context, progress, is_linked=True)
            write_bytes(path, render_markdown(_title(record), sections, version=record.results.headstart).encode())
            return path
        page = record.folder / "report.html"
        write_bytes(page, report_page(context, progress).encode())
    if to == "pdf":
        print_page(page, path)
    return path


def report_page(context: ReportContext, progress: Progress) -> str:
    """The page of a run as HTML, once its figures are drawn and saved beside it."""
    results = context.record.results
    formats = mark("SVG") if results.provisional else SVG_AND_PNG
    return render_page(_title(context.record), _sections(context, progress), version=results.headstart, figures=formats)


def _sections(context: ReportContext, progress: Progress, *, is_linked: bool = False) -> list[Section]:
    """The sections of a run's report, once its figures are drawn and saved beside it.

    Those of a provisional answer are saved as PNG only where the report links them, since that takes seconds.
    """
    as_png = is_linked or not context.record.results.provisional
    with styled():
        drawn = _draw(context.record.folder / "figures", [*_plots(context)], progress, as_png=as_png)
    built = (spec.build(context, drawn) for spec in _section_specs(context))
    return [replace(section, folded=section.anchor not in _OPEN) for section in built if section is not None]


def _section_specs(context: ReportContext) -> list[SectionSpec]:
    """The sections that a run's report may have, in the order of the page."""
    left_out = _LATER if context.record.results.provisional else frozenset()
    return [spec for spec in ordered_sections() if spec.anchor not in left_out]


def drawn_figures(record: RunRecord) -> dict[str, Figure]:
    """The figures of a run's report by their names; those that need the images themselves are left out.

    Parameters
    ----------
    record : RunRecord
    """
    return {plot.name: plot.figure for plot in _plots(ReportContext(record))}


def _plots(context: ReportContext) -> Iterator[Plot]:
    """Every figure that a section needs, in the order of the page."""
    for spec in _section_specs(context):
        yield from spec.plots(context)


def _title(record: RunRecord) -> str:
    images = ntr("{n} image", "{n} images", record.results.task.n_images)
    name, n_classes = record.folder.resolve().name, len(record.classes)
    return tr("{name}: {images}, {n_classes} classes", name=name, images=images, n_classes=n_classes)


def _draw(folder: Path, plots: Sequence[Plot], progress: Progress, *, as_png: bool) -> dict[str, Picture]:
    """Save every figure as SVG, perhaps as PNG too, and keep it for the page, by name."""
    drawn = {}
    with progress.task("Figures", len(plots), "figures") as advance:
        for plot in plots:
            if as_png:
                svg, png = render(plot.figure)
                write_bytes(folder / f"{plot.name}.png", png)
            else:
                svg = render_svg(plot.figure)
            write_bytes(folder / f"{plot.name}.svg", svg)
            drawn[plot.name] = picture(plot, svg)
            advance(1)
    return drawn
