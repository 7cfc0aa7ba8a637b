"""What fine-tuning gave, as the documents of a run hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.finetuning import FineTuned
from headstart.metrics import Evaluation, compare_paired, evaluate, find_metric
from headstart.study.out_of_fold import HEADLINE, gather
from headstart.workflow.finetuning import fine_tuning_views
from headstart.workflow.options.finetuning import FINE_TUNE, SCRATCH, requested_specs

if TYPE_CHECKING:
    from headstart.study.fold_result import FoldResult
    from headstart.study.run import StudyResult
    from headstart.workflow.job import Job

MAX_GAP = 2.0  # validation loss over training loss
RISE = 1.1  # of the validation loss after its best, as a multiple


def tuning_document(job: Job, study: StudyResult) -> dict[str, Any] | None:
    """Candidates, what the holdout of every outer fold said of them, and the gain over frozen features.

    None where nothing was fine-tuned.
    """
    tuning = study.tuning
    if tuning is None or study.frozen is None:
        return None
    names = tuple(dict.fromkeys((HEADLINE, "accuracy", "log_loss", job.options.metric)))
    gain = compare_paired(study.oof, study.frozen, metrics=names, seed=job.options.seed).to_json()
    backbone = tuning.backbones[0]
    return {
        "strategy": FINE_TUNE,
        "candidates": [{**spec.to_json(), "label": spec.label} for spec in tuning.specs],
        "stages": list(backbone.staged.names),
        "n_views": len(fine_tuning_views(job)),
        "choose_by": job.options.metric,
        "folds": [_fold(study, result) for result in study.folds],
        "final": _fold(study, study.final),
        "times_chosen": sum(_is_chosen(result) for result in study.folds),
        "against_frozen": {"metrics": gain["metrics"], "interval": gain["interval"]},
        "signs": overfitting_signs(study),
    }


def budget_warnings(job: Job, study: StudyResult) -> list[str]:
    """What was asked for and the budget had no room for: a run without it must not look like one with it.

    No durations are told, so the same decision gives the same bytes.
    """
    budget = job.options.budget
    if budget is None:
        return []
    kept = () if study.tuning is None else study.tuning.specs
    unasked = () if SCRATCH in [name.strip() for name in job.options.strategy.split(",")] else ("random",)
    told = []
    for spec in requested_specs(job.options):
        open_depth = job.options.unlock is None and spec.start != "random"
        label = "fine-tuning" if open_depth else spec.label.partition(",")[0]
        alike = [one for one in kept if one.start == spec.start and (open_depth or one.unlock == spec.unlock)]
        if not alike and spec.start not in unasked:
            told.append(f"{label} was left out")
        elif alike and alike[0].epochs < spec.epochs:
            told.append(f"{label} has {alike[0].epochs} epochs instead of {spec.epochs}")
    return [f"Budget of {budget:g} minutes: {'; '.join(told)}. Give it more time for the rest."] if told else []


def divergence_warnings(study: StudyResult) -> list[str]:
    """Costly candidates whose loss diverged also at a tenth of the rate; there, nothing of them was compared."""
    if study.tuning is None:
        return []
    told = []
    for place, spec in enumerate(study.tuning.specs):
        tried = [
            fold.fine_tuned.tried[place].failed for fold in [*study.folds, study.final] if fold.fine_tuned is not None
        ]
        remedy = "" if spec.start == "random" else " Try a lower learning rate."  # from scratch has a rate of its own
        if any(tried):
            told.append(
                f"The loss of {spec.label.partition(',')[0]} diverged in {sum(tried)} of {len(tried)} trainings that "
                f"choose, also at a tenth of the learning rate; it was left out there.{remedy}"
            )
    return told


def final_words(study: StudyResult) -> dict[str, Any]:
    """Label of the final model where its last stages were trained on: what that started from stands beside it."""
    tuned = study.final.fine_tuned
    if tuned is None or tuned.chosen is None or tuned.fitted is None or study.tuning is None:
        return {}
    spec = study.tuning.specs[tuned.chosen]
    return {"label": f"{spec.label} ({tuned.fitted.history.n_epochs} trained)", "fine_tuning": spec.to_json()}


def with_tuned(rows: list[dict[str, Any]], study: StudyResult) -> list[dict[str, Any]]:
    """Rows of the outer folds; where a costly candidate was chosen its label comes first."""
    for row, result in zip(rows, study.folds, strict=True):
        tuned = result.fine_tuned
        if tuned is not None and tuned.chosen is not None and study.tuning is not None:
            row["chosen"]["label"] = f"{study.tuning.specs[tuned.chosen].label}; frozen: {row['chosen']['label']}"
    return rows


def frozen_scores(job: Job, study: StudyResult) -> Evaluation:
    """Scores of the heads on frozen features before calibration, which is what inner folds choose among."""
    if study.tuning is None:
        return study.judged.raw
    oof = study.oof
    oof = gather(study.data, study.folds, oof.classes, oof.positive, oof.n_repeats, kind="frozen_raw")
    return evaluate(oof, metrics=(job.options.metric,), per_class=False, seed=job.options.seed)


def _is_chosen(result: FoldResult) -> bool:
    return result.fine_tuned_choice is not None


def _fold(study: StudyResult, result: FoldResult) -> dict[str, Any]:
    tuned, tuning = result.fine_tuned, study.tuning
    if tuned is None or tuning is None:
        raise ValueError("the fold was not fine-tuned")
    scores = [float(score) if np.isfinite(score) else None for score in tuned.scores]
    tried = [
        {
            "stage": tuning.stage(tuned.source, spec),
            "holdout": score,
            "failed": one.failed,
            "learning_rate": one.learning_rate,
            "best_epoch": one.best_epoch,
            "history": one.history.to_json(),
        }
        for spec, one, score in zip(tuning.specs, tuned.tried, scores[1:], strict=True)
    ]
    fitted = tuned.fitted
    return {
        "repeat": result.outer.repeat,
        "fold": result.outer.fold,
        "source": tuned.source,
        "frozen_holdout": scores[0],
        "tried": tried,
        "chosen": tuned.chosen,
        "epochs": None if fitted is None else fitted.history.n_epochs,
        "train_loss": None if fitted is None else fitted.history.to_json()["train_loss"],
    }


def overfitting_signs(study: StudyResult) -> list[str]:
    """In words, what in the losses speaks of overfitting or of trouble; empty where nothing does."""
    found = []
    for result in [*study.folds, study.final]:
        if result.fine_tuned is None or study.tuning is None:
            continue
        for spec, one in zip(study.tuning.specs, result.fine_tuned.tried, strict=True):
            found += [f"{result.outer.key}, {spec.label}: {sign}" for sign in signs_of(one, spec.learning_rate)]
    return found


def signs_of(one: FineTuned, asked_rate: float) -> list[str]:
    """Warning signs of one training.

    Parameters
    ----------
    one : FineTuned
    asked_rate : float
        The learning rate that was asked for.
    """
    if one.failed:
        return ["the loss diverged, also at a tenth of the learning rate; it was left out"]
    signs = []
    if one.learning_rate < asked_rate:
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


def tuning_words(found: dict[str, Any]) -> str:
    """One sentence for people: how often fine-tuning was chosen, and its gain."""
    row = found["against_frozen"]["metrics"][HEADLINE]
    n_folds = len(found["folds"])
    if not found["times_chosen"]:
        return f"Fine-tuning was chosen in none of {n_folds} outer folds: the run is that of frozen features alone."
    title = find_metric(HEADLINE).title.lower()
    low, high = row["ci95"] or (None, None)
    interval = "" if low is None else f" ({low:+.3f} to {high:+.3f})"
    return (
        f"Fine-tuning was chosen in {found['times_chosen']} of {n_folds} outer folds; {title} against frozen features "
        f"alone {row['difference']:+.3f}{interval}."
    )
