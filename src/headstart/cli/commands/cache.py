"""`headstart cache`: the cache of computed features and stage maps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headstart.cli.answer import Answer, wants_json
from headstart.cli.commands import register_command
from headstart.cli.options import options_of, quiet_option
from headstart.cli.table import print_line, printable
from headstart.errors import InputError, plural
from headstart.workflow.options.fit import FitOptions

if TYPE_CHECKING:
    from headstart.features.cache import CacheInfo, FeatureCache

_COLUMNS = ("backbone", "stage", "input", "view", "precision", "row", "images", "size", "last used (UTC)")


_cache_option = options_of(FitOptions, "cache", turned_off_by=None)


@register_command(order=110)
@click.group()
def cache() -> None:
    """Look after the cache of computed features and stage maps."""


@cache.command()
@_cache_option
def info(cache: str | None) -> Answer:
    """Say where the cache lies and what it holds."""
    from headstart.cli.table import print_table, print_text

    found = _open(cache).info()

    def show() -> None:
        if found.settings:
            print_table("Features and stage maps", _COLUMNS, _rows(found))
        print_line(f"Cache: {found.folder}")
        print_line(f"Features and stage maps: {_size(found.n_bytes)} of at most {_size(found.limit)}")
        if found.other:
            others = ", ".join(f"{name} {_size(n_bytes)}" for name, n_bytes in found.other.items())
            print_text(f"Beside them, not counted in the limit: {others}")
        print_line("Next: headstart cache prune --limit SIZE")

    return Answer(found.to_json, show)


def _rows(found: CacheInfo) -> list[list[str]]:
    return [
        [
            setting.backbone,
            setting.stage,
            setting.input,
            setting.view,
            setting.precision,
            setting.row,
            f"{setting.n_images:,}",
            _size(setting.n_bytes),
            setting.last_used[:16].replace("T", " "),
        ]
        for setting in found.settings
    ]


@cache.command()
@_cache_option
@click.option(
    "--limit",
    default=None,
    metavar="SIZE",
    help="What may stay, such as 5GB or 500MB. [default: $HEADSTART_CACHE_LIMIT, else 20 GB or half of the room]",
)
def prune(cache: str | None, limit: str | None) -> Answer:
    """Remove what was not used for longest, down to a limit.

    Features and stage maps count, and go; weights, converted networks and measured speeds stay.
    """
    from headstart.features.cache import parse_size

    opened = _open(cache)
    n_bytes = opened.info().limit if limit is None else parse_size(limit)
    n_files, freed = opened.prune(n_bytes)

    def show() -> None:
        print_line(f"Removed {plural(n_files, 'file')}, {_size(freed)}; at most {_size(n_bytes)} are kept.")
        print_line("Next: headstart cache info")

    return Answer(lambda: {"files": n_files, "bytes": freed, "limit": n_bytes}, show)


@cache.command()
@_cache_option
@quiet_option
def verify(cache: str | None, quiet: bool) -> Answer:
    """Check every file of the cache against its hash.

    Damaged files are removed, and computed again when they are next needed; exit code 1 when there were any.
    """
    damaged = _open(cache, quiet=quiet).verify()
    words = f"Damaged and removed: {plural(len(damaged), 'file')}." if damaged else "Every file of the cache is whole."
    names = [str(path) for path in damaged]
    return Answer(lambda: {"damaged": names}, lambda: print_line(words), exit_code=int(bool(damaged)))


@cache.command()
@_cache_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(cache: str | None, yes: bool) -> Answer:
    """Remove all features, stage maps and converted networks.

    Weights that were added and measured speeds stay.
    """
    opened = _open(cache)
    if not yes and wants_json():
        raise click.UsageError("with --json nothing is asked; add --yes to remove everything")
    if not yes:
        found = opened.info()
        what = f"all features and stage maps ({plural(found.n_rows, 'row')}, {_size(found.n_bytes)})"
        if "networks" in found.other:
            what += f" and converted networks ({_size(found.other['networks'])})"
        click.confirm(printable(f"Remove {what} in {found.folder}?"), abort=True)
    freed = opened.clear()
    document = {"folder": str(opened.folder), "bytes": freed}
    return Answer(lambda: document, lambda: print_line(f"Freed {_size(freed)} in {opened.folder}"))


def _size(n_bytes: int) -> str:
    from headstart.features.cache import size_in_words

    return size_in_words(n_bytes)


def _open(folder: str | None, *, quiet: bool = True) -> FeatureCache:
    from headstart.cli.progress import TerminalProgress
    from headstart.features.cache import FeatureCache
    from headstart.storage import default_cache_folder

    if folder is not None and not _is_folder(Path(folder)):
        raise InputError(f"{folder} is no folder, so it holds no cache. Leave --cache out for the default one.")
    place = default_cache_folder() if folder is None else Path(folder)
    if os.path.lexists(place) and not _is_folder(place):  # one that is not there yet is an empty cache
        raise InputError(f"The cache folder {place} is a file. Name a folder with --cache or in HEADSTART_CACHE.")
    return FeatureCache(place, progress=TerminalProgress(quiet=quiet))


def _is_folder(path: Path) -> bool:
    from headstart.storage import storage_error

    try:
        return path.is_dir()
    except OSError as error:  # behind a folder that may not be looked into
        raise storage_error(path, error, action="read") from error
