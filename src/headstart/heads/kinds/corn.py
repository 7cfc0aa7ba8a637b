"""Conditional logistic regressions of ordered classes (CORN), one for every threshold between two.

The regression of threshold k is fitted on the images of class k or above alone. The probability of a class above k is
the product of the answers up to k, so that it cannot rise with k. Unlike the cumulative logit each threshold has a
direction of its own. The paper trains them as outputs of one network; here each is a logistic regression on frozen
features (continuation ratios).

References
----------
X. Shi, W. Cao, S. Raschka, "Deep neural networks for rank-consistent ordinal regression based on conditional
probabilities", Pattern Analysis and Applications 26, 2023, equations 3 to 5. arXiv:2111.08851
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads.arithmetic import Arrays, BlockPredictor, Floats, linear_map, sigmoid
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Layout, Setting, register_head
from headstart.heads.kinds.logistic import descent_seconds, fit_logistic
from headstart.heads.scores import ClassScores
from headstart.heads.training_rows import TrainingRows


def fit_corn(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a CORN head for every spec: one logistic regression for each threshold, all with the C of the spec.

    Features are standardised by all training rows, for every threshold alike.
    """
    tasks = [conditional_rows(rows, threshold) for threshold in range(rows.n_present - 1)]
    fitted = [fit_logistic(specs, task, precision=precision) for task in tasks]
    return [_joined([found[number] for found in fitted]) for number in range(len(specs))]


def conditional_rows(rows: TrainingRows, threshold: int) -> TrainingRows:
    """Rows of the class of a threshold or above, in two classes: that class, and those above."""
    reached = rows.labels >= threshold
    return replace(
        rows,
        features=rows.features[reached],
        labels=(rows.labels[reached] > threshold).astype(np.int64),
        weights=rows.weights[reached],
        groups=None if rows.groups is None else rows.groups[reached],
        present=np.array([True, True]),
    )


def _joined(found: Sequence[dict[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    """One row of coefficients and one intercept for each threshold: the log odds that an image lies above."""
    return {
        name: np.stack([one[name][1] - one[name][0] for one in found]).copy() for name in ("coefficients", "intercepts")
    }


def corn_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Products of the conditional probabilities."""
    logits = _conditional_logits(arrays)
    return lambda block: np.exp(_log_probabilities(logits(block)))


def corn_scores(spec: HeadSpec, arrays: Arrays) -> ClassScores:
    """Logs of the probabilities."""
    logits = _conditional_logits(arrays)

    def gradient(block: Floats, weights: Floats) -> Floats:
        odds = logits(block)
        beyond = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1][:, 1:]  # weight of the classes above each threshold
        slopes = beyond * sigmoid(-odds) - weights[:, :-1] * sigmoid(odds)
        return np.asarray(slopes @ arrays["coefficients"])

    return ClassScores(values=lambda block: _log_probabilities(logits(block)), gradient=gradient)


def _conditional_logits(arrays: Arrays) -> BlockPredictor:
    """Function from a block to the log odds (n, P - 1) of lying above each threshold, given that it is reached."""
    score = linear_map(arrays["coefficients"].T)
    return lambda block: np.asarray(score(block) + arrays["intercepts"])


def _log_probabilities(odds: Floats) -> Floats:
    """Logs of the probabilities (n, P) of the classes."""
    reaches = np.cumsum(-np.logaddexp(0.0, -odds), axis=1)  # log of the probability above each threshold
    stops = -np.logaddexp(0.0, odds)
    edge = np.zeros((len(odds), 1))
    return np.asarray(np.concatenate([edge, reaches], axis=1) + np.concatenate([stops, edge], axis=1))


def _layout(spec: HeadSpec) -> Layout:
    return {"coefficients": ("float64", "td"), "intercepts": ("float64", "t")}


def _damage(arrays: Arrays) -> str:
    n_present = int(np.count_nonzero(arrays["present"]))
    n_found = len(arrays["intercepts"])
    return "" if n_found == n_present - 1 else f"{n_present} classes need {n_present - 1} regressions, not {n_found}"


def _cost(spec: HeadSpec, size: FitSize) -> FitCost:
    """As many logistic regressions as thresholds, each on fewer images than the one before."""
    of_all = descent_seconds(spec.number("C"), size.n_rows, size.n_features, 1)
    return FitCost(of_all * size.n_classes / 2, 3e-9 * size.n_rows * size.n_features * size.n_classes / 2, "directions")


register_head(
    HeadKind(
        name="corn",
        title="CORN",
        headline="CORN C = {C}",
        settings={"C": Setting(0.01)},
        layout=_layout,
        fit=fit_corn,
        predictor=corn_predictor,
        scores=corn_scores,
        cost=_cost,
        n_products=lambda spec, size: float(size.n_features * (size.n_classes - 1)),
        damage=_damage,
        grids={
            "quick": [{"C": C} for C in (1e-3, 1e-2, 1e-1)],
            "wide": [{"C": C} for C in (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)],
        },
        needs_order=True,
        order=8,
    )
)
