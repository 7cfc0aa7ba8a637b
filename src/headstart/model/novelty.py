"""Detector of images unlike the training images, as a bundle keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headstart.decisions import Novelty, NoveltyThreshold
from headstart.heads.training_distance import TrainingDistance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageNovelty:
    """Distance of one image from the training images, its p value, and whether it is flagged as unlike them."""

    distance: float
    p_value: float
    is_novel: bool


@dataclass(frozen=True, eq=False)
class NoveltyDetector:
    """Distance from the training images, and the threshold beyond which an image is unlike them.

    Attributes
    ----------
    distance : TrainingDistance
    threshold : NoveltyThreshold
    """

    distance: TrainingDistance
    threshold: NoveltyThreshold

    def judge(self, features: NDArray[np.float32]) -> Novelty:
        """Novelty of images with these features, of shape (n, n_features), without table columns."""
        return self.threshold.apply(self.distance.distances(features))

    def to_json(self) -> dict[str, Any]:
        """Plain values that stand in the description of a bundle."""
        return {
            "measure": self.distance.measure,
            "rate": self.threshold.rate,
            "blocks": list(self.distance.blocks),
            "threshold": self.threshold.threshold,
            "n_groups": self.threshold.n_groups,
            "holds_training_features": self.distance.holds_training_features,
        }

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays of distance and threshold by name."""
        return {**self.distance.to_tensors(), **self.threshold.to_tensors()}

    @classmethod
    def from_stored(cls, value: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> NoveltyDetector:
        """The detector that `to_json` and `to_tensors` described.

        Raises
        ------
        BundleError, InputError, KeyError, TypeError, ValueError
            When it is something else.
        """
        blocks = tuple(int(width) for width in value["blocks"])
        distance = TrainingDistance.from_tensors(str(value["measure"]), blocks, tensors)
        return cls(distance, NoveltyThreshold.from_tensors(float(value["rate"]), tensors))


def of_images(found: Novelty, places: Sequence[int]) -> Novelty:
    """Novelty of some of several images, in the order named."""
    rows = list(places)
    return replace(found, distance=found.distance[rows], p_value=found.p_value[rows], is_novel=found.is_novel[rows])


def of_image(found: Novelty, place: int) -> ImageNovelty:
    """Novelty of one of several images."""
    return ImageNovelty(float(found.distance[place]), float(found.p_value[place]), bool(found.is_novel[place]))
