"""Settings of a training set: how the training rows of a fold are balanced and augmented for a head."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from headstart.balance import SMOTE_WINDOWS, check_method
from headstart.errors import InputError

V = TypeVar("V")


@dataclass(frozen=True)
class TrainingSetSpec:
    """How the training rows of a fold are balanced and augmented; a setting of a candidate like any other.

    Attributes
    ----------
    balance : str
        A method of `headstart.balance`. ``views`` tops the smaller classes up with views of their images until classes
        are even, as the paper does with simple transforms; it needs a policy. ``smote-windows`` makes windows of
        recordings before they are drawn, of which there are no views.
    augment : str
        Name of a policy whose views are trained on beside the images; ``none``: the images alone.
    tta : bool
        Test-time augmentation: predict the mean over the views of an image.

    Raises
    ------
    InputError
        For an unknown method, views asked for without a policy, or a policy for windows that are made up.
    """

    balance: str = "none"
    augment: str = "none"
    tta: bool = False

    def __post_init__(self) -> None:
        check_method(self.balance)
        if self.augment == "none" and (self.tta or self.balance == "views"):
            what = "Test-time augmentation" if self.tta else "The balancing method 'views'"
            raise InputError(f"{what} needs views of the images. Name a policy, such as --augment flips.")
        if self.augment != "none" and self.balance == SMOTE_WINDOWS:
            raise InputError(
                f"The balancing method {SMOTE_WINDOWS!r} makes windows that are drawn as they are, without views. "
                "Leave --augment out, or balance by smote."
            )

    @property
    def label(self) -> str:
        """The parts in words; empty where nothing is done.

        >>> TrainingSetSpec("smote", "dihedral", tta=True).label
        'smote, dihedral, mean over views'
        """
        names = [name for name in (self.balance, self.augment) if name != "none"]
        return ", ".join([*names, *(["mean over views"] if self.tta else [])])

    def predicted_views(self, views: Sequence[V]) -> tuple[V, ...]:
        """Views of an image whose predictions are averaged; none where the image alone is predicted."""
        return tuple(views) if self.tta else ()

    def to_json(self) -> dict[str, str | bool]:
        """The attributes by name."""
        return asdict(self)


PLAIN = TrainingSetSpec()
"""The rows as they are."""


def training_set_specs(
    balance: Sequence[str], augment: Sequence[str], tta: Sequence[bool]
) -> tuple[TrainingSetSpec, ...]:
    """Every combination that makes sense: what needs views is left out where there are none.

    Raises
    ------
    InputError
        When nothing is left, or a name is unknown.

    Examples
    --------
    >>> [one.label for one in training_set_specs(["none", "smote"], ["none"], [False])]
    ['', 'smote']
    """
    found: dict[TrainingSetSpec, None] = {}
    for method, policy, mean in itertools.product(balance, augment, tta):
        if policy != "none" or method != "views":
            found.setdefault(TrainingSetSpec(method, policy, tta=mean and policy != "none"))
    if not found or (any(tta) and set(augment) == {"none"}):
        TrainingSetSpec("views" if "views" in balance else "none", "none", tta=any(tta))  # says what is missing
    return tuple(found)
