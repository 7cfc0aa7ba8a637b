"""Scores that a confusion matrix decides: accuracy, recall, precision, specificity, F1, MCC.

Every score takes the `Margins` of a confusion matrix and works over their leading axes: it needs the diagonal and the
sums alone, and with many classes these are found without the matrix, which grows with the square of their number. Sums
are arranged so that an empty class gives an exact 0, hence nan, whatever the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.metrics.validation import FloatArray, IntArray, ratio


@dataclass(frozen=True, eq=False)
class Margins:
    """Diagonal and sums of a confusion matrix of K classes, or of a batch of them.

    Attributes
    ----------
    hits, misses : ndarray of shape (..., K)
        Weight of the rows predicted to be of each class, rightly and wrongly.
    true, predicted : ndarray of shape (..., K)
        Weight of the rows of each class, and of those predicted to be of it.
    total : ndarray of shape (...)
        Weight of all rows.
    """

    hits: FloatArray
    misses: FloatArray
    true: FloatArray
    predicted: FloatArray
    total: FloatArray


def margins_of_matrix(confusion: FloatArray) -> Margins:
    """Margins of matrices of shape (..., K, K): rows true, columns predicted, entries summed weights."""
    return Margins(
        np.diagonal(confusion, axis1=-2, axis2=-1),
        (confusion * (1.0 - np.eye(confusion.shape[-1]))).sum(axis=-2),
        confusion.sum(axis=-1),
        confusion.sum(axis=-2),
        confusion.sum(axis=(-2, -1)),
    )


def margins_of_rows(labels: IntArray, predicted: IntArray, n_classes: int, weights: FloatArray) -> Margins:
    """Margins of the confusion matrices of rows, without the matrices; arguments as for `confusion_matrix`."""
    right = labels == predicted
    true = _summed(labels, n_classes, weights)
    return Margins(
        _summed(labels, n_classes, weights * right),
        _summed(predicted, n_classes, weights * ~right),
        true,
        _summed(predicted, n_classes, weights),
        true.sum(axis=-1),
    )


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
    flat = _summed(labels * n_classes + predicted, n_classes * n_classes, weights)
    return flat.reshape(*weights.shape[:-1], n_classes, n_classes)


def accuracy(margins: Margins) -> FloatArray:
    """Share of weight on the diagonal, shape (...)."""
    return ratio(margins.hits.sum(axis=-1), margins.total)


def recall(margins: Margins) -> FloatArray:
    """Share of each class that was found (sensitivity), shape (..., K); nan for a class with no rows."""
    return ratio(margins.hits, margins.true)


def precision(margins: Margins) -> FloatArray:
    """Share of the predictions of each class that were right, shape (..., K); nan for a class never predicted."""
    return ratio(margins.hits, margins.predicted)


def specificity(margins: Margins) -> FloatArray:
    """Share of the other classes' rows not predicted so, shape (..., K); nan when there are no others."""
    return 1 - ratio(margins.misses, others(margins.true))


def f1(margins: Margins) -> FloatArray:
    """Harmonic mean of precision and recall, shape (..., K); nan for a class with no rows and no predictions."""
    return ratio(2 * margins.hits, margins.true + margins.predicted)


def macro_recall(margins: Margins) -> FloatArray:
    """Mean recall over the classes (balanced accuracy), shape (...); nan when a class has no rows."""
    return _where_all_present(recall(margins), margins)


def macro_precision(margins: Margins) -> FloatArray:
    """Mean precision over the classes, shape (...).

    A class never predicted counts as 0: leaving it out would reward a model for ignoring a class. nan when a class has
    no rows, as for `macro_recall`.
    """
    precisions = precision(margins)
    return _where_all_present(np.where(np.isnan(precisions), 0.0, precisions), margins)


def macro_specificity(margins: Margins) -> FloatArray:
    """Mean specificity over the classes, shape (...); nan when a class has no rows."""
    return _where_all_present(specificity(margins), margins)


def macro_f1(margins: Margins) -> FloatArray:
    """Mean F1 over the classes, shape (...); nan when a class has no rows."""
    return _where_all_present(f1(margins), margins)


def matthews(margins: Margins) -> FloatArray:
    """Matthews correlation of truth and prediction for any number of classes, shape (...).

    0 when all predictions are of one class, as in scikit-learn; nan when all rows are of one class, where nothing can
    correlate, and without weight.

    References
    ----------
    Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006, eq. 8.
    """
    true, predicted = margins.true, margins.predicted
    total = true.sum(axis=-1)
    # s^2 - sum(t_k^2) written as sum(t_k (s - t_k)): an exact 0 when one class holds all the weight
    spread = np.sqrt((true * others(true)).sum(axis=-1) * (predicted * others(predicted)).sum(axis=-1))
    agreement = margins.hits.sum(axis=-1) * total - (true * predicted).sum(axis=-1)
    score = np.where(spread > 0, ratio(agreement, spread), 0.0)
    is_defined = (total > 0) & ((true > 0).sum(axis=-1) > 1)
    return np.where(is_defined, np.clip(score, -1, 1), np.nan)


def others(counts: FloatArray) -> FloatArray:
    """For each class the sum over all other classes, shape (..., K), without cancellation."""
    n_classes = counts.shape[-1]
    return np.asarray(counts @ (1.0 - np.eye(n_classes)))


def _where_all_present(per_class: FloatArray, margins: Margins) -> FloatArray:
    """Mean over the classes, nan unless every class has rows."""
    present = (margins.true > 0).all(axis=-1)
    return np.where(present, per_class.mean(axis=-1), np.nan)


def _summed(codes: IntArray, n_codes: int, weights: FloatArray) -> FloatArray:
    """Sum of weights (..., n) over the rows of each code, (..., n_codes)."""
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    sums = np.zeros((*weights.shape[:-1], n_codes))
    sums[..., present] = np.add.reduceat(weights[..., order], starts, axis=-1)
    return sums
