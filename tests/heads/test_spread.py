"""The spread of features: a feature of spread k counts like k x k copies of it."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.heads import HeadSpec, fit_heads

N, WIDTH = 60, 5
FEATURES = np.random.default_rng(0).normal(size=(N, WIDTH)).astype(np.float32)
LABELS = (FEATURES[:, 0] + FEATURES[:, 4] + np.random.default_rng(1).normal(size=N) > 0).astype(np.int64)
NEW = np.random.default_rng(2).normal(size=(7, WIDTH)).astype(np.float32)
SPREAD = np.array([1, 1, 1, 1, 3.0])


def copies(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows[:, :4], np.repeat(rows[:, 4:], 9, axis=1)], axis=1)


@pytest.mark.parametrize(
    "spec",
    [
        HeadSpec("logistic", {"C": 0.1}),
        HeadSpec("ridge"),
        HeadSpec("svm", {"C": 1.0}),
        HeadSpec("knn", {"k": 5}),
    ],
    ids=lambda spec: spec.kind,
)
def test_a_feature_of_spread_three_is_nine_copies_of_it(spec: HeadSpec) -> None:
    (scaled,) = fit_heads([spec], FEATURES, LABELS, n_classes=2, seed=0, spread=SPREAD)
    (copied,) = fit_heads([spec], copies(FEATURES), LABELS, n_classes=2, seed=0)
    assert np.allclose(
        scaled.predict_proba(NEW), copied.predict_proba(copies(NEW)), atol=1e-3
    )  # the tolerance of the SVM


@pytest.mark.parametrize("kind", ["logistic", "svm", "lda", "knn"])
def test_a_spread_of_one_changes_no_bit(kind: str) -> None:
    (plain,) = fit_heads([HeadSpec(kind)], FEATURES, LABELS, n_classes=2, seed=0)
    (spread,) = fit_heads([HeadSpec(kind)], FEATURES, LABELS, n_classes=2, seed=0, spread=np.ones(WIDTH))
    assert np.array_equal(plain.predict_proba(NEW), spread.predict_proba(NEW))


def test_a_spread_is_checked() -> None:
    for bad in (np.ones(3), np.array([1, 1, 1, 1, 0.0]), np.array([1, 1, 1, 1, np.nan])):
        with pytest.raises(InputError, match="5 finite numbers > 0"):
            fit_heads([HeadSpec("logistic")], FEATURES, LABELS, n_classes=2, seed=0, spread=bad)
