"""`headstart cells`: cells of micrographs, found, cut out and classified; a simulated assay."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from headstart.cli.answer import Answer
from headstart.cli.command import Command
from headstart.cli.commands import register_command
from headstart.cli.interrupted import work_is_kept
from headstart.cli.options import collect, estimate_option, options_of, output_option, quiet_option
from headstart.cli.plan import planned
from headstart.cli.table import print_line
from headstart.workflow.options.cells import CellCropOptions, CellFindingOptions, SimulationOptions
from headstart.workflow.options.cells_count import CellsCountOptions
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.option import declared_options

if TYPE_CHECKING:
    from headstart.workflow.cells import CellCounts

_SAID_BY_CROPS: Final = ("channels", "white_level")
_FIT: Final = tuple(item.name for item in declared_options(FitOptions) if item.name not in _SAID_BY_CROPS)
_micrographs = click.argument("micrographs", type=click.Path())


@register_command(order=85)
@click.group()
def cells() -> None:
    """Find the cells of micrographs, and classify them."""


@cells.command(cls=Command)
@output_option("New folder of the assay.")
@options_of(SimulationOptions)
@quiet_option
def simulate(output: str, quiet: bool, **given: Any) -> Answer:
    """Draw a simulated assay of cells.

    Living and dead cells at six doses, with exact masks and classes; named as simulated.
    """
    from headstart.cli.progress import TerminalProgress
    from headstart.workflow.cells import simulate_cells

    options = collect(SimulationOptions, given)
    made = simulate_cells(output, options, progress=TerminalProgress(quiet=quiet))
    folder = shlex.quote(f"{output}/micrographs")
    return _answer(made, output, "simulated cell", f"headstart cells segment {folder} -o cells/segmented")


@cells.command(cls=Command)
@_micrographs
@output_option("New folder of label images, table and preview.")
@options_of(CellFindingOptions)
@options_of(FitOptions, "threads")
@quiet_option
def segment(micrographs: str, output: str, quiet: bool, threads: int | None, **given: Any) -> Answer:
    """Find and measure cells.

    MICROGRAPHS is a folder or a file: TIFF, OME-TIFF, OME-Zarr, PNG, JPEG, BMP.
    """
    from headstart.cli.progress import TerminalProgress
    from headstart.workflow.cells import segment_cells

    options = collect(CellFindingOptions, given)
    made = segment_cells(micrographs, output, options, n_threads=threads, progress=TerminalProgress(quiet=quiet))
    following = f"headstart cells fit {shlex.quote(micrographs)} -o runs/cells --classes FILE"
    if not made.n_cells:
        following = f"headstart cells segment {shlex.quote(micrographs)} -o FOLDER --channel NAME or --diameter LENGTH"
    return _answer(made, output, "cell", following, look=f"Look at {output}/preview.png")


@cells.command(cls=Command)
@_micrographs
@output_option("New folder of crops and their manifest.")
@options_of(CellCropOptions)
@options_of(FitOptions, "threads")
@quiet_option
def crop(micrographs: str, output: str, quiet: bool, threads: int | None, **given: Any) -> Answer:
    """Cut cells out as single pictures.

    Those of MICROGRAPHS, a folder or a file, with a manifest that `headstart fit` reads.
    """
    from headstart.cli.progress import TerminalProgress
    from headstart.workflow.cells import crop_cells

    options = collect(CellCropOptions, given)
    made = crop_cells(micrographs, output, options, n_threads=threads, progress=TerminalProgress(quiet=quiet))
    following = f"headstart fit {shlex.quote(output)}/cells.csv -o runs/cells"
    if not made.has_classes:
        following = f"a column label in {output}/cells.csv with the class of every cell, then {following}"
    return _answer(made, output, "cell", following)


@cells.command(cls=Command)
@_micrographs
@output_option("Run folder to write, or to go on with.")
@options_of(CellCropOptions)
@options_of(FitOptions, *_FIT)
@estimate_option
@quiet_option
def fit(micrographs: str, output: str, estimate: bool, quiet: bool, **given: Any) -> Answer:
    """Train on cells.

    Those of MICROGRAPHS, a folder or a file: estimate, model and report, as `headstart fit` does.

    Classes come from --classes, --class-images, --dye, or one folder of micrographs for each class.
    """
    from headstart.cli.output import print_run
    from headstart.cli.progress import TerminalProgress
    from headstart.workflow.cells import estimate_cells, fit_cells

    options, fit_options = collect(CellCropOptions, given), collect(FitOptions, given)
    progress = TerminalProgress(quiet=quiet)
    if estimate:
        return planned(lambda: estimate_cells(micrographs, output, options, fit_options, progress=progress))
    work_is_kept()
    run = fit_cells(micrographs, output, options, fit_options, progress=progress)
    return Answer(run.results.to_json, lambda: print_run(run))


@cells.command(cls=Command)
@click.argument("model", type=click.Path())
@_micrographs
@output_option("New folder of overlays, tables and outlines.")
@options_of(CellsCountOptions)
@options_of(FitOptions, "device", "threads")
@quiet_option
def count(
    *, model: str, micrographs: str, output: str, quiet: bool, device: str, threads: int | None, **given: Any
) -> Answer:
    """Count living and dead cells.

    Those of MICROGRAPHS, a folder or a file, by the MODEL of a run of `headstart cells fit`.

    Blue frames around living and red ones around dead cells; per cent of every micrograph and well, with intervals that
    know the model's errors; outlines and tables for other tools.
    """
    from headstart.cli.progress import TerminalProgress
    from headstart.cli.table import print_table, print_text
    from headstart.report.cells_count import summary, well_rows
    from headstart.workflow.cells_count.folder import write_cells_count

    options = collect(CellsCountOptions, given)
    results = write_cells_count(
        Path(model),
        Path(micrographs),
        Path(output),
        options,
        device=None if device == "auto" else device,
        n_threads=threads,
        progress=TerminalProgress(quiet=quiet),
    )

    def show() -> None:
        columns, rows = well_rows(results)
        print_table("Wells", columns, rows)
        print_text(summary(results))
        print_line(f"Wrote {output}. Look at {output}/overlays and {output}/count.html")

    return Answer(results.to_json, show)


def _answer(made: CellCounts, output: str, what: str, following: str, *, look: str = "") -> Answer:
    def show() -> None:
        from headstart.cli.table import print_text
        from headstart.errors import plural

        for note in made.notes:
            print_text(note)
        print_line(f"{plural(made.n_cells, what)} in {plural(made.n_micrographs, 'micrograph')}")
        print_line(f"Wrote {output}" + (f". {look}" if look else ""))
        print_line(f"Next: {following}")

    return Answer(made.to_json, show)
