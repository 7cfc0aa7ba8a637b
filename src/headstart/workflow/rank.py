"""`rank_backbones`: which backbones are worth a fit, by three scores that need no search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.errors import InputError
from headstart.progress import Progress
from headstart.results.models.evaluation import BackboneRankingResults, RankedProtocol, RankedTask
from headstart.results.writers.transferability import transferability_scores
from headstart.study.folds import final_fold, outer_folds
from headstart.study.search.space import Space
from headstart.study.transferability import score_sources
from headstart.version import __version__
from headstart.workflow.job.audit import Data
from headstart.workflow.job.fold_extractors import FoldExtractors
from headstart.workflow.job.job import Job
from headstart.workflow.job.near_duplicates import join_near_duplicates
from headstart.workflow.job.sources import open_cache
from headstart.workflow.options.config import given_options
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.search_space import search_space
from headstart.workflow.preflight import Preflight, Scope, make_run_split

if TYPE_CHECKING:
    from headstart.data.memory.collection import Pictures


@dataclass(frozen=True)
class BackboneRanking:
    """Three scores of every source of features, none of which decides alone.

    Attributes
    ----------
    results : BackboneRankingResults
    """

    results: BackboneRankingResults

    @property
    def favoured(self) -> tuple[str, ...]:
        """Labels of the sources that one of the scores at least puts first."""
        return tuple(source.label for source in self.results.sources if 1 in dict(source.ranks).values())

    def lines(self) -> list[str]:
        """The scores in words, for a terminal."""
        return [*self.results.words, self.results.caution]


def rank_backbones(
    data: Data | Pictures, options: FitOptions | None = None, *, progress: Progress | None = None, **given: Any
) -> BackboneRanking:
    """Score several backbones on a data set before any study is run.

    Features of every backbone are computed once (and cached, so that a fit finds them); on the training rows of every
    outer fold LogME, neighbours that vote and a logistic probe are computed, and averaged over the folds: the numbers
    that `fit` with the same options writes beside its results.

    Parameters
    ----------
    data : path, DataSource, ImageDataset, or data in memory that has labels
    options : FitOptions, optional
        With two sources at least: ``backbone="A,B"``, or a study with several. Heads, balancing and views of a study
        have no part in the scores.
    progress : Progress, optional
    **given
        ``config``, a file of options (docs/config.md), and options that ``headstart backbones rank`` has, by name; they
        go before those of `options`.

    Returns
    -------
    BackboneRanking

    Raises
    ------
    InputError
        When there is one source alone, or an option cannot be used.
    DataError, ImageError, SplitError, WeightsError, EngineError
        As for `fit`.

    Examples
    --------
    >>> import headstart
    >>> headstart.rank_backbones("photographs/", backbone="resnet18,densenet121").favoured  # doctest: +SKIP
    ('densenet121',)
    """
    named = given_options("rank", given)
    data, options = named.data(data), named.options(FitOptions, options)
    scope = Scope(space=_several_sources, judges=False, trains=False, sees_table=False)
    ready = Preflight.of(data, None, options, scope=scope, progress=progress)
    return BackboneRanking(_scored(ready.job))


def _several_sources(options: FitOptions) -> Space:
    """The search space of the options, which must have something to rank."""
    space = search_space(options)
    if len(space.sources) < 2:
        raise InputError(
            "Ranking needs two backbones at least, and one is named. Name them all, separated by commas, as in "
            "--backbone resnet18,densenet121, or several features of one, as in --features last,multi."
        )
    return space


def _scored(job: Job) -> BackboneRankingResults:
    """Features, folds and scores of the sources of a job, as plain values."""
    options, audited = job.options, job.audited
    cache = open_cache(options.cache, limit=options.cache_limit, progress=job.progress)
    extractors = FoldExtractors(job, audited.dataset, cache)
    confirming = extractors.confirming()
    dataset, _ = join_near_duplicates(audited, confirming[0], job.source_labels, job.progress)
    split = make_run_split(dataset, options)
    data = extractors.study_data(dataset, confirming)
    folds, n_jobs = [*outer_folds(split), final_fold(split)], options.n_worker_processes
    scores = score_sources(data, folds, seed=options.seed, n_jobs=n_jobs, progress=job.progress)
    ranked = transferability_scores(scores, job.source_labels)
    return BackboneRankingResults(
        **dict(ranked),
        format=2,
        headstart=__version__,
        task=RankedTask(classes=tuple(dataset.classes), n_images=len(dataset)),
        protocol=RankedProtocol(scheme=split.scheme, repeats=split.repeats, seed=options.seed, split_hash=split.hash),
        caution=CAUTION,
        data_sha256=audited.dataset.fingerprint(),
    )


CAUTION = (
    "Whoever keeps one backbone by these scores has chosen with the labels of all images: let the backbones worth a "
    "try compete in one fit, whose inner folds choose and whose outer folds judge the choice."
)
