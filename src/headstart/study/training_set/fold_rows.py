"""From the training rows of a fold to the rows a head is fitted on: views, soft labels and balancing.

Only rows of a training fold come here, and what is made of them never leaves it: evaluation reads the features of real
images alone, and `check_apart` raises should it ever not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from headstart.balance import SMOTE_WINDOWS, balanced
from headstart.study.features import row_key
from headstart.study.training_set.views import views_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.data import StudyData
    from headstart.study.training_set.spec import TrainingSetSpec

    Integers = NDArray[np.int64]


def build_training_rows(data: StudyData, train: Integers, training_set: TrainingSetSpec, seed: int) -> StudyData:
    """The rows that a head is fitted on.

    Views come first, then soft labels, then table columns beside the features, then balancing; all within one training
    fold.

    Parameters
    ----------
    data : StudyData
        All images, with the features of one source.
    train : ndarray of int64
        Numbers of the training rows.
    training_set : TrainingSetSpec
    seed : int
        Seed of random sampling.

    Returns
    -------
    StudyData
        ``parents`` names the rows of `data` that each row was made of.

    Raises
    ------
    InputError
        When the data holds no views of the policy, or the method cannot balance these rows.
    """
    if training_set.balance == "views":
        return with_shares(topped_up(data, train, training_set.augment, seed)).joined()
    if training_set.balance == SMOTE_WINDOWS:
        return with_made_rows(data, train).joined()
    rows = with_shares(with_views(data, train, training_set.augment)).joined()
    return balanced_rows(rows, training_set.balance, seed)


def with_views(data: StudyData, train: Integers, policy: str) -> StudyData:
    """The training rows, or under a policy all views of each; the views of an image share its weight.

    An image seen in K views counts as much as before: every view has 1/K of its weight.
    """
    rows = _with_parents(data, train)
    if policy == "none":
        return rows
    views = views_of(data, policy)[train]  # (n_train, n_views, n_features)
    n_views = views.shape[1]
    several = repeated(rows, np.repeat(np.arange(len(train)), n_views), np.full(len(train) * n_views, 1.0 / n_views))
    return replace(several, features=(views.reshape(-1, views.shape[2]),))


def topped_up(data: StudyData, train: Integers, policy: str, seed: int) -> StudyData:
    """The training rows, the smaller classes topped up by views of their images to the size of the largest.

    The first view of every image comes first, then the second of every image, until the classes are even or the views
    are used up; the images of a last, incomplete round are drawn. A view counts like an image.
    """
    views, rows = views_of(data, policy), _with_parents(data, train)
    counts = np.bincount(rows.labels, minlength=data.n_classes)
    generator = np.random.default_rng(seed)
    places, numbers = [np.arange(len(train))], [np.zeros(len(train), dtype=np.int64)]
    for label in range(data.n_classes):
        members = np.flatnonzero(rows.labels == label)
        n_made = min(int(counts.max() - counts[label]), len(members) * (views.shape[1] - 1))
        rounds = [generator.permutation(members) for _ in range(1, views.shape[1])]
        places.append(np.concatenate([members[:0], *rounds])[:n_made])
        numbers.append(np.repeat(np.arange(1, views.shape[1]), len(members))[:n_made])
    taken, view = np.concatenate(places), np.concatenate(numbers)
    several = repeated(rows, taken, np.ones(len(taken)))
    return replace(several, features=(views[train[taken], view],))


def with_made_rows(data: StudyData, train: Integers) -> StudyData:
    """The training rows with those that were made up for them before they were pictures.

    A made-up row belongs to the group of its first parent.
    """
    rows = _with_parents(data, train)
    made = data.made[0][row_key(train)]
    if rows.parents is None:
        raise ValueError("training rows do not say what they were made of")
    weights = np.ones(len(train)) if rows.weights is None else rows.weights
    given = (rows.table, made.table)
    groups = _groups(data)
    return replace(
        rows,
        features=(np.concatenate([rows.features[0], made.features]),),
        labels=np.concatenate([rows.labels, made.labels]),
        weights=np.concatenate([weights, made.weights]),
        groups=groups[np.concatenate([train, made.parents[:, 0]])],
        parents=np.concatenate([rows.parents, made.parents]),
        table=None if given[0] is None or given[1] is None else np.concatenate([given[0], given[1]]),
    )


def with_shares(data: StudyData) -> StudyData:
    """Every row with a soft label as several, one for each class it may be, weighted by the probability of that class.

    A head trained on weighted copies minimises the expected loss under the soft labels, whatever its kind.
    """
    if data.soft is None:
        return data
    rows, labels = np.nonzero(data.soft > 0)
    shared = repeated(data, rows, data.soft[rows, labels])
    return replace(shared, labels=labels.astype(np.int64), soft=None)


def repeated(data: StudyData, rows: Integers, shares: NDArray[np.float64]) -> StudyData:
    """Copies of rows, each with a share of its row's weight, kept together as a group."""
    weights = np.ones(len(data.labels)) if data.weights is None else data.weights
    copies = replace(data, weights=weights, groups=_groups(data)).take(rows)
    return replace(copies, weights=weights[rows] * shares)


def balanced_rows(data: StudyData, method: str, seed: int) -> StudyData:
    """The rows after balancing; a made-up row belongs to the group of its first parent."""
    if method == "none":
        return data
    found = balanced(
        data.features[0], data.labels, n_classes=data.n_classes, weights=data.weights, method=method, seed=seed
    )
    first, known = found.parents[:, 0], found.parents >= 0
    groups = _groups(data)
    own = groups.max() + 1 + np.arange(len(first))  # of rows whose parents are not known
    if data.parents is None:
        raise ValueError("training rows do not say what they were made of")
    copied = found.parents[:, :1] == found.parents[:, 1:]
    parents = np.where(copied, data.parents[first], data.parents[:, 0][found.parents])
    return replace(
        data,
        features=(found.features,),
        labels=found.labels,
        weights=found.weights,
        groups=np.where(known[:, 0], groups[first], own),
        parents=np.where(known, parents, found.parents),
    )


def _with_parents(data: StudyData, train: Integers) -> StudyData:
    """Training rows with the rows they come from, which for rows made up before are those that they were made of."""
    rows = data.take(train)
    if rows.parents is not None:
        return replace(rows, parents=rows.parents.reshape(len(train), -1)[:, [0, -1]])
    return replace(rows, parents=np.repeat(np.asarray(train, dtype=np.int64)[:, None], 2, axis=1))


def _groups(data: StudyData) -> Integers:
    return np.arange(len(data.labels), dtype=np.int64) if data.groups is None else data.groups
