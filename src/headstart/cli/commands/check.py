"""`headstart check`: the audit of a data set."""

from __future__ import annotations

import shlex
from typing import Any

import click

from headstart.cli.answer import Answer
from headstart.cli.command import Option
from headstart.cli.commands import register_command
from headstart.cli.interrupted import features_are_kept
from headstart.cli.options import (
    DataCommand,
    collect,
    command_line,
    data_argument,
    options_of,
    quiet_option,
)
from headstart.cli.table import print_line
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.machine import MachineOptions


@register_command(order=10)
@click.command(cls=DataCommand)
@data_argument
@options_of(DataSource)
@options_of(FitOptions, "backbone", help="Network that confirms near duplicates.", metavar=None)
@options_of(FitOptions, "weights", "channels")
@click.option(
    "--no-features",
    cls=Option,
    group="Network",
    matters=True,
    is_flag=True,
    help="Look at the files only; near duplicates are not confirmed.",
)
@options_of(MachineOptions)
@quiet_option
def check(data: str, no_features: bool, quiet: bool, **given: Any) -> Answer:
    """Audit a data set before anything is trained on it.

    Unreadable files, class counts, sizes, duplicates, and warnings with their reasons.

    {DATA}.
    """
    from headstart.cli.progress import TerminalProgress
    from headstart.cli.table import print_text
    from headstart.workflow.check import check_data

    reading = command_line(DataSource, given)
    if given["channels"] is not None:
        reading = f"{reading} --channels {shlex.quote(given['channels'])}".lstrip()
    source, options = collect(DataSource, given, path=data), collect(FitOptions, given)
    if not no_features:
        features_are_kept(options)
    found = check_data(source, options, features=not no_features, progress=TerminalProgress(quiet=quiet))

    def show() -> None:
        for line in found.lines():
            print_text(line)
        if found.can_be_fitted:
            again = f"{shlex.quote(data)} {reading}".rstrip()
            print_line(f"Next: headstart fit {again} -o runs/first")

    return Answer(found.to_json, show, exit_code=int(bool(found.audit.unreadable)))
