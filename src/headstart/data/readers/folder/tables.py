"""Tables that lie among images and list them: named with the command that uses them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from headstart.errors import DataError, first_few

if TYPE_CHECKING:
    from headstart.data.readers.folder.walk import FolderWalk

_MAX_TABLES: Final = 5
_MAX_BYTES: Final = 64 << 20
_MAX_COLUMNS: Final = 100
_N_ROWS: Final = 200
_LEAST_SHARE: Final = 0.5
_LABELS: Final = ("label", "labels", "class", "class_name", "classname", "diagnosis", "dx", "target", "category", "y")


@dataclass(frozen=True)
class _Listing:
    """Column of a table whose cells name images: its share of rows that do, the folder they start from, an example.

    `cut` is an image whose name the table has without its end, where that is so.
    """

    column: str
    share: float
    folder: str
    cut: str | None


def table_notes(walk: FolderWalk, images: Sequence[str], given: Path) -> list[str]:
    """A sentence for every table of a folder that lists its images, with the command that takes their labels from it.

    Parameters
    ----------
    walk : FolderWalk
    images : sequence of str
        Names of the images.
    given : Path
        The folder as the user names it.
    """
    near = [name for name in walk.tables if name.count("/") <= 1][:_MAX_TABLES]
    known = _known(images) if near else {}
    return [note for name in near if (note := _note(walk.root, name, known, given)) is not None]


def _known(images: Sequence[str]) -> dict[str, list[str]]:
    """Images by the name of their file, and by it without its end."""
    found: dict[str, list[str]] = {}
    for name in images:
        path = PurePosixPath(name)
        for key in {path.name, path.stem}:
            found.setdefault(key, []).append(name)
    return found


def _note(root: Path, table: str, known: Mapping[str, Sequence[str]], given: Path) -> str | None:
    cells = _cells(root / table)
    listings = [found for column, texts in cells.items() if (found := _listing(column, texts, known)) is not None]
    if not listings:
        return None
    best = max(listings, key=lambda found: found.share)
    words, lacking = ["headstart", "fit", str(given / table)], ""
    if PurePosixPath(best.folder) != PurePosixPath(table).parent:
        words += ["--root", str(given / best.folder)]
    if best.column != "image":
        words += ["--image-column", best.column]
    others = [column for column in cells if column != best.column]
    label = next((column for column in others if column.casefold() in _LABELS), others[0] if len(others) == 1 else None)
    if label is None:
        words += ["--label-column", "NAME"]
        lacking = f", NAME one of {first_few(others)}" if others else ""
    elif label != "label":
        words += ["--label-column", label]
    if not others:
        return None
    command = f"{shlex.join(words)} -o runs/first"
    if best.cut is not None:
        return (
            f"{table} seems to list these images (column {best.column!r}) without the ends of their names; write "
            f"them in full, as in {PurePosixPath(best.cut).name}, and this takes the labels from it: {command}{lacking}"
        )
    return f"{table} lists these images (column {best.column!r}). To take the labels from it: {command}{lacking}"


def _cells(path: Path) -> dict[str, list[str]]:
    """First cells of every column of a table as text; none of what is no table."""
    from headstart.data.readers.manifest.cells import column_texts
    from headstart.data.readers.manifest.tabular import column_names, read_columns

    try:
        if path.stat().st_size > _MAX_BYTES:
            return {}
        names = column_names(path)[:_MAX_COLUMNS]
        table = read_columns(path, names).slice(0, _N_ROWS)
        return {name: column_texts(table[name]).to_pylist() for name in names}
    except (DataError, OSError, ValueError, NotImplementedError):  # what pyarrow raises is a ValueError or one of these
        return {}


def _listing(column: str, texts: Sequence[str], known: Mapping[str, Sequence[str]]) -> _Listing | None:
    """How a column lists images, where at least half of its cells do."""
    hits = [hit for text in texts if (hit := _hit(text, known)) is not None]
    if len(hits) < max(1, _LEAST_SHARE * len(texts)):
        return None
    folders: Counter[str] = Counter(folder for choices, _ in hits for folder in choices)
    folder, count = max(folders.items(), key=lambda item: (item[1], -len(item[0])))
    if count < _LEAST_SHARE * len(texts):
        return None
    cut = next((image for _, image in hits if image is not None), None)
    return _Listing(column, count / len(texts), folder, cut)


def _hit(text: str, known: Mapping[str, Sequence[str]]) -> tuple[list[str], str | None] | None:
    """Folders from which a cell names an image, and that image where the cell lacks the end of its name."""
    cell = PurePosixPath(text.replace("\\", "/")).as_posix() if text else ""
    images = known.get(cell.rpartition("/")[2], ()) if cell else ()
    for is_cut in (False, True):
        named = [str(PurePosixPath(image).with_suffix("")) if is_cut else image for image in images]
        places = [
            (whole[: -len(cell)].rstrip("/") or ".", image)
            for whole, image in zip(named, images, strict=True)
            if whole == cell or whole.endswith(f"/{cell}")
        ]
        if places:
            return [folder for folder, _ in places], places[0][1] if is_cut else None
    return None
