"""How far the raters of a data set agree, for the audit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.metrics.rater_agreement import rater_agreement
from headstart.metrics.validation import plain, ratio
from headstart.results.models.audit import AgreementFacts, Alpha, DisputedImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset, Ratings

MAX_DISPUTED: Final = 50
"""Disputed images that are listed, the most disputed first."""

_REFERENCE: Final = "Krippendorff 2011, Computing Krippendorff's Alpha-Reliability"


def agreement_facts(dataset: ImageDataset, *, seed: int = 0) -> AgreementFacts | None:
    """Krippendorff's alpha, disputes and ties; None for a data set without ratings.

    Alpha is given for classes without order and, with three or more, also for the order they are listed in: the second
    means something only where that order does. Intervals are of 1,000 resamples of images, groups kept whole.
    """
    ratings = dataset.ratings
    if ratings is None:
        return None
    votes = ratings.votes(len(dataset.classes))
    n_votes, n_leading = votes.sum(axis=1), (votes == votes.max(axis=1, keepdims=True)).sum(axis=1)
    several = n_votes >= 2
    disputed = (votes > 0).sum(axis=1) > 1
    ordered = len(dataset.classes) > 2
    ordinal = rater_agreement(votes, level="ordinal", groups=dataset.groups, seed=seed) if ordered else None
    return AgreementFacts(
        raters=dict(zip(ratings.raters, (ratings.codes >= 0).sum(axis=0).tolist(), strict=True)),
        n_images=len(dataset),
        n_gaps=int((ratings.codes < 0).sum()),
        n_rated_once=int((n_votes == 1).sum()),
        n_rated_by_several=int(several.sum()),
        n_disputed=int(disputed.sum()),
        disputed_share=plain(float(ratio(disputed.sum(), several.sum()))),
        n_tied=int((n_leading > 1).sum()),
        alpha_nominal=Alpha(**rater_agreement(votes, groups=dataset.groups, seed=seed).to_json()),
        alpha_ordinal=None if ordinal is None else Alpha(**ordinal.to_json()),
        class_order=tuple(dataset.classes),
        interval="95 %, images (groups as wholes) resampled",
        reference=_REFERENCE,
        disputed=tuple(_disputed(dataset, ratings, np.flatnonzero(disputed))),
    )


def _disputed(dataset: ImageDataset, ratings: Ratings, rows: NDArray[np.int64]) -> list[DisputedImage]:
    """The most disputed images, with the votes and the share of them against the majority."""
    share = ratings.disagreement(len(dataset.classes))
    order = rows[np.argsort(-share[rows], kind="stable")][:MAX_DISPUTED]
    return [
        DisputedImage(
            image=dataset.names[row],
            votes=named_votes(ratings, row, dataset.classes),
            disagreement=float(share[row]),
        )
        for row in order.tolist()
    ]


def named_votes(ratings: Ratings, row: int, classes: tuple[str, ...]) -> dict[str, int]:
    """Votes on one image by class, in class order, without classes that got none."""
    codes = ratings.codes[row]
    counts = np.bincount(codes[codes >= 0], minlength=len(classes)).tolist()
    return {name: count for name, count in zip(classes, counts, strict=True) if count}


def agreement_lines(found: AgreementFacts) -> Iterator[str]:
    """The agreement of the raters for a terminal."""
    yield "images of each rater: " + ", ".join(f"{name} {n:,}" for name, n in found.raters.items())
    yield (
        f"rated by several: {found.n_rated_by_several:,} of {found.n_images:,} images; "
        f"{found.n_disputed:,} disputed, {found.n_tied:,} tied"
    )
    yield f"Krippendorff's alpha, classes without order: {_worded(found.alpha_nominal)}"
    if found.alpha_ordinal is not None:
        order = " < ".join(found.class_order)
        yield f"Krippendorff's alpha, were the classes ordered {order}: {_worded(found.alpha_ordinal)}"


def _worded(alpha: Alpha) -> str:
    if alpha.value is None:
        return f"undefined, because {alpha.reason}"
    if alpha.ci95 is None:
        return f"{alpha.value:.3f}"
    low, high = alpha.ci95
    return f"{alpha.value:.3f} ({low:.3f} to {high:.3f})"
