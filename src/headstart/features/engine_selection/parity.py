"""How far the features of a fast engine are from those of the fp32 reference, on the user's own images."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headstart.data import ImageDataset

MIN_IMAGES: Final = 8
_RIDGE: Final = 0.1  # of the mean squared length of a centred row


@dataclass(frozen=True)
class Tolerance:
    """How far features may be from the reference.

    Attributes
    ----------
    relative_error : float
        Largest root mean square difference, as a share of that between the reference and its own mean.
    agreement : float
        Smallest share of images for which a linear probe says the same; one image may always differ.
    """

    relative_error: float
    agreement: float


@dataclass(frozen=True)
class Parity:
    """Features of a fast engine beside those of the reference.

    Attributes
    ----------
    relative_error : float or None
        As in `Tolerance`; None where features are not finite or the reference is the same for all images.
    agreement : float or None
        Share of images for which a linear probe, fitted on the reference of other images, says the same of both.
    n_images : int
    probe : {"labels", "principal components", "none"}
        What the probe tells apart.
    """

    relative_error: float | None
    agreement: float | None
    n_images: int
    probe: str

    def within(self, tolerance: Tolerance) -> bool:
        """Whether both figures are tolerable; figures that are missing are not."""
        if self.relative_error is None or self.agreement is None:
            return False
        n_differing = round((1 - self.agreement) * self.n_images)
        n_allowed = max(1, math.floor((1 - tolerance.agreement) * self.n_images + 1e-9))
        return self.relative_error <= tolerance.relative_error and n_differing <= n_allowed

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary, rounded to what the figures are worth."""
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(self).items()}

    def __str__(self) -> str:
        error = "undefined" if self.relative_error is None else f"{self.relative_error:.2g}"
        agreement = "undefined" if self.agreement is None else f"{self.agreement:.3f}"
        return f"relative error {error}, agreement {agreement} on {self.n_images} images"


def compare_features(reference: ArrayLike, found: ArrayLike, labels: NDArray[np.int64] | None = None) -> Parity:
    """Compare features of the same images.

    Plain cosine says little: features have a large common mean, and even different images agree to 0.97. So both are
    centred by the reference's mean, and a probe says whether the difference matters: a ridge classifier, fitted on the
    reference of one half of the images and unseen about both versions of the other half, and the other way round.

    Parameters
    ----------
    reference, found : array-like of shape (n_images, n_features)
    labels : ndarray of shape (n_images,), int64, optional
        Default, or where a half holds one class only: quarters by the first two principal components.
    """
    plain, fast = np.asarray(reference, np.float64), np.asarray(found, np.float64)
    n_images = len(plain)
    if n_images < MIN_IMAGES or not (np.isfinite(plain).all() and np.isfinite(fast).all()):
        return Parity(None, None, n_images, "none")
    spread = float(np.linalg.norm(plain - plain.mean(axis=0)))
    if spread <= 1e-6 * float(np.linalg.norm(plain)):  # all images look the same to the network
        return Parity(None, None, n_images, "none")
    target, kind = _target(plain, labels)
    agreed = cross_probe(plain, plain, target) == cross_probe(plain, fast, target)
    error = float(np.linalg.norm(fast - plain)) / spread
    return Parity(error, float(agreed.mean()), n_images, kind)


def compare_blocks(
    reference: NDArray[Any], found: NDArray[Any], widths: Sequence[int], labels: NDArray[np.int64] | None = None
) -> Parity:
    """The worse of the figures of `compare_features` over every block by itself: large numbers of one hide no other.

    A block that is the same for all images tells nothing and is passed over while it stays the same.

    Parameters
    ----------
    reference, found : ndarray of shape (n_images, n_features)
    widths : sequence of int
        Number of features of every block.
    labels
        As for `compare_features`.
    """
    if len(widths) == 1:
        return compare_features(reference, found, labels)
    ends = np.cumsum(widths)[:-1]
    pairs = list(zip(np.split(reference, ends, axis=1), np.split(found, ends, axis=1), strict=True))
    telling = [pair for pair in pairs if not _is_idle(*pair)] or pairs[:1]
    parities = [compare_features(*pair, labels) for pair in telling]
    errors = [one.relative_error for one in parities if one.relative_error is not None]
    agreements = [one.agreement for one in parities if one.agreement is not None]
    if len(errors) < len(parities) or len(agreements) < len(parities):
        return next(one for one in parities if one.relative_error is None)
    return replace(parities[0], relative_error=max(errors), agreement=min(agreements))


def _is_idle(plain: NDArray[Any], fast: NDArray[Any]) -> bool:
    """Whether a block is the same for all images, in both versions."""
    return bool(np.ptp(plain, axis=0).max() == 0 and np.ptp(fast, axis=0).max() == 0 and np.allclose(plain, fast))


def _target(plain: NDArray[np.float64], labels: NDArray[np.int64] | None) -> tuple[NDArray[np.int64], str]:
    """Classes that the probe tells apart: the labels, else the quarters by the first two principal components."""
    if labels is not None and all(len(np.unique(labels[start::2])) > 1 for start in (0, 1)):
        return labels, "labels"
    scores = np.linalg.svd(plain - plain.mean(axis=0), full_matrices=False)[0][:, :2]
    above = scores > np.median(scores, axis=0)
    return above @ np.array([1, 2])[: above.shape[1]], "principal components"


def cross_probe(plain: NDArray[np.float64], rows: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.int64]:
    """Classes that a probe predicts for `rows`; it is fitted on every other image of the reference, both ways round."""
    predicted = np.empty(len(plain), np.int64)
    for fitted, unseen in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        predicted[unseen] = probe(plain[fitted], target[fitted], rows[unseen])
    return predicted


def probe(features: NDArray[np.float64], labels: NDArray[np.int64], unseen: NDArray[np.float64]) -> NDArray[np.int64]:
    """Classes that a ridge classifier gives: least squares on one column per class, in closed form.

    Parameters
    ----------
    features : ndarray of shape (n_images, n_features)
    labels : ndarray of shape (n_images,), int64
    unseen : ndarray of shape (n_unseen, n_features)

    Returns
    -------
    ndarray of shape (n_unseen,), int64
    """
    classes = np.unique(labels)
    columns = (labels[:, None] == classes).astype(np.float64)  # (images, classes)
    mean, share = features.mean(axis=0), columns.mean(axis=0)
    rows = features - mean
    kernel = rows @ rows.T
    strength = _RIDGE * max(float(np.trace(kernel)) / len(rows), np.finfo(np.float64).tiny)
    weights = rows.T @ np.linalg.solve(kernel + strength * np.eye(len(rows)), columns - share)
    best = np.argmax((unseen - mean) @ weights + share, axis=1)
    return np.asarray(classes[best], dtype=np.int64)


def sample_rows(dataset: ImageDataset, n_images: int, seed: int) -> list[int]:
    """Rows of some distinct images, drawn by their content: images added to a data set change few of them.

    Parameters
    ----------
    dataset : ImageDataset
        With its content hashes.
    n_images : int
        At most so many.
    seed : int
    """
    first: dict[str, int] = {}
    for row in range(len(dataset)):
        first.setdefault(dataset.content_hash(row), row)
    drawn = sorted(first, key=lambda digest: hashlib.sha256(f"{seed}:{digest}".encode()).digest())
    return [first[digest] for digest in drawn[:n_images]]  # not sorted: the probe's halves mix all of the data set
