"""Ensembles of a study: in every outer fold selected from all that its inner folds tried, fitted, and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.finetuning import FineTuned
from headstart.metrics import find_metric
from headstart.progress import Progress, Silent
from headstart.runtime.threads import single_thread
from headstart.study.ensemble.greedy import (
    Acceptance,
    Library,
    grouped_parts,
    judge_selection,
    select_members,
    without_each,
)
from headstart.study.execution.journal import Journal
from headstart.study.execution.tasks import stored_head
from headstart.study.execution.workers import Workers, run_items
from headstart.study.finetuning.fits import FineTuningFits, FineTuningStudy
from headstart.study.fold_result import EnsembleFold, EnsembleMember, FoldResult
from headstart.study.folds import HOLDOUT
from headstart.study.inner_selection import StudyContext, inner_task
from headstart.study.nested_cv import outer_item, outer_key
from headstart.study.search.inner_predictions import InnerPredictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.data import StudyData
    from headstart.study.plan import StudyPlan

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

_KEPT: Final = "better than the best candidate on rows that took no part in the selection"
_DIVERGED: Final = "a member diverged when it was trained on all training rows"


def ensemble_folds(
    data: StudyData,
    results: Sequence[FoldResult],
    plan: StudyPlan,
    *,
    fine_tuning: FineTuningStudy | None = None,
    journal: Journal | None = None,
    prefix: str = "",
    progress: Progress | None = None,
) -> list[FoldResult]:
    """The folds after an ensemble of all that was tried has competed with the best candidate.

    It is selected on inner predictions that all candidates have: those of all inner folds, or where networks were
    fine-tuned those of the holdout. It is kept where, on rows that took no part in a selection, such ensembles score
    better than such best single candidates. Its members are then fitted on all training rows of the outer fold; their
    probabilities are averaged. Test rows decide nothing.

    Parameters
    ----------
    data : StudyData
    results : sequence of FoldResult
        With ``tried``: what `run_folds` gives for a plan with an ensemble, perhaps after `fine_tune_folds`.
    plan : StudyPlan
    fine_tuning : FineTuningStudy, optional
        Its candidates that were trained are members like the others.
    journal : Journal, optional
        Finished fits are taken from it and added to it.
    prefix : str
        As for `run_folds`.
    progress : Progress, optional

    Returns
    -------
    list of FoldResult
        As given, with ``ensemble``, without ``tried``, and ``calibrated`` kept as ``alone``; where the ensemble was
        kept with its probabilities as ``raw``, and as ``inner`` its inner predictions.
    """
    with (
        Workers(plan.n_jobs) as workers,
        (progress or Silent()).task("Ensemble", len(results), "folds") as advance,
    ):
        study = StudyContext(data, plan, journal or Journal(None), workers, prefix)
        ensembles, found = _Ensembles(study, fine_tuning), []
        for result in results:
            found.append(ensembles.compete(result))
            advance(1)
        return found


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Everything that was tried in one outer fold, on the inner rows that all of it predicted.

    Attributes
    ----------
    rows, fold, parts : ndarray of int64
        Numbers of these rows, the inner fold of each, and the part that it is accepted in.
    heads : tuple of int
        Numbers of the heads on frozen features, which come first in the library.
    tuned : tuple of int
        Numbers of the fine-tuning candidates behind them.
    library : Library
    """

    rows: Integers
    fold: Integers
    parts: Integers
    heads: tuple[int, ...]
    tuned: tuple[int, ...]
    library: Library


class _Ensembles:
    """Ensembles of a study, outer fold by outer fold."""

    def __init__(self, study: StudyContext, fine_tuning: FineTuningStudy | None) -> None:
        self._study, self._fine_tuning = study, fine_tuning
        self._fits = None if fine_tuning is None else FineTuningFits(study.data, study.plan, fine_tuning, study.journal)

    def compete(self, result: FoldResult) -> FoldResult:
        """The outer fold after its ensemble has competed."""
        candidates = self._candidates(result)
        library, every = candidates.library, np.arange(len(candidates.rows))
        with single_thread():
            picks = select_members(library, every)
            accepted = judge_selection(library, candidates.parts)
        plain = replace(result, tried=None, alone=result.calibrated, calibrated=None, decisions=None)
        found = self._not_kept(candidates, picks, accepted)
        if not found.reason:
            members = self._members(result, candidates, picks)
            found = replace(found, members=members, reason=_KEPT if members else _DIVERGED)
        if not found.is_kept:
            return replace(plain, ensemble=found)
        raw = np.sum([one.weight * one.probabilities for one in found.members], axis=0)
        inner = InnerPredictions(candidates.rows, library.mean(picks), candidates.fold)
        return replace(plain, ensemble=found, raw=raw, inner=inner)

    def _candidates(self, result: FoldResult) -> _Candidates:
        """The library of a fold: heads on the rows of all inner folds, or beside fine-tuned networks on the holdout."""
        tried, outer, data, plan = result.tried, result.outer, self._study.data, self._study.plan
        if tried is None:
            raise ValueError("the fold kept no inner predictions: its plan asks for no ensemble")
        number = inner_task(self._study, outer, plan.choose_by).fold
        shared = np.flatnonzero(number >= 0 if self._fits is None else number == HOLDOUT)
        rows, tuned = outer.train[shared], self._tuned(result)
        heads, held_out = result.record.compared, list(tuned.values())

        def read(index: int) -> Floats:
            return tried[index][shared] if index < len(heads) else held_out[index - len(heads)]

        groups = None if data.groups is None else data.groups[rows]
        parts = number[shared]
        if len(np.unique(parts)) < 2:  # one inner fold, of which parts are made
            parts = grouped_parts(data.labels[rows], groups, (plan.seed, outer.repeat, outer.fold + 1))
        weights = None if data.weights is None else data.weights[rows]
        library = Library(len(heads) + len(held_out), read, data.labels[rows], plan.choose_by, plan.positive, weights)
        return _Candidates(rows, number[shared], parts, heads, tuple(tuned), library)

    def _tuned(self, result: FoldResult) -> dict[int, Floats]:
        """Holdout probabilities of the fine-tuned networks by number, but those that no epoch made better."""
        if self._fits is None or self._fine_tuning is None or result.fine_tuned is None:
            return {}
        found = {}
        for number, (spec, one) in enumerate(zip(self._fine_tuning.specs, result.fine_tuned.tried, strict=True)):
            if not one.failed and one.best_epoch > 0:
                kept = self._fits.on_holdout(result.outer, result.fine_tuned.source, spec, lambda n: None)
                found[number] = kept["holdout"]  # from the journal: it has competed before
        return found

    def _not_kept(self, candidates: _Candidates, picks: tuple[int, ...], accepted: Acceptance | None) -> EnsembleFold:
        """The selection without members; with a reason where it is not kept, else without one."""
        library, every = candidates.library, np.arange(len(candidates.rows))
        sign = 1.0 if find_metric(library.metric).greater_is_better else -1.0
        reason = ""
        if not picks or accepted is None:
            reason = "there are too few inner rows to accept it on"
        elif len(set(picks)) < 2:
            reason = "an ensemble of one: no other candidate makes the best one better"
        elif not accepted.is_better:
            reason = "no better than the best candidate on rows that took no part in the selection"
        alone = library.score(library.predicted(picks[0]), every) if picks else np.nan
        together = library.score(library.mean(picks), every) if picks else np.nan
        return EnsembleFold(
            (),
            reason,
            library.n_candidates,
            len(candidates.rows),
            sign * together,
            sign * alone,
            np.nan if accepted is None else sign * accepted.ensemble,
            np.nan if accepted is None else sign * accepted.single,
        )

    def _members(
        self, result: FoldResult, candidates: _Candidates, picks: tuple[int, ...]
    ) -> tuple[EnsembleMember, ...]:
        """The members fitted on all training rows; none where one of them diverges there."""
        study, outer, heads = self._study, result.outer, candidates.heads
        chosen = [heads[index] for index in dict.fromkeys(picks) if index < len(heads)]
        run_items([outer_item(study, outer, number) for number in chosen], study.journal, study.workers)
        without, members = without_each(candidates.library, picks), []
        sign = 1.0 if find_metric(study.plan.choose_by).greater_is_better else -1.0
        for index in dict.fromkeys(picks):
            weight, rest = picks.count(index) / len(picks), sign * without[index]
            if index < len(heads):
                member = self._head(result, heads[index], weight, rest)
            else:
                member = self._network(result, candidates.tuned[index - len(heads)], weight, rest)
            if member is None:
                return ()
            members.append(member)
        return tuple(members)

    def _head(self, result: FoldResult, number: int, weight: float, score_without: float) -> EnsembleMember | None:
        """A head on frozen features as a member; None where its fit diverged."""
        study = self._study
        kept = study.kept(outer_key(study, result.outer, number))
        if "failed" in kept:
            return None
        head = stored_head(study.plan.candidates[number].head, kept)
        return EnsembleMember(number, False, weight, score_without, kept["probabilities"], head)

    def _network(self, result: FoldResult, number: int, weight: float, score_without: float) -> EnsembleMember | None:
        """A fine-tuned network as a member; None where its training on all rows diverged."""
        tuned, outer = result.fine_tuned, result.outer
        if tuned is None or self._fits is None or self._fine_tuning is None:
            raise ValueError("the fold was not fine-tuned")
        spec, epochs = self._fine_tuning.specs[number], tuned.tried[number].best_epoch
        kept = self._fits.on_all(outer, tuned.source, spec, epochs, lambda n: None)
        fitted = FineTuned.from_arrays(kept, self._fits.start_head(outer, outer.train, tuned.source))
        if fitted.failed:
            return None
        return EnsembleMember(number, True, weight, score_without, kept["probabilities"], fitted.head, fitted)
