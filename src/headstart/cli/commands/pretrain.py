"""What `headstart pretrain` does."""

from __future__ import annotations

import shlex
from typing import Any

import click

from headstart.cli.commands.fit import _READING, _source
from headstart.cli.output import interval, number, print_json, print_table
from headstart.cli.progress import TerminalProgress

_SETTINGS = (
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "label_smoothing",
    "warmup",
    "augment",
    "n_views",
    "seed",
)


def pretrain(*, data: str, output: str, as_json: bool, quiet: bool, threads: int | None, **rest: Any) -> None:
    """Train a network on a source task."""
    from headstart.pretraining import PretrainSettings
    from headstart.workflow.options.pretrain import PretrainOptions
    from headstart.workflow.pretrain import pretrain as run_pretrain

    reading = {name: rest.pop(name) for name in list(rest) if name in _READING}
    settings = PretrainSettings(**{name: rest.pop(name) for name in _SETTINGS})
    options = PretrainOptions(settings=settings, n_threads=threads, **rest)
    made = run_pretrain(_source(data, reading), output, options, progress=TerminalProgress(quiet=quiet))
    if as_json:
        print_json(made.results)
        return
    _print_scores(made.results)
    click.echo(made.headline)
    click.echo(f"Wrote {made.path}")
    again = shlex.join(["--backbone", options.backbone, "--weights", str(made.path)])
    click.echo(f"Next: headstart fit DATA -o runs/first {again}")


def _print_scores(results: dict[str, Any]) -> None:
    from headstart.metrics import find_metric

    heldout = results["heldout"]
    rows = [
        [find_metric(name).title, number(estimate["value"]), interval(estimate["ci95"])]
        for name, estimate in heldout["metrics"].items()
    ]
    print_table(f"{heldout['n_images']:,} held-out images", ["score", "value", "95 % interval"], rows)
