"""Warnings of fine-tuning candidates that this fit had to leave out or could not train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.workflow.options.finetuning import requested_specs
from headstart.workflow.options.search import SCRATCH

if TYPE_CHECKING:
    from headstart.study.run import StudyResult
    from headstart.workflow.options.fit import FitOptions


def budget_warnings(options: FitOptions, study: StudyResult) -> list[str]:
    """Warnings of requested fine-tuning left out by the budget: a run without it must not look like one with it.

    No durations are told, so the same decision gives the same bytes.
    """
    budget = options.budget
    if budget is None:
        return []
    kept = () if study.fine_tuning is None else study.fine_tuning.specs
    unasked = () if SCRATCH in [name.strip() for name in options.strategy.split(",")] else ("random",)
    warnings = []
    for spec in requested_specs(options):
        open_depth = options.unlock is None and spec.start != "random"
        label = "fine-tuning" if open_depth else spec.label.partition(",")[0]
        alike = [one for one in kept if one.start == spec.start and (open_depth or one.unlock == spec.unlock)]
        if not alike and spec.start not in unasked:
            warnings.append(f"{label} was left out")
        elif alike and alike[0].epochs < spec.epochs:
            warnings.append(f"{label} has {alike[0].epochs} epochs instead of {spec.epochs}")
    return [f"Budget of {budget:g} minutes: {'; '.join(warnings)}. Give it more time for the rest."] if warnings else []


def divergence_warnings(study: StudyResult) -> list[str]:
    """Fine-tuning candidates whose loss diverged at a tenth of the rate too, and so were not compared."""
    if study.fine_tuning is None:
        return []
    warnings = []
    for place, spec in enumerate(study.fine_tuning.specs):
        tried = [
            fold.fine_tuned.tried[place].failed for fold in [*study.folds, study.final] if fold.fine_tuned is not None
        ]
        remedy = "" if spec.start == "random" else " Try a lower learning rate."  # from scratch has a rate of its own
        if any(tried):
            warnings.append(
                f"The loss of {spec.label.partition(',')[0]} diverged in {sum(tried)} of {len(tried)} trainings that "
                f"choose, also at a tenth of the learning rate; it was left out there.{remedy}"
            )
    return warnings
