"""`headstart compare`: two runs in pairs."""

from __future__ import annotations

import shlex

import click

from headstart.cli.commands import register_command
from headstart.cli.options import json_option, options_of
from headstart.workflow.options.fit import FitOptions


@register_command(order=70)
@click.command()
@click.argument("first", type=click.Path())
@click.argument("second", type=click.Path())
@options_of(FitOptions, "seed")
@json_option
def compare(first: str, second: str, seed: int, as_json: bool) -> None:
    """Compare two runs on one split in pairs: SECOND minus FIRST."""
    from headstart.cli.output import print_comparison, print_json
    from headstart.workflow import compare as compare_runs

    found = compare_runs(first, second, seed=seed)
    if as_json:
        print_json(found.to_json())
        return
    print_comparison(found)
    click.echo(f"Next: headstart report {shlex.quote(second)}")
