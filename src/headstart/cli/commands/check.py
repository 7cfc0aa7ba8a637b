"""`headstart check`: the audit of a data set."""

from __future__ import annotations

import shlex
from typing import Any

import click

from headstart.cli.commands import register_command
from headstart.cli.options import (
    DataCommand,
    collect,
    command_line,
    data_argument,
    json_option,
    options_of,
    quiet_option,
)
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.machine import MachineOptions


@register_command(order=10)
@click.command(cls=DataCommand)
@data_argument
@options_of(DataSource)
@options_of(FitOptions, "backbone", help="Network that confirms near duplicates.", metavar=None)
@options_of(FitOptions, "weights")
@click.option("--no-features", is_flag=True, help="Look at the files only; near duplicates are not confirmed.")
@options_of(MachineOptions)
@json_option
@quiet_option
def check(data: str, no_features: bool, as_json: bool, quiet: bool, **given: Any) -> None:
    """Audit a data set before anything is trained on it.

    Unreadable files, class counts, sizes, duplicates, and warnings with their reasons.

    {DATA}.
    """
    from headstart.cli.output import print_json
    from headstart.cli.progress import TerminalProgress
    from headstart.cli.table import print_text
    from headstart.workflow.check import check_data

    reading = command_line(DataSource, given)
    source, options = collect(DataSource, given, path=data), collect(FitOptions, given)
    found = check_data(source, options, features=not no_features, progress=TerminalProgress(quiet=quiet))
    if as_json:
        print_json(found.to_json())
    else:
        for line in found.lines():
            print_text(line)
        again = f"{shlex.quote(data)} {reading}".rstrip()
        click.echo(f"Next: headstart fit {again} -o runs/first")
    if found.audit.unreadable:
        raise SystemExit(1)
