"""`headstart lesions`: dermoscopic images read, cleaned and classified."""

from __future__ import annotations

import shlex
from typing import Any

import click

from headstart.cli.answer import Answer
from headstart.cli.command import Command, Option
from headstart.cli.commands import register_command
from headstart.cli.interrupted import work_is_kept
from headstart.cli.options import collect, data_argument, estimate_option, options_of, output_option, quiet_option
from headstart.cli.plan import planned
from headstart.cli.table import print_line
from headstart.errors import plural
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.lesions import LesionFitOptions, LesionReadingOptions
from headstart.workflow.options.option import declared_options

_FIT = tuple(item.name for item in declared_options(FitOptions) if item.name not in ("channels", "white_level"))


@register_command(order=86)
@click.group()
def lesions() -> None:
    """Classify dermoscopic images: melanoma thickness, grades."""


@lesions.command("import", cls=Command)
@data_argument
@output_option("New folder of images and their table.")
@options_of(LesionReadingOptions)
@quiet_option
def import_(data: str, output: str, quiet: bool, **given: Any) -> Answer:
    """Read metadata and images into a clean folder.

    DATA is a folder of images with its table (ISIC archive, PH2, a CSV), or the table. What is left out is listed with
    its reason.
    """
    from headstart.cli.progress import TerminalProgress
    from headstart.cli.table import print_table, print_text
    from headstart.workflow.lesions import import_lesions

    options = collect(LesionReadingOptions, given)
    made = import_lesions(data, output, options, progress=TerminalProgress(quiet=quiet))

    def show() -> None:
        rows = [[name, f"{count:,}"] for name, count in made.account["classes"].items()]
        print_table("Classes", ("class", "images"), rows)
        for note in made.account["notes"]:
            print_text(note)
        print_line(f"Wrote {output}: {plural(made.account['images'], 'image')}; left_out.csv lists what was left out")
        print_line(f"Next: headstart lesions fit {shlex.quote(output)} -o runs/lesions")

    return Answer(made.to_json, show)


@lesions.command(cls=Command)
@data_argument
@output_option("Run folder to write, or to go on with.")
@options_of(LesionFitOptions)
@options_of(FitOptions, *_FIT)
@click.option(
    "--preset",
    cls=Option,
    group="Search",
    matters=True,
    type=click.Choice(["default", "paper"]),
    default="default",
    show_default=True,
    help="paper: VGG-19 and its grid of dense heads on whole images, as published.",
)
@estimate_option
@quiet_option
def fit(data: str, output: str, preset: str, estimate: bool, quiet: bool, **given: Any) -> Answer:
    """Train on lesions: estimate, model and report.

    DATA is a folder of images with its table (ISIC archive, PH2, an import), or the table.

    Unless told otherwise a network looks at a crop around each lesion, others take numbers measured in it (asymmetry,
    border, colours, size); probabilities are averaged where that is better. Age, sex and site stand beside both.
    """
    from headstart.cli.output import print_run
    from headstart.cli.progress import TerminalProgress
    from headstart.workflow.lesions import as_published, estimate_lesions, fit_lesions

    options, fit_options = collect(LesionFitOptions, given), collect(FitOptions, given)
    if preset == "paper":
        fit_options = as_published(fit_options)
    progress = TerminalProgress(quiet=quiet)
    if estimate:
        return planned(lambda: estimate_lesions(data, output, options, fit_options, progress=progress))
    work_is_kept()
    run = fit_lesions(data, output, options, fit_options, progress=progress)
    return Answer(run.results.to_json, lambda: print_run(run))


@lesions.command(cls=Command)
@data_argument
@output_option("Picture to write, a PNG.")
@options_of(LesionReadingOptions)
@options_of(FitOptions, "clean_up", unset="crop", matters=True)
@click.option("--number", type=click.IntRange(1, 200), default=8, show_default=True, help="Images on the sheet.")
def sheet(data: str, output: str, number: int, clean_up: str | None, **given: Any) -> Answer:
    """Draw lesions before and after their clean-up.

    DATA as for fit; the outline that was found is drawn in.
    """
    from headstart.workflow.lesions import sheet_lesions

    options = collect(LesionReadingOptions, given)
    drawn = sheet_lesions(data, output, options, clean_up=clean_up or "crop", n_images=number)

    def show() -> None:
        print_line(f"{plural(drawn.n_images, 'image')}; no lesion found in {drawn.n_missed:,}")
        if drawn.n_unreadable:
            print_line(f"{plural(drawn.n_unreadable, 'image')} cannot be read")
        print_line(f"Wrote {output}")
        print_line(f"Next: headstart lesions fit {shlex.quote(data)} -o runs/lesions")

    return Answer(drawn.to_json, show)
