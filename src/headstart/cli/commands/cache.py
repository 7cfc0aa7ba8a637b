"""What `headstart cache` and its verbs do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headstart.cli.output import print_json, print_table
from headstart.cli.progress import TerminalProgress
from headstart.errors import InputError

if TYPE_CHECKING:
    from headstart.features.cache import CacheInfo, FeatureCache

_COLUMNS = ("backbone", "stage", "input", "view", "precision", "row", "images", "size", "last used (UTC)")


def info(*, cache_folder: str | None, as_json: bool) -> None:
    """Describe the cache."""
    found = _open(cache_folder).info()
    if as_json:
        print_json(found.to_json())
        return
    if found.settings:
        print_table("Features and stage maps", _COLUMNS, _rows(found))
    click.echo(f"Cache: {found.folder}")
    click.echo(f"Features and stage maps: {_size(found.n_bytes)} of at most {_size(found.limit)}")
    if found.other:
        others = ", ".join(f"{name} {_size(n_bytes)}" for name, n_bytes in found.other.items())
        click.echo(f"Beside them, not counted in the limit: {others}")
    click.echo("Next: headstart cache verify, headstart cache prune --limit SIZE, or headstart cache clear")


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


def prune(*, cache_folder: str | None, limit: str | None) -> None:
    """Remove what was not used for longest."""
    from headstart.features.cache import parse_size

    cache = _open(cache_folder)
    n_bytes = cache.info().limit if limit is None else parse_size(limit)
    n_files, freed = cache.prune(n_bytes)
    click.echo(f"Removed {_files(n_files)}, {_size(freed)}; at most {_size(n_bytes)} are kept.")
    click.echo("Next: headstart cache info")


def verify(*, cache_folder: str | None, quiet: bool) -> None:
    """Check the cache."""
    damaged = _open(cache_folder, quiet=quiet).verify()
    click.echo(f"Damaged and removed: {_files(len(damaged))}." if damaged else "Every file of the cache is whole.")
    if damaged:
        raise SystemExit(1)


def clear(*, cache_folder: str | None, yes: bool) -> None:
    """Empty the cache, after asking."""
    cache = _open(cache_folder)
    if not yes:
        found = cache.info()
        what = f"all features and stage maps ({found.n_rows:,} rows, {_size(found.n_bytes)})"
        if "networks" in found.other:
            what += f" and converted networks ({_size(found.other['networks'])})"
        click.confirm(f"Remove {what} in {found.folder}?", abort=True)
    click.echo(f"Freed {_size(cache.clear())} in {cache.folder}")


def _size(n_bytes: int) -> str:
    from headstart.features.cache import size_in_words

    return size_in_words(n_bytes)


def _files(n_files: int) -> str:
    return "1 file" if n_files == 1 else f"{n_files:,} files"


def _open(folder: str | None, *, quiet: bool = True) -> FeatureCache:
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
