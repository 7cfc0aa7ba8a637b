"""Nearest neighbours: nothing is learned, the training rows are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from headstart.heads.spec import HeadSpec
from headstart.heads.training_rows import TrainingRows


def fit_knn(specs: Sequence[HeadSpec], rows: TrainingRows) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a kNN head for every spec; they share memory.

    Weights are scaled to mean 1, so that the smoothing means the same at every scale of weights.
    """
    kept = {"rows": rows.features, "row_classes": rows.labels, "row_weights": rows.weights / rows.weights.mean()}
    return [dict(kept) for _ in specs]
