"""`headstart pretrain`: weights from a source task of the user's own."""

from __future__ import annotations

import shlex
from typing import Any

import click

from headstart.cli.answer import Answer
from headstart.cli.commands import register_command
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
from headstart.workflow.options.pretrain import PretrainOptions


@register_command(order=40)
@click.command(cls=DataCommand)
@data_argument
@output_option("File of weights to write: NAME.safetensors.")
@options_of(DataSource)
@options_of(PretrainOptions)
@quiet_option
def pretrain(data: str, output: str, quiet: bool, **given: Any) -> Answer:
    """Train a network on a source task, for `fit --weights`.

    {DATA}, of any size; its classes are the source task. The same command again goes on after an interruption.
    """
    from headstart.cli.output import print_heldout
    from headstart.cli.progress import TerminalProgress
    from headstart.cli.table import print_text
    from headstart.workflow import pretrain as run_pretrain

    source, options = collect(DataSource, given, path=data), collect(PretrainOptions, given)
    work_is_kept()
    made = run_pretrain(source, output, options, progress=TerminalProgress(quiet=quiet))

    def show() -> None:
        print_heldout(made.heldout)
        print_text(made.headline)
        print_line(f"Wrote {made.path}")
        again = shlex.join(["--backbone", options.backbone, "--weights", str(made.path)])
        print_line(f"Next: headstart fit DATA -o runs/first {again}")

    return Answer(made.results.to_json, show)
