"""Settings that decide a pretraining beside data and network, checked once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from headstart.errors import InputError
from headstart.runtime.limits import check_numbers, number

if TYPE_CHECKING:
    from headstart.augment import View

TrainingPrecision = Literal["auto", "fp32", "bf16", "measure"]
PRECISIONS: Final = get_args(TrainingPrecision)
_RECORDED_AS: Final = {"views": "n_views"}
"""Names of settings in files of weights where they differ from those in Python."""


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
    views : int
        Fixed, seeded views of every image, itself among them, gone through epoch by epoch. Exact policies have fewer.
    seed : int
        Seed of the initial weights, the held-out images, the order, the views and dropout.

    Raises
    ------
    InputError
        When a value is out of range or the policy is unknown.
    """

    epochs: int = number(30, at_least=1, at_most=10_000)
    batch_size: int = number(64, at_least=2, at_most=4096)
    learning_rate: float = number(1e-3, above=0, at_most=100)
    weight_decay: float = number(0.05, at_least=0, at_most=100)
    label_smoothing: float = number(0.1, at_least=0, below=1)
    warmup: float = number(0.05, at_least=0, below=1)
    augment: str = "geometric"
    views: int = number(8, at_least=1, at_most=10_000)
    seed: int = number(0, at_least=0, at_most=2**32 - 1)

    def __post_init__(self) -> None:
        check_numbers(self)
        if not isinstance(self.augment, str):
            raise InputError(f"augment is {self.augment!r}; expected the name of a policy or the path of its file.")
        self.fixed_views()

    def fixed_views(self) -> tuple[View, ...]:
        """The views of every image, in the order in which epochs take them."""
        from headstart.augment import POLICIES, read_policy, views
        from headstart.augment.views import CUSTOM, n_distinct

        if self.augment in POLICIES:
            return views(self.augment, min(self.views, n_distinct(self.augment)), self.seed)
        path = Path(self.augment)
        if path.suffix != ".toml":
            raise InputError(
                f"Unknown augmentation policy {self.augment!r}. Known: {', '.join(POLICIES)}, or the path of a "
                "policy's .toml file (docs/views.md)."
            )
        return views(CUSTOM, self.views, self.seed, read_policy(path))

    def to_json(self) -> dict[str, Any]:
        """The settings by name, and the views as what decides their pixels."""
        return {**self._recorded(), "augment": [view.settings() for view in self.fixed_views()]}

    def described(self) -> dict[str, Any]:
        """The settings by name, for people; a policy of one's own by the name of its file."""
        from headstart.augment import POLICIES

        policy = self.augment if self.augment in POLICIES else Path(self.augment).name
        return {**self._recorded(), "augment": policy, "n_views": len(self.fixed_views())}

    def _recorded(self) -> dict[str, Any]:
        return {_RECORDED_AS.get(name, name): value for name, value in asdict(self).items()}


def learning_rate_at(step: int, n_steps: int, settings: PretrainSettings) -> float:
    """Rate of a step, counted from 0: a straight rise, then half a cosine down to 0.

    >>> settings = PretrainSettings(learning_rate=1.0, warmup=0.2)
    >>> [round(learning_rate_at(step, 10, settings), 3) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    from headstart.finetuning.schedule import rate_factor

    return settings.learning_rate * rate_factor(step, n_steps=n_steps, n_warmup=round(settings.warmup * n_steps))
