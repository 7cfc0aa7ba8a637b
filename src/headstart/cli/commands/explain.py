"""`headstart explain`: which places of an image speak for a class."""

from __future__ import annotations

from typing import Any

import click

from headstart.cli.answer import Answer
from headstart.cli.commands import register_command
from headstart.cli.options import collect, options_of, output_option, quiet_option
from headstart.cli.table import print_line
from headstart.errors import plural
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.explain import ExplainOptions
from headstart.workflow.options.fit import FitOptions


@register_command(order=55)
@click.command()
@click.argument("model", type=click.Path())
@click.argument("inputs", nargs=-1, required=True, type=click.Path())
@output_option("Folder for pictures and their numbers.")
@options_of(ExplainOptions)
@options_of(DataSource, "feature_array", "allow_outside")
@options_of(FitOptions, "device")
@quiet_option
def explain(
    *,
    model: str,
    inputs: tuple[str, ...],
    output: str,
    feature_array: str | None,
    allow_outside: bool,
    device: str,
    quiet: bool,
    **given: Any,
) -> Answer:
    """Show what speaks for a class in images, and against it.

    MODEL is a run or its RUN/model; a run also knows the nearest training images. INPUTS are files, folders, globs, or
    one table, as for predict; a model fitted with --feature-array needs an array of these images.
    """
    from headstart.cli.progress import TerminalProgress
    from headstart.cli.table import print_table, print_text
    from headstart.workflow.explain import explain_files

    options = collect(ExplainOptions, given)
    found = explain_files(
        model,
        inputs,
        output,
        options,
        feature_array=feature_array,
        allow_outside=bool(allow_outside),
        device=None if device == "auto" else device,
        progress=TerminalProgress(quiet=quiet),
    )

    def show() -> None:
        print_table(*found.table())
        for note in found.document.notes:
            print_text(note)
        print_line(f"Wrote {output}: {plural(found.document.n_images, 'image')}, explanations.json")

    return Answer(found.document.to_json, show, exit_code=int(bool(found.n_unreadable)))
