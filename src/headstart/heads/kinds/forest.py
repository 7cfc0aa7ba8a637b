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

MAX_DRAWN = {"best": 1000, "random": 2000}
"""Rows that a tree is grown on at most: a forest's strength is in its many trees, its time in their rows."""

SPLIT_SECONDS = {"best": 6e-8, "random": 2e-8}
"""Seconds to look at one row by one feature, once in every level of a tree."""
CLASS_SECONDS = 2.2e-8
"""Seconds for a row and a class, where splits are random; the best ones cost many times that for each class."""


def fit_forest(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a random forest for every spec: the nodes of all trees in one row.

    With the best splits every tree is grown on a bootstrap sample of the rows, 1,000 at most, and every split looks at
    a random square root of the features. With random splits (extra trees) a threshold is drawn for each of twice as
    many features and the best of these splits is taken; trees are grown on all rows, or on a bootstrap sample of 2,000.
    Many classes cost these trees little, since no threshold is sought.

    References
    ----------
    L. Breiman, "Random forests", Machine Learning 45, 2001, 5-32. DOI 10.1023/A:1010933404324
    P. Geurts, D. Ernst, L. Wehenkel, "Extremely randomized trees", Machine Learning 63, 2006, 3-42.
    DOI 10.1007/s10994-006-6226-1
    """
    return [_fit_one(spec, rows) for spec in specs]


def _fit_one(spec: HeadSpec, rows: TrainingRows) -> dict[str, npt.NDArray[Any]]:
    forest = _random_splits(spec, rows) if spec.settings["splits"] == "random" else _best_splits(spec, rows)
    forest.fit(rows.standardised.astype(np.float32), rows.labels, rows.weights)
    trees = [estimator.tree_ for estimator in forest.estimators_]
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])
    parts = [_nodes(tree, int(start)) for tree, start in zip(trees, starts[:-1], strict=True)]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {"roots": starts[:-1].astype(np.int32), **joined}


def _best_splits(spec: HeadSpec, rows: TrainingRows) -> Any:
    """A random forest, not yet grown."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        n_estimators=spec.whole("trees"),
        min_samples_leaf=spec.whole("leaf"),
        max_samples=_share_drawn(spec, rows),
        random_state=rows.seed,
        n_jobs=1,
    )


def _random_splits(spec: HeadSpec, rows: TrainingRows) -> Any:
    """Extremely randomised trees, not yet grown."""
    from sklearn.ensemble import ExtraTreesClassifier

    n_features = rows.features.shape[1]
    share = _share_drawn(spec, rows)
    return ExtraTreesClassifier(
        n_estimators=spec.whole("trees"),
        min_samples_leaf=spec.whole("leaf"),
        max_features=min(n_features, 2 * math.isqrt(n_features)),
        bootstrap=share is not None,
        max_samples=share,
        random_state=rows.seed,
        n_jobs=1,
    )


def _share_drawn(spec: HeadSpec, rows: TrainingRows) -> float | None:
    """Share of the rows in a bootstrap sample; None where they are few enough to take as many as there are."""
    n_rows, most = len(rows.labels), MAX_DRAWN[str(spec.settings["splits"])]
    return None if n_rows <= most else most / n_rows


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
    splits = str(spec.settings["splits"])
    n_drawn, n_levels = min(size.n_rows, MAX_DRAWN[splits]), math.log2(max(size.n_rows, 2))
    seconds = n_levels * math.sqrt(size.n_features) * SPLIT_SECONDS[splits]
    if splits == "random":
        seconds += size.n_classes * CLASS_SECONDS
    return FitCost(spec.number("trees") * n_drawn * seconds)


register_head(
    HeadKind(
        name="forest",
        title="Random forest",
        headline="random forest, {trees} trees",
        settings={"trees": Setting(50), "leaf": Setting(3), "splits": Setting("best", choices=("best", "random"))},
        layout=_layout,
        fit=fit_forest,
        predictor=forest_predictor,
        cost=_cost,
        damage=_damage,
        is_baseline=True,
        order=2,
    )
)
