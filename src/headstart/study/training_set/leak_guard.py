"""The guard between training rows and the rows that are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import LeakError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.data import StudyData

    Integers = NDArray[np.int64]


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
