"""Features of an RBF kernel by landmarks (Nystroem), for more rows than a whole kernel matrix can serve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.heads.arithmetic import Features, Floats, rbf, squared_distances, squared_norms, standardised
from headstart.heads.training_rows import BLOCK_ROWS, Integers, TrainingRows

N_LANDMARKS = 1024
JITTER = 1e-5
"""Added to the diagonal of the landmarks' kernel: two landmarks may be the same row twice."""


@dataclass(frozen=True, eq=False)
class KernelFeatures:
    """Features whose inner products are the kernel's, as far as the landmarks tell.

    Attributes
    ----------
    features : ndarray of shape (n, m), float32
    to_dual : ndarray of shape (m, m), float64
        Takes coefficients of the features to coefficients of the landmarks' kernel values.
    """

    features: Features
    to_dual: Floats


def landmarks(rows: TrainingRows) -> Integers:
    """Places of 1,024 rows drawn by the seed of the rows, in their order; of all where there are fewer."""
    drawn = np.random.default_rng(rows.seed).permutation(len(rows.labels))[:N_LANDMARKS]
    return np.sort(drawn)


def kernel_features(rows: TrainingRows, places: Integers, gamma: float) -> KernelFeatures:
    """Features of every row for the kernel ``exp(-gamma * squared distance)``, computed by blocks in their order.

    References
    ----------
    C. K. I. Williams, M. Seeger, "Using the Nystroem method to speed up kernel machines", Advances in Neural
    Information Processing Systems 13, 2001, 682-688.
    """
    chosen = standardised(rows.features[places], rows.common_arrays())
    norms = squared_norms(chosen)
    among = rbf(squared_distances(chosen @ chosen.T, norms, norms), gamma)
    among[np.diag_indices_from(among)] += JITTER
    to_dual = np.linalg.inv(np.linalg.cholesky(among)).T
    single, whiten = chosen.astype(np.float32), to_dual.astype(np.float32)
    norms_single = squared_norms(single)
    features: Features = np.empty((len(rows.labels), len(places)), dtype=np.float32)
    for start in range(0, len(features), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        block: Features = standardised(rows.features[part], rows.common_arrays()).astype(np.float32)
        products: Features = block @ single.T
        distances = squared_distances(products, squared_norms(block), norms_single)
        features[part] = rbf(distances, gamma) @ whiten
    return KernelFeatures(features, to_dual)
