"""`cells count` on files: overlays, tables, outlines and a page in a folder that is written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from headstart.cells.counting.known import KnownCounts
from headstart.cells.counting.plate_table import PlateTable, matching, read_plate_table
from headstart.cells.counting.shares import ClassCount, CountedCells, FieldCount
from headstart.cells.exports.cellprofiler import csv_lines, object_columns, object_rows, safe_csv
from headstart.cells.exports.geojson import geojson
from headstart.cells.exports.imagej import check_roifile, imagej_rois
from headstart.cells.exports.overlay import Colour, display, framed, palette
from headstart.cells.micrographs.plate import PlatePosition, plate_position
from headstart.cells.micrographs.read import find_micrographs
from headstart.cells.micrographs.search import find_ahead
from headstart.cells.micrographs.segmented import CellFinding, SegmentedMicrograph
from headstart.errors import ImageError, InputError, plural
from headstart.metrics.prevalence import ErrorRates, counted_share
from headstart.model import Model, load_model
from headstart.progress import Progress, Silent
from headstart.report.cells_count import share_words, write_count_page
from headstart.results.models.cells_count import CellsCountResults
from headstart.results.writers.cells_count import counted_facts, known_facts
from headstart.runtime.machine import available_processors
from headstart.storage import check_new_folder, new_folder, storage_error, write_bytes
from headstart.version import __version__
from headstart.workflow.cells_count.called import CalledMicrograph, call_cells, is_counted, probability_columns
from headstart.workflow.cells_count.count import CellsOfRun, class_count, counted_class, counts_of_run, field_of
from headstart.workflow.options.cells_count import CellsCountOptions

IMAGES_FILE: Final = "images.csv"
WELLS_FILE: Final = "wells.csv"
CELLS_FILE: Final = "cells.csv"
NO_ERRORS: Final = (
    "the model's run is not beside it, so its errors are not known and shares are as called: give the run instead of "
    "the model"
)
OTHER_CELLS: Final = (
    "the model was fitted on cells of another tool's label images, and these were found by headstart: give --masks for "
    "cells of the same kind"
)

_About = Callable[[str, str], Mapping[str, str]]
"""What is known of a plate's well."""


@dataclass(frozen=True, eq=False)
class _Job:
    """What is asked for, resolved."""

    model: Model
    counted: str
    options: CellsCountOptions
    known: KnownCounts | None
    colours: tuple[Colour, Colour]

    @property
    def rates(self) -> ErrorRates | None:
        """Errors of the model, where they are known and allow a correction."""
        return self.known.rates if self.known is not None and self.known.rates.can_correct else None

    @property
    def class_colours(self) -> dict[str, Colour]:
        """Colour of every class."""
        return {name: self.colours[name == self.counted] for name in self.model.classes}


@dataclass
class _Tally:
    """What is kept of the micrographs that are done."""

    fields: list[FieldCount] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    columns: tuple[str, ...] = ()  # of the table of cells, once there is one
    first_columns: tuple[str, ...] = ()  # of the first micrograph, though it may have no cell


def write_cells_count(
    model: Path,
    images: Path,
    folder: Path,
    options: CellsCountOptions | None = None,
    *,
    device: str | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> CellsCountResults:
    """Count the cells of one class in the micrographs of a folder.

    Parameters
    ----------
    model : Path
        A run, or a model; beside a model its run is looked for.
    images : Path
        A micrograph, or a folder of them.
    folder : Path
        New, or empty. It takes its name when everything in it is written.
    options : CellsCountOptions, optional
    device : str, optional
        As for `headstart.model.load_model`.
    n_threads : int, optional
        Threads that find cells; the network keeps those of its run. Default: one for each processor.
    progress : Progress, optional

    Returns
    -------
    CellsCountResults
        Content of ``count.json``.

    Raises
    ------
    InputError
        When the folder holds something, the model is not of cells, or a micrograph cannot be used.
    """
    asked, shown = options or CellsCountOptions(), progress or Silent()
    check_new_folder(folder)
    if "imagej" in asked.outline_formats:
        check_roifile()
    fitted = load_model(model, device=device)
    counted = counted_class(fitted, asked.dead)
    how = CellsOfRun.read(model)
    finding = how.finding if asked.pixel_um is None else replace(how.finding, pixel_um=asked.pixel_um)
    asked = replace(asked, pattern=asked.pattern or how.pattern)
    files = find_micrographs(images)
    plate = None if asked.plate_table is None else _plate_table(Path(asked.plate_table), files, asked.pattern)
    columns = _columns(plate, asked)
    job = _Job(fitted, counted, asked, counts_of_run(model, fitted, counted, how.pattern), palette(asked.palette))
    with new_folder(folder) as place, shown.task("Counting", len(files), "micrographs") as advance:
        tally = _Tally(notes=[OTHER_CELLS] if how.masks and asked.masks is None else [])
        found = map(how.in_its_unit, _segmented(files, finding, asked, n_threads, tally))
        for number, called in enumerate(call_cells(fitted, found, how.recipe, progress=shown), start=1):
            _write_micrograph(place, called, number, job, tally)
            advance(1)
        count = class_count(tally.fields, job.known)
        about = _about_wells(plate)
        results = _results(job, tally, count, columns, about)
        _write_tables(place, count, about)
        if not tally.columns:
            write_bytes(place / CELLS_FILE, safe_csv([], tally.first_columns))
        results.write(place / CellsCountResults.file_name)
        write_count_page(place, results)
    for note in (*results.notes, *results.skipped):
        shown.note(note)
    return results


def _plate_table(path: Path, files: list[tuple[str, Path]], pattern: str | None) -> PlateTable:
    """Table of the wells; refuses one that knows none of them, or has columns that a count has too."""
    table = read_plate_table(path)
    positions = [plate_position(name, pattern) for name, _ in files]
    matching(table, sorted({(one.plate, one.well) for one in positions}))
    own = {name for one in ("", "image") for name in CountedCells(one, PlatePosition(), 1, 0, 0).row()}
    both = next((name for name in table.columns if name in own), None)
    if both is not None:
        raise InputError(f"{path} has a column {both!r}, and so has the table of the count. Rename it.")
    return table


def _columns(plate: PlateTable | None, asked: CellsCountOptions) -> tuple[str | None, str | None]:
    """Columns of doses and of times."""
    if plate is None:
        return None, None
    return plate.column("dose", asked.dose_column), plate.column("time", asked.time_column)


def _segmented(
    files: list[tuple[str, Path]], finding: CellFinding, asked: CellsCountOptions, n_threads: int | None, tally: _Tally
) -> Iterator[SegmentedMicrograph]:
    for (name, _), outcome in find_ahead(files, finding, asked.masks, n_threads or available_processors()):
        try:
            one = outcome.result()
        except ImageError as error:
            if not asked.skip_unreadable:
                raise
            tally.skipped.append(str(error))
            continue
        tally.notes += [f"{name}: {note}" for note in one.segmentation.notes]
        yield one
    if files and len(tally.skipped) == len(files):
        raise InputError(f"Of {plural(len(files), 'micrograph')} none can be read: {tally.skipped[0]}")


def _write_micrograph(place: Path, called: CalledMicrograph, number: int, job: _Job, tally: _Tally) -> None:
    """Overlay, outlines and cells of one micrograph."""
    field = field_of(called, job.counted, job.options.pattern)
    tally.fields.append(field)
    micrograph, table = called.segmented.micrograph, called.segmented.table
    planes = list(micrograph.planes.values())
    overlay = framed(
        display(planes), table.box, is_counted(called, job.counted), colours=job.colours, legend=_legend(field, job)
    )
    write_bytes(place / "overlays" / f"{called.name}.png", overlay)
    probabilities = probability_columns(job.model, called)
    if "qupath" in job.options.outline_formats:
        measured = {**table.columns, **{f"Probability {name}": values for name, values in probabilities.items()}}
        content = geojson(called.labels, called.classes, job.class_colours, measured, name=called.name)
        write_bytes(place / "outlines" / f"{called.name}.geojson", content)
    if "imagej" in job.options.outline_formats:
        write_bytes(
            place / "outlines" / f"{called.name}.zip", imagej_rois(called.labels, called.classes, job.class_colours)
        )
    columns = object_columns(
        table,
        image_number=number,
        metadata=_metadata(field),
        classes=called.classes,
        probabilities=probabilities,
    )
    _append(place / CELLS_FILE, columns, tally)


def _metadata(field: FieldCount) -> dict[str, str]:
    position = field.position
    return {"FileName": field.name, "Plate": position.plate, "Well": position.well, "Site": position.field}


def _append(path: Path, of_cells: Mapping[str, Sequence[Any]], tally: _Tally) -> None:
    """Go on with the table of cells, which is too large to be held.

    Raises
    ------
    InputError
        When a micrograph has other channels than those before it.
    """
    rows, columns = object_rows(of_cells), tuple(of_cells)
    tally.first_columns = tally.first_columns or columns
    if not rows:
        return
    if tally.columns and columns != tally.columns:
        raise InputError(
            f"{rows[0]['Metadata_FileName']} has other channels than the micrographs before it. Count micrographs of "
            "the same channels together."
        )
    try:
        with path.open("ab") as handle:
            handle.write(csv_lines(rows, columns) if tally.columns else safe_csv(rows, columns))
    except OSError as error:
        raise storage_error(path, error) from error
    tally.columns = columns


def _legend(field: FieldCount, job: _Job) -> list[str]:
    others = next((name for name in job.model.classes if name != job.counted), "")
    first = others if len(job.model.classes) == 2 else f"not {job.counted}"
    words = f"{job.counted} {field.counted:,}"
    if field.n:
        words += f" of {field.n:,}: {100 * field.counted / field.n:.1f} %"
    if field.n and job.rates is not None:
        words += f", corrected {share_words(*astuple(counted_share(field.counted, field.n, job.rates)))}"
    return [f"{first} {field.n - field.counted:,}", words, field.name]


def _results(
    job: _Job, tally: _Tally, count: ClassCount, columns: tuple[str | None, str | None], about: _About
) -> CellsCountResults:
    return CellsCountResults(
        format=1,
        headstart=__version__,
        classes=job.model.classes,
        counted=job.counted,
        n_cells=sum(one.n for one in tally.fields),
        n_counted=sum(one.counted for one in tally.fields),
        images=tuple(counted_facts(one, about) for one in count.images),
        wells=tuple(counted_facts(one, about) for one in count.wells),
        likeness=count.alike.correlation,
        likeness_freedom=count.alike.freedom,
        known=None if job.known is None else known_facts(job.known),
        dose_column=columns[0],
        time_column=columns[1],
        skipped=tuple(tally.skipped),
        notes=(*([NO_ERRORS] if job.known is None else []), *count.notes, *tally.notes),
    )


def _about_wells(plate: PlateTable | None) -> _About:
    """What the table of wells says of each."""
    if plate is None:
        return lambda name, well: {}
    table = plate
    return lambda name, well: {column: table.of(name, well).get(column, "") for column in table.columns}


def _write_tables(place: Path, count: ClassCount, about: Callable[[str, str], Mapping[str, str]]) -> None:
    """``images.csv`` and ``wells.csv``."""
    for name, counted in ((IMAGES_FILE, count.images), (WELLS_FILE, count.wells)):
        rows = [{**one.row(), **about(one.position.plate, one.position.well)} for one in counted]
        write_bytes(place / name, safe_csv(rows, list(rows[0])))
