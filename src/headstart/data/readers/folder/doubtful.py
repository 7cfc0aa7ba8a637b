"""Class folders that may be something else: patients, days, wells, what is not sorted yet. A note asks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from headstart.errors import first_few

_MANY: Final = 5
_MIN_SUBJECTS: Final = 3
_MIN_WELLS: Final = 6
_SUBJECT: Final = re.compile(
    r"(?:patients?|pat|subjects?|subj|sub|cases?|mouse|animal|donor|slide|well|plate|video|clip|recording|session)"
    r"[ _.-]*\d+[a-z]?",
    re.IGNORECASE,
)
_WELL: Final = re.compile(r"([A-P])\d{1,2}")
_UNSORTED: Final = re.compile(
    r"unsorted|unlabell?ed|un(?:assigned|classified)|to[ _-]?(?:check|do|label|sort)|backup|tmp|temp"
    r"|(?:new|untitled) folder(?: \(?\d+\)?)?|neuer ordner(?: \(\d+\))?|nouveau dossier(?: \(\d+\))?",
    re.IGNORECASE,
)
_TABLE: Final = "list the images in a CSV file with the columns image, label and group"


def doubtful_notes(inside: Sequence[str], level: int) -> Iterator[str]:
    """Sentences that ask whether the class folders are classes, where their names or content say otherwise.

    Parameters
    ----------
    inside : sequence of str
        Names of the images that lie in class folders, with ``/``.
    level : int
        Number of folders around a class folder.
    """
    below: dict[str, set[str]] = {}
    for name in inside:
        folders = name.split("/")[level:-1]
        below.setdefault(folders[0], set()).add(folders[1] if len(folders) > 1 else "")
    crossed = list(_crossed_notes(below))
    yield from crossed or _subject_notes(sorted(below))
    yield from _lone_notes(below)
    unsorted = [f"{name}/" for name in sorted(below) if _UNSORTED.fullmatch(name)]
    if unsorted:
        taken = "folder is taken as a class" if len(unsorted) == 1 else "folders are taken as classes"
        yield f"By name and place the {taken}: {first_few(unsorted)}. Move images without a label out of the data."


def _crossed_notes(below: Mapping[str, set[str]]) -> Iterator[str]:
    """Sentence where the class folders hold the same folders, so that these may be the classes, of many patients."""
    counts = Counter(inner for found in below.values() for inner in found)
    if len(below) < 2 or len(counts) < 2 or "" in counts or min(counts.values()) < 2:
        return
    is_same = len({frozenset(found) for found in below.values()}) == 1
    is_many = is_same and len(counts) < len(below) >= _MANY
    if not is_many and (_numbered(counts) and not _numbered(below)):  # cat/2021, cat/2022, dog/2021, dog/2022
        return
    listed, inner = first_few(sorted(below)), first_few(sorted(counts))
    others = "patients, sites or days" if _numbered(below) else "kinds of pictures, sites or patients"
    if is_same:
        lead = f"Each of the {len(below):,} class folders ({listed}) holds the same folders: {inner}."
    elif len(below) > len(counts):
        lead = f"The {len(below):,} class folders ({listed}) share the folders in them: {inner}."
    else:
        return
    yield f"{lead} If these are the classes, and the others {others}, {_TABLE}."


def _lone_notes(below: Mapping[str, set[str]]) -> Iterator[str]:
    """Sentence where all images lie in one class folder, whose own folders may be the classes."""
    for name, inner in below.items():
        if len(below) == 1 and len(inner - {""}) > 1:
            held = first_few(sorted(inner - {""}))
            yield f"All images lie in {name}/. If the folders in it are the classes ({held}), give that folder."


def _numbered(names: Mapping[str, object]) -> bool:
    """Whether every name has a number in it, as days, sizes and patients have."""
    return all(re.search(r"\d", name) for name in names)


def _subject_notes(names: Sequence[str]) -> Iterator[str]:
    """Sentence where all class folders are called like patients, recordings or wells of a plate."""
    wells = [found[1] for name in names if (found := _WELL.fullmatch(name)) is not None]
    are_wells = len(wells) == len(names) >= _MIN_WELLS and len(set(wells)) > 1
    if are_wells or (len(names) >= _MIN_SUBJECTS and all(map(_SUBJECT.fullmatch, names))):
        kind = "wells of a plate" if are_wells else "patients, cases or recordings"
        yield (
            f"The {len(names):,} class folders are called like {kind} ({first_few(names)}), and are taken as the "
            f"classes. If they are none, {_TABLE}."
        )
