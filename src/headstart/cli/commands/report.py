"""`headstart report`: the report of a finished run once more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headstart.cli.answer import Answer
from headstart.cli.commands import register_command
from headstart.cli.options import quiet_option
from headstart.cli.table import print_line

if TYPE_CHECKING:
    from headstart.report.write import ReportFormat


@register_command(order=80)
@click.command()
@click.argument("run", type=click.Path())
@click.option("--no-images", is_flag=True, help="Leave pictures and file names out: images of patients.")
@click.option(
    "--to",
    type=click.Choice(["html", "pdf", "md"]),
    default="html",
    show_default=True,
    help="Format: a page; the page printed by an installed Chromium; Markdown with its figures beside it.",
)
@click.option(
    "--lang",
    metavar="CODE",
    default="en",
    show_default=True,
    help="Language of the report, such as de: one that has a catalogue of translations.",
)
@click.option(
    "--catalogues",
    metavar="FOLDER",
    type=click.Path(),
    help="Folder of catalogues of your own: de.po, de.mo or de/LC_MESSAGES/headstart.mo.",
)
@quiet_option
def report(run: str, *, no_images: bool, to: ReportFormat, lang: str, catalogues: str | None, quiet: bool) -> Answer:
    """Write the report of a finished run again."""
    from headstart.cli.output import print_next
    from headstart.cli.progress import TerminalProgress
    from headstart.results import RunResults
    from headstart.workflow.run import rewrite_report

    path = rewrite_report(
        run, images=not no_images, to=to, lang=lang, catalogues=catalogues, progress=TerminalProgress(quiet=quiet)
    )

    def show() -> None:
        print_line(f"Report: {path}")
        print_next(run, RunResults.read(Path(run) / RunResults.file_name).table)

    return Answer(lambda: {"report": str(path)}, show)
