"""Majority class: the baseline that looks at no image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads.arithmetic import Arrays, BlockPredictor
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Layout, register_head
from headstart.heads.training_rows import TrainingRows


def fit_majority(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """The weighted shares of the classes among the training rows, for every spec."""
    shares = np.bincount(rows.labels, weights=rows.weights) / rows.weights.sum()
    return [{"shares": shares} for _ in specs]


def majority_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """The classes' shares, whatever the features."""
    return lambda block: np.tile(arrays["shares"], (len(block), 1))


def _layout(spec: HeadSpec) -> Layout:
    return {"shares": ("float64", "P")}


def _cost(spec: HeadSpec, size: FitSize) -> FitCost:
    return FitCost(0.0)


register_head(
    HeadKind(
        name="majority",
        title="Majority class",
        headline="majority class",
        settings={},
        layout=_layout,
        fit=fit_majority,
        predictor=majority_predictor,
        cost=_cost,
        is_baseline=True,
        order=1,
    )
)
