"""Decisions inside the folds: fitted on inner predictions for its training rows, applied to its test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from headstart.decisions import DecidedOutOfFold, DecisionRules, Decisions, fit_decisions
from headstart.decisions.conformal import min_calibration_size
from headstart.errors import LeakError, plural
from headstart.metrics import Evaluation, OutOfFold, find_metric
from headstart.study.fold_result import FoldDecisions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

    from headstart.study.data import StudyData
    from headstart.study.fold_result import FoldResult
    from headstart.study.folds import OuterFold
    from headstart.study.plan import StudyPlan
    from headstart.study.search.inner_predictions import InnerPredictions


CALIBRATION_SCORES = ("log_loss", "brier", "ece")
"""Scores that show what calibration brought."""


def gather_decided(decisions: Sequence[FoldDecisions], oof: OutOfFold) -> DecidedOutOfFold:
    """Predicted classes and sets of all outer folds, in the order of the images."""
    predicted = np.zeros(oof.fold.shape, dtype=np.int64)
    sets = None if decisions[0].test.sets is None else np.zeros(oof.probabilities.shape, dtype=bool)
    for one in decisions:
        predicted[one.outer.repeat, one.outer.test] = one.test.predicted
        if sets is not None and one.test.sets is not None:
            sets[one.outer.repeat, one.outer.test] = one.test.sets
    return DecidedOutOfFold(predicted, sets)


@dataclass(frozen=True, eq=False)
class JudgedPredictions:
    """Out-of-fold predictions before and after calibration, with their scores.

    Attributes
    ----------
    before, after : OutOfFold
    raw : Evaluation
        A few scores of `before`.
    evaluation : Evaluation
        All scores of `after`.
    decided : DecidedOutOfFold
        Predicted classes and sets.
    """

    before: OutOfFold
    after: OutOfFold
    raw: Evaluation
    evaluation: Evaluation
    decided: DecidedOutOfFold


def decide_folds(
    data: StudyData, folds: Sequence[FoldResult], plan: StudyPlan, rules: DecisionRules
) -> list[FoldResult]:
    """The folds with the requested decisions and with calibrated probabilities.

    Everything is fitted on the inner predictions of the fold's chosen candidate: each training row predicted by a fit
    without its inner fold, and so without its group. Test rows are read only to be decided on.

    Parameters
    ----------
    data : StudyData
    folds : sequence of FoldResult
    plan : StudyPlan
        Where it chooses by a score of predicted classes, such as balanced accuracy, ``auto`` takes only a calibrator
        that leaves those as they are.
    rules : DecisionRules

    Returns
    -------
    list of FoldResult
        As given, with ``decisions`` and ``calibrated``.

    Raises
    ------
    LeakError
        When a row to be fitted on is a test row.
    InputError
        When the rules do not fit the classes.
    """
    rules.check_classes(data.n_classes)
    return [_decide(data, result, plan, rules) for result in folds]


def _decide(data: StudyData, result: FoldResult, plan: StudyPlan, rules: DecisionRules) -> FoldResult:
    inner = result.inner
    check_training_rows(result.outer, inner.rows)
    labels = data.labels[inner.rows]
    weights = None if data.weights is None else data.weights[inner.rows]
    decisions, reason = fold_decisions(inner, labels, weights, plan, rules)
    n_groups = None if data.groups is None else _groups_of_classes(labels, data.groups[inner.rows], data.n_classes)
    test = decisions.apply(result.raw)
    found = FoldDecisions(result.outer, decisions, test, len(inner.rows), reason, n_groups)
    return replace(result, calibrated=test.probabilities, decisions=found)


def check_training_rows(fold: OuterFold, rows: NDArray[np.int64]) -> None:
    """Refuse to fit decisions on anything but training rows of a fold.

    Raises
    ------
    LeakError
    """
    strange = np.setdiff1d(rows, np.setdiff1d(fold.train, fold.test))
    if len(strange):
        raise LeakError(
            f"Decisions of {fold.key} would be fitted on row {strange[0]} and {len(strange) - 1:,} others that are not "
            "among its training rows alone. Fit calibration, thresholds and prediction sets inside the training fold."
        )


def fold_decisions(
    inner: InnerPredictions,
    labels: NDArray[np.int64],
    weights: NDArray[np.float64] | None,
    plan: StudyPlan,
    rules: DecisionRules,
) -> tuple[Decisions, str]:
    """Decisions from the inner predictions of m training rows, and why the calibrator is of its kind.

    Parameters
    ----------
    inner : InnerPredictions
    labels : ndarray of shape (m,), int64
    weights : ndarray of shape (m,), or None
    plan : StudyPlan
    rules : DecisionRules
    """
    return fit_decisions(
        inner.probabilities / inner.probabilities.sum(axis=1, keepdims=True),  # they were stored in single precision
        labels,
        weights,
        rules,
        positive=1 if plan.positive is None else plan.positive,
        folds=inner.fold,
        keep_predicted=not find_metric(plan.choose_by).uses_probabilities,
    )


def _groups_of_classes(labels: NDArray[np.int64], groups: NDArray[np.int64], n_classes: int) -> tuple[int, ...]:
    return tuple(len(np.unique(groups[labels == code])) for code in range(n_classes))


def decision_notes(decided: Sequence[FoldDecisions], classes: Sequence[str]) -> list[str]:
    """Notes on weak decisions: thresholds that follow no rule, sets that say nothing or rest on little."""
    notes = [note for one in decided for note in one.fitted.notes(one.outer.key)]
    sets = [one.fitted.conformal for one in decided if one.fitted.conformal is not None]
    if not sets:
        return notes
    level, least = sets[0].level, min_calibration_size(sets[0].level)
    for code, name in enumerate(classes):
        fewest = min(one.n_calibration[code] for one in sets)
        if fewest < least:
            notes.append(
                f"Prediction sets say nothing of class {name!r}: it has {fewest:,} calibration images in some fold and "
                f"a level of {level:g} needs {least:,}, so every set there contains it."
            )
        groups = [one.n_groups[code] for one in decided if one.n_groups is not None]
        if groups and fewest >= least > min(groups):
            notes.append(
                f"Prediction sets of class {name!r} rest on {plural(min(groups), 'group')}, fewer than the {least:,} "
                f"that a level of {level:g} needs of independent images: take their coverage as rough."
            )
    return notes
