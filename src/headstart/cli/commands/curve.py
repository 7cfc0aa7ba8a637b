"""`headstart curve`: the learning curve."""

from __future__ import annotations

import shlex
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
    options_of,
    output_option,
    quiet_option,
)
from headstart.cli.table import print_line
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.learning_curve import CurveOptions
from headstart.workflow.options.machine import EngineOptions, MachineOptions
from headstart.workflow.options.network import NetworkOptions


@register_command(order=30)
@click.command(cls=DataCommand)
@data_argument
@output_option("Folder to write, or to go on with.")
@options_of(DataSource)
@options_of(NetworkOptions)
@options_of(CurveOptions)
@options_of(FitOptions, "positive", "seed", "ensemble", "ordinal")
@options_of(EngineOptions)
@options_of(MachineOptions)
@quiet_option
def curve(data: str, output: str, quiet: bool, **given: Any) -> Answer:
    """Say what more images would bring: a learning curve.

    {DATA}. The same command again goes on after an interruption.
    """
    from headstart.cli.output import print_curve
    from headstart.cli.progress import TerminalProgress
    from headstart.cli.table import print_text
    from headstart.workflow import curve as draw_curve

    source, requested = collect(DataSource, given, path=data), collect(CurveOptions, given)
    options = collect(FitOptions, given)
    work_is_kept()
    found = draw_curve(
        source, output, options, requested, progress=TerminalProgress(quiet=quiet), request=run_request()
    )

    def show() -> None:
        print_curve(found.results)
        print_text(found.verdict)
        print_line(f"Page: {found.page}")
        print_line(f"Next: headstart fit {shlex.quote(data)} -o runs/first")

    return Answer(found.results.to_json, show)
