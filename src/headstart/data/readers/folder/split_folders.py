"""Folders that hold the parts of a split, around class folders or inside of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headstart.data.readers.split_names import FOLD, TRAIN, SplitName, roles_in_words, split_name
from headstart.errors import first_few

CLASSES: Final = "classes"


@dataclass(frozen=True)
class SplitFolders:
    """Parts of a split in folders.

    Attributes
    ----------
    names : dict of str to SplitName
        What the name of each of the folders says.
    split_level, class_level : int
        Number of folders around them, and around the class folders.
    problem : str or None
        Sentence on why they cannot be taken as the split without a word of the user.
    holds_classes : bool
        Whether there are class folders at all.
    """

    names: Mapping[str, SplitName]
    split_level: int
    class_level: int
    problem: str | None = None
    holds_classes: bool = True

    @property
    def are_folds(self) -> bool:
        """Whether they are numbered folds."""
        return any(one.part == FOLD for one in self.names.values())

    @property
    def choice(self) -> str:
        """Sentence on what the user may say that they are."""
        classes = f"--split-folders classes takes {self._listed()} as classes"
        pool = "--split-folders pool puts the images of all of them together by class folder, and folds are drawn"
        if self.split_level > self.class_level:
            return f"Complete them, or say that they are no split: {pool}."
        return f"Say what they are: {classes}, {pool}." if self.holds_classes else f"If they are classes: {classes}."

    def has_class(self, name: str) -> bool:
        """Whether an image lies in one of these folders and in a class folder."""
        folders = name.split("/")[:-1]
        return len(folders) > max(self.class_level, self.split_level) and folders[self.split_level] in self.names

    def part_of(self, name: str) -> SplitName:
        """Part of the split that an image belongs to."""
        return self.names[name.split("/")[self.split_level]]

    def note(self, parts: Sequence[SplitName], classes: Sequence[str]) -> str:
        """Sentence that the folders are the split of the images, whose parts and classes these are."""
        held = f"the class folders {first_few(sorted(set(classes)))}"
        is_inside = self.split_level > self.class_level
        lead = f"{self._listed()} in {held} are" if is_inside else f"{self._listed()} hold {held}, so they are"
        said = (
            "the outer folds" if self.are_folds else f"the split: {roles_in_words(Counter(one.part for one in parts))}"
        )
        other = "" if is_inside else ", --split-folders classes takes them as classes after all"
        return f"{lead} {said}. --split-folders pool puts all images together and draws folds{other}."

    def pooled_note(self) -> str:
        """Sentence that the images of all parts were put together."""
        return f"The images of {self._listed()} were put together, as --split-folders pool asks."

    def _listed(self) -> str:
        return first_few(f"{name}/" for name in self.names)


def find_split_folders(images: Sequence[str], level: int) -> SplitFolders | None:
    """Folders below `level` others, or one deeper, that are called like parts of a split; None where none are.

    Parameters
    ----------
    images : sequence of str
        Names of images that all lie in folders at this level.
    level : int
    """
    tops = _by_folder(images, level)
    return _around_classes(tops, level) or _inside_classes(tops, level)


def _by_folder(images: Sequence[str], level: int) -> dict[str, list[str]]:
    """Images by the name of the folder at a level; those beside the folders under the empty name."""
    found: dict[str, list[str]] = {}
    for name in images:
        folders = name.split("/")[:-1]
        found.setdefault(folders[level] if len(folders) > level else "", []).append(name)
    return found


def _around_classes(tops: Mapping[str, Sequence[str]], level: int) -> SplitFolders | None:
    """``train/cat``: every folder is called like a part, and holds the same class folders."""
    names = {top: found for top in tops if (found := split_name(top)) is not None}
    if len(names) < 2:
        return None
    below = {top: _by_folder(tops[top], level + 1) for top in names}
    is_doubled = all(list(found) == [top] for top, found in below.items())
    if is_doubled:  # seg_train/seg_train/forest
        below = {top: _by_folder(tops[top], level + 2) for top in names}
    classes = {top: set(found) - {""} for top, found in below.items()}
    flat = [top for top, found in below.items() if "" in found]
    others = sorted(set(tops) - set(names))
    alike = not flat and len({frozenset(found) for found in classes.values()}) == 1
    if not alike and not _look_like_a_split(names, classes, others):
        return None
    problem = _problem_of_classes(classes, flat, others) or _problem_of_names(names)
    return SplitFolders(names, level, level + 1 + is_doubled, problem, any(classes.values()))


def _look_like_a_split(names: Mapping[str, SplitName], classes: Mapping[str, set[str]], others: Sequence[str]) -> bool:
    """Whether folders with other class folders, or none, are parts of a split by their names."""
    if len({one.rest for one in names.values()}) > 1 or len({one[:2] for one in names.values()}) < 2:
        return False
    return not others or any(len(found) > 1 for found in classes.values())


def _problem_of_classes(classes: Mapping[str, set[str]], flat: Sequence[str], others: Sequence[str]) -> str | None:
    listed = first_few(f"{top}/" for top in classes)
    if not any(classes.values()):
        return (
            f"{listed} are called like the parts of a split, and their images lie in no class folders, so nothing says "
            "what they show. Put the images of each class into a folder named after it, or list them in a CSV file."
        )
    if flat:
        labelled = next((top for top in classes if top not in flat), None)
        remedy = f" To train on {labelled}/ alone, give that folder." if labelled is not None else ""
        return (
            f"{listed} are called like the parts of a split, but images of {first_few(f'{top}/' for top in flat)} "
            f"lie in no class folder, so nothing says what they show.{remedy}"
        )
    if len({frozenset(found) for found in classes.values()}) > 1:
        shared = set.intersection(*classes.values())
        extra = [f"{top}/{name}" for top, found in classes.items() for name in sorted(found - shared)]
        return f"{listed} are called like the parts of a split, but their class folders differ ({first_few(extra)})."
    if others:
        return (
            f"{listed} are called like the parts of a split, but beside them lie {first_few(others)}. Move what is no "
            "part of it elsewhere."
        )
    nested = sorted(name for name in next(iter(classes.values())) if split_name(name) is not None)
    if len(nested) > 1:
        return f"{listed} and the folders in them ({first_few(nested)}) are called like the parts of a split."
    return None


def _problem_of_names(names: Mapping[str, SplitName]) -> str | None:
    listed = first_few(f"{name}/" for name in names)
    counts = Counter(one[:2] for one in names.values())
    twice = [name for name, one in names.items() if counts[one[:2]] > 1]
    if twice:
        return f"{first_few(f'{name}/' for name in twice)} are called like one and the same part of a split."
    parts = {one.part for one in names.values()}
    if FOLD in parts and len(parts) > 1:
        return f"{listed} are called like folds and like parts of a split at once."
    if FOLD not in parts and TRAIN not in parts:
        return f"{listed} are called like the parts of a split, but none of them is for training."
    return None


def _inside_classes(tops: Mapping[str, Sequence[str]], level: int) -> SplitFolders | None:
    """``cat/train``: every class folder holds folders called like parts, the same ones, and nothing beside them."""
    if len(tops) < 2:
        return None
    parts: dict[str, set[tuple[str, int]]] = {}
    names: dict[str, SplitName] = {}
    for top, images in tops.items():
        below = _by_folder(images, level + 1)
        named = {folder: found for folder in below if (found := split_name(folder)) is not None}
        if len(named) < 2 or len(named) < len(below):
            return None
        parts[top] = {one[:2] for one in named.values()}
        names |= named
        if len(parts[top]) < len(named):
            return SplitFolders(names, level + 1, level, _problem_of_names(named))
    problem = _problem_of_names({folder: one for folder, one in names.items() if folder == _first(names, one)})
    if problem is None and len({frozenset(found) for found in parts.values()}) > 1:
        shared = set.intersection(*parts.values())
        lacking = [f"{top}/{part}" for top, found in parts.items() for part, _ in sorted(found - shared)]
        problem = (
            f"Folders in the class folders are called like the parts of a split, but not every class has all of them "
            f"({first_few(lacking)} have no counterpart elsewhere)."
        )
    return SplitFolders(names, level + 1, level, problem)


def _first(names: Mapping[str, SplitName], one: SplitName) -> str:
    """First spelling of a part: ``train`` in one class may be ``Train`` in another."""
    return next(name for name, known in names.items() if known[:2] == one[:2])
