"""`headstart fit`: from labelled images to an honest estimate, a model and a report."""

from __future__ import annotations

from typing import Any

import click

from headstart.cli.answer import Answer
from headstart.cli.commands import register_command
from headstart.cli.config import run_request
from headstart.cli.interrupted import work_is_kept
from headstart.cli.options import (
    DataCommand,
    collect,
    data_argument,
    estimate_option,
    options_of,
    output_option,
    quiet_option,
)
from headstart.cli.plan import planned
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.fit import FitOptions


@register_command(order=20)
@click.command(cls=DataCommand)
@data_argument
@output_option("Run folder to write, or to go on with.")
@options_of(DataSource)
@options_of(FitOptions)
@estimate_option
@quiet_option
def fit(data: str, output: str, estimate: bool, quiet: bool, **given: Any) -> Answer:
    """Train on labelled images: estimate, model and report.

    {DATA}. The same command again goes on after an interruption.
    """
    from headstart.cli.output import print_run
    from headstart.cli.progress import TerminalProgress
    from headstart.workflow import fit as run_fit
    from headstart.workflow.fit import estimate_fit

    source, options = collect(DataSource, given, path=data), collect(FitOptions, given)
    progress = TerminalProgress(quiet=quiet)
    if not estimate:
        work_is_kept()
        run = run_fit(source, output, options, progress=progress, request=run_request())
        return Answer(run.results.to_json, lambda: print_run(run))
    return planned(lambda: estimate_fit(source, output, options, progress=progress))
