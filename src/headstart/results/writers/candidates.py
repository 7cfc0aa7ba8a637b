"""Search, choices of the inner folds and scores of the outer folds, as parts of ``results.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.metrics import Evaluation, find_metric, score
from headstart.results.models.candidates import (
    BestOfSource,
    CandidateFacts,
    CandidateSummary,
    FoldFacts,
    IgnoredGroups,
    Optimism,
    TrainingSet,
    TrainingSetSummary,
)
from headstart.study.out_of_fold import HEADLINE
from headstart.study.search.choose import ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.data import StudyData
    from headstart.study.fold_result import FoldResult
    from headstart.study.plan import StudyPlan
    from headstart.study.training_set.spec import TrainingSetSpec

MAX_CANDIDATE_ROWS = 50
"""Candidates that ``results.json`` lists; all of them stand in ``candidates.parquet``."""


def training_set(spec: TrainingSetSpec) -> TrainingSet:
    """Balancing and augmentation of the training rows, as a part of a document."""
    return TrainingSet.model_validate(spec.to_json())


def candidate_facts(plan: StudyPlan, index: int) -> CandidateFacts:
    """A candidate: number, source, kind, settings, and one line for people."""
    candidate = plan.candidates[index]
    return CandidateFacts(
        number=index,
        source=plan.source_of(index),
        kind=candidate.head.kind,
        settings=dict(candidate.head.settings),
        training_set=training_set(candidate.training_set),
        label=plan.label(index),
    )


def fold_rows(data: StudyData, folds: Sequence[FoldResult], plan: StudyPlan) -> list[FoldFacts]:
    """One row per outer fold: its size, what its inner folds chose and could not tell apart, and its own scores.

    ``best_of_sources`` holds the best candidate of each source by the inner folds, with its score on the test rows.
    """
    return [_fold_row(data, result, plan) for result in folds]


def _fold_row(data: StudyData, result: FoldResult, plan: StudyPlan) -> FoldFacts:
    outer, record, choice = result.outer, result.record, result.choice
    weights = None if data.weights is None else data.weights[outer.test]
    failed = choice.failed.sum() if record.halved is None else record.halved.failed.sum()
    return FoldFacts(
        repeat=outer.repeat,
        fold=outer.fold,
        n_train=len(outer.train),
        n_test=len(outer.test),
        chosen=candidate_facts(plan, result.chosen),
        cheapest_tied=candidate_facts(plan, record.compared[choice.cheapest]),
        n_compared=len(record.compared),
        n_tied=int(choice.tied.sum()),
        n_failed=int(failed),
        inner_score=float(result.inner_scores[result.chosen]),
        inner_log_loss=float(result.inner_log_loss[result.chosen]),
        best_of_sources=tuple(_best_of_sources(result, plan)),
        metrics=score(
            data.labels[outer.test],
            result.probabilities,
            weights,
            positive=plan.positive,
            ordered=data.ordered,
            also=(plan.choose_by,),
        ),
    )


def _best_of_sources(result: FoldResult, plan: StudyPlan) -> list[BestOfSource]:
    best: dict[int, int] = {}
    for index in ranked(result.inner_scores, plan.choose_by).tolist():
        best.setdefault(plan.source_of(index), index)
    return [
        BestOfSource(
            **dict(candidate_facts(plan, index)),
            inner_score=float(result.inner_scores[index]),
            outer_score=_known(result.record.outer_scores.get(index)),
        )
        for _, index in sorted(best.items())
    ]


def training_set_rows(plan: StudyPlan, folds: Sequence[FoldResult]) -> list[TrainingSetSummary]:
    """Every way to make the training set with how often it was chosen, and the mean inner score of its best."""
    rows = []
    for spec, members in plan.by_training_set(range(len(plan.candidates))).items():
        best = [_best(result.inner_scores[members], plan.choose_by) for result in folds]
        rows.append(
            TrainingSetSummary(
                **dict(training_set(spec)),
                label=spec.label,
                times_chosen=sum(result.chosen in members for result in folds),
                inner_score=_mean(np.array(best)),
            )
        )
    return rows


def candidate_rows(folds: Sequence[FoldResult], plan: StudyPlan) -> list[CandidateSummary]:
    """One row for each of at most 50 candidates: its inner scores over the outer folds, and how often it was chosen.

    Those ever chosen come first, then those most often tied with the winner, then those with the best mean score;
    the rows stand in the order of the plan. Means are over the outer folds in which halving kept the candidate.
    """
    by_metric = np.stack([result.inner_scores for result in folds])  # (outer folds, candidates)
    log_loss = np.stack([result.inner_log_loss for result in folds])
    chosen = np.bincount([result.chosen for result in folds], minlength=len(plan.candidates))
    tied = np.zeros(len(plan.candidates), dtype=np.int64)
    for result in folds:
        tied[np.array(result.record.compared)[result.choice.tied]] += 1
    return [
        CandidateSummary(
            **dict(candidate_facts(plan, index)),
            inner_score=_mean(by_metric[:, index]),
            inner_log_loss=_mean(log_loss[:, index]),
            inner_log_loss_sd=_spread(log_loss[:, index]),
            times_chosen=int(chosen[index]),
            times_tied=int(tied[index]),
        )
        for index in _listed(by_metric, chosen, tied, plan.choose_by)
    ]


def _listed(
    by_metric: NDArray[np.float64], chosen: NDArray[np.int64], tied: NDArray[np.int64], metric: str
) -> list[int]:
    """Numbers of the candidates to list, in the order of the plan."""
    n = by_metric.shape[1]
    means = np.array([_mean(column) for column in by_metric.T], dtype=np.float64)  # None becomes nan
    place = np.full(n, n)
    order = ranked(means, metric)
    place[order] = np.arange(len(order))
    best = np.lexsort((np.arange(n), place, -tied, -chosen))
    return sorted(best[:MAX_CANDIDATE_ROWS].tolist())


def halving_words(folds: Sequence[FoldResult]) -> str | None:
    """One sentence on what successive halving saved in all outer folds; None where it was not used."""
    halved = [result.record.halved for result in folds if result.record.halved is not None]
    if not halved:
        return None
    fits, epochs = (np.sum([getattr(one, name) for one in halved], axis=0).tolist() for name in ("fits", "epochs"))
    with_epochs = f", {epochs[0]:,} of {epochs[1]:,} epochs" if epochs[1] else ""
    kept = [len(one.kept) for one in halved]
    came = f"{min(kept):,}" if min(kept) == max(kept) else f"{min(kept):,} to {max(kept):,}"
    return (
        f"Successive halving: {fits[0]:,} of {fits[1]:,} fits{with_epochs}; {came} of {len(halved[0].rung):,} "
        "candidates came to the end of each choice."
    )


def optimism(folds: Sequence[FoldResult], evaluation: Evaluation, plan: StudyPlan) -> Optimism:
    """How much better the best inner score looks than the outer judgement of the same choices."""
    inner = _mean(np.array([result.inner_scores[result.chosen] for result in folds]))
    outer = evaluation.metrics[plan.choose_by].to_json()["value"]
    sign = 1.0 if find_metric(plan.choose_by).greater_is_better else -1.0
    difference = None if inner is None or outer is None else sign * (inner - outer)
    return Optimism(metric=plan.choose_by, inner=inner, outer=outer, difference=difference)


def ignored_groups(kept: Evaluation, ignored: Evaluation) -> dict[str, IgnoredGroups]:
    """Scores with groups ignored minus scores with groups kept: what a careless split would have claimed.

    Each comes from one random draw of the folds, so small differences are chance. For log loss less is better.
    """
    rows = {}
    for name in (HEADLINE, "accuracy", "roc_auc", "log_loss"):
        first, second = kept.metrics[name].to_json()["value"], ignored.metrics[name].to_json()["value"]
        difference = None if first is None or second is None else second - first
        rows[name] = IgnoredGroups(groups_kept=first, groups_ignored=second, difference=difference)
    return rows


def _best(scores: NDArray[np.float64], metric: str) -> float:
    order = ranked(scores, metric)
    return float(scores[order[0]]) if len(order) else float("nan")


def _known(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else value


def _mean(values: NDArray[np.float64]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _spread(values: NDArray[np.float64]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.std(ddof=1)) if len(finite) > 1 else None
