"""Reader of folders with one folder of images per class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data.categorical import encode_texts
from headstart.data.images.formats import format_names, image_suffixes
from headstart.data.names import check_printable, escaped, is_printable
from headstart.data.readers import ReadOptions, register_reader
from headstart.data.readers.table import DatasetTable
from headstart.errors import DataError, first_few

if TYPE_CHECKING:
    from headstart.data.images.source import ImageSource

_OTHER_PICTURES = frozenset(
    {".gif", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".jxr", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".psd"}
    | {".ico", ".exr", ".hdr", ".dcm", ".nef", ".cr2", ".cr3", ".arw", ".dng", ".raw", ".orf", ".rw2", ".czi", ".lif"}
    | {".nd2", ".svs", ".ndpi"}
)
_SYSTEM_NAMES = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


@register_reader("folder", help="a folder of class folders", recognises=Path.is_dir)
def open_folder(path: Path, options: ReadOptions) -> tuple[DatasetTable, ImageSource]:
    """Table of the images of a folder, and their files; the options are those of `read_folder`."""
    from headstart.data.images.files import FilePixels

    root = path.resolve()
    table = read_folder(root, allow_outside=options.allow_outside)
    return table, FilePixels(root, confined=not options.allow_outside)


def read_folder(root: Path, *, allow_outside: bool = False) -> DatasetTable:
    """Table of the images below the class folders of `root`, in order of their names.

    Parameters
    ----------
    root : Path
        Resolved folder. The first folder of a path is the class; deeper ones are free.
    allow_outside : bool
        Follow links that lead out of `root`.

    Raises
    ------
    DataError
        When the folder is missing, unreadable, without class folders or images, holds a link that leads in a
        circle, to a folder that is read anyway, or outside, or a class folder's name holds control characters.
    """
    walk = _walk(root, allow_outside)
    check_printable("class folder", sorted({name.split("/", 1)[0] for name in walk.images if "/" in name}))
    hostile = [name for name in walk.images if not is_printable(name)]
    walk.images = [name for name in walk.images if is_printable(name)]
    inside = sorted(name for name in walk.images if "/" in name)
    stray = [name for name in walk.images if "/" not in name]
    if not inside:
        unnamable = Counter({"with control characters in the name": len(hostile)})
        raise DataError(_nothing_found(root, stray, walk.ignored + unnamable))
    labels = encode_texts([name.split("/", 1)[0] for name in inside])
    return DatasetTable(names=inside, labels=labels, notes=tuple(_notes(walk, stray, hostile, set(labels.names))))


def list_images(root: Path) -> list[str]:
    """Names, relative to `root`, of all images at any depth; prediction needs no class folders.

    Raises
    ------
    DataError
        As `read_folder`; a folder without images gives an empty list.
    """
    return sorted(_walk(root.resolve(), allow_outside=False).images)


@dataclass(frozen=True)
class FolderFiles:
    """Files of a folder for which somebody expects an answer.

    Attributes
    ----------
    names : list of str
        Relative to the folder: all that look like images, whether they can be read or not, links to nothing too.
    note : str or None
        Sentence on what was left out.
    """

    names: list[str]
    note: str | None


def files_to_answer(root: Path) -> FolderFiles:
    """Files of a folder that each get a row of predictions: images, and other formats of pictures to say so.

    Raises
    ------
    DataError
        As `read_folder`, but for links to nothing and names that are no UTF-8; these are files like others.
    """
    walk = _walk(root.resolve(), allow_outside=False, every=True)
    kinds = first_few(f"{count:,} {suffix}" for suffix, count in sorted(walk.ignored.items()))
    left_out = [f"{walk.ignored.total():,} files that are no pictures ({kinds})"] if walk.ignored else []
    left_out += [f"{walk.n_hidden:,} hidden or system files and folders"] if walk.n_hidden else []
    note = f"{escaped(str(root))}: {' and '.join(left_out)} were left out." if left_out else None
    return FolderFiles(sorted(walk.images), note)


@dataclass
class _Walk:
    """Findings of a walk: image names, number of ignored files by suffix, folders by real path.

    With `every` what looks like a picture counts as one whatever can be made of it.
    """

    root: Path
    allow_outside: bool
    images: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    n_hidden: int = 0
    every: bool = False
    folders: dict[str, str] = field(default_factory=dict)
    suffixes: frozenset[str] = field(default_factory=image_suffixes)


def _walk(root: Path, allow_outside: bool, *, every: bool = False) -> _Walk:
    if not root.exists():
        raise DataError(f"{root} does not exist; give a folder with one folder of images per class.")
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give a folder with one folder of images per class.")
    walk = _Walk(root, allow_outside, folders={os.path.realpath(root): "."}, every=every)
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        for entry in _entries(root, prefix):
            if _is_hidden(entry.name):
                walk.n_hidden += 1
            elif _take(walk, entry, prefix + entry.name):
                waiting.append(f"{prefix}{entry.name}/")
    return walk


def _entries(root: Path, prefix: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(root / prefix) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reason = "permission denied" if isinstance(error, PermissionError) else error.strerror or str(error)
        raise DataError(f"The folder {root / prefix} cannot be read: {reason}. Make it readable.") from error


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM_NAMES


def _take(walk: _Walk, entry: os.DirEntry[str], name: str) -> bool:
    """Record one entry of a folder; True for a folder to go into."""
    leads_nowhere = entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110 (False for a loop too)
    if entry.is_symlink() and not (walk.every and leads_nowhere):
        _check_link(walk, entry, name)
    if not leads_nowhere and entry.is_dir():
        _check_new(walk, entry, name)
        return True
    suffix = Path(entry.name).suffix.lower()
    if walk.every and (suffix in walk.suffixes or suffix in _OTHER_PICTURES):
        walk.images.append(name)
    elif suffix in walk.suffixes:
        walk.images.append(_checked_name(name))
    else:
        walk.ignored[escaped(suffix) or "no suffix"] += 1
    return False


def _check_link(walk: _Walk, entry: os.DirEntry[str], name: str) -> None:
    try:
        target = Path(entry.path).resolve(strict=True)
    except FileNotFoundError as error:
        raise DataError(f"{name} is a link to a file that does not exist. Remove or mend it.") from error
    except (OSError, RuntimeError) as error:
        raise DataError(f"{name} is a link that leads back to itself: a loop. Remove it.") from error
    if not walk.allow_outside and not target.is_relative_to(walk.root):
        raise DataError(
            f"{name} is a link that leads outside {walk.root}, to {target}. Copy the files there, or use a "
            "manifest that lists them."
        )


def _check_new(walk: _Walk, entry: os.DirEntry[str], name: str) -> None:
    """Refuse a folder reached a second time, so that a loop of links ends and no image counts twice."""
    real = os.path.realpath(entry.path)
    known = walk.folders.setdefault(real, name)
    if known == name:
        return
    if known == "." or name.startswith(f"{known}/"):
        raise DataError(f"{name} is a link back to {real}, which contains it: a loop. Remove the link.")
    raise DataError(f"{name} and {known} are the same folder ({real}), so its images would count twice. Remove one.")


def _checked_name(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"The file name {name!a} is not valid UTF-8. Rename the file.") from error
    return name


def _nothing_found(root: Path, stray: list[str], ignored: Counter[str]) -> str:
    if stray:
        return (
            f"{root} holds {len(stray):,} images but no class folders. Put the images of each class into a folder "
            "named after it, or list them with their labels in a CSV file."
        )
    kinds = first_few(f"{count:,} {suffix}" for suffix, count in ignored.most_common())
    found = f"; it holds other files ({kinds})" if kinds else "; it is empty"
    return f"{root} holds no images ({format_names()}){found}. Give a folder with one folder per class."


def _notes(walk: _Walk, stray: list[str], hostile: list[str], classes: set[str]) -> Iterator[str]:
    if hostile:
        counts = Counter(name.split("/", 1)[0] for name in hostile if "/" in name)
        inside = first_few(f"{count:,} in {name}" for name, count in sorted(counts.items()))
        yield (
            f"{len(hostile):,} images whose names hold control characters, such as line breaks, were left out"
            f"{f' ({inside})' if inside else ''}. Rename them."
        )
    if stray:
        yield f"{len(stray):,} images directly in {walk.root.name}, outside any class folder, were left out."
    if walk.ignored:
        kinds = first_few(f"{count:,} {suffix}" for suffix, count in sorted(walk.ignored.items()))
        yield f"{walk.ignored.total():,} files that are no images were left out ({kinds})."
    if walk.n_hidden:
        yield f"{walk.n_hidden:,} hidden or system files and folders were left out."
    empty = sorted({name.split("/", 1)[0] for name in walk.folders.values()} - classes - {"."})
    if empty:
        yield f"These folders hold no images and make no class: {first_few(map(escaped, empty))}."
