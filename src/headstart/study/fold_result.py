"""What one outer fold gave: its choice, its probabilities, and what is written down of its search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.finetuning import FineTuned
    from headstart.heads import FittedHead
    from headstart.study.folds import OuterFold
    from headstart.study.search.choose import Selection
    from headstart.study.search.halving.plan import Halved
    from headstart.study.search.inner_predictions import InnerPredictions

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoldRecord:
    """What one outer fold says of C candidates.

    Attributes
    ----------
    repeat, fold : int
        Numbers of the outer fold; fold -1 is the refit on all rows.
    choice : Selection
        Of the candidates in `compared`.
    compared : tuple of int
        Numbers of the candidates the choice was made among: all, or those that halving kept.
    costs : ndarray of shape (C,)
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
    """What the costly candidates gave in one outer fold.

    Attributes
    ----------
    source : int
        Whose features the frozen winner reads, and whose stages were unlocked.
    scores : ndarray of shape (n_candidates + 1,)
        The choosing score on the holdout: of the frozen winner, then of every costly candidate at its best epoch; nan
        where training diverged.
    tried : tuple of FineTuned
        On the training part of the holdout.
    chosen : int or None
        Number of the costly candidate that was fitted on all training rows and judged; None: the frozen winner stands.
    fitted : FineTuned or None
        The candidate chosen, trained on all training rows.
    stage : str or None
        Its last frozen stage.
    frozen_probabilities : ndarray of shape (n_test, n_classes)
        Of the frozen winner, which a choice of another candidate does not forget.
    """

    source: int
    scores: Floats
    tried: tuple[FineTuned, ...]
    chosen: int | None
    fitted: FineTuned | None
    stage: str | None
    frozen_probabilities: Floats


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What one outer fold gave.

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
    probabilities : ndarray of shape (n_test, n_classes)
    judged : mapping of int to ndarray of shape (n_test, n_classes)
        Probabilities of the candidate chosen and of the best of each source, by number; no choice looks at them.
    record : FoldRecord
        What is to be written down of the search.
    inner : InnerPredictions
        Of the candidate chosen, for the training rows: what `headstart.study.decisions` fits on.
    tuned : FineTunedFold or None
        What costly candidates gave, where there are any; see `headstart.study.finetuning`.
    """

    outer: OuterFold
    inner_scores: Floats
    inner_log_loss: Floats
    chosen: int
    head: FittedHead
    probabilities: Floats
    judged: Mapping[int, Floats]
    record: FoldRecord
    inner: InnerPredictions
    tuned: FineTunedFold | None = None

    @property
    def choice(self) -> Selection:
        """Winner, tied set and cheapest, counted among ``record.compared``."""
        return self.record.choice
