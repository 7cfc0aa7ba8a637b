"""Which of several sources of features suits the task: what a fit writes of it once its results are in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headstart.study.folds import final_fold, outer_folds
from headstart.study.run import StudyResult
from headstart.study.transferability import best_outer_scores, score_sources, transfer_document, with_agreement
from headstart.workflow.job import Job

if TYPE_CHECKING:
    from headstart.data.split.split import Split


def transferability(
    job: Job, study: StudyResult, split: Split, folds: Sequence[dict[str, Any]]
) -> dict[str, Any] | None:
    """The scores of every source with their rank agreement; None where there is one source, and nothing to rank.

    Parameters
    ----------
    job : Job
    study : StudyResult
    split : Split
    folds : sequence of dict
        Rows of ``results.json``, with the outer score of the best of every source.
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
    document = transfer_document(scores, [source.spec.label for source in job.sources])
    return with_agreement(document, best_outer_scores(folds, len(job.sources)), job.options.metric)
