"""Entry point: the verbs, and errors without tracebacks."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from headstart.cli import options as opt
from headstart.errors import HeadstartError
from headstart.version import __version__


class CommandGroup(click.Group):
    """Group that answers every mistake of the user in words and leaves with 1 or 2."""

    def list_commands(self, context: click.Context) -> list[str]:
        """CommandGroup in the order of a user's work."""
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:
        """Run a verb; a known error prints its message alone."""
        try:
            return super().invoke(context)
        except HeadstartError as error:
            click.echo(f"Error: {error}", err=True)
            context.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Interrupted; what was finished is kept. The same command goes on from there.", err=True)
            context.exit(130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(1)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="headstart")
def main() -> None:
    """Transfer learning for small image data sets, with an honest estimate of how well it works."""


@main.command()
@opt.data_argument
@opt.data_options
@click.option("--backbone", default=None, help="Network that confirms near duplicates. [default: efficientnet_lite0]")
@opt.weights_option
@click.option("--no-features", is_flag=True, help="Look at the files only; near duplicates are not confirmed.")
@opt.machine_options
@opt.json_option
@opt.quiet_option
def check(**arguments: Any) -> None:
    """Audit a data set before anything is trained on it.

    Unreadable files, class counts, sizes, duplicates, and warnings with their reasons.

    DATA is a folder of class folders, a CSV or Parquet manifest, or a .npz archive.
    """
    from headstart.cli.commands.fit import check as run

    run(**arguments)


@main.command()
@opt.data_argument
@click.option("-o", "--output", required=True, type=click.Path(), help="Run folder to write, or to go on with.")
@opt.data_options
@opt.fit_options
@opt.machine_options
@click.option("--estimate", is_flag=True, help="Print the plan and what it costs, and do nothing.")
@opt.json_option
@opt.quiet_option
def fit(**arguments: Any) -> None:
    """Train on labelled images: estimate, model and report.

    DATA is a folder of class folders, a CSV or Parquet manifest, or a .npz archive. The same command again goes on
    after an interruption.
    """
    from headstart.cli.commands.fit import fit as run

    run(**arguments)


@main.command()
@opt.data_argument
@click.option("-o", "--output", required=True, type=click.Path(), help="Folder to write, or to go on with.")
@opt.data_options
@opt.curve_options
@opt.machine_options
@opt.json_option
@opt.quiet_option
def curve(**arguments: Any) -> None:
    """Say what more images would bring: the learning curve and its law.

    DATA is a folder of class folders, a CSV or Parquet manifest, or a .npz archive. The same command again goes on
    after an interruption.
    """
    from headstart.cli.commands.fit import curve as run

    run(**arguments)


@main.command()
@opt.data_argument
@click.option("-o", "--output", required=True, type=click.Path(), help="File of weights to write: NAME.safetensors.")
@opt.data_options
@opt.pretrain_options
@opt.json_option
@opt.quiet_option
def pretrain(**arguments: Any) -> None:
    """Train a network on a source task of your own, and write weights that `fit --weights` takes.

    DATA is a folder of class folders, a CSV or Parquet manifest, or a .npz archive, of any size. The same command
    again goes on after an interruption.
    """
    from headstart.cli.commands.pretrain import pretrain as run

    run(**arguments)


@main.command()
@click.argument("model", type=click.Path())
@click.argument("inputs", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(), default=None, help="File to write. [default: standard output]")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of CSV.")
@opt.device_option
@opt.quiet_option
def predict(**arguments: Any) -> None:
    """Predict the class of images: files, folders or globs.

    MODEL is RUN/model, or the run itself. One row per file, with a status; a bad file never stops the others.
    """
    from headstart.cli.commands.fit import predict as run

    run(**arguments)


@main.command()
@click.argument("model", type=click.Path())
@opt.data_argument
@opt.data_options
@click.option("--skip-unreadable", is_flag=True, help="Leave unreadable images out instead of stopping.")
@opt.seed_option
@opt.device_option
@opt.json_option
@opt.quiet_option
def evaluate(**arguments: Any) -> None:
    """Score a model on an outside, labelled test set."""
    from headstart.cli.commands.fit import evaluate as run

    run(**arguments)


@main.command()
@click.argument("first", type=click.Path())
@click.argument("second", type=click.Path())
@opt.seed_option
@opt.json_option
def compare(**arguments: Any) -> None:
    """Compare two runs on one split in pairs: SECOND minus FIRST."""
    from headstart.cli.commands.fit import compare as run

    run(**arguments)


@main.command()
@click.argument("run", type=click.Path())
@click.option("--no-images", is_flag=True, help="Leave pictures and file names out: images of patients.")
@opt.quiet_option
def report(**arguments: Any) -> None:
    """Write the report of a finished run again."""
    from headstart.cli.commands.fit import report as run

    run(**arguments)


@main.group(invoke_without_command=True)
@opt.json_option
@click.pass_context
def backbones(context: click.Context, as_json: bool) -> None:
    """List the pretrained networks and their weights.

    Says of each where its weights would come from.

    Without a verb: the table. The verbs show one network's stages, and carry weights to a machine without a network.
    """
    if context.invoked_subcommand is None:
        from headstart.cli.commands.backbones import list_all

        list_all(as_json=as_json)
    elif as_json:
        raise click.UsageError(f"put --json after the verb: headstart backbones {context.invoked_subcommand} --json")


@backbones.command("show")
@click.argument("name")
@click.option(
    "--input-size",
    type=click.IntRange(min=16),
    default=None,
    help="Side of the input in pixels. [default: the network's own]",
)
@opt.offline_option
@opt.json_option
def backbones_show(**arguments: Any) -> None:
    """Show the stages of a network: output, stride, parameters, multiply-adds."""
    from headstart.cli.commands.backbones import show as run

    run(**arguments)


@backbones.command("rank")
@opt.data_argument
@opt.data_options
@opt.rank_options
@opt.machine_options
@opt.json_option
@opt.quiet_option
def backbones_rank(**arguments: Any) -> None:
    """Score several networks on your images before any search: LogME, neighbours, a logistic probe.

    DATA is a folder of class folders, a CSV or Parquet manifest, or a .npz archive. Features are cached, so a fit
    finds them.
    """
    from headstart.cli.commands.fit import rank as run

    run(**arguments)


@backbones.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--to", "folder", required=True, type=click.Path(), help="Folder to write; it gets a manifest of hashes.")
@click.option(
    "--time-limit",
    "minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Minutes after which the download of one network is given up.",
)
@opt.offline_option
@opt.json_option
@opt.quiet_option
def backbones_fetch(**arguments: Any) -> None:
    """Copy or download weights into a folder, to be carried to a machine without a network."""
    from headstart.cli.commands.backbones import fetch as run

    run(**arguments)


@backbones.command("add")
@click.argument("folder", type=click.Path(), metavar="DIR")
@opt.json_option
@opt.quiet_option
def backbones_add(**arguments: Any) -> None:
    """Take the weights that `fetch` put into DIR into headstart's own folder, after checking every hash."""
    from headstart.cli.commands.backbones import add as run

    run(**arguments)


@main.command()
@click.option("-o", "--output", required=True, type=click.Path(), help="Run folder to write, or to go on with.")
@opt.cache_options
@opt.threads_option
@opt.quiet_option
def demo(**arguments: Any) -> None:
    """Run the main job on 2,624 real images of solar cells.

    Needs the packages of `pip install "headstart[demo]"`; nothing is downloaded.
    """
    from headstart.cli.commands.fit import demo as run

    run(**arguments)


@main.group()
def cache() -> None:
    """Look after the cache of computed features and stage maps."""


@cache.command("info")
@opt.cache_folder_option
@opt.json_option
def cache_info(**arguments: Any) -> None:
    """Say where the cache lies and what it holds."""
    from headstart.cli.commands.cache import info as run

    run(**arguments)


@cache.command("prune")
@opt.cache_folder_option
@click.option(
    "--limit",
    default=None,
    metavar="SIZE",
    help="What may stay, such as 5GB or 500MB. [default: $HEADSTART_CACHE_LIMIT, else 20 GB or half of the room]",
)
def cache_prune(**arguments: Any) -> None:
    """Remove what was not used for longest, down to a limit.

    Features and stage maps count, and go; weights, converted networks and measured speeds stay.
    """
    from headstart.cli.commands.cache import prune as run

    run(**arguments)


@cache.command("verify")
@opt.cache_folder_option
@opt.quiet_option
def cache_verify(**arguments: Any) -> None:
    """Check every file of the cache against its hash.

    Damaged files are removed, and computed again when they are next needed; exit code 1 when there were any.
    """
    from headstart.cli.commands.cache import verify as run

    run(**arguments)


@cache.command("clear")
@opt.cache_folder_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def cache_clear(**arguments: Any) -> None:
    """Remove all features, stage maps and converted networks.

    Weights that were added and measured speeds stay.
    """
    from headstart.cli.commands.cache import clear as run

    run(**arguments)
