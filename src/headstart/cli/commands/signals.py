"""`headstart signals`: recordings of many channels, as files and as live streams."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from headstart.cli.answer import Answer
from headstart.cli.command import Command
from headstart.cli.commands import register_command
from headstart.cli.config import run_request
from headstart.cli.interrupted import when_interrupted, work_is_kept
from headstart.cli.options import (
    DataCommand,
    collect,
    command_line,
    data_argument,
    estimate_option,
    options_of,
    output_option,
    quiet_option,
)
from headstart.cli.plan import planned
from headstart.cli.table import print_line
from headstart.errors import plural
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.option import declared_options
from headstart.workflow.options.signals import OF_IMAGE_FILES, FileOptions, SignalOptions

_KINDS = ("mahalanobis", "knn")
_FORMATS = ("csv", "json", "influx")
_OF_FIT = tuple(item.name for item in declared_options(FitOptions) if item.name not in OF_IMAGE_FILES)
_OF_NETWORK = ("backbone", "weights", "input_size", "device", "threads", "offline")
"""Options of the network of a detector."""
_OF_JUDGED = tuple(item.name for item in declared_options(FileOptions) if item.name != "channels")
"""Options of files whose channels a model knows."""


@register_command(order=45)
@click.group()
def signals() -> None:
    """Find anomalies in recordings, and watch live streams."""


def _model_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("model", type=click.Path())(function)


_rate_option = click.option(
    "--alarms-per-day",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NUMBER",
    help="Alarms a day to keep to, as far as the model's normal running bears it. [default: as it was learned]",
)


def _say(sentence: str) -> None:
    print_line(sentence, err=True)


@signals.command(cls=DataCommand, section="signals")
@data_argument
@output_option("Run folder to write, or to go on with.")
@options_of(SignalOptions)
@options_of(FitOptions, *_OF_FIT)
@estimate_option
@quiet_option
def fit(data: str, output: str, estimate: bool, quiet: bool, **given: Any) -> Answer:
    """Train on labelled recordings: estimate, model and report.

    DATA is a recording (CSV, Parquet, .npz, .ts) or a folder of them. Their windows become pictures, and a recording is
    judged by the others alone.
    """
    from headstart.cli.output import print_judged_recordings, print_run
    from headstart.cli.progress import TerminalProgress
    from headstart.workflow.signals import estimate_signals, fit_signals

    recordings, options = collect(SignalOptions, given), collect(FitOptions, given)
    progress = TerminalProgress(quiet=quiet)
    if not estimate:
        work_is_kept()
        run = fit_signals(data, output, recordings, options, progress=progress, request=run_request())

        def show_run() -> None:
            print_judged_recordings(run.folder)
            print_run(run)

        return Answer(run.results.to_json, show_run)
    return planned(lambda: estimate_signals(data, output, recordings, options, progress=progress))


@signals.command(cls=DataCommand, section="signals")
@data_argument
@output_option("Picture to write, a PNG.")
@options_of(SignalOptions)
def show(data: str, output: str, **given: Any) -> Answer:
    """Show what recordings hold, as a network sees it.

    DATA is a recording (CSV, Parquet, .npz, .ts) or a folder of them; windows of each class are drawn on one sheet.
    """
    from headstart.cli.table import print_table, print_text
    from headstart.workflow.signals import show_signals

    changed = {
        item.parameter: value
        for item in declared_options(SignalOptions)
        if (value := given.get(item.parameter)) != item.default
    }
    again = command_line(SignalOptions, changed)
    shown = show_signals(data, output, collect(SignalOptions, given))

    def print_shown() -> None:
        rows = [
            [one["recording"], f"{one['seconds']:g}", f"{one['windows']:,}", f"{one['windows_not_normal']:,}"]
            for one in shown.rows()
        ]
        print_table("Recordings", ("recording", "seconds", "windows", "not normal"), rows)
        for note in shown.dataset.notes:
            print_text(note)
        print_line(f"Wrote {output}")
        print_line(f"Next: headstart signals fit {shlex.quote(data)} {again} -o RUN")

    return Answer(shown.to_json, print_shown)


@signals.command(cls=Command)
@output_option("New folder to write: a CSV for each recording, and truth.json.")
@click.option("--recordings", type=click.IntRange(1, 1000), default=16, show_default=True, help="Number of recordings.")
@click.option("--minutes", type=click.FloatRange(10), default=60, show_default=True, help="Length of each.")
@click.option("--gauges", type=click.IntRange(3, 100), default=8, show_default=True, help="Pressure gauges.")
@click.option(
    "--events-per-hour", type=click.FloatRange(0, 20), default=6, show_default=True, help="Anomalies; 0 for none."
)
@click.option(
    "--strength",
    type=click.FloatRange(min=0, max=5, min_open=True),
    default=2.5,
    show_default=True,
    metavar="DECADES",
    help="Largest rise of pressure by a leak, a burst or a pump.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed.")
def simulate(output: str, recordings: int, minutes: float, **given: Any) -> Answer:
    """Simulate a storage ring and its anomalies.

    Pressure, the beam's current, and labels that are exact: truth.json knows every second.
    """
    from headstart.signals.simulated_files import write_ring
    from headstart.signals.simulated_ring import Ring

    ring = Ring(recordings, minutes, given["gauges"], given["events_per_hour"], given["seed"], given["strength"])
    found = write_ring(Path(output), ring)
    n_events = sum(len(one.events) for one in found)

    def show_written() -> None:
        many, anomalies = plural(recordings, "recording"), plural(n_events, "anomaly", "anomalies")
        print_line(f"Simulated, not measured: {many} of {minutes:g} minutes, {anomalies}.")
        print_line(f"Wrote {output}")
        told = f"headstart signals show {shlex.quote(output)} --window 60s --reference 300s -o windows.png"
        print_line(f"Next: {told}")

    document = {"simulated": True, "folder": output, "recordings": recordings, "events": n_events}
    return Answer(lambda: document, show_written)


@signals.command(cls=Command)
@click.argument("data", type=click.Path())
@output_option("Folder to write: what was learned of normal running.")
@click.option(
    "--window", required=True, metavar="TIME", help="Length of a window, such as 60s, or a number of samples."
)
@click.option("--stride", metavar="TIME", help="From the start of one window to the next. [default: half a window]")
@click.option(
    "--reference", metavar="TIME", help="Stretch at each start that windows are standardised by. [default: none]"
)
@click.option(
    "--one-class",
    type=click.Choice(_KINDS),
    default="mahalanobis",
    show_default=True,
    help="Distance from normal running.",
)
@click.option(
    "--alarms-per-day",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NUMBER",
    help="Alarms a day to keep to; 7 divided by it are the days of normal running needed. [default: none promised]",
)
@click.option(
    "--block", metavar="TIME", help="Stretch of time whose alarms count as one. [default: 10min, or a window if longer]"
)
@options_of(FitOptions, "features", unset="none: by statistics of their channels", help="Know windows by a network.")
@options_of(SignalOptions, "image")
@options_of(FitOptions, *_OF_NETWORK)
@options_of(FileOptions)
def normal(data: str, output: str, **given: Any) -> Answer:
    """Learn normal running, without any labels.

    DATA is a recording (CSV, Parquet, .npz, .ts) or a folder of them; windows whose labels are not normal are left
    out. Windows are known by statistics of their channels, or by what a network gives of their pictures.
    """
    from headstart.errors import InputError
    from headstart.workflow.signals_normal import NormalOptions, learn_normal

    files, image = collect(FileOptions, given), given.pop("image")
    network = collect(FitOptions, given)
    if network.features is None and network != FitOptions():
        raise InputError("Windows are known by statistics here, without a network. Add --features, as in block4:rows.")
    options = NormalOptions(**given, files=files, image=image, network=None if network.features is None else network)
    learned = learn_normal(data, Path(output), options)

    def show() -> None:
        for note in learned.notes:
            print_line(note, err=True)
        print_line(learned.sentence)
        print_line(f"Wrote {output}")
        print_line(f"Next: headstart signals watch {shlex.quote(output)} -i STREAM")

    return Answer(learned.to_json, show)


@signals.command(cls=Command)
@_model_argument
@click.argument("data", type=click.Path())
@click.option("-o", "--output", type=click.Path(), help="Folder to write: windows.csv, judged.json, timelines.")
@_rate_option
@options_of(FileOptions, *_OF_JUDGED)
def predict(model: str, data: str, output: str | None, alarms_per_day: float | None, **given: Any) -> Answer:
    """Judge recordings, and where they have labels the model too.

    MODEL is the folder that `headstart signals normal` or `signals fit` wrote; DATA a recording or a folder of them.
    Events are found or not, with their delay; alarms are false or not.
    """
    from headstart.workflow.signals_predict import predict_recordings

    found = predict_recordings(
        Path(model),
        data,
        output=None if output is None else Path(output),
        alarms_per_day=alarms_per_day,
        files=collect(FileOptions, given),
    )

    def show() -> None:
        for note in found.notes:
            print_line(note, err=True)
        print_line("\n".join(found.lines()))
        if output is not None:
            print_line(f"Wrote {output}")
        print_line(f"Next: headstart signals watch {shlex.quote(model)} -i STREAM")

    return Answer(found.to_json, show)


@signals.command(cls=Command)
@_model_argument
@click.option(
    "-i",
    "--input",
    "source",
    default="-",
    show_default=True,
    metavar="STREAM",
    help="A file that grows, - for standard input, tcp://HOST:PORT to read from, listen://HOST:PORT to wait at, "
    "pva://PREFIX for process variables of EPICS.",
)
@click.option("-o", "--output", type=click.Path(), help="File that lines are added to. [default: standard output]")
@click.option("--state", type=click.Path(), help="File by which a watch that was stopped goes on. [default: none]")
@click.option(
    "--format", "line_format", type=click.Choice(_FORMATS), help="Format of the lines. [default: by the first]"
)
@_rate_option
@click.option("--time-column", metavar="NAME", help="Column or key of the time. [default: a usual name]")
@click.option(
    "--time-format", metavar="FORMAT", help="Format of dates that are not ISO 8601, as in '%d.%m.%Y %H:%M:%S'."
)
@click.option(
    "--raise-after", type=click.IntRange(1), default=1, show_default=True, help="Windows in a row that raise an alarm."
)
@click.option(
    "--clear-after", type=click.IntRange(1), default=3, show_default=True, help="Windows in a row that clear it."
)
@click.option("--alarms-only", is_flag=True, help="Write the windows alone that raise or clear an alarm.")
@click.option("--once", is_flag=True, help="Stop at the end of a file instead of waiting for more.")
def watch(model: str, source: str, output: str | None, state: str | None, **given: Any) -> Answer:
    """Watch a live stream: lines of samples in, lines of JSON out.

    Lines are CSV with a header, JSON or InfluxDB line protocol; channels are matched by their names. A line of JSON has
    time, score, probability, p, the alarm that is on and the channels that are to blame. What could not be used is said
    on standard error.
    """
    from headstart.cli.answer import wants_json
    from headstart.errors import InputError
    from headstart.signals.live.alarms import Hysteresis
    from headstart.workflow.signals_model import open_stream_model
    from headstart.workflow.signals_watch import WatchOptions, watch

    if wants_json() and output is None:
        raise InputError(
            "--json gives one document at the end, and the lines go to standard output: name a file with -o."
        )
    watcher = open_stream_model(Path(model), alarms_per_day=given["alarms_per_day"])
    _say(watcher.sentence)
    options = WatchOptions(
        source=source,
        output=None if output is None else Path(output),
        state=None if state is None else Path(state),
        line_format=given["line_format"] or "",
        time_column=given["time_column"],
        time_format=given["time_format"],
        hysteresis=Hysteresis(given["raise_after"], given["clear_after"]),
        follow=not given["once"],
        alarms_only=given["alarms_only"],
    )
    when_interrupted(
        "Interrupted; the lines written so far stay. "
        + ("The same command begins anew." if state is None else "The same command goes on from there.")
    )
    counts = watch(watcher, options, say=_say)

    def show() -> None:
        windows = plural(counts.windows, "window was", "windows were")
        _say(f"The stream ended: {windows} judged, {plural(counts.alarms, 'alarm')} raised.")

    return Answer(lambda: {"windows": counts.windows, "alarms": counts.alarms, "output": output}, show)
