"""`headstart paper`: the paper's three applications run on what is at hand, beside its figures."""

from __future__ import annotations

from typing import Any

import click

from headstart.cli.answer import Answer
from headstart.cli.command import Command, Option
from headstart.cli.commands import register_command
from headstart.cli.interrupted import work_is_kept
from headstart.cli.options import collect, options_of, output_option, quiet_option
from headstart.cli.table import print_line
from headstart.workflow.options.fit import FitOptions


@register_command(order=101)
@click.command(cls=Command)
@output_option("Folder of page and runs to write, or to go on with.")
@click.option(
    "--data",
    cls=Option,
    group="Data",
    type=click.Path(),
    metavar="FOLDER",
    help="Folder that holds ph2/, skab/valve1/, or both. [default: these are not run]",
)
@click.option(
    "--full",
    cls=Option,
    group="Search",
    is_flag=True,
    help="Run the paper's four networks and its grid, too, where their weights are: hours.",
)
@options_of(FitOptions, "device", "threads", "offline", "cache")
@quiet_option
def paper(output: str, data: str | None, full: bool, quiet: bool, **given: Any) -> Answer:
    """Set the paper's applications beside its figures.

    Brodzicki et al. 2020: melanoma thickness, anomalies in signals, living and dead cells, here on other data. A page
    shows Tables 1 to 4 beside what came out. By default data are simulated; that took 16 minutes on two cores.
    """
    from headstart.cli.progress import TerminalProgress
    from headstart.cli.table import print_table, print_text
    from headstart.workflow.paper.make import paper

    options = collect(FitOptions, given)
    work_is_kept()
    made = paper(output, data=data, full=full, options=options, progress=TerminalProgress(quiet=quiet))

    def show() -> None:
        from headstart.report.paper import score_rows

        columns, rows = score_rows(made.results)
        print_table("Scores, the paper's and on other data", columns, rows)
        for one in made.results.not_run:
            print_text(f"Not run: {one.data}. {one.reason}")
        print_line(f"Wrote {made.page}")

    return Answer(made.results.to_json, show)
