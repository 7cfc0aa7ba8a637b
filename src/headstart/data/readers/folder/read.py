"""Reading a folder of class folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from headstart.data.categorical import encode_texts
from headstart.data.images.files import FilePixels
from headstart.data.images.formats import format_names, image_formats
from headstart.data.names import check_printable, escaped, is_printable
from headstart.data.readers.folder.companions import companion_note
from headstart.data.readers.folder.layout import FolderLayout, folder_layout
from headstart.data.readers.folder.namesakes import all_companions
from headstart.data.readers.folder.tables import table_notes
from headstart.data.readers.folder.walk import FolderWalk, hidden_words, walk_folder
from headstart.data.readers.table import DatasetTable
from headstart.errors import DataError, first_few, plural

_ARCHIVES: Final = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
_SHEETS: Final = (".xlsx", ".xls", ".ods", ".json", ".jsonl")


def read_folder(
    root: Path, *, given: Path | None = None, split_folders: str | None = None, allow_outside: bool = False
) -> DatasetTable:
    """Table of the images below the class folders of `root`, in order of their names.

    Parameters
    ----------
    root : Path
        Resolved folder. The first folder of a path is the class; deeper ones are free. A folder around all class
        folders is looked through, and folders called like parts of a split are the split.
    given : Path, optional
        The folder as the user names it, for commands in notes. Default: `root`.
    split_folders : {"pool", "classes"}, optional
        See `headstart.data.readers.folder.layout.folder_layout`.
    allow_outside : bool
        Follow links that lead out of `root`.

    Raises
    ------
    DataError
        When the folder is missing, unreadable, without class folders or images, holds a link that leads in a
        circle, to a folder that is read anyway, or outside, a class folder's name holds control characters, or folders
        are called like parts of a split and cannot be one.
    """
    walk = walk_folder(root, allow_outside=allow_outside)
    check_printable("class folder", sorted({name.split("/", 1)[0] for name in walk.images if "/" in name}))
    hostile = [name for name in walk.images if not is_printable(name)]
    walk.images = [name for name in walk.images if is_printable(name)]
    paired = all_companions(FilePixels(root, confined=not allow_outside), walk.images)
    images = [name for name in walk.images if name not in paired]
    folders = _folders(walk, images, paired)
    layout = folder_layout(images, folders, split_folders)
    if not layout.names:
        unnamable = Counter({"with control characters in the name": len(hostile)})
        raise DataError(_nothing_found(walk, layout.unlabelled, given or root, walk.ignored + unnamable))
    labels = encode_texts(layout.classes)
    notes = [*layout.notes, *([companion_note(paired)] if paired else [])]
    notes += _notes(walk, layout, hostile, _without_images(folders, layout, set(labels.names)))
    notes += table_notes(walk, layout.names, given or root)
    return DatasetTable(
        names=layout.names,
        labels=labels,
        folds=None if layout.folds is None else np.array(layout.folds, dtype=np.int64),
        parts=None if layout.parts is None else np.array(layout.parts, dtype=np.int64),
        notes=tuple(notes),
    )


def _folders(walk: FolderWalk, images: Iterable[str], paired: Iterable[str]) -> list[str]:
    """Names of the folders, without those that hold nothing but masks and thumbnails."""
    passed_over = _around(paired) - _around(images)
    return [name for name in walk.folders.values() if name != "." and name not in passed_over]


def _around(images: Iterable[str]) -> set[str]:
    """Names of all folders around images."""
    found: set[str] = set()
    for name in images:
        folder = name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _waiting(walk: FolderWalk) -> Iterator[str]:
    """Formats whose packages are not here."""
    for known in image_formats():
        n_files = walk.formats[known.name]
        if n_files and known.install is not None:
            files = plural(n_files, f"{known.name} file waits", f"{known.name} files wait")
            yield f"{files} for a package that is not here: {known.install}"


def _without_images(folders: Iterable[str], layout: FolderLayout, classes: set[str]) -> list[str]:
    """Names of folders where class folders lie that hold no images."""
    level = layout.class_level
    unlabelled = {name.split("/")[level] for name in layout.unlabelled if name.count("/") > level}
    return sorted({name.split("/")[level] for name in folders if name.count("/") >= level} - classes - unlabelled)


def _nothing_found(walk: FolderWalk, stray: Sequence[str], given: Path, ignored: Counter[str]) -> str:
    if stray:
        table = " ".join(table_notes(walk, stray, given))
        return (
            f"{walk.root} holds {plural(len(stray), 'image')} but no class folders. Put the images of each class into "
            f"a folder named after it, or list them with their labels in a CSV file.{f' {table}' if table else ''}"
        )
    kinds = first_few(f"{count:,} {suffix}" for suffix, count in ignored.most_common())
    found = f"; it holds other files ({kinds})" if kinds else "; it is empty"
    archives = " Unpack archives first." if any(ignored[suffix] for suffix in _ARCHIVES) else ""
    return f"{walk.root} holds no images ({format_names()}){found}. Give a folder with one folder per class.{archives}"


def _unread_words(ignored: Counter[str], *, one_class: bool) -> str:
    """What may be missed in files that are no images: images in archives, labels in spreadsheets."""
    words = ""
    if any(ignored[suffix] for suffix in _ARCHIVES):
        words += " Archives are not opened: unpack them, if they hold images."
    if one_class and any(ignored[suffix] for suffix in _SHEETS):
        words += " Labels are read from CSV or Parquet: save what holds them so."
    return words


def _notes(walk: FolderWalk, layout: FolderLayout, hostile: Sequence[str], empty: Sequence[str]) -> Iterator[str]:
    if hostile:
        counts = Counter(name.split("/", 1)[0] for name in hostile if "/" in name)
        inside = first_few(f"{count:,} in {name}" for name, count in sorted(counts.items()))
        names = plural(len(hostile), "image whose name holds", "images whose names hold")
        was, at = "was" if len(hostile) == 1 else "were", f" ({inside})" if inside else ""
        yield f"{names} control characters, such as line breaks, {was} left out{at}. Rename them."
    yield from _waiting(walk)
    if layout.unlabelled:
        where = (
            "outside any class folder" if layout.notes else f"directly in {walk.root.name}, outside any class folder,"
        )
        yield plural(len(layout.unlabelled), f"image {where} was left out.", f"images {where} were left out.")
    if walk.dead_links:
        dead = first_few(map(escaped, walk.dead_links))
        yield f"{plural(len(walk.dead_links), 'link leads', 'links lead')} to nothing: {dead}. Mend or remove them."
    if walk.ignored:
        kinds = first_few(f"{count:,} {suffix}" for suffix, count in sorted(walk.ignored.items()))
        no_images = plural(walk.ignored.total(), "file that is no image was", "files that are no images were")
        yield f"{no_images} left out ({kinds}).{_unread_words(walk.ignored, one_class=len(set(layout.classes)) == 1)}"
    if walk.n_hidden:
        yield f"{hidden_words(walk.n_hidden)} {'was' if walk.n_hidden == 1 else 'were'} left out."
    if empty:
        yield f"These folders hold no images and make no class: {first_few(map(escaped, empty))}."
