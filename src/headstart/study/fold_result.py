"""Result of one outer fold: its choice, its probabilities, its decisions, and the record of its search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.decisions import Decided, Decisions
    from headstart.finetuning import FineTuned
    from headstart.heads import FittedHead
    from headstart.study.folds import OuterFold
    from headstart.study.search.choose import Selection
    from headstart.study.search.halving.plan import Halved
    from headstart.study.search.inner_predictions import InnerPredictions

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoldRecord:
    """Record of the search in one outer fold, over C candidates.

    Attributes
    ----------
    repeat, fold : int
        Numbers of the outer fold; fold -1 is the refit on all rows.
    choice : Selection
        Scores, ranks and ties of the candidates in `compared`.
    compared : tuple of int
        Numbers of the candidates the choice was made among: all, or those that halving kept.
    costs : ndarray of shape (C,)
        Rough seconds that each candidate costs whoever uses it.
    chosen : int
        Number of the candidate that was fitted and judged.
    outer_scores : mapping of int to float
        Score on the outer test rows of the candidates that were judged there.
    halved : Halved or None
    """

    repeat: int
    fold: int
    choice: Selection
    compared: tuple[int, ...]
    costs: NDArray[np.float64]
    chosen: int
    outer_scores: Mapping[int, float]
    halved: Halved | None = None


@dataclass(frozen=True, eq=False)
class FineTunedFold:
    """Result of the fine-tuning candidates in one outer fold.

    Attributes
    ----------
    source : int
        Number of the source whose features the frozen winner reads, and whose stages were unlocked.
    scores : ndarray of shape (n_candidates + 1,)
        Choosing score on the holdout: of the frozen winner, then of every fine-tuning candidate at its best epoch; nan
        where training diverged.
    tried : tuple of FineTuned
        Every candidate, trained on the training part of the holdout.
    chosen : int or None
        Number of the candidate that was fitted on all training rows and judged; None: the frozen winner stands.
    fitted : FineTuned or None
        The candidate chosen, trained on all training rows.
    stage : str or None
        Last frozen stage of the candidate chosen.
    """

    source: int
    scores: Floats
    tried: tuple[FineTuned, ...]
    chosen: int | None
    fitted: FineTuned | None
    stage: str | None


@dataclass(frozen=True, eq=False)
class EnsembleMember:
    """One member of an ensemble, fitted on all training rows of an outer fold.

    Attributes
    ----------
    number : int
        Number of the candidate, or where it `is_tuned` of the fine-tuning candidate.
    is_tuned : bool
    weight : float
        Its share of the mean probabilities; those of all members sum to 1.
    score_without : float
        Choosing score of the other members alone on the rows that selected; nan for an only member.
    probabilities : ndarray of shape (n_test, n_classes)
        Probabilities of the test rows before calibration.
    head : FittedHead
        On frozen features; of a fine-tuned member the one that stands on its trained stages.
    fitted : FineTuned or None
        Trained stages of a fine-tuned member.
    """

    number: int
    is_tuned: bool
    weight: float
    score_without: float
    probabilities: Floats
    head: FittedHead
    fitted: FineTuned | None = None


@dataclass(frozen=True, eq=False)
class EnsembleFold:
    """Ensemble of one outer fold, kept or not.

    Attributes
    ----------
    members : tuple of EnsembleMember
        In the order of their selection; empty where the best candidate stands alone.
    reason : str
        Why it was kept or not, in words.
    n_tried, n_rows : int
        Number of candidates it was selected from, and of inner rows that all of them had predicted.
    score, single_score : float
        Choosing score on these rows of what was selected, and of the best single candidate.
    accepted_score, accepted_single_score : float
        The same where rows are predicted by what was selected on others; nan where that cannot be.
    """

    members: tuple[EnsembleMember, ...]
    reason: str
    n_tried: int
    n_rows: int
    score: float
    single_score: float
    accepted_score: float
    accepted_single_score: float

    @property
    def is_kept(self) -> bool:
        """Whether the ensemble took the place of the best candidate."""
        return bool(self.members)


@dataclass(frozen=True, eq=False)
class FoldDecisions:
    """Decisions of one outer fold, fitted on inner predictions, and what they make of its test rows.

    Attributes
    ----------
    outer : OuterFold
    fitted : Decisions
    test : Decided
        Calibrated probabilities, classes and sets of the test rows; empty for the refit on all rows.
    n_calibration : int
        Number of training rows that the decisions were fitted on.
    reason : str
        Why the calibrator is of its kind.
    n_groups : tuple of int, or None
        For each class the number of groups that its calibration rows come from; None where there are no groups.
    """

    outer: OuterFold
    fitted: Decisions
    test: Decided
    n_calibration: int
    reason: str
    n_groups: tuple[int, ...] | None


@dataclass(frozen=True, eq=False)
class FoldResult:
    """Result of one outer fold.

    Attributes
    ----------
    outer : OuterFold
    inner_scores, inner_log_loss : ndarray of shape (n_candidates,)
        The choosing metric, and log loss, pooled over the inner validation rows; nan for candidates that failed or
        that halving dropped.
    chosen : int
        Number of the candidate that was fitted and judged: the winner, or the best whose last fit did not diverge.
    head : FittedHead
        The chosen candidate, fitted on all training rows of the fold.
    raw : ndarray of shape (n_test, n_classes)
        Probabilities of the test rows before calibration: of the candidate chosen, of the fine-tuned one that beat it,
        or of the ensemble that did.
    candidate_probabilities : mapping of int to ndarray of shape (n_test, n_classes)
        Probabilities before calibration of the candidate chosen and of the best of each source, by number; no choice
        looks at them.
    record : FoldRecord
        Scores, ranks and costs of all candidates, for ``candidates.parquet``.
    inner : InnerPredictions
        Predictions of the training rows by the inner fits of what `raw` comes from; decisions are fitted on them.
    calibrated : ndarray of shape (n_test, n_classes), or None
        Probabilities of the test rows after calibration; None before decisions are fitted.
    frozen : ndarray of shape (n_test, n_classes), or None
        As `calibrated`, of the winner among the heads on frozen features; None where no fine-tuning competes.
    decisions : FoldDecisions or None
    fine_tuned : FineTunedFold or None
        Result of the fine-tuning candidates, where there are any.
    tried : sequence of ndarray of shape (n_train, n_classes), or None
        Inner predictions of the candidates in ``record.compared``, as long as an ensemble is to be made of them.
    ensemble : EnsembleFold or None
        Ensemble of what was tried, where one was requested.
    alone : ndarray of shape (n_test, n_classes), or None
        As `calibrated`, of the best candidate alone; None where no ensemble competes.
    """

    outer: OuterFold
    inner_scores: Floats
    inner_log_loss: Floats
    chosen: int
    head: FittedHead
    raw: Floats
    candidate_probabilities: Mapping[int, Floats]
    record: FoldRecord
    inner: InnerPredictions
    calibrated: Floats | None = None
    frozen: Floats | None = None
    decisions: FoldDecisions | None = None
    fine_tuned: FineTunedFold | None = None
    tried: Sequence[Floats] | None = None
    ensemble: EnsembleFold | None = None
    alone: Floats | None = None

    @property
    def choice(self) -> Selection:
        """Winner, tied set and cheapest, counted among ``record.compared``."""
        return self.record.choice

    @property
    def probabilities(self) -> Floats:
        """Probabilities of the test rows, (n_test, n_classes): calibrated where decisions were fitted, else raw."""
        return self.raw if self.calibrated is None else self.calibrated

    @property
    def frozen_raw(self) -> Floats:
        """Probabilities before calibration of the winner among the heads on frozen features, (n_test, n_classes)."""
        return self.candidate_probabilities[self.chosen]

    @property
    def fine_tuned_choice(self) -> int | None:
        """Number of the fine-tuning candidate that took the winner's place; None where the winner stands."""
        return None if self.fine_tuned is None else self.fine_tuned.chosen
