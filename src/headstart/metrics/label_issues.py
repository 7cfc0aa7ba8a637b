"""Labels that are probably wrong, from out-of-fold predictions: confident learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.metrics.out_of_fold import OutOfFold
from headstart.metrics.validation import BoolArray, FloatArray, IntArray, ratio


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """A ranked list of labels that are probably wrong, and the thresholds and counts behind it.

    Attributes
    ----------
    rows : ndarray of shape (n_listed,), int64
        Rows of the data set, the most probably wrong first.
    labels, suggested : ndarray of shape (n_listed,), int64
        The given label, and the class that the held-out models are confident of instead.
    own, other : ndarray of shape (n_listed,), float64
        Probability of the given label (its self-confidence, by which the list is ranked) and of the suggested one;
        means over the repeats.
    n_agree, n_repeats : ndarray of shape (n_listed,), int64
        Repeats that alone suggest the same class, of those that judged the image.
    thresholds : ndarray of shape (n_classes,), float64
        Mean probability of a class over the images labelled so; nan for a class without judged images.
    joint : ndarray of shape (n_classes, n_classes), int64
        The confident joint: images by given label (rows) and by the class that the models are confident of.
    n_judged : int
        Images that were judged and count.
    n_wrong : float
        Labels estimated to be wrong, from the joint scaled to the images of every label.
    """

    rows: IntArray
    labels: IntArray
    suggested: IntArray
    own: FloatArray
    other: FloatArray
    n_agree: IntArray
    n_repeats: IntArray
    thresholds: FloatArray
    joint: IntArray
    n_judged: int
    n_wrong: float


def find_label_issues(oof: OutOfFold) -> LabelIssues:
    """Labels that the models trained on other folds are confident are wrong, by confident learning.

    Every class has a threshold, the mean probability of the class over the images labelled so; an image that reaches
    the threshold of another class, and none with a higher probability, is a candidate. Because the threshold follows
    the class, a class that the models are never sure of does not fill the list. Candidates are ranked by
    self-confidence: the probability of the label they have, lowest first.

    A list to look at, not a correction: hard and rare images stand on it beside wrong labels, and labels that are
    wrong in a systematic way do not, because the models learned them.

    Where we depart from the paper: an image whose label is its most probable class is never listed, as in the
    authors' own software. With repeats, thresholds and probabilities are means over the repeats that judged an image.

    Parameters
    ----------
    oof : OutOfFold
        Images of weight 0 take no part.

    Returns
    -------
    LabelIssues

    References
    ----------
    C. G. Northcutt, L. Jiang, I. L. Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels",
    Journal of Artificial Intelligence Research 70, equations 1 to 3. DOI 10.1613/jair.1.12125
    """
    counted = (oof.fold >= 0) & (oof.row_weights > 0)
    rows = np.flatnonzero(counted.any(axis=0))
    mean = ratio(np.where(counted[:, :, None], oof.probabilities, 0.0).sum(axis=0), counted.sum(axis=0)[:, None])
    labels, probabilities = oof.labels[rows], mean[rows]
    thresholds = class_thresholds(labels, probabilities)
    confident = confident_class(probabilities, thresholds)
    listed = _contradicted(labels, probabilities, confident)
    own, other = _of(probabilities, labels), _of(probabilities, confident)
    order = np.flatnonzero(listed)[np.argsort(own[listed], kind="stable")]
    joint = _joint(labels, confident, oof.n_classes)
    return LabelIssues(
        rows=rows[order],
        labels=labels[order],
        suggested=confident[order],
        own=own[order],
        other=other[order],
        n_agree=_agreeing(oof, counted, rows[order], confident[order]),
        n_repeats=counted[:, rows[order]].sum(axis=0).astype(np.int64),
        thresholds=thresholds,
        joint=joint,
        n_judged=len(rows),
        n_wrong=_estimated_wrong(joint, np.bincount(labels, minlength=oof.n_classes)),
    )


def class_thresholds(labels: IntArray, probabilities: FloatArray) -> FloatArray:
    """Mean probability of each class over the rows labelled so, shape (n_classes,); nan for a class without rows.

    >>> class_thresholds(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]))
    array([0.7, 0.8])
    """
    n_classes = probabilities.shape[1]
    sums = np.bincount(labels, weights=_of(probabilities, labels), minlength=n_classes)
    return ratio(sums, np.bincount(labels, minlength=n_classes))


def confident_class(probabilities: FloatArray, thresholds: FloatArray) -> IntArray:
    """Most probable class among those whose threshold a row reaches, shape (n,); -1 where it reaches none."""
    reached = probabilities >= np.where(np.isnan(thresholds), np.inf, thresholds)
    best = np.where(reached, probabilities, -1.0).argmax(axis=1)
    return np.where(reached.any(axis=1), best, -1).astype(np.int64)


def _contradicted(labels: IntArray, probabilities: FloatArray, confident: IntArray) -> BoolArray:
    """Rows confidently of another class, and whose label is not the most probable one."""
    return np.asarray((confident >= 0) & (confident != labels) & (probabilities.argmax(axis=1) != labels))


def _of(probabilities: FloatArray, codes: IntArray) -> FloatArray:
    return np.asarray(probabilities[np.arange(len(codes)), codes])


def _joint(labels: IntArray, confident: IntArray, n_classes: int) -> IntArray:
    joint = np.zeros((n_classes, n_classes), dtype=np.int64)
    some = confident >= 0
    np.add.at(joint, (labels[some], confident[some]), 1)
    return joint


def _estimated_wrong(joint: IntArray, n_labelled: IntArray) -> float:
    """Off-diagonal sum of the joint, each row scaled to the images of its label (equation 3)."""
    scaled = joint * np.nan_to_num(ratio(n_labelled, joint.sum(axis=1)))[:, None]
    return float(scaled.sum() - np.trace(scaled))


def _agreeing(oof: OutOfFold, counted: BoolArray, rows: IntArray, suggested: IntArray) -> IntArray:
    """In how many repeats, each by its own thresholds, the same class is suggested."""
    agree = np.zeros(len(rows), dtype=np.int64)
    for repeat, judged in enumerate(counted):
        inside = np.flatnonzero(judged)
        if not len(inside):
            continue
        labels, probabilities = oof.labels[inside], oof.probabilities[repeat, inside]
        confident = confident_class(probabilities, class_thresholds(labels, probabilities))
        found = np.full(oof.n_rows, -1, dtype=np.int64)
        found[inside] = np.where(_contradicted(labels, probabilities, confident), confident, -1)
        agree += found[rows] == suggested
    return agree
