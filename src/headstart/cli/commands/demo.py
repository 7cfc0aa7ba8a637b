"""`headstart demo`: 2,624 real electroluminescence images of solar cells, healthy or defective."""

from __future__ import annotations

from typing import Any

import click

from headstart.cli.answer import Answer
from headstart.cli.commands import register_command
from headstart.cli.interrupted import work_is_kept
from headstart.cli.options import collect, options_of, output_option, quiet_option
from headstart.workflow.options.fit import FitOptions


@register_command(order=100)
@click.command()
@output_option("Run folder to write, or to go on with.")
@options_of(FitOptions, "cache", "threads")
@quiet_option
def demo(output: str, quiet: bool, **given: Any) -> Answer:
    """Run the main job on 2,624 real images of solar cells.

    Needs the packages of `pip install "headstart[demo]"`; nothing is downloaded.
    """
    from headstart.cli.output import print_run
    from headstart.cli.progress import TerminalProgress
    from headstart.samples.solar_cells import INPUT_SIZE, protocol, solar_cells
    from headstart.workflow import fit

    # protocol A of the benchmark: a cell is defective when its probability of a defect is above one half
    dataset = protocol(solar_cells(), "A").dataset
    options = collect(FitOptions, given, input_size=INPUT_SIZE, positive="defective", offline=True)
    work_is_kept()
    run = fit(dataset, output, options, progress=TerminalProgress(quiet=quiet))
    return Answer(run.results.to_json, lambda: print_run(run))
