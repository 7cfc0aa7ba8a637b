"""Files that belong to an image and are none to learn from: its mask, its thumbnail."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from headstart.data.names import escaped
from headstart.data.readers.split_names import split_name
from headstart.errors import plural

_HINTS: Final = ("mask", "seg", "gt", "ground", "annot", "label", "trimap", "outline", "contour", "thumb", "preview")
_MASK_WORDS: Final = "masks?|segmentations?|seg|segm|groundtruth|ground[ _-]truth|gt|annotations?|annotated|labelmap"
_THUMB_WORDS: Final = "thumbs?|thumbnails?|preview"
_WORDS: Final = f"(?:{_MASK_WORDS}|{_THUMB_WORDS})"
_AT_END: Final = re.compile(rf"(.+?)(?:[ _.-]+(?:lesion|{_WORDS}))*[ _.-]+{_WORDS}(?:[ _-]?\d{{1,3}})?", re.IGNORECASE)
_AT_START: Final = re.compile(rf"{_WORDS}[ _.-]+(.+)", re.IGNORECASE)
_FOLDER: Final = re.compile(
    rf"(?:.*[ _.-])?{_WORDS}(?:s|es)?|segmentation(?:class|object)|(?:label|trimap|outline|contour)s?", re.IGNORECASE
)
_IMAGE_FOLDER: Final = re.compile(
    r"(?:.*[ _.-])?(?:images?|imgs?|originals?|photos?|pictures?|frames?|raw|inputs?|data|jpegimages)", re.IGNORECASE
)


def companions(images: Iterable[str]) -> dict[str, str]:
    """Masks and thumbnails among images, each with the image that it belongs to.

    An image is a companion when its name is that of another one in its folder with a word such as ``_mask`` or
    ``_thumb``, or when it lies in a folder of masks beside or below the folder of an image with its name; a folder
    called ``labels`` is one of masks where images of the same names lie in ``images`` or ``train`` beside it.

    Parameters
    ----------
    images : iterable of str
        Names relative to the root, with ``/``.

    Examples
    --------
    >>> companions(["a/1.png", "a/1_mask.png", "a/2_mask.png", "b/images/3.jpg", "b/masks/3.png"])
    {'a/1_mask.png': 'a/1.png', 'b/masks/3.png': 'b/images/3.jpg'}
    """
    names = sorted(images)
    everything = "\n".join(names).lower()
    hints = [hint for hint in _HINTS if hint in everything]
    if not hints:
        return {}
    hinted = [name for name in names if any(hint in name.lower() for hint in hints)]
    by_stem: dict[str, str] = {}
    for name in names:
        by_stem.setdefault(_stem(name), name)
    beside = _beside(names) if any(_folders_of_words(name) for name in hinted) else {}
    owners = {name: _namesake(name, by_stem) or _owner(name, by_stem, beside) for name in hinted}
    return {name: owner for name, owner in owners.items() if owner is not None}


def companion_note(found: Mapping[str, str]) -> str:
    """Sentence that masks and thumbnails were left out."""
    return (
        f"{companion_words(found)} {'was' if len(found) == 1 else 'were'} left out. "
        "To take them as images, list all of the images in a CSV file."
    )


def companion_words(found: Mapping[str, str]) -> str:
    """Number of masks and thumbnails, and what they look like, with the first of them.

    >>> companion_words({"a/1_mask.png": "a/1.png"})
    '1 file that looks like a mask or thumbnail of another image (a/1_mask.png of a/1.png)'
    """
    name, owner = next(iter(found.items()))
    like = "file that looks like a mask or thumbnail of another image"
    likes = "files that look like masks or thumbnails of other images"
    return f"{plural(len(found), like, likes)} ({escaped(name)} of {escaped(owner)})"


def _stem(name: str) -> str:
    """Name without its end, in small letters."""
    return name.rpartition(".")[0].lower()


def _without_words(stem: str) -> Iterator[str]:
    for pattern in (_AT_END, _AT_START):
        found = pattern.fullmatch(stem)
        if found is not None:
            yield found[1]


def _namesake(name: str, by_stem: Mapping[str, str]) -> str | None:
    """Image that a file belongs to by its own name: ``7.jpg`` of ``7_mask.png``."""
    folder, slash, file = name.rpartition("/")
    stems = (f"{folder}{slash}{stem}".lower() for stem in _without_words(_stem(file)))
    return next((by_stem[stem] for stem in stems if stem in by_stem), None)


def _folders_of_words(name: str) -> tuple[int, ...]:
    """Places of the folders around a file that are called like folders of masks or thumbnails."""
    return _places_of_words(name.rpartition("/")[0])


@functools.lru_cache(maxsize=1024)
def _places_of_words(folders: str) -> tuple[int, ...]:
    return tuple(place for place, folder in enumerate(folders.split("/")) if _FOLDER.fullmatch(folder))


@functools.lru_cache(maxsize=1024)
def _is_of_images(folder: str) -> bool:
    """Whether a folder is called like one of images, or like a part of a split, beside which masks may lie."""
    return _IMAGE_FOLDER.fullmatch(folder) is not None or split_name(folder) is not None


def _beside(names: Sequence[str]) -> dict[tuple[str, str, str], str]:
    """Images in folders of images by what lies before that folder, what after it, and their stem."""
    found: dict[tuple[str, str, str], str] = {}
    for name in names:
        *folders, file = name.split("/")
        for place, folder in enumerate(folders):
            if _is_of_images(folder) and not _FOLDER.fullmatch(folder):
                key = ("/".join(folders[:place]), "/".join(folders[place + 1 :]), _stem(file))
                found.setdefault(key, name)
    return found


def _owner(name: str, by_stem: Mapping[str, str], beside: Mapping[tuple[str, str, str], str]) -> str | None:
    """Image that a file in a folder of masks or thumbnails belongs to: the same path without it, or with ``images``."""
    *folders, file = name.split("/")
    stem = _stem(file)
    for first, last in _runs(_folders_of_words(name)):
        before, after = folders[:first], folders[last + 1 :]
        for known in (stem, *_without_words(stem)):
            direct = by_stem.get("/".join([*before, *after, known]).lower())
            found = direct or beside.get(("/".join(before), "/".join(after), known))
            if found is not None:
                return found
    return None


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Single places, and pairs that follow each other: ``annotations/trimaps`` is one folder of masks.

    >>> list(_runs((0, 1, 3)))
    [(0, 0), (1, 1), (3, 3), (0, 1)]
    """
    yield from ((place, place) for place in places)
    yield from ((first, last) for first, last in itertools.pairwise(places) if last == first + 1)
