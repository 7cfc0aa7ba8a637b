"""Linear discriminant analysis with a shrunk covariance matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads.arithmetic import Floats, squared_norms
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Setting, register_head
from headstart.heads.kinds.logistic import linear_layout, logistic_predictor, logistic_scores
from headstart.heads.training_rows import TrainingRows

AUTO = "auto"
JITTER = 1e-10
"""Share of the mean variance added to every variance, so that directions without any can be divided by."""


def fit_lda(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a linear discriminant head for every spec.

    Classes are normal with one common covariance, the mean of the classes' own, each shrunk toward a multiple of the
    identity: by a given share, or (``auto``) by Ledoit and Wolf's estimate of the best share, on the class's rows with
    variances made 1; as scikit-learn's `LinearDiscriminantAnalysis` does. Probabilities are the model's own, with the
    shares of the classes as priors. All shares given as numbers use one covariance matrix.

    References
    ----------
    O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    Multivariate Analysis 88, 2004, 365-411. DOI 10.1016/S0047-259X(03)00096-4
    """
    shares = np.bincount(rows.labels, weights=rows.weights) / rows.weights.sum()
    means = np.stack([_mean(rows, label) for label in range(rows.n_present)])  # (P, d)
    shrinkages = {spec.settings["shrinkage"] for spec in specs}
    pooled = _pooled(rows, means, shares, automatic=False) if shrinkages - {AUTO} else None
    learned = {}
    for shrinkage in shrinkages:
        if pooled is None or shrinkage == AUTO:
            covariance = _pooled(rows, means, shares, automatic=True)
        else:
            covariance = _shrunk(pooled, float(shrinkage))
        learned[shrinkage] = _discriminant(covariance, means, shares)
    return [dict(learned[spec.settings["shrinkage"]]) for spec in specs]


def _mean(rows: TrainingRows, label: int) -> Floats:
    inside = rows.labels == label
    return np.asarray(rows.weights[inside] @ rows.standardised[inside] / rows.weights[inside].sum())


def _pooled(rows: TrainingRows, means: Floats, shares: Floats, *, automatic: bool) -> Floats:
    """Mean (d, d) of the classes' covariance matrices, each shrunk by its own estimate where `automatic`."""
    total = np.zeros((means.shape[1], means.shape[1]))
    for label, (mean, share) in enumerate(zip(means, shares, strict=True)):
        inside = rows.labels == label
        centred, weights = rows.standardised[inside] - mean, rows.weights[inside]
        total += share * (_ledoit_wolf(centred, weights) if automatic else _covariance(centred, weights))
    return total


def _covariance(centred: Floats, weights: Floats) -> Floats:
    scaled = centred * np.sqrt(weights / weights.sum())[:, None]
    return np.asarray(scaled.T @ scaled)


def _shrunk(covariance: Floats, share: float) -> Floats:
    """Covariance moved by a share of the way to its mean variance times the identity."""
    result = (1.0 - share) * covariance
    result[np.diag_indices_from(result)] += share * np.trace(covariance) / len(covariance)
    return np.asarray(result)


def _ledoit_wolf(centred: Floats, weights: Floats) -> Floats:
    """Covariance (d, d) shrunk by Ledoit and Wolf's estimate in units of the features' own deviations.

    A weight counts how often its row is there, here too.
    """
    variances = weights @ centred**2 / weights.sum()
    deviations = np.sqrt(variances)
    scales = np.where(deviations > 0, deviations, 1.0)
    scaled = centred / scales
    covariance = _covariance(scaled, weights)
    share = _best_share(covariance, weights, squared_norms(scaled))
    return np.asarray(_shrunk(covariance, share) * scales[:, None] * scales)


def _best_share(covariance: Floats, weights: Floats, norms: Floats) -> float:
    """Ledoit and Wolf's share, from a covariance (d, d) and the squared lengths (n,) of the rows it was made of."""
    n_features, n_rows = len(covariance), float(weights.sum())
    squares = float((covariance**2).sum())
    mean_variance = float(np.trace(covariance)) / n_features
    distance = squares / n_features - mean_variance**2  # of the covariance from the multiple of the identity
    noise = (float(weights @ norms**2) / n_rows - squares) / (n_features * n_rows)
    return 0.0 if distance <= 0 or noise <= 0 else min(1.0, noise / distance)


def _discriminant(covariance: Floats, means: Floats, shares: Floats) -> dict[str, npt.NDArray[Any]]:
    """Coefficients (P, d) and intercepts (P,) whose softmax is the posterior."""
    from scipy.linalg import cho_factor, cho_solve

    variance = float(np.trace(covariance)) / len(covariance)
    if variance == 0.0:  # no row differs from the mean of its class: only the shares are known
        return {"coefficients": np.zeros_like(means), "intercepts": np.log(shares)}
    covariance[np.diag_indices_from(covariance)] += JITTER * variance
    coefficients = cho_solve(cho_factor(covariance), means.T).T
    intercepts = np.log(shares) - 0.5 * np.einsum("ij,ij->i", means, coefficients)
    return {"coefficients": np.ascontiguousarray(coefficients), "intercepts": intercepts}


def _cost(spec: HeadSpec, size: FitSize) -> FitCost:
    """The constants are fitted to timings of d = 1280, n = 200 to 2,100, 2 classes."""
    covariance = "own covariance" if spec.settings["shrinkage"] != AUTO else "covariance by estimate"
    return FitCost(1.2e-11 * size.n_features**3, 3.4e-11 * size.n_rows * size.n_features * size.n_features, covariance)


register_head(
    HeadKind(
        name="lda",
        title="LDA",
        headline="LDA shrinkage {shrinkage}",
        settings={"shrinkage": Setting(AUTO, high=1.0, word=AUTO)},
        layout=linear_layout,
        fit=fit_lda,
        predictor=logistic_predictor,
        scores=logistic_scores,
        cost=_cost,
        grids={"wide": [{"shrinkage": shrinkage} for shrinkage in (AUTO, 0.1, 0.5, 0.9)]},
        order=6,
    )
)
