"""Majority class: what is right without looking at any image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads.spec import HeadSpec
from headstart.heads.training_rows import TrainingRows


def fit_majority(specs: Sequence[HeadSpec], rows: TrainingRows) -> list[dict[str, npt.NDArray[Any]]]:
    """The weighted shares of the classes among the training rows, for every spec."""
    shares = np.bincount(rows.labels, weights=rows.weights) / rows.weights.sum()
    return [{"shares": shares} for _ in specs]
