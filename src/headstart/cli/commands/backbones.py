"""`headstart backbones`: the pretrained networks, their weights, and which of them suit the data."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from headstart.cli.answer import Answer
from headstart.cli.command import completed
from headstart.cli.commands import register_command
from headstart.cli.interrupted import features_are_kept
from headstart.cli.options import DataCommand, collect, data_argument, options_of, quiet_option
from headstart.cli.table import print_line
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.machine import EngineOptions, MachineOptions
from headstart.workflow.options.names import backbone_names
from headstart.workflow.options.network import NetworkOptions

_FACTS = ("name", "parameters", "multiply-adds", "input size", "feature width", "weights")
_ORIGIN = ("name", "family", "year", "paper", "licence")


def _complete_name(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return completed(backbone_names(), incomplete)


@register_command(order=90)
@click.group(invoke_without_command=True)
@click.pass_context
def backbones(context: click.Context) -> Answer | None:
    """List the pretrained networks and their weights.

    Says of each where its weights would come from.

    Without a verb: the table. The verbs show one network's stages, and carry weights to a machine without a network.
    """
    return _listing() if context.invoked_subcommand is None else None


@backbones.command("list")
def list_all() -> Answer:
    """List the pretrained networks and their weights: the table that stands without a verb too."""
    return _listing()


def _listing() -> Answer:
    """The table of the named backbones, without loading torch."""
    from headstart.backbones.describe import list_backbones
    from headstart.cli.table import print_table, print_text

    rows = list_backbones()

    def show() -> None:
        for title, columns in (("Backbones", _FACTS), ("Where they come from", _ORIGIN)):
            print_table(title, columns, [[_cell(name, row[name]) for name in columns] for row in rows])
        print_text("Any timm name and hf-hub:OWNER/MODEL work too; their weights come from --weights FILE or the hub.")
        print_line("Next: headstart fit DATA -o runs/first --backbone NAME")

    return Answer(lambda: [{_key(name): value for name, value in row.items()} for row in rows], show)


@backbones.command("show")
@click.argument("name", shell_complete=_complete_name)
@options_of(FitOptions, "input_size", help="Side of the input in pixels.")
@options_of(FitOptions, "offline")
def show_one(name: str, input_size: int | None, offline: bool) -> Answer:
    """Show the stages of a network: output, stride, parameters, multiply-adds."""
    from headstart.backbones.describe import describe_backbone
    from headstart.cli.table import print_table, print_text

    size = (input_size, input_size) if input_size else None
    found = describe_backbone(name, input_size=size, offline=offline)

    def show() -> None:
        title = f"{name}: stages at {found.input_size[0]} x {found.input_size[1]} pixels"
        print_table(title, _STAGE_COLUMNS, [_stage_row(stage) for stage in found.stages])
        if not found.is_chain:
            print_text("headstart knows no natural chain of this network: its stages are body and head only.")
        library, licence = f"{found.entry.library} {found.entry.library_name}", found.entry.licence
        print_text(f"Built by {library}; licence of the weights: {licence}")
        print_line(f"Next: headstart fit DATA -o runs/first --backbone {name}")

    return Answer(found.to_json, show)


_STAGE_COLUMNS = ("stage", "channels", "stride", "output", "parameters", "multiply-adds")


def _stage_row(stage: Any) -> list[str]:
    shape = " x ".join(str(length) for length in stage.output_shape)
    stride = "-" if stage.stride is None else f"{stage.stride:g}"
    counts = [large(stage.n_parameters), large(stage.multiply_adds)]
    return [stage.name, f"{stage.channels:,}", stride, shape, *counts]


@backbones.command(cls=DataCommand)
@data_argument
@options_of(DataSource)
@options_of(NetworkOptions)
@options_of(FitOptions, "study", help="File whose [[source]] tables are ranked.")
@options_of(
    FitOptions,
    "split",
    help="nested:OUTERxINNER, nested:2of5x4, holdout:TRAIN/VAL/TEST in percent, or split.json; test rows are not read.",
)
@options_of(FitOptions, "seed")
@options_of(EngineOptions)
@options_of(MachineOptions)
@quiet_option
def rank(data: str, quiet: bool, **given: Any) -> Answer:
    """Score several networks on your images before any search: LogME, neighbours, a logistic probe.

    {DATA}. Features are cached, so a fit finds them.
    """
    from headstart.cli.output import print_ranking
    from headstart.cli.progress import TerminalProgress
    from headstart.cli.table import print_text
    from headstart.workflow import rank_backbones

    source, options = collect(DataSource, given, path=data), collect(FitOptions, given)
    features_are_kept(options)
    found = rank_backbones(source, options, progress=TerminalProgress(quiet=quiet))

    def show() -> None:
        print_ranking(found.results)
        print_text(found.results.caution)
        labels = found.favoured if len(found.favoured) > 1 else [source.label for source in found.results.sources]
        names = ",".join(dict.fromkeys(label.split(", ")[0] for label in labels))
        print_line(f"Next: headstart fit {shlex.quote(data)} -o runs/first --backbone {names}")

    return Answer(found.results.to_json, show)


@backbones.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=_complete_name)
@click.option("--to", "folder", required=True, type=click.Path(), help="Folder to write; it gets a manifest of hashes.")
@click.option(
    "--time-limit",
    "minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Minutes after which the download of one network is given up.",
)
@options_of(FitOptions, "offline")
@quiet_option
def fetch(*, names: Sequence[str], folder: str, offline: bool, minutes: float, quiet: bool) -> Answer:
    """Copy or download weights into a folder, to be carried to a machine without a network."""
    from headstart.backbones.weights.carry import fetch_weights
    from headstart.backbones.weights.download import Limits
    from headstart.cli.progress import TerminalProgress

    limits = Limits(total_s=minutes * 60)
    fetched = fetch_weights(names, Path(folder), offline=offline, limits=limits, progress=TerminalProgress(quiet=quiet))

    def show() -> None:
        _show_carried(fetched, f"Fetched into {folder}")
        print_line(f"Wrote {Path(folder) / 'manifest.json'}")
        print_line(f"Next, on the other machine: headstart backbones add {shlex.quote(folder)}")

    return Answer(lambda: _carried(fetched), show)


@backbones.command()
@click.argument("folder", type=click.Path(), metavar="DIR")
@quiet_option
def add(folder: str, quiet: bool) -> Answer:
    """Take the weights that `fetch` put into DIR into headstart's own folder, after checking every hash."""
    from headstart.backbones.weights.carry import add_weights
    from headstart.backbones.weights.local_store import weights_folder
    from headstart.cli.progress import TerminalProgress

    added = add_weights(Path(folder), progress=TerminalProgress(quiet=quiet))

    def show() -> None:
        _show_carried(added, f"Added to {weights_folder()}")
        if added:
            print_line(f"Next: headstart fit DATA -o runs/first --backbone {added[0].name} --offline")

    return Answer(lambda: _carried(added), show)


def _carried(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"name": item.name, "file": item.file, "sha256": item.sha256, "bytes": item.n_bytes} for item in items]


def _show_carried(items: Sequence[Any], title: str) -> None:
    """Print the weights that were carried, one row a file."""
    from headstart.cli.table import print_table

    rows = [[item.name, f"{item.n_bytes / 1e6:,.1f} MB", item.sha256[:12], item.licence, item.source] for item in items]
    print_table(title, ("name", "size", "SHA-256", "licence", "source"), rows)


def large(count: int) -> str:
    """A large count with three figures and its unit.

    >>> [large(61_100_840), large(4_089_184_256), large(990), large(0)]
    ['61.1 M', '4.09 G', '990', '0']
    """
    for limit, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}"
    return str(count)


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    return large(value) if column in {"parameters", "multiply-adds"} else str(value)


def _key(column: str) -> str:
    return column.replace(" ", "_").replace("-", "_")
