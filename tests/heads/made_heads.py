"""Small heads and blobs of features that the tests of heads share."""

from __future__ import annotations

import numpy as np

from headstart.heads import FittedHead, HeadSpec, fit_heads

SMALL = {
    "dense": HeadSpec("dense", {"units": 37, "epochs": 8, "learning_rate": 1e-3}),
    "logistic": HeadSpec("logistic", {"C": 0.1}),
    "knn": HeadSpec("knn", {"k": 7}),
    "svm": HeadSpec("svm", {"C": 3.0}),
    "ridge": HeadSpec("ridge", {"alpha": 30.0}),
    "lda": HeadSpec("lda", {"shrinkage": 0.3}),
    "cumulative": HeadSpec("cumulative", {"C": 0.1}),
    "corn": HeadSpec("corn", {"C": 0.1}),
}
AUTO_LDA = HeadSpec("lda")
UNIFORM_KNN = HeadSpec("knn", {"k": 7, "votes": "uniform"})


def blobs(n: int = 150, d: int = 41, n_classes: int = 3, *, shift: float = 0.6, seed: int = 0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(n_classes, size=n)
    centres = shift * generator.standard_normal((n_classes, d))
    features = (3.0 + centres[labels] + generator.standard_normal((n, d))).astype(np.float32)
    return features, labels


def fit_one(spec: HeadSpec, features, labels, n_classes: int = 3, **options) -> FittedHead:
    return fit_heads([spec], features, labels, n_classes=n_classes, **{"seed": 0} | options)[0]


def z_scores(features):
    return (features.astype(float) - features.mean(axis=0, dtype=float)) / features.std(axis=0, dtype=float)


def same_arrays(head: FittedHead, other: FittedHead) -> bool:
    return set(head.arrays) == set(other.arrays) and all(
        np.array_equal(array, other.arrays[name]) for name, array in head.arrays.items()
    )
