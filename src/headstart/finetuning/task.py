"""Inputs of a fine-tuning: the images to learn from, and the network and head it starts with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone
    from headstart.finetuning.inputs import Maps
    from headstart.finetuning.result import Store
    from headstart.heads import FittedHead

    Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TrainingTask:
    """Images to learn from, by their rows, as the unlocked stages read them.

    Attributes
    ----------
    maps : Maps
    targets : ndarray of shape (n_images, n_classes), float64
        Share of every class in the label of every image; a plain label is a row of zeros with a one.
    weights : ndarray of shape (n_images,), float64, or None
    train : ndarray of int64
        Rows that are trained on; those of weight 0 are left out.
    valid : ndarray of int64
        Rows that show when to stop; may be empty.
    """

    maps: Maps
    targets: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    train: Integers
    valid: Integers


@dataclass(frozen=True, eq=False)
class TrainingContext:
    """Network, head and machine that a training starts with.

    Attributes
    ----------
    backbone : Backbone
    stage : str or None
        Last stage that stays frozen.
    head : FittedHead
        A logistic head on the frozen features of the training rows.
    seed : int
    n_threads : int
    device : str
    stop_after : int or None
        Epoch of the schedule after which training ends; None: the last.
    store : Store or None
        Where checkpoints are kept.
    key : str
        Their name there.
    on_step : callable
        Called with the number of images after every step.
    """

    backbone: Backbone
    stage: str | None
    head: FittedHead
    seed: int = 0
    n_threads: int = 1
    device: str = "cpu"
    stop_after: int | None = None
    store: Store | None = None
    key: str = "fine-tuning"
    on_step: Callable[[int], None] = lambda n: None
