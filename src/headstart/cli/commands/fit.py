"""What the verbs do: call the library, print the answer on stdout, name what was written and what to try next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from headstart.cli.output import (
    decision_lines,
    print_comparison,
    print_curve,
    print_json,
    print_plan,
    print_rivals,
    print_scores,
    print_tax,
    print_transfer,
)
from headstart.cli.progress import TerminalProgress
from headstart.errors import InputError
from headstart.workflow.options.fit import DataSource, FitOptions

_COLUMNS = {
    **{name: f"{name}_column" for name in ("image", "label", "group", "weight", "fold", "rater")},
    "soft": "soft_prefix",
    "raters": "rater_columns",
}


def check(
    *,
    data: str,
    as_json: bool,
    quiet: bool,
    no_features: bool,
    backbone: str | None,
    weights: str | None,
    device: str,
    threads: int | None,
    offline: bool,
    cache_folder: str | None,
    cache_limit: str | None,
    no_cache: bool,
    **reading: Any,
) -> None:
    """Audit a data set."""
    from headstart.workflow.check import check_data

    options = FitOptions(
        backbone=backbone,
        weights=weights,
        device=device,
        n_threads=threads,
        offline=offline,
        cache=_cache(cache_folder, no_cache),
        cache_limit=cache_limit,
    )
    found = check_data(
        _source(data, reading), options, features=not no_features, progress=TerminalProgress(quiet=quiet)
    )
    if as_json:
        print_json(found.to_json())
    else:
        for line in found.lines():
            click.echo(line)
        again = [part for name, value in reading.items() for part in _option(name, value)]
        click.echo(f"Next: headstart fit {shlex.join([data, *again])} -o runs/first")
    if found.audit.unreadable:
        raise SystemExit(1)


def fit(
    *,
    data: str,
    output: str,
    as_json: bool,
    quiet: bool,
    estimate: bool,
    threads: int | None,
    cache_folder: str | None,
    no_cache: bool,
    no_images: bool,
    folds: int | None,
    split: str,
    **rest: Any,
) -> None:
    """Train and judge."""
    from headstart.workflow import fit as run_fit
    from headstart.workflow.estimate import estimate_fit

    reading = {name: rest.pop(name) for name in list(rest) if name in _READING}
    if folds is not None:
        if split != "nested:5x4":
            raise InputError("--folds is short for --split nested:FOLDSx4; give one of the two.")
        split = f"nested:{folds}x4"
    options = FitOptions(
        split=split, n_threads=threads, cache=_cache(cache_folder, no_cache), images=not no_images, **rest
    )
    progress, source = TerminalProgress(quiet=quiet), _source(data, reading)
    if estimate:
        plan = estimate_fit(source, output, options, progress=progress)
        if as_json:
            print_json(plan)
        else:
            print_plan(plan)
            click.echo("Nothing was written. Next: the same command without --estimate")
        return
    run = run_fit(source, output, options, progress=progress)
    print_json(run.results) if as_json else _print_run(run)


def curve(
    *,
    data: str,
    output: str,
    as_json: bool,
    quiet: bool,
    threads: int | None,
    cache_folder: str | None,
    no_cache: bool,
    metric: str,
    n_sizes: int,
    n_repeats: int,
    n_folds: int,
    at: tuple[int, ...],
    **rest: Any,
) -> None:
    """Draw a learning curve."""
    from headstart.workflow.learning_curve import CurveOptions
    from headstart.workflow.learning_curve import curve as run_curve

    reading = {name: rest.pop(name) for name in list(rest) if name in _READING}
    options = FitOptions(n_threads=threads, cache=_cache(cache_folder, no_cache), **rest)
    wanted = CurveOptions(metric, n_sizes, n_repeats, n_folds, at)
    found = run_curve(_source(data, reading), output, options, wanted, progress=TerminalProgress(quiet=quiet))
    if as_json:
        print_json(found.results)
        return
    print_curve(found.results)
    click.echo(found.verdict)
    click.echo(f"Page: {found.page}")
    click.echo(f"Next: headstart fit {_quoted(Path(data))} -o runs/first")


def _print_run(run: Any) -> None:
    from headstart.workflow.finetuning_document import tuning_words

    print_scores(run.results)
    if (tuned := run.results.get("fine_tuning")) is not None:
        click.echo(tuning_words(tuned))
    if run.results["leakage_tax"] is not None:
        print_tax(run.results["leakage_tax"])
    if run.results.get("transferability") is not None:
        _print_transfer(run.results["transferability"])
    for line in decision_lines(run.results):
        click.echo(line)
    if (transfer := run.results.get("transfer")) is not None:
        print_rivals(transfer)
        click.echo(transfer["text"])
    for warning in run.results["warnings"]:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(run.headline)
    click.echo(f"Report: {run.report}")
    click.echo(f"Next: headstart predict {_quoted(run.folder / 'model')} NEW_IMAGES/")


def _print_transfer(found: dict[str, Any]) -> None:
    print_transfer(found)
    for line in found["words"]:
        click.echo(line)
    if found["agreement"] is not None:
        click.echo(found["agreement"]["words"])


def rank(
    *,
    data: str,
    as_json: bool,
    quiet: bool,
    threads: int | None,
    cache_folder: str | None,
    no_cache: bool,
    **rest: Any,
) -> None:
    """Score backbones before any study."""
    from headstart.workflow import rank_backbones

    reading = {name: rest.pop(name) for name in list(rest) if name in _READING}
    options = FitOptions(n_threads=threads, cache=_cache(cache_folder, no_cache), **rest)
    found = rank_backbones(_source(data, reading), options, progress=TerminalProgress(quiet=quiet))
    if as_json:
        print_json(found.results)
        return
    _print_transfer(found.results)
    click.echo(found.results["caution"])
    labels = found.favoured if len(found.favoured) > 1 else [source["label"] for source in found.results["sources"]]
    names = ",".join(dict.fromkeys(label.split(", ")[0] for label in labels))
    click.echo(f"Next: headstart fit {_quoted(data)} -o runs/first --backbone {names}")


def predict(
    *, model: str, inputs: tuple[str, ...], output: str | None, as_json: bool, device: str, quiet: bool
) -> None:
    """Predict images."""
    from headstart.model import load_model
    from headstart.workflow.predict import predict_files

    fitted = load_model(model, device=None if device == "auto" else device)
    progress = TerminalProgress(quiet=quiet)
    n_bad = predict_files(
        fitted, inputs, output=None if output is None else Path(output), as_json=as_json, progress=progress
    )
    if output is not None:
        click.echo(f"Wrote {output}")
        click.echo(f"Next, with labelled images: headstart evaluate {_quoted(model)} DATA")
    if n_bad:
        click.echo(f"Inputs that could not be read: {n_bad:,}; the status column says why.", err=True)
        raise SystemExit(1)


def evaluate(
    *,
    model: str,
    data: str,
    skip_unreadable: bool,
    seed: int,
    device: str,
    as_json: bool,
    quiet: bool,
    **reading: Any,
) -> None:
    """Score a model on a test set."""
    from headstart.model import load_model
    from headstart.workflow import evaluate as run_evaluate

    fitted = load_model(model, device=None if device == "auto" else device)
    progress = TerminalProgress(quiet=quiet)
    found = run_evaluate(fitted, _source(data, reading), skip_unreadable=skip_unreadable, seed=seed, progress=progress)
    if as_json:
        print_json(found)
        return
    print_scores(found)
    for line in decision_lines(found):
        click.echo(line)
    click.echo(f"{found['n_images']:,} images; the intervals speak of this very model on new images of this kind.")
    click.echo(f"Next: headstart predict {_quoted(model)} NEW_IMAGES/")


def compare(*, first: str, second: str, seed: int, as_json: bool) -> None:
    """Compare two runs in pairs."""
    from headstart.workflow import compare as run_compare

    found = run_compare(first, second, seed=seed)
    if as_json:
        print_json(found)
        return
    print_comparison(found)
    click.echo(f"Next: headstart report {_quoted(second)}")


def report(*, run: str, no_images: bool, quiet: bool) -> None:
    """Write a report again."""
    from headstart.workflow.fit import rewrite_report

    path = rewrite_report(run, images=not no_images, progress=TerminalProgress(quiet=quiet))
    click.echo(f"Report: {path}")
    click.echo(f"Next: headstart predict {_quoted(Path(run) / 'model')} NEW_IMAGES/")


def demo(*, output: str, cache_folder: str | None, no_cache: bool, threads: int | None, quiet: bool) -> None:
    """Run the main job on the solar cells."""
    from headstart.cli.commands.demo import run_demo

    run = run_demo(
        output, cache=_cache(cache_folder, no_cache), n_threads=threads, progress=TerminalProgress(quiet=quiet)
    )
    _print_run(run)


_READING = (
    "group_from",
    *_COLUMNS.values(),
    "votes",
    "classes",
    "root",
    "partition",
    "allow_outside",
)


def _source(data: str, reading: dict[str, Any]) -> DataSource:
    columns = {name: reading[option] for name, option in _COLUMNS.items() if reading.get(option)}
    classes = reading.get("classes")
    return DataSource(
        data,
        group_from=reading.get("group_from"),
        columns=columns or None,
        root=reading.get("root"),
        partition=reading.get("partition"),
        classes=None if classes is None else tuple(name.strip() for name in classes.split(",")),
        votes=reading.get("votes"),
        allow_outside=bool(reading.get("allow_outside")),
    )


def _quoted(path: str | Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))


def _option(name: str, value: Any) -> list[str]:
    """An option as it was given on the command line; nothing for one that was left out."""
    if value is None or value is False:
        return []
    flag = f"--{name.replace('_', '-')}"
    return [flag] if value is True else [flag, str(value)]


def _cache(folder: str | None, no_cache: bool) -> str | None:
    if folder is not None and no_cache:
        raise InputError("--cache and --no-cache exclude each other; give one of the two.")
    return None if no_cache else folder or "default"
