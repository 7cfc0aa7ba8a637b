"""The ensemble and its gain, as ``ensemble`` of ``results.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.metrics import compare_paired, find_metric
from headstart.results.models.ensemble import (
    EnsembleFoldFacts,
    EnsembleMemberFacts,
    EnsemblePrice,
    EnsembleResults,
    GainOverSingle,
)
from headstart.results.writers.estimates import difference_facts, interval_facts, plain_fields
from headstart.study.ensemble.greedy import MAX_MEMBERS
from headstart.study.out_of_fold import HEADLINE

if TYPE_CHECKING:
    from headstart.model.passes import Price
    from headstart.results.models.candidates import FinalModel, FoldFacts
    from headstart.study.fold_result import EnsembleFold, EnsembleMember, FoldResult
    from headstart.study.run import StudyResult


def ensemble_results(study: StudyResult, price: Price | None) -> EnsembleResults | None:
    """Members in every outer fold, and the gain over the best candidates alone; None where none was requested.

    Parameters
    ----------
    study : StudyResult
    price : Price or None
        Of a prediction by the final model, where it is an ensemble.
    """
    if study.alone is None:
        return None
    plan = study.plan
    names = tuple(dict.fromkeys((HEADLINE, "accuracy", "log_loss", plan.choose_by)))
    gain = compare_paired(study.oof, study.alone, metrics=names, seed=plan.seed)
    return EnsembleResults(
        choose_by=plan.choose_by,
        max_members=MAX_MEMBERS,
        folds=tuple(_fold(study, result) for result in study.folds),
        final=_fold(study, study.final),
        times_kept=sum(ensemble_of(result).is_kept for result in study.folds),
        against_single=GainOverSingle(
            metrics={name: difference_facts(difference) for name, difference in gain.metrics.items()},
            interval=interval_facts(gain.interval),
        ),
        price=None if price is None else EnsemblePrice(**plain_fields(price)),
    )


def ensemble_of(result: FoldResult) -> EnsembleFold:
    """The ensemble of an outer fold, kept or not."""
    if result.ensemble is None:
        raise ValueError(f"no ensemble competed in {result.outer.key}")
    return result.ensemble


def member_label(study: StudyResult, member: EnsembleMember) -> str:
    """One line on a member for people."""
    if member.is_tuned and study.fine_tuning is not None:
        return study.fine_tuning.specs[member.number].label
    return study.plan.label(member.number)


def _fold(study: StudyResult, result: FoldResult) -> EnsembleFoldFacts:
    found = ensemble_of(result)
    return EnsembleFoldFacts(
        repeat=result.outer.repeat,
        fold=result.outer.fold,
        kept=found.is_kept,
        reason=found.reason,
        members=tuple(
            EnsembleMemberFacts(
                kind="fine-tuning" if one.is_tuned else "head",
                number=one.number,
                label=member_label(study, one),
                weight=one.weight,
                score_without=_known(one.score_without),
            )
            for one in found.members
        ),
        n_tried=found.n_tried,
        n_rows=found.n_rows,
        score=_known(found.score),
        single_score=_known(found.single_score),
        accepted_score=_known(found.accepted_score),
        accepted_single_score=_known(found.accepted_single_score),
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def ensemble_label(study: StudyResult, result: FoldResult) -> str | None:
    """One line on the ensemble that predicts in a fold; None where the best candidate does."""
    if result.ensemble is None or not result.ensemble.is_kept:
        return None
    members = [f"{one.weight:.2g} x {member_label(study, one)}" for one in result.ensemble.members]
    return f"ensemble of {len(members)}: {' + '.join(members)}"


def with_ensembles(rows: Sequence[FoldFacts], study: StudyResult) -> list[FoldFacts]:
    """Rows of the outer folds; where an ensemble was kept its label comes first."""
    return [_with_label(row, ensemble_label(study, result)) for row, result in zip(rows, study.folds, strict=True)]


def _with_label(row: FoldFacts, label: str | None) -> FoldFacts:
    if label is None:
        return row
    chosen = row.chosen.model_copy(update={"label": f"{label}; best alone: {row.chosen.label}"})
    return row.model_copy(update={"chosen": chosen})


def final_ensemble(final: FinalModel, study: StudyResult) -> FinalModel:
    """The final model with the label of its ensemble, where it is one."""
    label = ensemble_label(study, study.final)
    return final if label is None else final.model_copy(update={"label": label})


def ensemble_words(found: EnsembleResults) -> str:
    """One sentence for people: how often an ensemble was kept, and its gain."""
    n_folds = len(found.folds)
    if not found.times_kept:
        return f"An ensemble was kept in none of {n_folds} outer folds: each is predicted by its best candidate alone."
    row, title = found.against_single.metrics[found.choose_by], find_metric(found.choose_by).title.lower()
    difference = "undefined" if row.difference is None else f"{row.difference:+.3f}"
    interval = "" if row.ci95 is None else f" ({row.ci95[0]:+.3f} to {row.ci95[1]:+.3f})"
    return (
        f"An ensemble was kept in {found.times_kept} of {n_folds} outer folds; {title} against the best candidates "
        f"alone {difference}{interval}."
    )
