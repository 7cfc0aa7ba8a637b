"""`curve`: the score against the number of images, the law of it, and what more images would bring."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.data import ImageDataset
from headstart.errors import InputError
from headstart.progress import Progress, Silent
from headstart.report.learning_curve import write_curve
from headstart.results.models.learning_curve import CurveResults
from headstart.results.writers.sources import engine_record
from headstart.study.ensemble.folds import ensemble_folds
from headstart.study.execution import run_folder as files
from headstart.study.execution.run_request import RunRequest
from headstart.study.learning_curve.curve import TrainingSubsets, curve_document, draw_subsets, losses_of
from headstart.study.learning_curve.power_law import MAX_TIMES
from headstart.study.nested_cv import run_folds
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.space import HeadTable, Space
from headstart.version import __version__
from headstart.workflow.job.audit import Data
from headstart.workflow.job.fold_extractors import FoldExtractors
from headstart.workflow.job.job import Job
from headstart.workflow.job.near_duplicates import join_near_duplicates
from headstart.workflow.job.sources import open_cache
from headstart.workflow.options.config import given_options
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.learning_curve import CurveOptions
from headstart.workflow.options.search_space import search_space
from headstart.workflow.preflight import Preflight, Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.memory.collection import Pictures
    from headstart.study.folds import OuterFold

PAGE_FILE: Final = "curve.html"
HEADS: Final = (HeadTable.of("logistic", {"C": [0.001, 0.01, 0.1]}),)
"""Heads to choose from at every size: fitted in a moment, and as good as the best of a search to a point or two."""


@dataclass(frozen=True)
class LearningCurve:
    """A finished learning curve.

    Attributes
    ----------
    folder : Path
    results : CurveResults
        Content of ``curve.json``.
    """

    folder: Path
    results: CurveResults

    @property
    def verdict(self) -> str:
        """Expected gain of more images, in one sentence."""
        return self.results.verdict.text

    @property
    def page(self) -> Path:
        """Path of the page with the figure."""
        return self.folder / PAGE_FILE


def curve(
    data: Data | Pictures,
    output: str | os.PathLike[str],
    options: FitOptions | None = None,
    requested: CurveOptions | None = None,
    *,
    progress: Progress | None = None,
    request: RunRequest | None = None,
    **given: Any,
) -> LearningCurve:
    """Draw the learning curve of a data set: how the score grows with the images, and where it would go.

    Features are computed once. In every training fold nested subsets of rising size are drawn, stratified, groups
    kept whole; on each a logistic head is chosen by four inner folds and judged on the same held-out images. A power
    law is fitted to the means and carried to three times the images at most. Called again with the same arguments
    after an interruption it goes on where it stopped.

    Parameters
    ----------
    data : path, DataSource, ImageDataset, or data in memory that has labels
    output : path
        Folder to write; new, or of the same curve.
    options : FitOptions, optional
        One backbone; grid and study, balancing and views are not for curves.
    requested : CurveOptions, optional
    progress : Progress, optional
    request : RunRequest, optional
        What ``run.json`` records of how the curve was asked for.
    **given
        ``config``, a file of options (docs/config.md), and options that ``headstart curve`` has, by name, such as
        ``sizes=6`` or ``seed=1``; they go before those of `requested` and `options`.

    Returns
    -------
    LearningCurve

    Raises
    ------
    InputError, DataError, ImageError, SplitError, WeightsError, EngineError
        When the input cannot be used, there are too few images, or a prediction is requested too far away.
    RunError
        When `output` holds something else.

    Examples
    --------
    >>> import headstart
    >>> found = headstart.curve("photographs/", "curves/first")  # doctest: +SKIP
    >>> found.verdict  # doctest: +SKIP
    'About 900 more images for +2 points (90 % band 400 to 2,100); three times as many would bring 3.1.'
    """
    named, progress = given_options("curve", given), progress or Silent()
    request = request or named.request
    data, options, requested = (
        named.data(data),
        named.options(FitOptions, options),
        named.options(CurveOptions, requested),
    )
    ready = Preflight.of(data, output, options, scope=_scope(requested, options.seed), progress=progress)
    folder, location = Path(output), {"data": ready.job.audited.source}
    with files.claimed(folder, ready.identity, location, images=False, engines=ready.engines, request=request):
        if not (folder / CurveResults.file_name).is_file():
            _draw(folder, ready.begun(folder / files.WORK_FOLDER, images=False), requested)
        results = CurveResults.read(folder / CurveResults.file_name)
        write_curve(folder, results)
    return LearningCurve(folder, results)


def _scope(requested: CurveOptions, seed: int) -> Scope:
    """A curve draws folds of its own, from which heads of its own are chosen."""

    def check_data(dataset: ImageDataset) -> None:
        _check_reach(requested.at, len(dataset), requested.folds)
        _draws(dataset, requested, seed)  # what cannot be drawn is refused before anything is written

    return Scope(
        space=_space,
        metric=requested.metric,
        splits=False,
        trains=False,
        check_data=check_data,
        identity={"curve": _identity(requested)},
    )


def _space(options: FitOptions) -> Space:
    """One source with the heads of curves."""
    elsewhere = (options.grid, options.study, options.search, options.balance, options.augment)
    several = max(len(options.backbones), len(options.feature_sets)) > 1
    if any(value is not None for value in elsewhere) or several:
        raise InputError(
            "A learning curve is drawn for one backbone with heads of its own. Leave grid, study, search, balance, "
            "augment, further backbones and further features out."
        )
    source = FeatureSourceSpec(options.backbones[0] if options.backbones else None)
    return search_space(replace(options, backbone=None, study=Space((source,), HEADS, name="the curve")))


def _check_reach(at: Sequence[int], n_images: int, n_folds: int) -> None:
    largest = n_images * (n_folds - 1) / n_folds
    for n in at:
        if not 1 <= n <= MAX_TIMES * largest:
            raise InputError(
                f"--at {n:,}: the curve ends at about {largest:,.0f} training images and is carried to at most "
                f"{MAX_TIMES:g} times as many, {MAX_TIMES * largest:,.0f}. Ask for fewer, or add images first."
            )


def _identity(requested: CurveOptions) -> dict[str, Any]:
    """Options that decide a curve, by the names of ``run.json``."""
    return {
        "metric": requested.metric,
        "n_sizes": requested.sizes,
        "n_repeats": requested.repeats,
        "n_folds": requested.folds,
        "at": list(requested.at),
    }


def _draws(dataset: ImageDataset, requested: CurveOptions, seed: int) -> TrainingSubsets:
    n_sizes, n_repeats, n_folds = requested.sizes, requested.repeats, requested.folds
    return draw_subsets(dataset, n_sizes=n_sizes, n_repeats=n_repeats, n_folds=n_folds, seed=seed)


def _draw(folder: Path, job: Job, requested: CurveOptions) -> None:
    """Features, subsets, heads, law; ``curve.json`` is written last."""
    work, (source,), options = folder / files.WORK_FOLDER, job.sources, job.options
    source.save_network(work)
    cache = open_cache(options.cache, fallback=work, limit=options.cache_limit, progress=job.progress)
    images = job.audited.dataset
    extractors = FoldExtractors(job, images, cache, rows_of=lambda fold: training_fold(fold, len(images)))
    confirming = extractors.confirming()
    dataset, _ = join_near_duplicates(job.audited, confirming[0], [source.spec.label], job.progress)
    draws = _draws(dataset, requested, options.seed)
    if extractors.is_fitted:
        job.progress.note(
            f"Channels are normalised by the training images of each outer fold, so the features of {len(images):,} "
            f"images are computed {requested.folds * requested.repeats} times."
        )
    data = extractors.study_data(dataset, confirming)
    plan = replace(job.plan, choose_by="log_loss")
    found = run_folds(data, draws.folds, plan, journal=job.journal, title="Subsets", progress=job.progress)
    if plan.ensemble:
        found = ensemble_folds(data, found, plan, journal=job.journal, progress=job.progress)
    losses = losses_of(draws, found, data, requested.metric, plan.positive)
    law = curve_document(draws, losses, len(dataset), requested.metric, requested.at)
    CurveResults(**_about(job, requested), **law).write(folder / CurveResults.file_name)
    job.journal.close()


def training_fold(fold: OuterFold, n_images: int) -> NDArray[np.int64]:
    """All training images of the outer fold that a subset was drawn from: none that its predictions are judged on.

    A preparation is fitted on them once for all sizes. It knows more pictures than the subset holds, and no label.
    """
    return np.setdiff1d(np.arange(n_images, dtype=np.int64), fold.test)


def _about(job: Job, requested: CurveOptions) -> dict[str, Any]:
    source = job.sources[0]
    return {
        "format": CurveResults.current_format(),
        "headstart": __version__,
        "classes": list(job.audited.dataset.classes),
        "source": source.spec.label,
        "engine": engine_record(source.record, source.extractor.engine),
        "n_folds": requested.folds,
        "seed": job.options.seed,
        "data_sha256": job.audited.dataset.fingerprint(),
    }
