"""`headstart predict`: the class of new images."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from headstart.cli.answer import Answer, printable_json, wants_json
from headstart.cli.commands import register_command
from headstart.cli.interrupted import predictions_are_not
from headstart.cli.options import collect, options_of, quiet_option
from headstart.cli.table import on_one_line, print_line
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.machine import NOTHING_KEPT, OF_MODEL, EngineOptions, MachineOptions


@register_command(order=50)
@click.command()
@click.argument("model", type=click.Path())
@click.argument("inputs", nargs=-1, required=True, type=click.Path())
@click.option("-o", "--output", type=click.Path(), default=None, help="File to write. [default: standard output]")
@click.option("--json-lines", is_flag=True, help="Rows as lines of JSON instead of CSV.")
@click.option("--image-column", metavar="TEXT", help="Of a table: column of the image path. [default: image]")
@click.option("--root", type=click.Path(), help="Of a table: folder that its paths start from. [default: its own]")
@options_of(DataSource, "feature_array", "allow_outside", "accept_damaged")
@options_of(FitOptions, "device")
@options_of(FitOptions, "threads", "batch_size", unset=OF_MODEL)
@options_of(FitOptions, "cache", turned_off_by=NOTHING_KEPT)
@options_of(FitOptions, "cache_limit")
@quiet_option
def predict(
    *,
    model: str,
    inputs: tuple[str, ...],
    output: str | None,
    json_lines: bool,
    image_column: str | None,
    root: str | None,
    feature_array: str | None,
    allow_outside: bool,
    accept_damaged: bool,
    device: str,
    quiet: bool,
    **given: Any,
) -> Answer:
    """Predict the class of images: files, folders, globs, a table.

    A table is one CSV or Parquet file with a row for each image.

    MODEL is RUN/model, or the run itself. One row per file, with a status; a bad file never stops the others. A model
    fitted with --table-columns needs a table that has these columns, one with --feature-array an array of these
    images; labels are not needed.
    """
    from headstart.cli.progress import TerminalProgress
    from headstart.model import load_model
    from headstart.workflow.job.machine import model_on_machine
    from headstart.workflow.predict import Reading, n_unreadable, predict_files, predict_rows

    path, progress = None if output is None else Path(output), TerminalProgress(quiet=quiet)
    machine, engine = collect(MachineOptions, given), collect(EngineOptions, given)
    loaded = load_model(model, device=None if device == "auto" else device)
    fitted = model_on_machine(loaded, machine, engine, progress)
    predictions_are_not(fitted, "" if output is None else f"{output} was not written.")
    reading: Reading = {
        "image_column": image_column,
        "root": root,
        "feature_array": feature_array,
        "accept_damaged": accept_damaged,
        "allow_outside": allow_outside,
    }
    spell: Callable[[str], str] = str
    if output is None and sys.stdout.isatty():
        spell = printable_json if json_lines else on_one_line
    document: dict[str, Any] = {"classes": list(fitted.classes), "output": output}
    if output is None and wants_json():
        rows = list(predict_rows(fitted, inputs, **reading, progress=progress))
        n_bad = n_unreadable(rows)
        document["predictions"] = rows
    else:
        n_bad = predict_files(
            fitted, inputs, output=path, json_lines=json_lines, spell=spell, **reading, progress=progress
        )
    document["unreadable"] = n_bad
    if n_bad:
        print_line(f"Inputs that could not be read: {n_bad:,}; the status column says why.", err=True)

    def show() -> None:
        if output is not None:
            print_line(f"Wrote {output}")
            print_line(f"Next, with labelled images: headstart evaluate {shlex.quote(model)} DATA")

    return Answer(lambda: document, show, exit_code=int(n_bad > 0))
