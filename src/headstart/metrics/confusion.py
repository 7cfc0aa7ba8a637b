"""Scores that a confusion matrix decides: accuracy, recall, precision, specificity, F1, MCC.

Every function takes ``confusion`` of shape (..., K, K), rows true, columns predicted, entries summed weights, and
works over the leading axes. Sums are arranged so that an empty class gives an exact 0, hence nan, whatever the weights.
"""

from __future__ import annotations

import numpy as np

from headstart.metrics.validation import FloatArray, IntArray, ratio


def confusion_matrix(labels: IntArray, predicted: IntArray, n_classes: int, weights: FloatArray) -> FloatArray:
    """Weighted confusion matrix of shape (..., K, K): rows true, columns predicted.

    Parameters
    ----------
    labels, predicted : ndarray of shape (n,), int
        True and predicted class numbers.
    n_classes : int
        K.
    weights : ndarray of shape (..., n)
        Weight of every row; a leading axis gives one matrix per batch entry.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, np.ones(3))
    array([[1., 0.],
           [1., 1.]])
    """
    cells = labels * n_classes + predicted
    order = np.argsort(cells, kind="stable")
    present, starts = np.unique(cells[order], return_index=True)
    flat = np.zeros((*weights.shape[:-1], n_classes * n_classes))
    flat[..., present] = np.add.reduceat(weights[..., order], starts, axis=-1)
    return flat.reshape(*weights.shape[:-1], n_classes, n_classes)


def accuracy(confusion: FloatArray) -> FloatArray:
    """Share of weight on the diagonal, shape (...)."""
    return ratio(_hits(confusion).sum(axis=-1), confusion.sum(axis=(-2, -1)))


def recall(confusion: FloatArray) -> FloatArray:
    """Share of each class that was found (sensitivity), shape (..., K); nan for a class with no rows."""
    return ratio(_hits(confusion), confusion.sum(axis=-1))


def precision(confusion: FloatArray) -> FloatArray:
    """Share of the predictions of each class that were right, shape (..., K); nan for a class never predicted."""
    return ratio(_hits(confusion), confusion.sum(axis=-2))


def specificity(confusion: FloatArray) -> FloatArray:
    """Share of the other classes' rows not predicted so, shape (..., K); nan when there are no others."""
    return 1 - ratio(_misses(confusion).sum(axis=-2), others(confusion.sum(axis=-1)))


def f1(confusion: FloatArray) -> FloatArray:
    """Harmonic mean of precision and recall, shape (..., K); nan for a class with no rows and no predictions."""
    return ratio(2 * _hits(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def macro_recall(confusion: FloatArray) -> FloatArray:
    """Mean recall over the classes (balanced accuracy), shape (...); nan when a class has no rows."""
    return _where_all_present(recall(confusion), confusion)


def macro_precision(confusion: FloatArray) -> FloatArray:
    """Mean precision over the classes, shape (...).

    A class never predicted counts as 0: leaving it out would reward a model for ignoring a class. nan when a class has
    no rows, as for `macro_recall`.
    """
    precisions = precision(confusion)
    return _where_all_present(np.where(np.isnan(precisions), 0.0, precisions), confusion)


def macro_specificity(confusion: FloatArray) -> FloatArray:
    """Mean specificity over the classes, shape (...); nan when a class has no rows."""
    return _where_all_present(specificity(confusion), confusion)


def macro_f1(confusion: FloatArray) -> FloatArray:
    """Mean F1 over the classes, shape (...); nan when a class has no rows."""
    return _where_all_present(f1(confusion), confusion)


def matthews(confusion: FloatArray) -> FloatArray:
    """Matthews correlation of truth and prediction for any number of classes, shape (...).

    0 when all predictions are of one class, as in scikit-learn; nan when all rows are of one class, where nothing can
    correlate, and without weight.

    References
    ----------
    Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006, eq. 8.
    """
    true, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    total = true.sum(axis=-1)
    # s^2 - sum(t_k^2) written as sum(t_k (s - t_k)): an exact 0 when one class holds all the weight
    spread = np.sqrt((true * others(true)).sum(axis=-1) * (predicted * others(predicted)).sum(axis=-1))
    agreement = _hits(confusion).sum(axis=-1) * total - (true * predicted).sum(axis=-1)
    score = np.where(spread > 0, ratio(agreement, spread), 0.0)
    is_defined = (total > 0) & ((true > 0).sum(axis=-1) > 1)
    return np.where(is_defined, np.clip(score, -1, 1), np.nan)


def others(counts: FloatArray) -> FloatArray:
    """For each class the sum over all other classes, shape (..., K), without cancellation."""
    n_classes = counts.shape[-1]
    return np.asarray(counts @ (1.0 - np.eye(n_classes)))


def _hits(confusion: FloatArray) -> FloatArray:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _misses(confusion: FloatArray) -> FloatArray:
    return confusion * (1.0 - np.eye(confusion.shape[-1]))


def _where_all_present(per_class: FloatArray, confusion: FloatArray) -> FloatArray:
    """Mean over the classes, nan unless every class has rows."""
    present = (confusion.sum(axis=-1) > 0).all(axis=-1)
    return np.where(present, per_class.mean(axis=-1), np.nan)
