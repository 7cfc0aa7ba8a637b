"""Which of several sources of features suits the task: what a fit writes of it once its results are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.results.writers.candidates import fold_rows
from headstart.results.writers.transferability import (
    best_outer_scores,
    transferability_results,
    transferability_scores,
)
from headstart.study.folds import final_fold, outer_folds
from headstart.study.run import StudyResult
from headstart.study.transferability import score_sources
from headstart.workflow.job.job import Job

if TYPE_CHECKING:
    from headstart.data.split.split import Split
    from headstart.results.models.transferability import TransferabilityResults


def transferability(job: Job, study: StudyResult, split: Split) -> TransferabilityResults | None:
    """The scores of every source with their rank agreement; None where there is one source, and nothing to rank.

    Parameters
    ----------
    job : Job
    study : StudyResult
    split : Split
    """
    if len(job.sources) < 2:
        return None
    scores = score_sources(
        study.data,
        [*outer_folds(split), final_fold(split)],
        seed=job.options.seed,
        n_jobs=job.options.n_worker_processes,
        journal=job.journal,
        progress=job.progress,
    )
    labels = job.source_labels
    outer = best_outer_scores(fold_rows(study.data, study.folds, study.plan), len(job.sources))
    return transferability_results(transferability_scores(scores, labels), outer, job.options.metric)
