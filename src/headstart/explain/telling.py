"""The images that tell most of a model: sure hits, sure misses, and those it was doubtful about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["hit", "miss", "doubtful"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
N_TELLING: Final = 12


@dataclass(frozen=True)
class TellingImage:
    """An image that tells something of a model.

    Attributes
    ----------
    row : int
    kind : {"hit", "miss", "doubtful"}
        ``doubtful``: whether right or wrong, the two most probable classes are close.
    label, predicted : int
        Class codes; `predicted` is the most probable one.
    runner_up : int
        Code of the class that is second in probability.
    probability : float
        Of the most probable class.
    """

    row: int
    kind: Kind
    label: int
    predicted: int
    runner_up: int
    probability: float


def telling_images(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], *, limit: int = N_TELLING
) -> tuple[TellingImage, ...]:
    """The images to look at first, as many hits and misses as doubtful ones where there are so many.

    Classes take turns among the hits and, by the label, among the misses, so that none is left out; ties keep the
    order of the data. Where one kind has too few, the others give more.

    Parameters
    ----------
    labels : ndarray of shape (n_images,), int64
    probabilities : ndarray of shape (n_images, n_classes)
        Of models that had not seen the image.
    limit : int

    Returns
    -------
    tuple of TellingImage
        Hits, misses, doubtful ones; at most `limit`.

    Examples
    --------
    >>> import numpy as np
    >>> shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.45, 0.55]])
    >>> [(found.row, found.kind) for found in telling_images(np.array([0, 1, 1]), shares, limit=3)]
    [(0, 'hit'), (1, 'miss'), (2, 'doubtful')]
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    predicted = order[:, 0]
    rows = np.arange(len(labels))
    margin = probabilities[rows, predicted] - probabilities[rows, order[:, 1]]
    surest = np.argsort(-margin, kind="stable")
    right = labels[surest] == predicted[surest]
    queues: dict[Kind, list[int]] = {
        "hit": _in_turn(surest[right], labels),
        "miss": _in_turn(surest[~right], labels),
        "doubtful": surest[::-1].tolist(),
    }
    chosen = _shared_out(queues, limit)
    return tuple(
        TellingImage(
            row,
            kind,
            int(labels[row]),
            int(predicted[row]),
            int(order[row, 1]),
            float(probabilities[row, predicted[row]]),
        )
        for kind in KINDS
        for row in chosen[kind]
    )


def _in_turn(rows: NDArray[np.int64], labels: NDArray[np.int64]) -> list[int]:
    """Rows in such an order that each class has its first before any has its second."""
    seen: dict[int, int] = {}
    turns = []
    for place, row in enumerate(rows.tolist()):
        label = int(labels[row])
        seen[label] = seen.get(label, 0) + 1
        turns.append((seen[label], place, row))
    return [row for _, _, row in sorted(turns)]


def _shared_out(queues: dict[Kind, list[int]], limit: int) -> dict[Kind, list[int]]:
    """One row of each kind in turn, none twice, until there are enough or none is left."""
    chosen: dict[Kind, list[int]] = {kind: [] for kind in queues}
    taken: set[int] = set()
    left = {kind: iter(rows) for kind, rows in queues.items()}
    while left and len(taken) < limit:
        for kind in list(left):
            row = next((row for row in left[kind] if row not in taken), None)
            if row is None:
                del left[kind]
            elif len(taken) < limit:
                taken.add(row)
                chosen[kind].append(row)
    return chosen
