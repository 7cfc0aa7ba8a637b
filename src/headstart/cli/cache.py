"""What `headstart cache` and its verbs do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headstart.cli.bars import TerminalProgress
from headstart.cli.tables import print_json, print_table
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
    click.echo(f"Features and stage maps: {size_in_words(found.n_bytes)} of at most {size_in_words(found.limit)}")
    if found.other:
        others = ", ".join(f"{name} {size_in_words(n_bytes)}" for name, n_bytes in found.other.items())
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
            size_in_words(setting.n_bytes),
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
    click.echo(f"Removed {_files(n_files)}, {size_in_words(freed)}; at most {size_in_words(n_bytes)} are kept.")
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
        what = f"all features and stage maps ({found.n_rows:,} rows, {size_in_words(found.n_bytes)})"
        if "networks" in found.other:
            what += f" and converted networks ({size_in_words(found.other['networks'])})"
        click.confirm(f"Remove {what} in {found.folder}?", abort=True)
    click.echo(f"Freed {size_in_words(cache.clear())} in {cache.folder}")


def _files(n_files: int) -> str:
    return "1 file" if n_files == 1 else f"{n_files:,} files"


def size_in_words(n_bytes: int) -> str:
    """A size with three figures and its unit.

    >>> [size_in_words(n) for n in (20_000_000_000, 81_920_000, 4_096, 12)]
    ['20 GB', '81.9 MB', '4.1 kB', '12 B']
    """
    for factor, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.3g} {unit}"
    return f"{n_bytes} B"


def _open(folder: str | None, *, quiet: bool = True) -> FeatureCache:
    from headstart.features.cache import FeatureCache
    from headstart.storage import default_cache_folder

    if folder is not None and not Path(folder).is_dir():
        raise InputError(f"{folder} is no folder, so it holds no cache. Leave --cache out for the default one.")
    place = default_cache_folder() if folder is None else Path(folder)
    return FeatureCache(place, progress=TerminalProgress(quiet=quiet))
