"""Files that a wrong path may mean: a table often loses suffixes, leading zeros and the case of letters."""

from __future__ import annotations

import functools
from pathlib import Path

from headstart.data.images.formats import image_suffixes


def similar_file(path: Path) -> str:
    """Words for an error about a missing file that name the one it may mean, or none.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "007.png").touch()
    >>> similar_file(folder / "7"), similar_file(folder / "8.png")
    ("; there is '007.png', so write that (a table may lose suffixes and leading zeros)", '')
    """
    try:
        changed = path.parent.stat().st_mtime_ns
    except (OSError, ValueError):
        return ""
    found = _files_by_key(path.parent, changed).get(_key(path.name), ())
    if len(found) != 1 or found[0] == path.name:  # a link to nothing is there, and is not
        return ""
    return f"; there is {found[0]!r}, so write that (a table may lose suffixes and leading zeros)"


@functools.lru_cache(maxsize=8)
def _files_by_key(folder: Path, changed: int) -> dict[str, tuple[str, ...]]:
    """Names of the images of a folder, as it was when it was last changed, by what is left of each."""
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        if Path(name).suffix.lower() in image_suffixes():
            found[_key(name)] = (*found.get(_key(name), ()), name)
    return found


def _key(name: str) -> str:
    """Name in lower case, without the suffix of an image, without leading zeros and the fraction of a whole number.

    >>> _key("007.PNG"), _key("7.0"), _key("000.png"), _key("0")
    ('7', '7', '0', '0')
    """
    path = Path(name.lower())
    stem = path.stem if path.suffix in image_suffixes() else path.name
    if stem.endswith(".0") and stem[:-2].isdecimal():
        stem = stem[:-2]
    return stem.lstrip("0") or stem[:1]
