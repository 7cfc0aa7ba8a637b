"""From the training rows of a fold to the rows a head is fitted on: views, soft labels and balancing.

Only rows of a training fold come here, and what is made of them never leaves it: evaluation reads the features of real
images alone, and `check_apart` raises should it ever not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from headstart.balance import balanced, check_method
from headstart.errors import InputError, LeakError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.plan import StudyData

    Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingSetSpec:
    """What is done to the training rows before a head is fitted on them; a setting of a candidate like any other.

    Attributes
    ----------
    balance : str
        A method of `headstart.balance`. ``views`` tops the smaller classes up with views of their images until classes
        are even, as the paper does with simple transforms; it needs a policy.
    augment : str
        Name of a policy whose views are trained on beside the images; ``none``: the images alone.
    tta : bool
        Test-time augmentation: predict the mean over the views of an image.

    Raises
    ------
    InputError
        For an unknown method, or views asked for without a policy.
    """

    balance: str = "none"
    augment: str = "none"
    tta: bool = False

    def __post_init__(self) -> None:
        check_method(self.balance)
        if self.augment == "none" and (self.tta or self.balance == "views"):
            what = "Test-time augmentation" if self.tta else "The balancing method 'views'"
            raise InputError(f"{what} needs views of the images. Name a policy, such as --augment flips.")

    @property
    def label(self) -> str:
        """The parts in words; empty where nothing is done.

        >>> TrainingSetSpec("smote", "dihedral", tta=True).label
        'smote, dihedral, mean over views'
        """
        names = [name for name in (self.balance, self.augment) if name != "none"]
        return ", ".join([*names, *(["mean over views"] if self.tta else [])])

    def to_json(self) -> dict[str, str | bool]:
        """The attributes by name."""
        return asdict(self)


PLAIN = TrainingSetSpec()
"""The rows as they are."""


def treatments(balance: Sequence[str], augment: Sequence[str], tta: Sequence[bool]) -> tuple[TrainingSetSpec, ...]:
    """Every combination that makes sense: what needs views is left out where there are none.

    Raises
    ------
    InputError
        When nothing is left, or a name is unknown.

    Examples
    --------
    >>> [one.label for one in treatments(["none", "smote"], ["none"], [False])]
    ['', 'smote']
    """
    found: dict[TrainingSetSpec, None] = {}
    for method, policy, mean in itertools.product(balance, augment, tta):
        if policy != "none" or method != "views":
            found.setdefault(TrainingSetSpec(method, policy, tta=mean and policy != "none"))
    if not found or (any(tta) and set(augment) == {"none"}):
        TrainingSetSpec("views" if "views" in balance else "none", "none", tta=any(tta))  # says what is missing
    return tuple(found)


def treated(data: StudyData, train: Integers, treatment: TrainingSetSpec, seed: int) -> StudyData:
    """The rows that a head is fitted on.

    Views come first, then soft labels, then balancing; all within one training fold.

    Parameters
    ----------
    data : StudyData
        Of one source, all images.
    train : ndarray of int64
        Numbers of the training rows.
    treatment : TrainingSetSpec
    seed : int
        Of random sampling.

    Returns
    -------
    StudyData
        ``parents`` names the rows of `data` that each row was made of.

    Raises
    ------
    InputError
        When the data holds no views of the policy, or the method cannot balance these rows.
    """
    if treatment.balance == "views":
        return with_shares(topped_up(data, train, treatment.augment, seed))
    rows = with_shares(with_views(data, train, treatment.augment))
    return balanced_rows(rows, treatment.balance, seed)


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

    Of every image the first view, then of every image the second, until the classes are even or the views are used
    up; the images of a last, incomplete round are drawn. A view counts like an image.
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


def views_of(data: StudyData, policy: str) -> NDArray[np.float32]:
    """Features of the views of all images, (n_images, n_views, n_features).

    Raises
    ------
    InputError
        When they were not computed.
    """
    if not data.views or policy not in data.views[0]:
        raise InputError(f"The data holds no views of policy {policy!r}. Compute them with the features.")
    return data.views[0][policy]


def judged_features(data: StudyData, rows: Integers, treatment: TrainingSetSpec) -> NDArray[np.float32]:
    """Features that images are predicted from, (n_rows x n_views, n_features), the views of an image in a row."""
    if not treatment.tta:
        return np.asarray(data.features[0][rows])
    views = views_of(data, treatment.augment)[rows]
    return np.asarray(views.reshape(-1, views.shape[2]))


def mean_over_views(probabilities: NDArray[np.float64], n_images: int) -> NDArray[np.float64]:
    """Mean over the views of every image: from (..., n_images x n_views, n_classes) to (..., n_images, n_classes)."""
    *rest, n_rows, n_classes = probabilities.shape
    if n_rows == n_images:
        return probabilities
    return np.asarray(probabilities.reshape(*rest, n_images, n_rows // n_images, n_classes).mean(axis=-2))


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


def check_apart(data: StudyData, rows: StudyData, evaluated: Integers) -> None:
    """Refuse to judge what training rows were made of.

    Parameters
    ----------
    data : StudyData
        All rows there are; those with ``parents`` other than themselves were made up.
    rows : StudyData
        Training rows, with their parents.
    evaluated : ndarray of int64
        Numbers of the rows in `data` that are about to be judged.

    Raises
    ------
    LeakError
        When a made-up row would be judged, or an image that a training row was made of.
    """
    itself = np.asarray(evaluated)[:, None]
    made_up = evaluated[:0] if data.parents is None else evaluated[(data.parents[evaluated] != itself).any(axis=1)]
    if len(made_up):
        raise LeakError(
            f"Row {made_up[0]} and {len(made_up) - 1:,} others that are to be judged were made up for training (by "
            "SMOTE, say, before the split). Judge real images alone: split first, balance inside the training fold."
        )
    if rows.parents is None:
        raise ValueError("training rows do not say what they were made of")
    used = rows.parents[rows.parents >= 0]
    seen = np.intersect1d(used, evaluated)
    if len(seen):
        raise LeakError(
            f"Training rows were made of row {seen[0]} and {len(seen) - 1:,} others that are to be judged. Split "
            "first, then make rows inside the training fold."
        )


def _with_parents(data: StudyData, train: Integers) -> StudyData:
    """Training rows with the rows they come from, which for rows made up before are those that they were made of."""
    rows = data.take(train)
    if rows.parents is not None:
        return replace(rows, parents=rows.parents.reshape(len(train), -1)[:, [0, -1]])
    return replace(rows, parents=np.repeat(np.asarray(train, dtype=np.int64)[:, None], 2, axis=1))


def _groups(data: StudyData) -> Integers:
    return np.arange(len(data.labels), dtype=np.int64) if data.groups is None else data.groups
