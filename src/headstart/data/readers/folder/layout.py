"""Meaning of the folders around images: classes, parts of a split, or a wrapping around either."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from headstart.data.readers.folder.doubtful import doubtful_notes
from headstart.data.readers.folder.split_folders import CLASSES, SplitFolders, find_split_folders
from headstart.data.readers.split_names import POOL
from headstart.data.readers.table import SPLIT_PARTS
from headstart.errors import DataError, first_few


@dataclass(frozen=True)
class FolderLayout:
    """Images of a folder by what the folders around them mean.

    Attributes
    ----------
    names : list of str
        Images that have a class, in order of their names.
    classes : list of str
        Class of each.
    parts : list of int or None
        Place of each in `headstart.data.readers.table.SPLIT_PARTS`, where folders are parts of a split.
    folds : list of int or None
        Number of the fold of each, where folders are numbered folds.
    unlabelled : list of str
        Images in no class folder.
    notes : tuple of str
        Sentences on folders that are no classes.
    class_level : int
        Number of folders around a class folder.
    """

    names: list[str]
    classes: list[str]
    parts: list[int] | None = None
    folds: list[int] | None = None
    unlabelled: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    class_level: int = 0


def folder_layout(images: Sequence[str], folders: Iterable[str], split_folders: str | None = None) -> FolderLayout:
    """Layout of a folder from the names of its images and folders.

    Parameters
    ----------
    images : sequence of str
        Names relative to the root, with ``/``.
    folders : iterable of str
        Names of all folders in it, also of those without images.
    split_folders : {"pool", "classes"}, optional
        What folders called like parts of a split are, where the user says it. Default: the split. With ``classes`` the
        first folders are the classes, a single one around all others too.

    Raises
    ------
    DataError
        When folders called like parts of a split do not hold the same class folders.
    """
    wrapper = "" if split_folders == CLASSES else _wrapper(images, list(folders))
    level = wrapper.count("/")
    inside = sorted(name for name in images if name.count("/") > level)
    stray = [name for name in images if name.count("/") <= level]
    found = None if split_folders == CLASSES else find_split_folders(inside, level)
    if found is not None and found.problem is not None and split_folders != POOL:
        raise DataError(f"{found.problem} {found.choice}")
    notes = [_wrapper_note(wrapper, inside, level)] if wrapper and (found is None or found.class_level == level) else []
    if found is None:
        classes = [name.split("/")[level] for name in inside]
        notes += doubtful_notes(inside, level)
        return FolderLayout(inside, classes, unlabelled=stray, notes=tuple(notes), class_level=level)
    labelled = [name for name in inside if found.has_class(name)]
    stray += [name for name in inside if not found.has_class(name)]
    classes = [name.split("/")[found.class_level] for name in labelled]
    if split_folders == POOL:
        notes.append(found.pooled_note())
        return FolderLayout(labelled, classes, None, None, stray, tuple(notes), found.class_level)
    return _split_layout(found, labelled, classes, stray, notes)


def _split_layout(
    found: SplitFolders, labelled: list[str], classes: list[str], stray: list[str], notes: list[str]
) -> FolderLayout:
    split = [found.part_of(name) for name in labelled]
    notes.append(found.note(split, classes))
    if found.are_folds:
        return FolderLayout(
            labelled, classes, None, [one.number for one in split], stray, tuple(notes), found.class_level
        )
    parts = [SPLIT_PARTS.index(one.part) for one in split]
    return FolderLayout(labelled, classes, parts, None, stray, tuple(notes), found.class_level)


def _wrapper(images: Sequence[str], folders: Sequence[str]) -> str:
    """Folders that do nothing but hold the folders that tell images apart, with ``/`` at the end; empty for none."""
    prefix = ""
    while True:
        here = [name for name in folders if name.startswith(prefix) and "/" not in name[len(prefix) :]]
        if any(name.startswith(prefix) and "/" not in name[len(prefix) :] for name in images):
            return ""
        if len(here) != 1:
            return prefix if len({name[len(prefix) :].split("/")[0] for name in images}) > 1 else ""
        prefix = f"{here[0]}/"


def _wrapper_note(wrapper: str, inside: Sequence[str], level: int) -> str:
    found = sorted({name.split("/")[level] for name in inside})
    return (
        f"{wrapper} alone would be one class, so the folders in it are the classes: {first_few(found)}. "
        "--split-folders classes takes it as the class after all."
    )
