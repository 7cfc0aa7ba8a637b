"""The positive class of a two-class task: the one that sensitivity, ROC curve and thresholds speak of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import InputError, unknown_name

if TYPE_CHECKING:
    from headstart.data import ImageDataset


@dataclass(frozen=True)
class PositiveClass:
    """The positive class of a two-class task: its code (None for more classes), and why it is that one."""

    code: int | None
    reason: str


def choose_positive(dataset: ImageDataset, name: str | None) -> PositiveClass:
    """The positive class: the one named, or the rarer of two.

    Raises
    ------
    InputError
        When `name` is no class, or there are more than two classes.
    """
    if name is not None:
        if name not in dataset.classes:
            raise InputError(unknown_name("class", name, dataset.classes))
        if len(dataset.classes) != 2:
            raise InputError(f"--positive is for two classes; this data set has {len(dataset.classes)}. Leave it out.")
        return PositiveClass(dataset.classes.index(name), "named by the user")
    if len(dataset.classes) != 2:
        return PositiveClass(None, "more than two classes")
    counts = np.bincount(dataset.training_labels(), minlength=2)
    if counts[0] == counts[1]:
        return PositiveClass(1, "both classes are equally frequent; the second is taken")
    return PositiveClass(int(np.argmin(counts)), "the rarer class")
