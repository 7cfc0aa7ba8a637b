"""Two files of one name but for its end: an image and its mask, or its thumbnail, told by a look at some of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from headstart.data.images.bounds import decoding_turn
from headstart.data.readers.folder.companions import companions
from headstart.errors import ImageError

if TYPE_CHECKING:
    from headstart.data.images.files import FilePixels

_N_LOOKED_AT: Final = 8  # pairs of each kind
_MASK_COLOURS: Final = 8
_IMAGE_COLOURS: Final = 64
_THUMB_SHARE: Final = 0.5
_ASPECT_SLACK: Final = 0.05

Pair = tuple[str, str]


def all_companions(pixels: FilePixels, images: Iterable[str]) -> dict[str, str]:
    """Masks and thumbnails among images, told by their names or by a look at them, each with its image."""
    names = list(images)
    named = companions(names)
    return named | namesakes(pixels, (one for one in names if one not in named))


def namesakes(pixels: FilePixels, images: Iterable[str]) -> dict[str, str]:
    """Masks and thumbnails that are called like their image but for the suffix, each with that image.

    ``7.png`` beside ``7.jpg`` is a mask where all pairs of these suffixes that were looked at are an image of many
    colours and one of eight at the most, and a thumbnail where all are a picture and one of half its size. Other pairs,
    such as one picture in two formats, are left for the audit.

    Parameters
    ----------
    pixels : FilePixels
    images : iterable of str
        Names relative to the root, with ``/``.
    """
    kinds: dict[tuple[str, str], list[Pair]] = {}
    for first, second in _pairs(images):
        kinds.setdefault((_suffix(first), _suffix(second)), []).append((first, second))
    found: dict[str, str] = {}
    for pairs in kinds.values():
        looks = [_companion_of(pixels, pair) for pair in pairs[:: -(-len(pairs) // _N_LOOKED_AT)]]
        place = looks[0]
        if place is not None and all(look == place for look in looks):
            found |= {pair[place]: pair[1 - place] for pair in pairs}
    return found


def _pairs(images: Iterable[str]) -> list[Pair]:
    """Pairs of files of one name but for the suffix, in order of their suffixes."""
    by_stem: dict[str, list[str]] = {}
    for name in sorted(images):
        by_stem.setdefault(name.rpartition(".")[0], []).append(name)
    return [_by_suffix(names) for stem, names in by_stem.items() if stem and len(names) == 2]


def _by_suffix(names: Sequence[str]) -> Pair:
    first, second = sorted(names, key=_suffix)
    return first, second


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()


@dataclass(frozen=True)
class _Look:
    """Size of a picture, and whether it has as few colours as a mask, or as many as an image."""

    size: tuple[int, int]
    has_few: bool
    has_many: bool


def _companion_of(pixels: FilePixels, pair: Pair) -> int | None:
    """Place of the mask or thumbnail in a pair; None where neither is one, or a file cannot be read."""
    try:
        first, second = (_look_at(pixels, name) for name in pair)
    except ImageError:
        return None
    looks = [_belongs_to(first, second), _belongs_to(second, first)]
    return looks.index(True) if sum(looks) == 1 else None


def _look_at(pixels: FilePixels, name: str) -> _Look:
    with decoding_turn():
        image = pixels.open(0, name).decoded().image
        has_few = image.getcolors(_MASK_COLOURS) is not None
        return _Look(image.size, has_few, not has_few and image.getcolors(_IMAGE_COLOURS) is None)


def _belongs_to(companion: _Look, image: _Look) -> bool:
    """Whether one picture looks like a mask of another, or its thumbnail."""
    if companion.size == image.size and companion.has_few and image.has_many:
        return True
    shares = [small / large for small, large in zip(companion.size, image.size, strict=True)]
    return max(shares) <= _THUMB_SHARE and abs(shares[0] / shares[1] - 1) <= _ASPECT_SLACK
