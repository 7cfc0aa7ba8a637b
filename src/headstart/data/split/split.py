"""`Split`: the images of every fold that train, choose and judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.errors import SplitError
from headstart.storage import hash_json

FORMAT: Final = 1
OUTSIDE: Final = -1  # in the inner codes: a test image of this outer fold
TRAIN_ONLY: Final = -2  # never tested (outer codes), or never used for choosing (inner and full codes)

Codes = NDArray[np.int16]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Split into images that train, choose and judge; made by `make_split`, `split_dataset` or `read_split`.

    Attributes
    ----------
    scheme : str
        As given to `make_split`; with the user's own outer folds their real number stands in it.
    repeats : int
        Number of times that the outer folds were drawn.
    seed : int
    names : tuple of str
        Name of every image.
    outer_codes : ndarray of shape (repeats, n_images), int16
        Outer fold in which the image is tested; -2 when it never is (training part of a holdout).
    inner_codes : ndarray of shape (repeats, n_outer, n_images), int16
        Inner fold in which a training image validates; -1 for the test images of the outer fold, -2 for images
        that train only.
    full_codes : ndarray of shape (n_images,), int16
        Inner folds over all images, for choosing the candidate that is refitted on everything.
    labels : tuple of str or None
        Class name of every image.
    groups : ndarray of shape (n_images,), int64, or None
    notes : tuple of str
        Notes for the user.
    own_folds : bool
        Whether the outer folds are the user's own; they need not be balanced by class.
    rule : str
        Rule by which the scheme was taken, in words; empty where it was asked for.
    """

    scheme: str
    repeats: int
    seed: int
    names: tuple[str, ...]
    outer_codes: NDArray[np.int16]
    inner_codes: NDArray[np.int16]
    full_codes: NDArray[np.int16]
    labels: tuple[str, ...] | None = None
    groups: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    own_folds: bool = False
    rule: str = ""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def n_outer(self) -> int:
        """Number of outer folds of one repeat."""
        return int(self.inner_codes.shape[1])

    @property
    def n_inner(self) -> int:
        """Number of inner folds of one outer fold."""
        return int(self.full_codes.max()) + 1

    def fold_of(self, repeat: int) -> NDArray[np.int16]:
        """Outer fold of every image, shape (n_images,); -2 for images that are never tested."""
        codes: NDArray[np.int16] = self.outer_codes[repeat]
        return codes

    def outer(self, repeat: int) -> Iterator[tuple[int, Rows, Rows]]:
        """Number, training rows and test rows of every outer fold."""
        for fold in range(self.n_outer):
            tested = self.outer_codes[repeat] == fold
            yield fold, np.flatnonzero(~tested), np.flatnonzero(tested)

    def inner(self, repeat: int, fold: int) -> Iterator[tuple[Rows, Rows]]:
        """Training and validation rows of every inner fold of one outer fold; test rows are in neither."""
        return _train_validate(self.inner_codes[repeat, fold], self.n_inner)

    def full_inner(self) -> Iterator[tuple[Rows, Rows]]:
        """Training and validation rows over all images, for the final choice."""
        return _train_validate(self.full_codes, self.n_inner)

    def reordered(self, rows: ArrayLike) -> Split:
        """The same split with its images in another order; `rows` is a permutation."""
        index = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            names=tuple(self.names[row] for row in index.tolist()),
            outer_codes=self.outer_codes[:, index],
            inner_codes=self.inner_codes[:, :, index],
            full_codes=self.full_codes[index],
            labels=None if self.labels is None else tuple(self.labels[row] for row in index.tolist()),
            groups=None if self.groups is None else self.groups[index],
        )

    @cached_property
    def hash(self) -> str:
        """SHA-256 over names and folds in the order of the names: the same for any order of the rows."""
        rows = np.argsort(np.array(self.names, dtype=object), kind="stable")
        names = [self.names[row] for row in rows.tolist()]
        folds = [
            self.outer_codes[:, rows].tolist(),
            self.inner_codes[:, :, rows].tolist(),
            self.full_codes[rows].tolist(),
        ]
        return hash_json({"names": names, "folds": folds})

    def to_json(self) -> dict[str, Any]:
        """The split as plain JSON, in the order of its images.

        ``outer`` is ``[repeat][image]``, ``inner`` is ``[repeat][outer fold][image]`` and ``full_inner`` ``[image]``,
        with the codes of the attributes.
        """
        return {
            "format": FORMAT,
            "scheme": self.scheme,
            "repeats": self.repeats,
            "seed": self.seed,
            "n_images": len(self),
            "hash": self.hash,
            "notes": list(self.notes),
            "own_folds": self.own_folds,
            **({"rule": self.rule} if self.rule else {}),
            "images": list(self.names),
            "labels": None if self.labels is None else list(self.labels),
            "groups": None if self.groups is None else self.groups.tolist(),
            "outer": self.outer_codes.tolist(),
            "inner": self.inner_codes.tolist(),
            "full_inner": self.full_codes.tolist(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, source: str = "The split") -> Split:
        """The split that `to_json` described; `source` is what errors call it.

        Raises
        ------
        SplitError
            When it is no JSON object, a key is missing or of the wrong shape, the format is another, the hash does
            not fit, or the folds would let a judged image train or choose.
        """
        if not isinstance(content, Mapping):
            raise SplitError(f"{source} is not a split file: it is no JSON object.")
        if content.get("format") != FORMAT:
            raise SplitError(f"{source} has format {content.get('format')!r}; this headstart reads format {FORMAT}.")
        try:
            split = _parsed(content)
        except KeyError as error:
            raise SplitError(f"{source} is damaged: it has no key {error}. Make a new split.") from error
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise SplitError(f"{source} is damaged: {error}. Make a new split.") from error
        if split.hash != content.get("hash"):
            raise SplitError(f"{source} was changed after it was written: its hash does not fit. Use the original.")
        return split


def _train_validate(folds: NDArray[np.int16], n_folds: int) -> Iterator[tuple[Rows, Rows]]:
    for fold in range(n_folds):
        yield np.flatnonzero((folds != fold) & (folds != OUTSIDE)), np.flatnonzero(folds == fold)


def _parsed(content: Mapping[str, Any]) -> Split:
    names = tuple(str(name) for name in content["images"])
    labels, groups = content["labels"], content["groups"]
    outer, inner = np.array(content["outer"], dtype=np.int16), np.array(content["inner"], dtype=np.int16)
    full = np.array(content["full_inner"], dtype=np.int16)
    n_images, repeats = len(names), int(content["repeats"])
    if outer.shape != (repeats, n_images) or inner.shape[::2] != outer.shape or full.shape != (n_images,):
        raise ValueError("the folds do not fit the images")
    if any(column is not None and len(column) != n_images for column in (labels, groups)):
        raise ValueError("labels or groups do not fit the images")
    if len(set(names)) != n_images or 0 in inner.shape:
        raise ValueError("an image is listed twice, or there are no images or folds")
    check_codes(outer, inner, full)
    return Split(
        scheme=str(content["scheme"]),
        repeats=repeats,
        seed=int(content["seed"]),
        names=names,
        outer_codes=outer,
        inner_codes=inner,
        full_codes=full,
        labels=None if labels is None else tuple(str(label) for label in labels),
        groups=None if groups is None else np.array(groups, dtype=np.int64),
        notes=tuple(str(note) for note in content.get("notes", ())),
        own_folds=content.get("own_folds", False) is True,
        rule=str(content.get("rule", "")),
    )


def check_codes(outer: Codes, inner: Codes, full: Codes) -> None:
    """Refuse fold codes that would let a judged image train or choose, or leave a part of a fold empty.

    Parameters
    ----------
    outer : ndarray of shape (repeats, n_images), int16
    inner : ndarray of shape (repeats, n_outer, n_images), int16
    full : ndarray of shape (n_images,), int16
        Codes with the meaning of the attributes of `Split`.

    Raises
    ------
    ValueError
        Naming the first repeat and fold, counted from 0, that breaks the contract.
    """
    n_outer, n_inner = inner.shape[1], int(full.max()) + 1
    if min(outer.min(), inner.min(), full.min()) < TRAIN_ONLY or OUTSIDE in outer or OUTSIDE in full:
        raise ValueError(f"a code is none: {OUTSIDE} stands in 'inner' alone, and nothing is below {TRAIN_ONLY}")
    _check_parts(full, n_inner, "the inner folds over all images")
    for repeat in range(len(outer)):
        _check_parts(outer[repeat], n_outer, f"the outer folds of repeat {repeat}")
        for fold in range(n_outer):
            where = f"outer fold {fold} of repeat {repeat}"
            if not np.array_equal(inner[repeat, fold] == OUTSIDE, outer[repeat] == fold):
                raise ValueError(f"test images of {where} train or choose in it, or training images of it do neither")
            _check_parts(inner[repeat, fold], n_inner, f"the inner folds of {where}")


def _check_parts(codes: Codes, n_folds: int, where: str) -> None:
    """Every fold from 0 to `n_folds` - 1 must hold an image, and leave one to train on; none may be beyond."""
    inside = codes[codes != OUTSIDE]
    counts = np.bincount(inside[inside >= 0], minlength=max(n_folds, 1))
    if len(counts) > n_folds or not np.all((counts > 0) & (counts < len(inside))):
        raise ValueError(f"{where} are not {n_folds} folds that each hold an image and leave one to train on")
