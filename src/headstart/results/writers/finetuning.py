"""Fine-tuning and its gain, as ``fine_tuning`` of ``results.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.metrics import Evaluation, compare_paired, evaluate, find_metric
from headstart.results.models.estimates import UNDEFINED
from headstart.results.models.finetuning import (
    FineTunedFoldFacts,
    FineTuningCandidate,
    FineTuningResults,
    FineTuningSettings,
    GainOverFrozen,
    TrainingHistory,
    TriedFineTuning,
)
from headstart.results.writers.estimates import difference_facts, interval_facts
from headstart.study.out_of_fold import HEADLINE, gather

if TYPE_CHECKING:
    from headstart.finetuning import FineTuned
    from headstart.results.models.candidates import CandidateFacts, FoldFacts
    from headstart.study.fold_result import FoldResult
    from headstart.study.run import StudyResult

MAX_GAP = 2.0  # validation loss over training loss
RISE = 1.1  # of the validation loss after its best, as a multiple


def finetuning_results(study: StudyResult, *, n_views: int) -> FineTuningResults | None:
    """Candidates, what the holdout of every outer fold said of them, and the gain over frozen features.

    None where nothing was fine-tuned.

    Parameters
    ----------
    study : StudyResult
    n_views : int
        Views of every image that were trained on.
    """
    fine_tuning, plan = study.fine_tuning, study.plan
    if fine_tuning is None or study.frozen is None:
        return None
    names = tuple(dict.fromkeys((HEADLINE, "accuracy", "log_loss", plan.choose_by)))
    gain = compare_paired(study.oof, study.frozen, metrics=names, seed=plan.seed)
    against = {name: difference_facts(difference) for name, difference in gain.metrics.items()}
    return FineTuningResults(
        strategy="fine-tune",
        candidates=tuple(FineTuningCandidate(**spec.to_json(), label=spec.label) for spec in fine_tuning.specs),
        stages=tuple(fine_tuning.backbones[0].staged.names),
        n_views=n_views,
        choose_by=plan.choose_by,
        folds=tuple(_fold(study, result) for result in study.folds),
        final=_fold(study, study.final),
        times_chosen=sum(_is_chosen(result) for result in study.folds),
        against_frozen=GainOverFrozen(metrics=against, interval=interval_facts(gain.interval)),
        signs=tuple(overfitting_signs(study)),
    )


def _fold(study: StudyResult, result: FoldResult) -> FineTunedFoldFacts:
    tuned, fine_tuning = result.fine_tuned, study.fine_tuning
    if tuned is None or fine_tuning is None:
        raise ValueError("the fold was not fine-tuned")
    scores = [float(score) if np.isfinite(score) else None for score in tuned.scores]
    tried = tuple(
        TriedFineTuning(
            stage=fine_tuning.stage(tuned.source, spec),
            holdout=score,
            failed=one.failed,
            learning_rate=one.learning_rate,
            best_epoch=one.best_epoch,
            history=_history(one),
        )
        for spec, one, score in zip(fine_tuning.specs, tuned.tried, scores[1:], strict=True)
    )
    fitted = tuned.fitted
    return FineTunedFoldFacts(
        repeat=result.outer.repeat,
        fold=result.outer.fold,
        source=tuned.source,
        frozen_holdout=scores[0],
        tried=tried,
        chosen=tuned.chosen,
        epochs=None if fitted is None else fitted.history.n_epochs,
        train_loss=None if fitted is None else _history(fitted).train_loss,
    )


def _history(one: FineTuned) -> TrainingHistory:
    return TrainingHistory(**{name: tuple(values) for name, values in one.history.to_json().items()})


def _is_chosen(result: FoldResult) -> bool:
    return result.fine_tuned_choice is not None


def final_fine_tuning(facts: CandidateFacts, study: StudyResult) -> tuple[str, FineTuningSettings | None]:
    """Label of the final model, and how its last stages were trained on; None where they were not."""
    tuned = study.final.fine_tuned
    if tuned is None or tuned.chosen is None or tuned.fitted is None or study.fine_tuning is None:
        return facts.label, None
    spec = study.fine_tuning.specs[tuned.chosen]
    label = f"{spec.label} ({tuned.fitted.history.n_epochs} trained)"
    return label, FineTuningSettings(**spec.to_json())


def with_fine_tuning(rows: Sequence[FoldFacts], study: StudyResult) -> list[FoldFacts]:
    """Rows of the outer folds; where a fine-tuning was chosen its label comes first."""
    return [_with_label(row, result, study) for row, result in zip(rows, study.folds, strict=True)]


def _with_label(row: FoldFacts, result: FoldResult, study: StudyResult) -> FoldFacts:
    if result.fine_tuned is None or result.fine_tuned.chosen is None or study.fine_tuning is None:
        return row
    label = f"{study.fine_tuning.specs[result.fine_tuned.chosen].label}; frozen: {row.chosen.label}"
    return row.model_copy(update={"chosen": row.chosen.model_copy(update={"label": label})})


def frozen_scores(study: StudyResult) -> Evaluation:
    """Scores of the heads on frozen features before calibration, which is what inner folds choose among."""
    if study.fine_tuning is None and study.alone is None:
        return study.judged.raw
    oof = study.oof
    oof = gather(study.data, study.folds, oof.classes, oof.positive, oof.n_repeats, kind="frozen_raw")
    return evaluate(oof, metrics=(study.plan.choose_by,), per_class=False, seed=study.plan.seed)


def overfitting_signs(study: StudyResult) -> list[str]:
    """In words, what in the losses speaks of overfitting or of trouble; empty where nothing does."""
    found = []
    for result in [*study.folds, study.final]:
        if result.fine_tuned is None or study.fine_tuning is None:
            continue
        for spec, one in zip(study.fine_tuning.specs, result.fine_tuned.tried, strict=True):
            found += [f"{result.outer.key}, {spec.label}: {sign}" for sign in signs_of(one, spec.learning_rate)]
    return found


def signs_of(one: FineTuned, requested_rate: float) -> list[str]:
    """Warning signs of one training.

    Parameters
    ----------
    one : FineTuned
    requested_rate : float
        The learning rate that was asked for.
    """
    if one.failed:
        return ["the loss diverged, also at a tenth of the learning rate; it was left out"]
    signs = []
    if one.learning_rate < requested_rate:
        signs.append(f"the loss diverged once; trained anew at a learning rate of {one.learning_rate:g}")
    history = one.history
    if not np.isfinite(history.valid_loss).any() or history.n_epochs == 0:
        return signs
    best, last = float(np.nanmin(history.valid_loss)), float(history.valid_loss[-1])
    if one.best_epoch == 0:
        signs.append("no epoch was better on the holdout than the linear head it started from")
    elif last > RISE * best:
        signs.append(
            f"the holdout's loss rose from {best:.3f} (epoch {one.best_epoch}) to {last:.3f} while the training loss "
            f"fell to {history.train_loss[-1]:.3f}: it learned its images by heart"
        )
    elif history.train_loss[-1] > 0 and best > MAX_GAP * history.train_loss[one.best_epoch]:
        signs.append(
            f"at its best epoch the holdout's loss ({best:.3f}) is {best / history.train_loss[one.best_epoch]:.1f} "
            "times the training loss: more images, views or weight decay would help more than more epochs"
        )
    return signs


def finetuning_words(found: FineTuningResults) -> str:
    """One sentence for people: how often fine-tuning was chosen, and its gain."""
    row = found.against_frozen.metrics[HEADLINE]
    n_folds = len(found.folds)
    if not found.times_chosen:
        return f"Fine-tuning was chosen in none of {n_folds} outer folds: the run is that of frozen features alone."
    title = find_metric(HEADLINE).title.lower()
    difference = UNDEFINED if row.difference is None else f"{row.difference:+.3f}"
    interval = "" if row.ci95 is None else " ({:+.3f} to {:+.3f})".format(*row.ci95)
    return (
        f"Fine-tuning was chosen in {found.times_chosen} of {n_folds} outer folds; {title} against frozen features "
        f"alone {difference}{interval}."
    )
