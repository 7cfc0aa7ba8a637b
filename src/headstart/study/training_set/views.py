"""Views of images as rows: those that are trained on, and the mean over those that are predicted from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import InputError
from headstart.study.table_block import beside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.data import StudyData
    from headstart.study.training_set.spec import TrainingSetSpec

    Integers = NDArray[np.int64]


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


def features_to_predict(data: StudyData, rows: Integers, training_set: TrainingSetSpec) -> NDArray[np.float32]:
    """Features that images are predicted from, (n_rows x n_views, n_features), the views of an image in a row.

    Table columns stand behind the features of each view.
    """
    table = None if data.table is None else data.table[rows]
    if not training_set.tta:
        return beside(np.asarray(data.features[0][rows]), table)
    views = views_of(data, training_set.augment)[rows]
    return beside(np.asarray(views.reshape(-1, views.shape[2])), table)


def mean_over_views(probabilities: NDArray[np.float64], n_images: int) -> NDArray[np.float64]:
    """Mean over the views of every image: from (..., n_images x n_views, n_classes) to (..., n_images, n_classes)."""
    *rest, n_rows, n_classes = probabilities.shape
    if n_rows == n_images:
        return probabilities
    return np.asarray(probabilities.reshape(*rest, n_images, n_rows // n_images, n_classes).mean(axis=-2))
