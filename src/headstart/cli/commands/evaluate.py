"""`headstart evaluate`: a model on an outside test set."""

from __future__ import annotations

from typing import Any

import click

from headstart.cli.answer import Answer
from headstart.cli.commands import register_command
from headstart.cli.options import DataCommand, collect, data_argument, options_of, quiet_option
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.fit import FitOptions


@register_command(order=60)
@click.command(cls=DataCommand)
@click.argument("model", type=click.Path())
@data_argument
@options_of(DataSource)
@options_of(FitOptions, "skip_unreadable", "seed", "device")
@quiet_option
def evaluate(
    *, model: str, data: str, skip_unreadable: bool, seed: int, device: str, quiet: bool, **given: Any
) -> Answer:
    """Score a model on an outside, labelled test set."""
    from headstart.cli.output import next_prediction, print_scores
    from headstart.cli.progress import TerminalProgress
    from headstart.cli.table import print_text
    from headstart.model import load_model
    from headstart.workflow import evaluate as evaluate_model

    source = collect(DataSource, given, path=data)
    fitted = load_model(model, device=None if device == "auto" else device)
    progress = TerminalProgress(quiet=quiet)
    found = evaluate_model(fitted, source, skip_unreadable=skip_unreadable, seed=seed, progress=progress)

    def show() -> None:
        print_scores(found)
        for line in found.decision_lines:
            print_text(line)
        if found.novelty is not None:
            print_text(found.novelty.words("test"))
        print_text(f"{found.n_images:,} images; the intervals are those of this very model on new images of this kind.")
        kinds = [] if fitted.table is None else [column.kind for column in fitted.table.columns]
        click.echo(next_prediction(model, kinds))

    return Answer(found.to_json, show)
