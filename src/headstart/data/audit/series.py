"""Series: names that share a stem or run on, whose images look more alike than others of their class do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headstart.data.audit.perceptual_hash import SIDE
from headstart.data.categorical import natural_key

MIN_GROUPS: Final = 10
N_PERMUTATIONS: Final = 99
MAX_CLOSENESS: Final = 0.85
"""Largest mean distance of neighbours in a series, in units of that of images of one class drawn at random."""
MAX_CLOSENESS_OF_FIELDS: Final = 0.9
"""The same of groups by whole fields of the names, which were meant to say something."""
_MIN_DEVIATIONS: Final = 3.5
"""Standard deviations of random pairs by which neighbours must be closer: a dozen divisions of the names are tried, so
that one in a hundred of each would be one false proposal in ten data sets."""
BURST_S: Final = 10.0
_MIN_SHARE: Final = 0.3  # of the images that share their series with another
_MIN_PAIRS: Final = 20
_MIN_KEPT: Final = 0.9  # of the neighbours in a finer division that a coarser one keeps together
_MAX_PAIRS: Final = 2_000
_GRID: Final = 8
_SEPARATORS: Final = " _.()-"

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]
_Division = tuple[str, Integers, float]
"""Pattern, group of every image, and closeness of neighbours in a group."""


@dataclass(frozen=True)
class Series:
    """Groups proposed from names.

    Attributes
    ----------
    pattern : str
        For ``--group-from``.
    n_groups : int
    n_images : int
        Images that share their group with another.
    closeness : float
        Mean distance of neighbours within a group, in units of that of images of one class drawn at random.
    """

    pattern: str
    n_groups: int
    n_images: int
    closeness: float

    def words(self, column_option: str | None = None) -> str:
        """A warning with what keeps the series together.

        Parameters
        ----------
        column_option : str, optional
            Option that names a column of groups, for data whose groups no pattern gives. Default: ``--group-from``.
        """
        lead = (
            f"The names of {self.n_images:,} images run in series, and neighbours in a series look alike: "
            f"{self.closeness:.2f} times as far apart as images of one class drawn at random, closer than in each of "
            f"{N_PERMUTATIONS} permutations. Split apart they flatter the score"
        )
        if column_option is None:
            return (
                f"{lead}; --group-from '{self.pattern}' keeps them together in {self.n_groups:,} groups, if these are "
                "what belongs together."
            )
        return (
            f"{lead}. If what {self.pattern} finds in the names, {self.n_groups:,} groups, is what belongs together, "
            f"write it into a column of the table and name that by {column_option}."
        )


def find_series(
    names: Sequence[str], thumbnails: NDArray[np.uint8], labels: Integers | None, *, seed: int = 0
) -> Series | None:
    """The coarsest groups in the names whose images are closer than chance; None where names tell nothing.

    Groups are tried from the finest: a coarser division takes its place where the images that it adds to a group are
    closer than chance too. Closeness is measured between neighbours in name, in brightness on a grid of 8 x 8, and
    against pairs of the same classes, so that a name which tells the class is no series.

    Parameters
    ----------
    names : sequence of str
    thumbnails : ndarray of shape (n_images, 32, 32), uint8
    labels : ndarray of shape (n_images,), int64, or None
    seed : int
        Of the permutations.
    """
    if len(names) < 2 * MIN_GROUPS:
        return None
    looks = _Looks.of(thumbnails, np.zeros(len(names), dtype=np.int64) if labels is None else labels, seed)
    order = np.array(sorted(range(len(names)), key=lambda row: natural_key(names[row])), dtype=np.int64)
    best: _Division | None = None
    for pattern, groups in _divisions(names):
        limit = MAX_CLOSENESS if _cuts_numbers(pattern) else MAX_CLOSENESS_OF_FIELDS
        closeness = looks.closeness(_neighbours(groups, order, None), limit)
        if closeness is None:
            continue
        found = (pattern, groups, closeness)
        if best is None or _is_better(looks, order, found, best):
            best = found
    if best is None:
        return None
    pattern, groups, closeness = best
    sizes = np.bincount(groups)
    return Series(pattern, len(sizes), int(sizes[sizes > 1].sum()), closeness)


def _is_better(looks: _Looks, order: Integers, coarse: _Division, fine: _Division) -> bool:
    """Whether a division joins groups of a finer one that are close too, or joins few and loses little.

    One that tears groups of the finer one apart, as the last digits of numbers do, is better where it is closer alone.
    One by whole fields goes before one by digits that loses little more: that is cut in arbitrary places.
    """
    (pattern, groups, closeness), (fine_pattern, fine_groups, fine_closeness) = coarse, fine
    pairs = _neighbours(fine_groups, order, None)
    if np.mean(groups[pairs[:, 0]] == groups[pairs[:, 1]]) < _MIN_KEPT:
        return closeness < fine_closeness
    added = _neighbours(groups, order, fine_groups)
    if len(added) < _MIN_PAIRS or (_cuts_numbers(fine_pattern) and not _cuts_numbers(pattern)):
        return closeness <= 1.1 * fine_closeness
    return looks.closeness(added) is not None


def _cuts_numbers(pattern: str) -> bool:
    """Whether a pattern takes the last digits of a number away, instead of whole fields or numbers."""
    return ")[0-9]" in pattern and ")[0-9]+" not in pattern


def burst_warning(
    taken_s: Sequence[float | None],
    thumbnails: NDArray[np.uint8],
    labels: Integers | None,
    column_option: str | None = None,
) -> str | None:
    """A warning of images taken within seconds of each other that look alike; None where there are none.

    Parameters
    ----------
    taken_s : sequence of float or None
        Time of every exposure.
    thumbnails, labels
        As for `find_series`.
    column_option : str, optional
        Option that names a column of groups. Default: ``--group-column``.
    """
    known = np.array([row for row, taken in enumerate(taken_s) if taken is not None], dtype=np.int64)
    if len(known) < 2 * MIN_GROUPS:
        return None
    times = np.array([taken_s[row] for row in known.tolist()], dtype=np.float64)
    order = np.argsort(times, kind="stable")
    apart = np.diff(times[order]) > BURST_S
    bursts = np.empty(len(known), dtype=np.int64)
    bursts[order] = np.concatenate([[0], np.cumsum(apart)])
    sizes = np.bincount(bursts)
    n_images = int(sizes[sizes > 1].sum())
    if len(sizes) < MIN_GROUPS or n_images < _MIN_SHARE * len(known):
        return None
    looks = _Looks.of(thumbnails, np.zeros(len(thumbnails), dtype=np.int64) if labels is None else labels, 0)
    pairs = known[_neighbours(bursts, order, None)]
    closeness = looks.closeness(pairs)
    if closeness is None:
        return None
    return (
        f"{n_images:,} images were taken within {BURST_S:g} s of another, by their EXIF times, and look alike: "
        f"{closeness:.2f} times as far apart as images of one class drawn at random. They seem to be "
        f"{len(sizes):,} series; name these in a column ({column_option or '--group-column'}), or the score flatters."
    )


def _divisions(names: Sequence[str]) -> Iterator[tuple[str, Integers]]:
    """Divisions of names into groups, the finest first, each once."""
    found: dict[bytes, tuple[str, Integers]] = {}
    for pattern in _patterns(names):
        groups = _groups(names, pattern)
        if groups is None:
            continue
        sizes = np.bincount(groups)
        if len(sizes) >= MIN_GROUPS and sizes[sizes > 1].sum() >= _MIN_SHARE * len(names):
            found.setdefault(groups.tobytes(), (pattern, groups))
    yield from sorted(found.values(), key=lambda each: -int(each[1].max()))


def _patterns(names: Sequence[str]) -> Iterator[str]:
    """Regular expressions whose parenthesis may be a group: of the file's name alone, and with its folder."""
    folders = {name.rpartition("/")[0] for name in names}
    endings, beginnings = list(_endings(names)), list(_beginnings(names))
    for ending in endings:
        yield f"([^/]+?){ending}" if ending.startswith("[0-9]+") else f"([^/]+){ending}"
    for beginning in beginnings:
        yield f"({beginning})[^/]*$"
    yield f"([0-9]+)[^/0-9]*{_extension(names)}"
    if len(folders) > 1:
        for ending in endings:
            yield f"^(.+?){ending}" if ending.startswith("[0-9]+") else f"^(.+){ending}"
        for beginning in beginnings:
            yield f"^(.*/{beginning})[^/]*$"
    if len(folders) >= MIN_GROUPS:
        yield "^(.*)/[^/]*$"


def _endings(names: Sequence[str]) -> Iterator[str]:
    """Ends of names to leave out: the last fields, the last number, or the last digits of it."""
    between, field, extension = *_between_and_field(names), _extension(names)
    if between:
        for n_fields in (1, 2, 3):
            yield f"{between}{field}" * n_fields + extension
    closing = r"\)?" if any(")" in name for name in names) else ""
    for digits in ("[0-9]+", "[0-9]", "[0-9]{2}", "[0-9]{3}"):
        yield f"{digits}{closing}{extension}"


def _beginnings(names: Sequence[str]) -> Iterator[str]:
    """Begins of names to keep: the first fields, or letters and the number behind them."""
    between, field = _between_and_field(names)
    if between:
        yield field
        yield f"{field}{between}{field}"
    yield "[A-Za-z]+[0-9]+"


def _between_and_field(names: Sequence[str]) -> tuple[str, str]:
    """Expressions of what separates the fields of names, and of a field; the first is empty where nothing does."""
    used = set("".join(_stem_and_suffix(name)[0] for name in names))
    listed = "".join(one for one in _SEPARATORS if one in used)
    if not listed:
        return "", ""
    return (f"[{listed}]+" if len(listed) > 1 else re.escape(listed) + "+"), f"[^/{listed}]+"


def _extension(names: Sequence[str]) -> str:
    return r"\.\w+$" if all(_stem_and_suffix(name)[1] for name in names) else "$"


def _stem_and_suffix(name: str) -> tuple[str, str]:
    """Both as `pathlib` has them, which takes many times as long."""
    own = name.rpartition("/")[2]
    place = own.rfind(".")
    return (own[:place], own[place:]) if 0 < place < len(own) - 1 else (own, "")


def _groups(names: Sequence[str], pattern: str) -> Integers | None:
    """Group of every name; None where the pattern misses one."""
    expression = re.compile(pattern)
    codes: dict[str, int] = {}
    groups = np.empty(len(names), dtype=np.int64)
    for row, name in enumerate(names):
        match = expression.search(name)
        if match is None or not match[1]:
            return None
        groups[row] = codes.setdefault(match[1], len(codes))
    return groups


def _neighbours(groups: Integers, order: Integers, finer: Integers | None) -> Integers:
    """Pairs of images beside each other in their group, shape (n, 2); of a finer group, one image takes part."""
    if finer is not None:
        _, first = np.unique(np.stack([groups, finer])[:, order], axis=1, return_index=True)
        order = order[np.sort(first)]
    sorted_rows = order[np.argsort(groups[order], kind="stable")]
    same = groups[sorted_rows[:-1]] == groups[sorted_rows[1:]]
    return np.stack([sorted_rows[:-1][same], sorted_rows[1:][same]], axis=1)


@dataclass(frozen=True, eq=False)
class _Looks:
    """Brightness of images on a coarse grid, and who shares a class with whom."""

    grids: Floats  # (n_images, 64), every column of unit variance
    labels: Integers
    seed: int

    @classmethod
    def of(cls, thumbnails: NDArray[np.uint8], labels: Integers, seed: int) -> _Looks:
        step = SIDE // _GRID
        grids = np.empty((len(thumbnails), _GRID * _GRID), dtype=np.float32)
        for start in range(0, len(thumbnails), 4096):
            block = thumbnails[start : start + 4096].reshape(-1, _GRID, step, _GRID, step)
            grids[start : start + 4096] = block.mean(axis=(2, 4), dtype=np.float32).reshape(-1, _GRID * _GRID)
        return cls(grids / np.maximum(grids.std(axis=0), 1e-3), labels, seed)

    def closeness(self, pairs: Integers, limit: float = MAX_CLOSENESS) -> float | None:
        """Mean distance of pairs over that of random ones of the same classes; None where above a limit or chance."""
        if len(pairs) < _MIN_PAIRS:
            return None
        generator = np.random.default_rng(self.seed)
        if len(pairs) > _MAX_PAIRS:
            pairs = pairs[np.sort(generator.choice(len(pairs), _MAX_PAIRS, replace=False))]
        own = self._distance(pairs[:, 0], pairs[:, 1])
        classes = list(self._classes_of(pairs[:, 1]))
        drawn = [self._distance(pairs[:, 0], _of_same_class(classes, generator)) for _ in range(N_PERMUTATIONS)]
        mean, deviation = float(np.mean(drawn)), float(np.std(drawn))
        closeness = own / max(mean, 1e-9)
        is_chance = own >= min(drawn) or own > mean - _MIN_DEVIATIONS * deviation
        return None if is_chance or closeness > limit else closeness

    def _distance(self, left: Integers, right: Integers) -> float:
        return float(np.sqrt(np.square(self.grids[left] - self.grids[right]).sum(axis=1)).mean())

    def _classes_of(self, rows: Integers) -> Iterator[tuple[Integers, Integers]]:
        """For every class among rows, places of the rows that are of it, and all images of it."""
        labels = self.labels[rows]
        for label in np.unique(labels).tolist():
            yield np.flatnonzero(labels == label), np.flatnonzero(self.labels == label)


def _of_same_class(classes: Sequence[tuple[Integers, Integers]], generator: np.random.Generator) -> Integers:
    """For every row another of its class, drawn at random; `classes` are those of `_Looks._classes_of`."""
    drawn = np.empty(sum(len(places) for places, _ in classes), dtype=np.int64)
    for places, members in classes:
        drawn[places] = members[generator.integers(0, len(members), len(places))]  # as `choice` draws, only faster
    return drawn
