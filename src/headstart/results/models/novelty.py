"""Images unlike anything seen: how they are told, how many held-out images are flagged, and the farthest of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headstart.results.models.base import Count, Mass, Part, Positive, Share
from headstart.results.models.estimates import EstimateFacts

Rate = Annotated[float, Field(gt=0, lt=1)]


class NoveltyShare(Part):
    """Share of images of the same kind that may be flagged, the measure, and the share that was."""

    rate: Rate
    measure: Literal["knn", "mahalanobis"]
    flagged: EstimateFacts

    def words(self, images: str) -> str:
        """The share in one line; `images` says of which images."""
        return f"Unlike the training images ({self.measure}, rate {self.rate:g}): {self.flagged} of the {images} images"


class FittedNovelty(Part):
    """A fitted threshold: the distance beyond which an image is flagged (None: never), and what it rests on."""

    threshold: Mass | None
    n_calibration: Positive
    n_groups: Positive


class FoldNoveltyFacts(FittedNovelty):
    """The threshold of one outer fold, and how many of its test images it flags."""

    repeat: Count
    fold: Count
    n_flagged: Count
    n_test: Positive


class FarImage(Part):
    """A held-out image that lies far from the training images of its fold."""

    image: str
    label: str
    distance: Mass
    p_value: Share


class NoveltyResults(NoveltyShare):
    """Novelty of held-out images, thresholds of folds and final model, and the farthest images of the first repeat."""

    min_groups: Count
    holds_training_features: bool
    folds: Annotated[tuple[FoldNoveltyFacts, ...], Field(min_length=1)]
    final: FittedNovelty
    farthest: tuple[FarImage, ...]
