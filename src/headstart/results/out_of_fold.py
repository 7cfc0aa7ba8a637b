"""The out-of-fold predictions of a run in the form that `headstart.metrics` judges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.metrics import OutOfFold
from headstart.results.read import RunRecord


def out_of_fold(record: RunRecord) -> OutOfFold:
    """The run's predictions in the form `headstart.metrics` judges.

    Images that were never judged (the training part of a holdout split) are counted, with fold -1, because the
    correction for shared training data asks how many there are.
    """
    predictions, n_classes = record.predictions, len(record.classes)
    names, first, image = np.unique(np.array(predictions.images), return_index=True, return_inverse=True)
    repeats, repeat = np.unique(predictions.repeat, return_inverse=True)
    n_rows = max(record.results.task.n_images, len(names))
    probabilities = np.full((len(repeats), n_rows, n_classes), 1 / n_classes)
    fold = np.full((len(repeats), n_rows), -1)
    probabilities[repeat, image], fold[repeat, image] = predictions.probabilities, predictions.fold
    return OutOfFold(
        labels=_padded(predictions.labels[first], n_rows),
        probabilities=probabilities,
        fold=fold,
        classes=record.classes,
        positive=record.positive,
        weights=None if predictions.weights is None else _padded(predictions.weights[first], n_rows),
        groups=_groups(record, names, n_rows),
        ordered=record.results.task.ordered,
    )


def _padded(values: NDArray[Any], n_rows: int) -> NDArray[Any]:
    return np.concatenate([values, np.zeros(n_rows - len(values), dtype=values.dtype)])


def _groups(record: RunRecord, names: NDArray[np.str_], n_rows: int) -> NDArray[np.int64] | None:
    """Group code of every row: from ``split.json``, where near-duplicates are joined, else from ``predictions.csv``."""
    split, predictions = record.split, record.predictions
    if split.groups is not None:
        group_of = dict(zip(split.images, map(str, split.groups), strict=True))
    elif predictions.groups is not None:
        group_of = dict(zip(predictions.images, predictions.groups, strict=True))
    else:
        return None
    given = [group_of.get(str(name), f"only {name}") for name in names]
    alone = [f"unjudged {row}" for row in range(len(names), n_rows)]
    return np.unique(np.array(given + alone), return_inverse=True)[1].astype(np.int64)
