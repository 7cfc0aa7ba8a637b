"""Mahalanobis distance under a covariance that is shrunk towards equal, uncorrelated features."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads.arithmetic import Arrays, BlockPredictor, Floats, linear_map, squared_norms


def fit_mahalanobis(rows: Floats) -> dict[str, npt.NDArray[Any]]:
    """Map to coordinates in which normal rows are uncorrelated, with variance 1.

    The covariance is shrunk as much as makes the expected error least, so that it can be inverted with fewer rows than
    features too.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Standardised rows of normal running.

    References
    ----------
    O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    Multivariate Analysis 88, 2004, 365-411. DOI 10.1016/S0047-259X(03)00096-4.
    """
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(rows, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    return {"whitening": np.ascontiguousarray(vectors / np.sqrt(values))}  # (d, d)


def mahalanobis_distance(arrays: Arrays) -> BlockPredictor:
    """Distance per square root of the number of features: about 1 for normal rows, whatever their width."""
    whitened = linear_map(arrays["whitening"])
    n_features = arrays["whitening"].shape[0]
    return lambda block: np.sqrt(squared_norms(whitened(block)) / n_features)
