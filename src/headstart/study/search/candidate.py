"""One candidate of a search: where its features come from, its head, and how its training set is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from headstart.heads import HeadSpec
from headstart.study.training_set.spec import PLAIN, TrainingSetSpec


@dataclass(frozen=True)
class FeatureSourceSpec:
    """Source of the features of a candidate; None leaves a choice to the backbone or to the fit.

    Attributes
    ----------
    backbone : str or None
        A name that ``headstart backbones`` lists, or any timm name. None: the default backbone.
    weights : str or None
        File of weights, or ``random``.
    input_size : int or None
        Side of the square input in pixels. None: what the weights were trained at.
    resize : {"squash", "crop", "pad"} or None
        How an image is brought to a square.
    white_level : int or None
        The 16-bit value shown as white.
    clean_up : str or None
        Clean-up of dermoscopic images, steps joined by ``+``, or ``none``.
    features : str or None
        Features of the network as `headstart.backbones.feature_block.parse_features` reads them. None: those
        of `headstart.backbones.feature_block.default_features`.
    """

    backbone: str | None = None
    weights: str | None = None
    input_size: int | None = None
    resize: str | None = None
    white_level: int | None = None
    clean_up: str | None = None
    features: str | None = None

    @property
    def label(self) -> str:
        """One line for people, naming what is not left open.

        >>> FeatureSourceSpec("vgg19", input_size=300, resize="pad").label
        'vgg19, 300 px, pad'
        """
        size = None if self.input_size is None else f"{self.input_size} px"
        white = None if self.white_level is None else f"white {self.white_level}"
        clean_up = None if self.clean_up is None else f"clean-up {self.clean_up}"
        parts = [self.backbone or "default backbone", self.weights, size, self.resize, white, clean_up, self.features]
        return ", ".join(part for part in parts if part is not None)

    def to_json(self) -> dict[str, Any]:
        """The attributes by name, without a clean-up and features that are left open."""
        is_open = {name for name in ("clean_up", "features") if getattr(self, name) is None}
        return {name: value for name, value in asdict(self).items() if name not in is_open}


@dataclass(frozen=True)
class Candidate:
    """One point of the search space: source of features, head, and how the training set of the head is made."""

    source: FeatureSourceSpec
    head: HeadSpec
    training_set: TrainingSetSpec = PLAIN

    @property
    def short_label(self) -> str:
        """One line for people, without the source."""
        training_set = self.training_set.label
        return f"{self.head.label}; {training_set}" if training_set else self.head.label

    @property
    def label(self) -> str:
        """One line for people."""
        return f"{self.source.label}: {self.short_label}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "source": self.source.to_json(),
            "training_set": self.training_set.to_json(),
            "head": self.head.to_json(),
        }
