"""Random forest: grown by scikit-learn, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads.spec import HeadSpec
from headstart.heads.training_rows import TrainingRows

MAX_DRAWN = 1000
"""Rows that a tree is grown on at most: a forest's strength is in its many trees, its time in their rows."""


def fit_forest(specs: Sequence[HeadSpec], rows: TrainingRows) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a random forest for every spec: the nodes of all trees in one row.

    Every tree is grown on a bootstrap sample of the rows, 1,000 at most; every split looks at a random square root of
    the features.

    References
    ----------
    L. Breiman, "Random forests", Machine Learning 45, 2001, 5-32. DOI 10.1023/A:1010933404324
    """
    return [_fit_one(spec, rows) for spec in specs]


def _fit_one(spec: HeadSpec, rows: TrainingRows) -> dict[str, npt.NDArray[Any]]:
    from sklearn.ensemble import RandomForestClassifier

    n_rows = len(rows.labels)
    forest = RandomForestClassifier(
        n_estimators=spec.whole("trees"),
        min_samples_leaf=spec.whole("leaf"),
        max_samples=None if n_rows <= MAX_DRAWN else MAX_DRAWN / n_rows,
        random_state=rows.seed,
        n_jobs=1,
    )
    forest.fit(rows.standardised.astype(np.float32), rows.labels, rows.weights)
    trees = [estimator.tree_ for estimator in forest.estimators_]
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])
    parts = [_nodes(tree, int(start)) for tree, start in zip(trees, starts[:-1], strict=True)]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {"roots": starts[:-1].astype(np.int32), **joined}


def _nodes(tree: Any, start: int) -> dict[str, npt.NDArray[Any]]:
    """Nodes of one tree, numbered from `start`; a leaf leads to itself."""
    places = np.arange(tree.node_count)
    leaf = tree.children_left < 0
    counts = tree.value[:, 0, :]
    return {
        "feature": np.where(leaf, 0, tree.feature).astype(np.int32),
        "threshold": np.where(leaf, 0.0, tree.threshold),
        "left": (start + np.where(leaf, places, tree.children_left)).astype(np.int32),
        "right": (start + np.where(leaf, places, tree.children_right)).astype(np.int32),
        "shares": counts / counts.sum(axis=1, keepdims=True),
    }
