"""Assignment of rows to folds by the quick rule for calibration."""

from __future__ import annotations

import numpy as np

from headstart.data.split.stratify import stratified_folds


def test_calibration_folds_keep_groups_whole_and_classes_even() -> None:
    generator = np.random.default_rng(0)
    groups = generator.integers(40, size=300)
    labels = (groups % 4 == 0).astype(np.int64)
    folds = stratified_folds(labels, groups, 3, generator)
    assert all(np.unique(folds[groups == group]).size == 1 for group in range(40))
    shares = [labels[folds == fold].mean() for fold in range(3)]
    assert max(shares) - min(shares) < 0.08
    alone = stratified_folds(labels, None, 3, generator)
    for label in (0, 1):
        counts = np.bincount(alone[labels == label])
        assert counts.max() - counts.min() <= 1
