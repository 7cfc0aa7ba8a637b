"""Novelty of the images of a study: distances and thresholds fitted on training rows, test rows judged by them.

The features are those of one source, of a network that stays as it was pretrained, before any table column; no head
has a part in them, and no label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.decisions import Novelty, NoveltyRule, NoveltyThreshold, fit_novelty
from headstart.heads.training_distance import TrainingDistance, fit_distance
from headstart.study.decisions import check_training_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.data import StudyData
    from headstart.study.fold_result import FoldResult
    from headstart.study.folds import OuterFold
    from headstart.study.plan import StudyPlan

    Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FoldNovelty:
    """Distance and threshold of one outer fold, and what they make of its test rows.

    Attributes
    ----------
    outer : OuterFold
    source : int
        Number of the source whose features distances are measured in.
    distance : TrainingDistance
        From all training rows.
    threshold : NoveltyThreshold
        From distances between training rows of different inner folds.
    test : Novelty
        Of the test rows; empty for the refit on all rows.
    """

    outer: OuterFold
    source: int
    distance: TrainingDistance
    threshold: NoveltyThreshold
    test: Novelty


@dataclass(frozen=True, eq=False)
class NoveltyStudy:
    """Novelty in every outer fold and for the final model.

    Attributes
    ----------
    rule : NoveltyRule
    folds : tuple of FoldNovelty
    final : FoldNovelty
        Of the refit on all rows.
    """

    rule: NoveltyRule
    folds: tuple[FoldNovelty, ...]
    final: FoldNovelty

    def gathered(self, n_repeats: int, n_images: int) -> Novelty:
        """Novelty of every image by the fold that did not see it; arrays of shape (n_repeats, n_images)."""
        shape = (n_repeats, n_images)
        distance, p_value, is_novel = np.zeros(shape), np.ones(shape), np.zeros(shape, dtype=bool)
        for one in self.folds:
            place = one.outer.repeat, one.outer.test
            distance[place], p_value[place] = one.test.distance, one.test.p_value
            is_novel[place] = one.test.is_novel
        return Novelty(distance, p_value, is_novel)


def judge_novelty(
    data: StudyData, folds: Sequence[FoldResult], final: FoldResult, plan: StudyPlan, rule: NoveltyRule
) -> NoveltyStudy:
    """Distances and thresholds of every outer fold and of the refit, and the novelty of the test rows.

    Parameters
    ----------
    data : StudyData
    folds : sequence of FoldResult
    final : FoldResult
        The refit on all rows.
    plan : StudyPlan
    rule : NoveltyRule

    Raises
    ------
    LeakError
        When a row to be fitted on is a test row.
    InputError
        When training rows are too few, or all alike.
    """
    judged = [_judge(data, result.outer, novelty_source(result, plan), rule) for result in (*folds, final)]
    return NoveltyStudy(rule, tuple(judged[:-1]), judged[-1])


def novelty_source(result: FoldResult, plan: StudyPlan) -> int:
    """Number of the source whose features the distances of an outer fold are measured in.

    Of an ensemble it is that of its weightiest head on frozen features, else that of the best such candidate. A network
    that was fine-tuned has no part: its features were fitted to the training images, so that new images lie farther
    from them than they lie from each other.
    """
    members = () if result.ensemble is None else result.ensemble.members
    frozen = [one for one in members if not one.is_tuned]
    return plan.source_of(max(frozen, key=lambda one: one.weight).number if frozen else result.chosen)


def _judge(data: StudyData, fold: OuterFold, source: int, rule: NoveltyRule) -> FoldNovelty:
    own = data.of_fold(fold).of_source(source)
    (features,) = own.features
    blocks = own.blocks[0] if own.blocks else (features.shape[1],)

    def distance_from(rows: Integers) -> TrainingDistance:
        counted = rows if data.weights is None else rows[data.weights[rows] > 0]
        check_training_rows(fold, counted)
        return fit_distance(np.asarray(features[counted]), rule.measure, blocks=blocks)

    rows, distances = [], []
    for train, validation in fold.inner:
        held = validation if data.weights is None else validation[data.weights[validation] > 0]
        check_training_rows(fold, held)
        rows.append(held)
        distances.append(distance_from(train).distances(np.asarray(features[held])))
    held_rows = np.concatenate(rows)
    groups = None if data.groups is None else data.groups[held_rows]
    threshold = fit_novelty(np.concatenate(distances), rule.rate, groups=groups)
    distance = distance_from(fold.train)
    return FoldNovelty(
        fold, source, distance, threshold, threshold.apply(distance.distances(np.asarray(features[fold.test])))
    )
