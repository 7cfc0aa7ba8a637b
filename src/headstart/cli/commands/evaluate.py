"""`headstart evaluate`: a model on an outside test set."""

from __future__ import annotations

from typing import Any

import click

from headstart.cli.answer import Answer
from headstart.cli.commands import register_command
from headstart.cli.interrupted import predictions_are_not
from headstart.cli.options import DataCommand, collect, data_argument, options_of, quiet_option
from headstart.errors import plural
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.machine import NOTHING_KEPT, OF_MODEL, EngineOptions, MachineOptions


@register_command(order=60)
@click.command(cls=DataCommand)
@click.argument("model", type=click.Path())
@data_argument
@options_of(DataSource)
@options_of(FitOptions, "skip_unreadable", "seed", "device")
@options_of(FitOptions, "threads", "batch_size", unset=OF_MODEL)
@options_of(FitOptions, "cache", turned_off_by=NOTHING_KEPT)
@options_of(FitOptions, "cache_limit")
@quiet_option
def evaluate(
    *, model: str, data: str, skip_unreadable: bool, seed: int, device: str, quiet: bool, **given: Any
) -> Answer:
    """Score a model on an outside, labelled test set."""
    from headstart.cli.output import print_next, print_scores
    from headstart.cli.progress import TerminalProgress
    from headstart.cli.table import print_text
    from headstart.model import load_model
    from headstart.workflow import evaluate as evaluate_model
    from headstart.workflow.job.machine import model_on_machine

    source = collect(DataSource, given, path=data)
    machine, engine = collect(MachineOptions, given), collect(EngineOptions, given)
    progress = TerminalProgress(quiet=quiet)
    loaded = load_model(model, device=None if device == "auto" else device)
    fitted = model_on_machine(loaded, machine, engine, progress)
    predictions_are_not(fitted, "")
    found = evaluate_model(fitted, source, skip_unreadable=skip_unreadable, seed=seed, progress=progress)

    def show() -> None:
        print_scores(found)
        for line in found.decision_lines:
            print_text(line)
        if found.novelty is not None:
            print_text(found.novelty.words("test"))
        n_images = plural(found.n_images, "image")
        print_text(f"{n_images}; the intervals are those of this very model on new images of this kind.")
        print_next(model, fitted.table)

    return Answer(found.to_json, show)
