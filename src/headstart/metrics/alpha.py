"""Krippendorff's alpha of a table of votes."""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError, unknown_name
from headstart.metrics.validation import FloatArray, IntArray, ratio

Level = Literal["nominal", "ordinal"]

GAP: Final = -1
"""Code of a rating that is missing."""


def vote_counts(ratings: npt.ArrayLike, n_classes: int) -> IntArray:
    """How many raters gave each class to each image.

    Parameters
    ----------
    ratings : array-like of shape (n_images, n_raters), int
        Class codes; -1 for a rating that is missing.
    n_classes : int

    Returns
    -------
    ndarray of shape (n_images, n_classes), int64

    Raises
    ------
    InputError
        When the ratings are no table of class codes.

    Examples
    --------
    >>> vote_counts([[0, 1, 1], [0, -1, -1]], 2)
    array([[1, 2],
           [1, 0]])
    """
    codes = np.asarray(ratings)
    if codes.ndim != 2 or codes.dtype.kind not in "iu":
        raise InputError(f"Ratings are whole numbers of shape (n_images, n_raters); got {codes.dtype} {codes.shape}.")
    if codes.size and (codes.min() < GAP or codes.max() >= n_classes):
        raise InputError(
            f"Ratings are class codes from 0 to {n_classes - 1}, or -1 for a gap; got {codes.min()} to {codes.max()}."
        )
    counts: IntArray = (codes[:, :, None] == np.arange(n_classes)).sum(axis=1).astype(np.int64)
    return counts


def krippendorff_alpha(counts: npt.ArrayLike, *, level: Level = "nominal") -> float:
    """Krippendorff's alpha of a table of votes; images with fewer than two votes do not enter.

    Parameters
    ----------
    counts : array-like of shape (n_images, n_classes), int
        Votes for each class, from `vote_counts`; of ordered classes in their order.
    level : {"nominal", "ordinal"}
        "nominal" counts every disagreement alike, "ordinal" those between distant classes for more. With two classes
        both are the same.

    Returns
    -------
    float
        nan where no image has two votes, or all votes are for one class.

    References
    ----------
    K. Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability",
    https://repository.upenn.edu/handle/20.500.14332/2089; the ordinal difference is that of section D.

    Examples
    --------
    Two raters, ten images (section A there):

    >>> meg, owen = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    >>> round(krippendorff_alpha(vote_counts(list(zip(meg, owen)), 2)), 3)
    0.095
    """
    _check_level(level)
    pairs = pairs_of(np.asarray(counts)).sum(axis=0, keepdims=True)
    return float(alphas_of(pairs, level)[0])


def _check_level(level: str) -> None:
    if level not in get_args(Level):
        raise InputError(unknown_name("level of agreement", level, get_args(Level)))


def pairs_of(counts: IntArray) -> FloatArray:
    """Coincidences of each image, shape (n_images, n_classes, n_classes): ordered pairs of votes over (votes - 1)."""
    votes = counts.astype(np.float64)
    others = votes.sum(axis=1) - 1
    weight = np.where(others >= 1, ratio(1.0, np.maximum(others, 1.0)), 0.0)
    pairs = votes[:, :, None] * votes[:, None, :]
    diagonal = np.arange(votes.shape[1])
    pairs[:, diagonal, diagonal] -= votes
    return np.asarray(pairs * weight[:, None, None])


def differences_between(frequencies: FloatArray, level: Level) -> FloatArray:
    """Squared difference of every two classes, shape (batch, n_classes, n_classes), by their frequencies (batch, n)."""
    if level == "nominal":
        return np.broadcast_to(1.0 - np.eye(frequencies.shape[1]), (*frequencies.shape, frequencies.shape[1]))
    middle = np.cumsum(frequencies, axis=1) - frequencies / 2
    return np.asarray((middle[:, :, None] - middle[:, None, :]) ** 2)


def alphas_of(coincidences: FloatArray, level: Level) -> FloatArray:
    """Alpha of each coincidence matrix, shape (batch,); nan where it is undefined."""
    frequencies = coincidences.sum(axis=2)  # (batch, n_classes)
    differences = differences_between(frequencies, level)
    observed = (coincidences * differences).sum(axis=(1, 2))
    expected = np.einsum("bc,bck,bk->b", frequencies, differences, frequencies)
    return np.asarray(1.0 - ratio((frequencies.sum(axis=1) - 1) * observed, expected))
