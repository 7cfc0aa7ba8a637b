"""Fine-tuning candidates of a study, networks trained from scratch among them: chosen on one holdout per outer fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.finetuning import FineTuned
from headstart.progress import Progress, Silent
from headstart.study.execution.journal import Journal
from headstart.study.finetuning.fits import FineTuningFits, FineTuningStudy
from headstart.study.fold_result import FineTunedFold, FoldResult
from headstart.study.folds import HOLDOUT
from headstart.study.search.choose import ranked
from headstart.study.search.inner_predictions import InnerPredictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.data import StudyData
    from headstart.study.folds import OuterFold
    from headstart.study.plan import StudyPlan

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Arrays = dict[str, NDArray[Any]]


def fine_tune_folds(
    data: StudyData,
    results: Sequence[FoldResult],
    plan: StudyPlan,
    fine_tuning: FineTuningStudy,
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> list[FoldResult]:
    """The folds after fine-tuning candidates have competed with the winners among the heads on frozen features.

    Each is trained on the training part of one inner fold; the epoch with the lowest log loss on the rest is its
    number of epochs. Where the best of them beats the frozen winner there, by the choosing score, and some epoch beat
    the linear head it started from, it is trained on all training rows of the outer fold for as many epochs, and its
    predictions of the test rows take the place of the winner's. Test rows decide nothing.

    Parameters
    ----------
    data : StudyData
    results : sequence of FoldResult
        Results of the heads on frozen features, calibrated; the refit, which need not be, among them.
    plan : StudyPlan
    fine_tuning : FineTuningStudy
    journal : Journal, optional
        Finished trainings and checkpoints are taken from it and added to it.
    progress : Progress, optional

    Returns
    -------
    list of FoldResult
        As given, with ``fine_tuned``, and ``calibrated`` kept as ``frozen``; where a fine-tuning candidate was chosen
        with its probabilities as ``raw``, and as ``inner`` its predictions of the holdout.
    """
    competition = _Competition(data, plan, fine_tuning, journal or Journal(None))
    total = sum(competition.n_images(result.outer) for result in results)
    with (progress or Silent()).task("Fine-tuning", total, "images") as advance:
        return [competition.compete(result, advance) for result in results]


def judge_alone(
    data: StudyData,
    results: Sequence[FoldResult],
    plan: StudyPlan,
    fine_tuning: FineTuningStudy,
    number: int,
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> list[FoldResult]:
    """One fine-tuning candidate judged in every outer fold, chosen there or not: a baseline.

    Arguments as for `fine_tune_folds`; `number` is that of the candidate.

    Returns
    -------
    list of FoldResult
        As given, with the candidate's probabilities, inner predictions and ``fine_tuned``; where it diverges
        ``fine_tuned.chosen`` is None.
    """
    competition = _Competition(data, plan, fine_tuning, journal or Journal(None))
    spec = fine_tuning.specs[number]
    total = sum(len(result.outer.train) * spec.epochs for result in results)
    with (progress or Silent()).task(spec.label.partition(",")[0].capitalize(), total, "images") as advance:
        return [competition.alone(result, number, advance) for result in results]


class _Competition:
    """Competition of the fine-tuning candidates with the frozen winners, outer fold by outer fold."""

    def __init__(self, data: StudyData, plan: StudyPlan, fine_tuning: FineTuningStudy, journal: Journal) -> None:
        self.data, self.plan, self.fine_tuning = data, plan, fine_tuning
        self.fits = FineTuningFits(data, plan, fine_tuning, journal)

    def n_images(self, fold: OuterFold) -> int:
        """Largest number of images that the trainings of a fold pass."""
        each = [len(fold.inner[HOLDOUT][0]) * spec.epochs for spec in self.fine_tuning.specs]
        return sum(each) + len(fold.train) * max(spec.epochs for spec in self.fine_tuning.specs)

    def compete(self, result: FoldResult, advance: Callable[[int], None]) -> FoldResult:
        """The outer fold after the candidates have competed."""
        left = [self.n_images(result.outer)]

        def step(n: int) -> None:
            left[0] -= n
            advance(n)

        fold, source = result.outer, self.plan.source_of(result.chosen)
        holdout = fold.inner[HOLDOUT][1]
        tried = [self.fits.on_holdout(fold, source, spec, step) for spec in self.fine_tuning.specs]
        scores = self._scores(result, holdout, [one.get("holdout") for one in tried])
        train = fold.inner[HOLDOUT][0]
        found = tuple(FineTuned.from_arrays(one, self.fits.start_head(fold, train, source)) for one in tried)
        plain = FineTunedFold(source, scores, found, None, None, None)
        order = ranked(_eligible(scores, found), self.plan.choose_by)
        best = int(order[0]) if len(order) else 0  # no score at all: the frozen winner stands
        tuned = replace(result, fine_tuned=plain, frozen=result.calibrated, calibrated=None, decisions=None)
        if best > 0:
            tuned = self._with(tuned, plain, best - 1, tried[best - 1]["holdout"], step)
        advance(left[0])
        return tuned

    def alone(self, result: FoldResult, number: int, advance: Callable[[int], None]) -> FoldResult:
        """One candidate in one outer fold, whatever the holdout prefers."""
        if result.fine_tuned is None:
            raise ValueError("the fold was not tuned")
        source, spec = result.fine_tuned.source, self.fine_tuning.specs[number]
        holdout = self.fits.on_holdout(result.outer, source, spec, lambda n: None).get("holdout")  # the journal has it
        plain = replace(result.fine_tuned, chosen=None, fitted=None, stage=None)
        alone = replace(result, fine_tuned=plain, raw=result.frozen_raw, calibrated=None, decisions=None)
        return alone if holdout is None else self._with(alone, plain, number, holdout, advance)

    def _with(
        self, result: FoldResult, plain: FineTunedFold, number: int, holdout: Floats, step: Callable[[int], None]
    ) -> FoldResult:
        """The fold with a fine-tuning candidate in the winner's place; as it was where its last training diverges."""
        fold, spec = result.outer, self.fine_tuning.specs[number]
        stage = self.fine_tuning.stage(plain.source, spec)
        kept = self.fits.on_all(fold, plain.source, spec, plain.tried[number].best_epoch, step)
        fitted = FineTuned.from_arrays(kept, self.fits.start_head(fold, fold.train, plain.source))
        if fitted.failed:
            return result
        rows = fold.inner[HOLDOUT][1]
        inner = InnerPredictions(rows, holdout, np.full(len(rows), HOLDOUT, dtype=np.int64))
        tuned = replace(plain, chosen=number, fitted=fitted, stage=stage)
        return replace(result, raw=kept["probabilities"], inner=inner, fine_tuned=tuned)

    def _scores(self, result: FoldResult, rows: Integers, tuned: Sequence[Floats | None]) -> Floats:
        """The choosing score on the holdout, of the frozen winner first."""
        frozen = result.inner.of_rows(rows)
        return np.array(
            [np.nan if given is None else self.plan.score(self.data, rows, given) for given in (frozen, *tuned)]
        )


def _eligible(scores: Floats, tried: Sequence[FineTuned]) -> Floats:
    """The scores that choose: what is best before its first epoch was not fine-tuned, so the frozen winner stands."""
    untrained = [False, *(one.best_epoch == 0 for one in tried)]
    return np.where(untrained, np.nan, scores)
