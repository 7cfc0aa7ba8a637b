"""Several raters' labels of each image: votes, majority, ties and gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.categorical import encode_texts
from headstart.errors import DataError, first_few, plural, unknown_name

GAP: Final = -1
VOTES: Final = ("majority", "shares")
MISSING: Final = ("", "nan", "na", "n/a", "null", "<na>")
"""Texts that stand for a value that is not there."""


@dataclass(frozen=True, eq=False)
class Ratings:
    """Labels that several raters gave to the same images.

    Attributes
    ----------
    codes : ndarray of shape (n_images, n_raters), int64
        Class codes; -1 where a rater did not see the image.
    raters : tuple of str
        Names of the raters.
    """

    codes: NDArray[np.int64]
    raters: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> Ratings:
        """Ratings of some images."""
        return replace(self, codes=self.codes[rows])

    def recoded(self, position: NDArray[np.int64]) -> Ratings:
        """Ratings with class c coded as ``position[c]``."""
        return replace(self, codes=np.where(self.codes < 0, GAP, position[self.codes]))

    def votes(self, n_classes: int) -> NDArray[np.int64]:
        """Votes for each class, shape (n_images, n_classes)."""
        counts: NDArray[np.int64] = (self.codes[:, :, None] == np.arange(n_classes)).sum(axis=1).astype(np.int64)
        return counts

    def to_json(self) -> dict[str, Any]:
        """Ratings as plain JSON."""
        return {"raters": list(self.raters), "codes": self.codes.tolist()}

    def disagreement(self, n_classes: int) -> NDArray[np.float64]:
        """Share of the votes that are not for the class with most, shape (n_images,); nan without votes."""
        votes = self.votes(n_classes)
        total = votes.sum(axis=1)
        return np.asarray(1 - np.divide(votes.max(axis=1), total, out=np.full(len(votes), np.nan), where=total > 0))


def ratings_from_table(table: ArrayLike, raters: Sequence[str] | None = None) -> tuple[Ratings, tuple[str, ...]]:
    """Ratings and class names from a table of labels with a column for each rater.

    Parameters
    ----------
    table : array-like of shape (n_images, n_raters)
        Text or whole numbers; None, NaN and empty text are gaps.
    raters : sequence of str, optional
        Default: ``rater 1``, ``rater 2`` and so on.

    Raises
    ------
    DataError
        When the table has another shape, or an image has no rating at all.
    """
    cells = np.asarray(table, dtype=object)
    if cells.ndim != 2 or cells.shape[1] == 0:
        raise DataError(
            f"The ratings have shape {cells.shape}; expected a row for each image and a column for each rater."
        )
    named = tuple(raters) if raters is not None else tuple(f"rater {number + 1}" for number in range(cells.shape[1]))
    if len(named) != cells.shape[1] or len(set(named)) < len(named):
        raise DataError(
            f"There are {len(named)} names of raters, {len(set(named))} different, for {cells.shape[1]} columns."
        )
    texts = [[_text(cell) for cell in row] for row in cells.tolist()]
    column = encode_texts([text for row in texts for text in row])
    return _without_gap_class(column.codes.reshape(cells.shape), column.names, named)


def _without_gap_class(
    codes: NDArray[np.int64], names: tuple[str, ...], raters: tuple[str, ...]
) -> tuple[Ratings, tuple[str, ...]]:
    """Codes of real classes alone; the empty text becomes a gap."""
    classes = tuple(name for name in names if name)
    position = np.array([classes.index(name) if name else GAP for name in names], dtype=np.int64)
    return Ratings(position[codes], raters), classes


def _text(cell: Any) -> str:
    if cell is None or cell != cell:  # noqa: PLR0124
        return ""
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
    return "" if text.lower() in MISSING else text


@dataclass(frozen=True, eq=False)
class VoteResult:
    """Labels that the votes of several raters come to.

    Attributes
    ----------
    labels : ndarray of shape (n_images,), int64
        Class with most votes; of tied ones the first in class order.
    soft : ndarray of shape (n_images, n_classes), float64, or None
        None where every label is hard.
    notes : tuple of str
        Gaps, ties and images rated once, for the user.
    """

    labels: NDArray[np.int64]
    soft: NDArray[np.float64] | None
    notes: tuple[str, ...]


def aggregate_votes(
    ratings: Ratings, names: Sequence[str], n_classes: int, *, votes: str = "majority", where: str = ""
) -> VoteResult:
    """Labels from the votes of the raters.

    Parameters
    ----------
    ratings : Ratings
    names : sequence of str
        Image names, for messages.
    n_classes : int
    votes : {"majority", "shares"}
        "majority" gives the class with most votes, and tied classes equal shares of a soft label; "shares" makes
        the shares of the votes the soft label of every image.
    where : str
        File, for messages: ``"table.csv: "``.

    Raises
    ------
    DataError
        When an image has no vote, or `votes` is something else.
    """
    if votes not in VOTES:
        raise DataError(unknown_name("way of counting votes", votes, VOTES))
    counts = ratings.votes(n_classes)
    total = counts.sum(axis=1)
    unrated = np.flatnonzero(total == 0)
    if len(unrated):
        listed = first_few(names[row] for row in unrated.tolist())
        without = plural(len(unrated), "image has", "images have")
        raise DataError(f"{where}{without} no label of any rater: {listed}. Have them rated, or remove them.")
    most = counts == counts.max(axis=1, keepdims=True)
    tied = most.sum(axis=1) > 1
    shares = counts / total[:, None] if votes == "shares" else most / most.sum(axis=1, keepdims=True)
    soft = shares if bool((shares.max(axis=1) < 1).any()) else None
    return VoteResult(counts.argmax(axis=1).astype(np.int64), soft, tuple(_notes(ratings, total, tied, votes)))


def _notes(ratings: Ratings, total: NDArray[np.int64], tied: NDArray[np.bool_], votes: str) -> Iterator[str]:
    n_images, n_raters = ratings.codes.shape
    if n_raters == 1:
        yield f"All labels come from one rater, {ratings.raters[0]!r}, so how far raters agree cannot be said."
        return
    once, gaps = int((total == 1).sum()), int((ratings.codes < 0).sum())
    if gaps:
        of = f"of {n_images * n_raters:,} ratings"
        yield f"{plural(gaps, f'{of} is', f'{of} are')} missing; the label is voted by those there are."
    if once:
        of = f"of {n_images:,} images"
        yield f"{plural(once, f'{of} was', f'{of} were')} rated once; the label rests on one rater there."
    if tied.any():
        training = "" if votes == "shares" else ", and training gives each tied class an equal share"
        yield (
            f"The votes on {int(tied.sum()):,} of {n_images:,} images are tied: the first of the tied classes in class "
            f"order is the label that is judged{training}."
        )
