"""Findings in the images before any of them was trained on, and how far raters agree."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from headstart.results.models.base import Count, Ends, Part, Share, SparePart


class UnreadableImage(Part):
    """An image that could not be read, and why."""

    image: str
    reason: str


class Extent(Part):
    """Smallest, median and largest side of the images, in pixels."""

    min: Count
    median: Count
    max: Count


class NearDuplicateFacts(SparePart):
    """Copies of images: exact ones, near-duplicates that features confirmed, mirrored or turned ones, and crops."""

    left_out: ClassVar = ("mirrored_or_turned", "cropped_or_rotated")

    exact_pairs: Count
    candidates_by_perceptual_hash: Count
    confirmed_in_feature_space: Count
    ratio: Annotated[float, Field(gt=0)]
    background_neighbour: Count
    near_pairs: tuple[str, ...]
    features_of: str
    mirrored_or_turned: tuple[str, ...] = ()
    cropped_or_rotated: tuple[str, ...] = ()

    @property
    def n_pairs(self) -> int:
        """Number of pairs of copies that were joined, of whatever kind."""
        listed = len(self.mirrored_or_turned) + len(self.cropped_or_rotated)
        return self.exact_pairs + self.confirmed_in_feature_space + listed


class Alpha(Part):
    """Krippendorff's alpha with its 95 % interval; where it is undefined, why."""

    value: float | None
    ci95: Ends | None
    reason: str


class DisputedImage(Part):
    """An image that raters do not agree on: their votes, and the share of them against the majority."""

    image: str
    votes: dict[str, Count]
    disagreement: Share


class AgreementFacts(Part):
    """How far the raters of a data set agree."""

    raters: dict[str, Count]
    n_images: Count
    n_gaps: Count
    n_rated_once: Count
    n_rated_by_several: Count
    n_disputed: Count
    disputed_share: Share | None
    n_tied: Count
    alpha_nominal: Alpha
    alpha_ordinal: Alpha | None
    class_order: tuple[str, ...]
    interval: str
    reference: str
    disputed: tuple[DisputedImage, ...]


class AuditFacts(SparePart):
    """Findings of the audit, images by name.

    Attributes
    ----------
    file_facts : dict of str to float, or None
        Balanced accuracy of the classes told by one fact about the files alone, on the folds of the run; None where
        the pictures lie in no files.
    """

    left_out: ClassVar = ("file_facts",)

    n_images: Count
    class_counts: dict[str, Count]
    unreadable: tuple[UnreadableImage, ...]
    formats: dict[str, Count]
    modes: dict[str, Count]
    width: Extent
    height: Extent
    multi_page: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    label_conflicts: tuple[tuple[str, ...], ...]
    near_duplicates: NearDuplicateFacts
    agreement: AgreementFacts | None
    file_facts: dict[str, Share] | None = None
