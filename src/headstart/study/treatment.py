"""From the training rows of a fold to the rows a head is fitted on: soft labels, views and balancing.

Only rows of a training fold come here, and what is made of them never leaves it: evaluation reads the features of real
images alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from headstart.balance import balanced, check_method
from headstart.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.plan import StudyData

    Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Treatment:
    """What is done to the training rows before a head is fitted on them; a setting of a candidate like any other.

    Attributes
    ----------
    balance : str
        A method of `headstart.balance`.
    augment : str
        Name of a policy whose views are trained on beside the images; ``none``: the images alone.
    """

    balance: str = "none"
    augment: str = "none"

    def __post_init__(self) -> None:
        check_method(self.balance)

    @property
    def label(self) -> str:
        """The two in words; empty where nothing is done.

        >>> Treatment("weights").label
        'weights'
        """
        return ", ".join(name for name in (self.balance, self.augment) if name != "none")

    def to_json(self) -> dict[str, str]:
        """The attributes by name."""
        return asdict(self)


PLAIN = Treatment()
"""The rows as they are."""


def treated(data: StudyData, train: Integers, treatment: Treatment, seed: int) -> StudyData:
    """The rows that a head is fitted on.

    Views come first, then soft labels, then balancing, so that what is made up stays within one training fold.

    Parameters
    ----------
    data : StudyData
        Of one source, all images.
    train : ndarray of int64
        Numbers of the training rows.
    treatment : Treatment
    seed : int
        Of random sampling.

    Returns
    -------
    StudyData
        ``parents`` names the row of `data` that each row was made of.

    Raises
    ------
    InputError
        When the data holds no views of the policy.
    """
    rows = with_shares(with_views(data, train, treatment.augment))
    return balanced_rows(rows, treatment.balance, seed)


def with_views(data: StudyData, train: Integers, policy: str) -> StudyData:
    """The training rows, each followed by its views under a policy; the parts of an image share its weight.

    An image seen in K views counts as much as before: every view has 1/K of its weight.
    """
    rows = replace(data.take(train), parents=train)
    if policy == "none":
        return rows
    if not data.views or policy not in data.views[0]:
        raise InputError(f"The data holds no views of policy {policy!r}. Compute them with the features.")
    views = data.views[0][policy][train]  # (n_train, n_views, n_features)
    n_views = views.shape[1]
    several = repeated(rows, np.repeat(np.arange(len(train)), n_views), np.full(len(train) * n_views, 1.0 / n_views))
    return replace(several, features=(views.reshape(-1, views.shape[2]),))


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
    groups = np.arange(len(data.labels), dtype=np.int64) if data.groups is None else data.groups
    copies = replace(data, weights=weights, groups=groups).take(rows)
    return replace(copies, weights=weights[rows] * shares)


def balanced_rows(data: StudyData, method: str, seed: int) -> StudyData:
    """The rows after balancing; see `headstart.balance.balanced`."""
    if method == "none":
        return data
    found = balanced(
        data.features[0], data.labels, n_classes=data.n_classes, weights=data.weights, method=method, seed=seed
    )
    return replace(data, weights=found.weights)
