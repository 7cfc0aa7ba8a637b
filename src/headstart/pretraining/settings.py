"""What decides a pretraining beside data and network, checked once."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headstart.errors import InputError

if TYPE_CHECKING:
    from headstart.augment import View

_RANGES: Final = {
    "epochs": (1, 10_000),
    "batch_size": (2, 4096),
    "n_views": (1, 10_000),
    "seed": (0, 2**32 - 1),
}


@dataclass(frozen=True)
class PretrainSettings:
    """How a network is pretrained.

    Attributes
    ----------
    epochs : int
        Passes over the training images; the weights after the last are kept, none is chosen by a score.
    batch_size : int
    learning_rate : float > 0
        Highest, of AdamW: after the warm-up, before the cosine.
    weight_decay : float >= 0
        Weight decay of AdamW, on weights of layers; biases and normalisations have none.
    label_smoothing : float in [0, 1)
        Share of every target that is spread over all classes.
    warmup : float in [0, 1)
        Share of the steps in which the rate rises from 0; afterwards it falls to 0 as half a cosine.
    augment : str
        Policy of the views: a name of `headstart.augment.POLICIES`, or the path of a policy's TOML file.
    n_views : int
        Fixed, seeded views of every image, itself among them, gone through epoch by epoch. Exact policies have fewer.
    seed : int
        Seed of the initial weights, the held-out images, the order, the views and dropout.

    Raises
    ------
    InputError
        When a value is out of range or the policy is unknown.
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    warmup: float = 0.05
    augment: str = "geometric"
    n_views: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} is {getattr(self, name)}; expected {low} to {high:,}.")
        if not (math.isfinite(self.learning_rate) and 0 < self.learning_rate <= 100):
            raise InputError(f"The learning rate is {self.learning_rate}; expected a number > 0, 100 at the most.")
        if not (math.isfinite(self.weight_decay) and 0 <= self.weight_decay <= 100):
            raise InputError(f"The weight decay is {self.weight_decay}; expected a number from 0 to 100.")
        for name in ("label_smoothing", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected a share, 0 or more and below 1.")
        self.views()

    def views(self) -> tuple[View, ...]:
        """The views of every image, in the order in which epochs take them."""
        from headstart.augment import POLICIES, read_policy, views
        from headstart.augment.views import CUSTOM, n_distinct

        if self.augment in POLICIES:
            return views(self.augment, min(self.n_views, n_distinct(self.augment)), self.seed)
        path = Path(self.augment)
        if path.suffix != ".toml":
            raise InputError(
                f"Unknown augmentation policy {self.augment!r}. Known: {', '.join(POLICIES)}, or the path of a "
                "policy's .toml file (docs/views.md)."
            )
        return views(CUSTOM, self.n_views, self.seed, read_policy(path))

    def to_json(self) -> dict[str, Any]:
        """The settings by name, and the views as what decides their pixels."""
        return {**asdict(self), "augment": [view.settings() for view in self.views()]}

    def described(self) -> dict[str, Any]:
        """The settings by name, for people; a policy of one's own by the name of its file."""
        from headstart.augment import POLICIES

        policy = self.augment if self.augment in POLICIES else Path(self.augment).name
        return {**asdict(self), "augment": policy, "n_views": len(self.views())}


def learning_rate_at(step: int, n_steps: int, settings: PretrainSettings) -> float:
    """Rate of a step, counted from 0: a straight rise, then half a cosine down to 0.

    >>> settings = PretrainSettings(learning_rate=1.0, warmup=0.2)
    >>> [round(learning_rate_at(step, 10, settings), 3) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    from headstart.finetuning.schedule import rate_factor

    return settings.learning_rate * rate_factor(step, n_steps=n_steps, n_warmup=round(settings.warmup * n_steps))
