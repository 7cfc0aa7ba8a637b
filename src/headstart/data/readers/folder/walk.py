"""A walk through a folder: its images at any depth, and everything else that lies there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headstart.data.images.files import FilePixels
from headstart.data.images.formats import ImageFormat, formats_by_suffix, image_formats
from headstart.data.names import escaped
from headstart.data.readers.folder.namesakes import all_companions
from headstart.data.system_names import is_system_name
from headstart.errors import DataError, first_few, plural

_BEGIN_BYTES: Final = 256
TABLES: Final = (".csv", ".tsv", ".parquet", ".pq")
_OTHER_PICTURES = frozenset(
    {".gif", ".avif", ".jp2", ".j2k", ".jxl", ".jxr", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".psd"}
    | {".ico", ".exr", ".hdr", ".nef", ".cr2", ".cr3", ".arw", ".dng", ".raw", ".orf", ".rw2", ".czi", ".lif"}
    | {".nd2", ".svs", ".ndpi"}
)


@dataclass
class FolderWalk:
    """Findings of a walk; names are relative to the root, with ``/``.

    Attributes
    ----------
    root : Path
        Resolved.
    allow_outside : bool
        Follow links that lead out of the root.
    every : bool
        What looks like a picture counts as one, whatever can be made of it.
    images, tables, dead_links : list of str
        Images; files that may be tables of them; links to nothing whose names are those of no image.
    formats : Counter of str
        Number of images by the name of the format that their suffixes say.
    ignored : Counter of str
        Number of other files by suffix.
    n_hidden : int
        Number of hidden or system files and folders.
    folders : dict of str to str
        Name of every folder by its real path, ``.`` for the root.
    known : mapping of str to ImageFormat
        Format of every suffix.
    """

    root: Path
    allow_outside: bool
    every: bool = False
    images: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    dead_links: list[str] = field(default_factory=list)
    formats: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    n_hidden: int = 0
    folders: dict[str, str] = field(default_factory=dict)
    known: Mapping[str, ImageFormat] = field(default_factory=formats_by_suffix)


def walk_folder(root: Path, *, allow_outside: bool = False, every: bool = False) -> FolderWalk:
    """Everything that lies in a folder; see `FolderWalk` for the parameters.

    Raises
    ------
    DataError
        When the folder is missing or unreadable, or holds a link that leads in a circle, to a folder that is read
        anyway, or outside.
    """
    if not root.exists():
        raise DataError(f"{root} does not exist; give a folder with one folder of images per class.")
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give a folder with one folder of images per class.")
    walk = FolderWalk(root, allow_outside, folders={os.path.realpath(root): "."}, every=every)
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        for entry in _entries(root, prefix):
            if is_system_name(entry.name):
                walk.n_hidden += 1
            elif _take(walk, entry, prefix + entry.name):
                waiting.append(f"{prefix}{entry.name}/")
    return walk


def list_images(root: Path, *, allow_outside: bool = False) -> list[str]:
    """Names, relative to `root`, of all images at any depth; prediction needs no class folders.

    Raises
    ------
    DataError
        As `walk_folder`; a folder without images gives an empty list.
    """
    return sorted(walk_folder(root.resolve(), allow_outside=allow_outside).images)


@dataclass(frozen=True)
class FolderFiles:
    """Files of a folder for which somebody expects an answer.

    Attributes
    ----------
    names : list of str
        Relative to the folder: all that look like images, whether they can be read or not, links to nothing too.
    companions : dict of str to str
        Masks and thumbnails among them, each with its image.
    note : str or None
        Sentence on what has no name here.
    """

    names: list[str]
    companions: dict[str, str]
    note: str | None


def files_to_answer(root: Path, *, allow_outside: bool = False) -> FolderFiles:
    """Files of a folder that each get a row of predictions: images, and other formats of pictures to say so.

    Raises
    ------
    DataError
        As `walk_folder`; links to nothing and names that are no UTF-8 are files like others.
    """
    walk = walk_folder(root.resolve(), allow_outside=allow_outside, every=True)
    paired = all_companions(FilePixels(walk.root, confined=not allow_outside), walk.images)
    kinds = first_few(f"{count:,} {suffix}" for suffix, count in sorted(walk.ignored.items()))
    n_ignored = walk.ignored.total()
    no_pictures = plural(n_ignored, "file that is no picture", "files that are no pictures")
    left_out = [f"{no_pictures} ({kinds})"] if n_ignored else []
    left_out += [hidden_words(walk.n_hidden)] if walk.n_hidden else []
    was = "was" if n_ignored + walk.n_hidden == 1 else "were"
    note = f"{escaped(str(root))}: {' and '.join(left_out)} {was} left out." if left_out else None
    return FolderFiles(sorted(walk.images), paired, note)


def hidden_words(number: int) -> str:
    """So many hidden or system files and folders."""
    return plural(number, "hidden or system file or folder", "hidden or system files and folders")


def _entries(root: Path, prefix: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(root / prefix) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reason = "permission denied" if isinstance(error, PermissionError) else error.strerror or str(error)
        raise DataError(f"The folder {root / prefix} cannot be read: {reason}. Make it readable.") from error


def _take(walk: FolderWalk, entry: os.DirEntry[str], name: str) -> bool:
    """Record one entry of a folder; True for a folder to go into."""
    leads_nowhere = entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110 (False for a loop too)
    if entry.is_symlink() and not (walk.every and leads_nowhere):
        _check_link(walk, entry, name)
    if not leads_nowhere and entry.is_dir():
        _check_new(walk, entry, name)
        return True
    suffix = Path(entry.name).suffix.lower()
    image_format = walk.known.get(suffix) or _format_without_suffix(entry, suffix)
    if walk.every and (image_format is not None or suffix in _OTHER_PICTURES):
        walk.images.append(name)
    elif image_format is not None:
        walk.images.append(_checked_name(name))
        walk.formats[image_format.name] += 1
    elif leads_nowhere and not walk.every:
        walk.dead_links.append(name)
    else:
        walk.ignored[escaped(suffix) or "no suffix"] += 1
        walk.tables += [name] if suffix in TABLES else []
    return False


def _format_without_suffix(entry: os.DirEntry[str], suffix: str) -> ImageFormat | None:
    """Format that the first bytes of a file declare whose name has no suffix, or, as UIDs do, a number for one."""
    formats = [known for known in image_formats() if known.may_lack_suffix]
    if not formats or (suffix and not suffix[1:].isdecimal()) or not entry.is_file():
        return None
    try:
        with open(entry.path, "rb") as handle:
            begin = handle.read(_BEGIN_BYTES)
    except OSError:
        return None
    return next((known for known in formats if known.declared_by(begin)), None)


def _check_link(walk: FolderWalk, entry: os.DirEntry[str], name: str) -> None:
    """Refuse a link in a loop or outside; one to nothing is a file that cannot be read, like others."""
    try:
        target = Path(entry.path).resolve(strict=True)
    except FileNotFoundError:
        return
    except (OSError, RuntimeError) as error:
        raise DataError(f"{name} is a link that leads back to itself: a loop. Remove it.") from error
    if not walk.allow_outside and not target.is_relative_to(walk.root):
        raise DataError(
            f"{name} is a link that leads outside {walk.root}, to {target}. Copy the files there, or follow links with "
            "--allow-outside."
        )


def _check_new(walk: FolderWalk, entry: os.DirEntry[str], name: str) -> None:
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
