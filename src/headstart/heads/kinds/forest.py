"""Random forest: grown by scikit-learn, kept as plain arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads.arithmetic import Arrays, BlockPredictor, Floats
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Layout, Setting, register_head
from headstart.heads.training_rows import TrainingRows

MAX_DRAWN = 1000
"""Rows that a tree is grown on at most: a forest's strength is in its many trees, its time in their rows."""

SPLIT_SECONDS = 6e-8
"""Seconds to look at one row by one feature, once in every level of a tree."""


def fit_forest(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
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


def forest_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Mean over the trees of the shares in the leaf that a row comes to, with one vote more for each class."""
    feature, threshold = arrays["feature"], arrays["threshold"]
    children = np.stack([arrays["left"], arrays["right"]])  # (2, nodes)
    n_trees, n_classes = len(arrays["roots"]), arrays["shares"].shape[1]

    def predict(block: Floats) -> Floats:
        rows, places = block.astype(np.float32), np.tile(arrays["roots"], (len(block), 1))  # (rows, trees)
        below = np.arange(len(block))[:, None]
        while True:
            right = rows[below, feature[places]] > threshold[places]
            further = children[right.astype(np.intp), places]
            if np.array_equal(further, places):
                votes = arrays["shares"][places].sum(axis=1)  # (rows, classes)
                return np.asarray((votes + 1.0) / (n_trees + n_classes))
            places = further

    return predict


def _layout(spec: HeadSpec) -> Layout:
    """Roots of t trees among their m nodes."""
    return {
        "roots": ("int32", "t"),
        "feature": ("int32", "m"),
        "threshold": ("float64", "m"),
        "left": ("int32", "m"),
        "right": ("int32", "m"),
        "shares": ("float64", "mP"),
    }


def _damage(arrays: Arrays) -> str:
    """Every node must lead to nodes behind it, or be a leaf and lead to itself, so that every walk ends."""
    n_nodes, places = len(arrays["feature"]), np.arange(len(arrays["feature"]))
    children = np.stack([arrays["left"], arrays["right"]])
    leaf = (children == places).all(axis=0)
    forward = ((children > places) & (children < n_nodes)).all(axis=0)
    starts = (arrays["roots"] >= 0) & (arrays["roots"] < n_nodes)
    looked_at = (arrays["feature"] >= 0) & (arrays["feature"] < len(arrays["mean"]))
    whole = starts.all() and looked_at.all() and (leaf | forward).all()
    return "" if whole else "its trees name nodes or features that are not there"


def _cost(spec: HeadSpec, size: FitSize) -> FitCost:
    n_drawn, n_levels = min(size.n_rows, MAX_DRAWN), math.log2(max(size.n_rows, 2))
    return FitCost(spec.number("trees") * n_drawn * n_levels * math.sqrt(size.n_features) * SPLIT_SECONDS)


register_head(
    HeadKind(
        name="forest",
        title="Random forest",
        headline="random forest, {trees} trees",
        settings={"trees": Setting(50), "leaf": Setting(3)},
        layout=_layout,
        fit=fit_forest,
        predictor=forest_predictor,
        cost=_cost,
        damage=_damage,
        is_baseline=True,
        order=2,
    )
)
