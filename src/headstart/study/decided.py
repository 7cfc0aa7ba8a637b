"""What decisions are worth on rows they were not fitted on, as ``decisions`` in results.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.metrics import Evaluation, OutOfFold
from headstart.study.fold_result import FoldDecisions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

CALIBRATION_SCORES = ("log_loss", "brier", "ece")
_CALLED = ("accuracy", "balanced_accuracy", "recall", "specificity", "precision", "f1", "mcc")
ANSWERED = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Shares of images answered that the abstention table lists."""


@dataclass(frozen=True, eq=False)
class DecidedOutOfFold:
    """Predicted class and prediction set of every image, by decisions that did not see it.

    Attributes
    ----------
    predicted_classes : ndarray of shape (n_repeats, n_images), int64
        Class numbers; rows not judged in a repeat hold 0.
    sets : ndarray of shape (n_repeats, n_images, n_classes), bool, or None
    """

    predicted_classes: Integers
    sets: NDArray[np.bool_] | None


def gather_decided(decided: Sequence[FoldDecisions], oof: OutOfFold) -> DecidedOutOfFold:
    """Predicted classes and sets of all outer folds, in the order of the images."""
    predicted = np.zeros(oof.fold.shape, dtype=np.int64)
    sets = None if decided[0].test.sets is None else np.zeros(oof.probabilities.shape, dtype=bool)
    for one in decided:
        predicted[one.outer.repeat, one.outer.test] = one.test.predicted
        if sets is not None and one.test.sets is not None:
            sets[one.outer.repeat, one.outer.test] = one.test.sets
    return DecidedOutOfFold(predicted, sets)


@dataclass(frozen=True, eq=False)
class JudgedPredictions:
    """Predictions before and after calibration, and how good they are.

    Attributes
    ----------
    before, after : OutOfFold
    raw, evaluation : Evaluation
        Of the two, the first of few scores only.
    said : DecidedOutOfFold
    """

    before: OutOfFold
    after: OutOfFold
    raw: Evaluation
    evaluation: Evaluation
    said: DecidedOutOfFold
