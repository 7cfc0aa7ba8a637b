"""`headstart predict`: the class of new images."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from headstart.cli.commands import register_command
from headstart.cli.options import options_of, quiet_option
from headstart.workflow.options.fit import FitOptions


@register_command(order=50)
@click.command()
@click.argument("model", type=click.Path())
@click.argument("inputs", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(), default=None, help="File to write. [default: standard output]")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of CSV.")
@click.option("--image-column", metavar="TEXT", help="Of a table: column of the image path. [default: image]")
@click.option("--root", type=click.Path(), help="Of a table: folder that its paths start from. [default: its own]")
@options_of(FitOptions, "device")
@quiet_option
def predict(
    *,
    model: str,
    inputs: tuple[str, ...],
    output: str | None,
    as_json: bool,
    image_column: str | None,
    root: str | None,
    device: str,
    quiet: bool,
) -> None:
    """Predict the class of images: files, folders, globs, or one CSV or Parquet table of images.

    MODEL is RUN/model, or the run itself. One row per file, with a status; a bad file never stops the others. A model
    fitted with --table-columns needs a table that has these columns; labels are not needed.
    """
    from headstart.cli.progress import TerminalProgress
    from headstart.model import load_model
    from headstart.workflow.predict import predict_files

    fitted = load_model(model, device=None if device == "auto" else device)
    path, progress = None if output is None else Path(output), TerminalProgress(quiet=quiet)
    reading = {"image_column": image_column, "root": root}
    n_bad = predict_files(fitted, inputs, output=path, as_json=as_json, **reading, progress=progress)
    if output is not None:
        click.echo(f"Wrote {output}")
        click.echo(f"Next, with labelled images: headstart evaluate {shlex.quote(model)} DATA")
    if n_bad:
        click.echo(f"Inputs that could not be read: {n_bad:,}; the status column says why.", err=True)
        raise SystemExit(1)
