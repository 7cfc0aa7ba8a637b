"""`headstart compare`: two runs in pairs."""

from __future__ import annotations

import shlex

import click

from headstart.cli.answer import Answer
from headstart.cli.commands import register_command
from headstart.cli.options import options_of
from headstart.cli.table import print_line
from headstart.workflow.options.fit import FitOptions


@register_command(order=70)
@click.command()
@click.argument("first", type=click.Path())
@click.argument("second", type=click.Path())
@options_of(FitOptions, "seed")
def compare(first: str, second: str, seed: int) -> Answer:
    """Compare two runs on one split in pairs: SECOND minus FIRST."""
    from headstart.cli.output import print_comparison
    from headstart.workflow import compare as compare_runs

    found = compare_runs(first, second, seed=seed)

    def show() -> None:
        print_comparison(found)
        print_line(f"Next: headstart report {shlex.quote(second)}")

    return Answer(found.to_json, show)
