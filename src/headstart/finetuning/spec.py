"""Specification of a fine-tuning: how much is unlocked, and how that is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal, get_args

from headstart.errors import InputError, unknown_name

ALL: Final = "all"
Norms = Literal["keep", "adapt"]
Mix = Literal["none", "mixup", "cutmix"]
Average = Literal["none", "ema", "swa"]
Precision = Literal["auto", "fp32", "bf16"]
Start = Literal["pretrained", "random"]


def _number(default: float, least: float, most: float) -> Any:
    """A field that is a number in a range."""
    return field(default=default, metadata={"range": (least, most)})


@dataclass(frozen=True)
class FineTuneSpec:
    """How the last stages of a backbone are trained on.

    Attributes
    ----------
    unlock : int or "all"
        Stages unlocked, counted from the last.
    epochs : int
        Passes over the training images; in each every image is seen in one of its views.
    batch_size : int
        Images per step; the batches of an epoch are equal in size to within one image.
    learning_rate : float
        Peak rate of AdamW for the last stage.
    head_factor : float >= 0
        The head's rate as a multiple of `learning_rate`.
    stage_decay : float in (0, 1]
        Rate of a stage as a multiple of that of the stage after it (discriminative learning rates).
    warmup_epochs : float
        Epochs in which the rate rises to its peak; then it falls to 0 along a cosine.
    weight_decay : float
        Decoupled; of kernels and matrices, not of biases and normalisations.
    label_smoothing : float in [0, 0.9]
    clip_norm : float
        Longest gradient, over all parameters; 0: as long as it comes.
    norms : {"keep", "adapt"}
        Whether batch normalisation keeps the statistics of the pretraining, or takes those of the batches.
    mix : {"none", "mixup", "cutmix"}
        Pairs of training images mixed, on the level of what is trained on: stage maps.
    mix_alpha : float
        Parameter of the Beta distribution of the mixing share.
    average : {"none", "ema", "swa"}
        Weights that are kept: the last ones, their exponential moving average, or the mean over the last quarter of
        the epochs.
    ema_epochs : float
        Time constant of the moving average.
    patience : int
        Stop early after so many epochs without a better validation loss, where there are validation images; 0: never.
    start : {"pretrained", "random"}
        Weights that the training starts from; ``random`` is training from scratch, of all stages, with batch
        normalisation that adapts.
    precision : {"auto", "fp32", "bf16"}
        Precision of the convolutions and matrix products in training. ``auto``: bf16 where the hardware has it.

    References
    ----------
    A. Kumar et al., "Fine-tuning can distort pretrained features and underperform out-of-distribution", ICLR 2022:
    first the head, then the network. J. Howard, S. Ruder, ACL 2018: discriminative learning rates. I. Loshchilov,
    F. Hutter, ICLR 2017 and 2019: cosine schedule, decoupled weight decay. P. Izmailov et al., UAI 2018: averaging.

    Raises
    ------
    InputError
        For a value out of range.
    """

    unlock: int | str = 2
    epochs: int = _number(12, 1, 10_000)
    batch_size: int = _number(32, 1, 4_096)
    learning_rate: float = _number(3e-4, 1e-8, 10.0)
    head_factor: float = _number(1.0, 0.0, 1_000.0)
    stage_decay: float = _number(0.7, 0.01, 1.0)
    warmup_epochs: float = _number(1.0, 0.0, 1_000.0)
    weight_decay: float = _number(0.02, 0.0, 10.0)
    label_smoothing: float = _number(0.05, 0.0, 0.9)
    clip_norm: float = _number(5.0, 0.0, 1e6)
    norms: Norms = field(default="keep", metadata={"choices": get_args(Norms)})
    mix: Mix = field(default="none", metadata={"choices": get_args(Mix)})
    mix_alpha: float = _number(0.2, 0.01, 10.0)
    average: Average = field(default="ema", metadata={"choices": get_args(Average)})
    ema_epochs: float = _number(1.0, 0.01, 1_000.0)
    patience: int = _number(0, 0, 10_000)
    start: Start = field(default="pretrained", metadata={"choices": get_args(Start)})
    precision: Precision = field(default="auto", metadata={"choices": get_args(Precision)})

    def __post_init__(self) -> None:
        self._check_unlock()
        for item in fields(self):
            if known := item.metadata.get("choices"):
                self._check_choice(item.name, known)
        for item in fields(self):
            if limits := item.metadata.get("range"):
                self._check_number(item.name, *limits, whole=isinstance(item.default, int))
        if self.norms == "adapt" and self.batch_size == 1:
            raise InputError(
                "Batch normalisation takes no statistics of a single image. Use a batch_size of 2 or more, or "
                "norms=keep."
            )

    def _check_choice(self, name: str, known: tuple[str, ...]) -> None:
        if getattr(self, name) not in known:
            raise InputError(unknown_name(name, str(getattr(self, name)), known))

    def _check_number(self, name: str, least: float, most: float, *, whole: bool) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise InputError(f"{name} of a fine-tuning is {value}; expected {least:g} to {most:g}.")
        if whole and not isinstance(value, int):
            raise InputError(f"{name} of a fine-tuning is {value}; expected a whole number.")

    def _check_unlock(self) -> None:
        if self.start == "random" and (self.unlock != ALL or self.norms != "adapt"):
            raise InputError("Training from scratch unlocks all stages, and its batch normalisation adapts.")
        whole = isinstance(self.unlock, int) and not isinstance(self.unlock, bool) and self.unlock >= 1
        if self.unlock != ALL and not whole:
            raise InputError(f"unlock is {self.unlock!r}; expected a number of stages, 1 or more, or {ALL!r}.")

    @property
    def label(self) -> str:
        """One line for people, naming what is not at its default.

        >>> FineTuneSpec(unlock=3, epochs=8, mix="mixup").label
        'fine-tuning of the last 3 stages, 8 epochs, mix mixup'
        """
        some = "the last stage" if self.unlock == 1 else f"the last {self.unlock} stages"
        what = f"fine-tuning of {'all stages' if self.unlock == ALL else some}"
        if self.start == "random":
            what = "training from scratch"
        silent = ("unlock", "epochs", "precision", "start", *(() if self.start == "pretrained" else ("norms",)))
        rest = [
            f"{item.name.replace('_', ' ')} {getattr(self, item.name)}"
            for item in fields(self)
            if item.name not in silent and getattr(self, item.name) != item.default
        ]
        return ", ".join([what, f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}", *rest])

    def to_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FineTuneSpec:
        """The spec that `to_json` wrote, or one from some of its names.

        Raises
        ------
        InputError
            For an unknown name, or a value out of range.
        """
        known = [item.name for item in fields(cls)]
        for name in value:
            if name not in known:
                raise InputError(unknown_name("setting of a fine-tuning", name, known))
        return cls(**value)


FROM_SCRATCH: Final = FineTuneSpec(
    unlock=ALL,
    epochs=30,
    learning_rate=1e-3,
    stage_decay=1.0,
    warmup_epochs=3.0,
    weight_decay=0.05,
    norms="adapt",
    start="random",
)
"""Training from scratch, as a baseline for everything that transfers."""


def frozen_stage(unlock: int | str, names: tuple[str, ...], *, backbone: str) -> str | None:
    """The last stage that stays frozen; None where all are unlocked.

    Parameters
    ----------
    unlock : int or "all"
    names : tuple of str
        Stages of the backbone, in order.
    backbone : str
        For the message.

    Raises
    ------
    InputError
        When more stages are to be unlocked than there are.

    Examples
    --------
    >>> frozen_stage(1, ("stem", "block1", "block2"), backbone="tiny")
    'block1'
    """
    if unlock == ALL or unlock == len(names):
        return None
    if isinstance(unlock, str) or unlock > len(names):
        raise InputError(
            f"unlock is {unlock}, but {backbone} has {len(names)} stages ({', '.join(names)}). Unlock 1 to "
            f"{len(names)} of them, or {ALL!r}."
        )
    return names[-unlock - 1]
