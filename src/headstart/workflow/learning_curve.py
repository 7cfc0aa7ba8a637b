"""`curve`: the score against the number of images, the law of it, and what more images would bring."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headstart.errors import InputError, RunError
from headstart.features.extract import extract_features
from headstart.metrics import find_metric
from headstart.progress import Progress, Silent
from headstart.report.learning_curve import write_curve
from headstart.storage import write_json
from headstart.study.data import StudyData
from headstart.study.execution import run_folder as files
from headstart.study.execution.journal import Journal
from headstart.study.learning_curve.curve import curve_document, draw_subsets, losses_of
from headstart.study.learning_curve.power_law import MAX_TIMES
from headstart.study.nested_cv import run_folds
from headstart.study.plan import StudyPlan
from headstart.study.positive_class import choose_positive
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.space import HeadTable, Space
from headstart.version import __version__
from headstart.workflow.fit import grouped, run_identity
from headstart.workflow.job import study_plan
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.learning_curve import CurveOptions
from headstart.workflow.options.search_space import check_weights, search_space
from headstart.workflow.preflight import AuditedDataset, Data, audit_data, find_near_duplicates, open_cache
from headstart.workflow.sources import FeatureSource, named_space, open_sources

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headstart.data import ImageDataset

CURVE_FILE: Final = "curve.json"
PAGE_FILE: Final = "curve.html"
HEADS: Final = (HeadTable.of("logistic", {"C": [0.001, 0.01, 0.1]}),)
"""What is chosen from at every size: fitted in a moment, and as good as the best of a search to a point or two."""


@dataclass(frozen=True)
class LearningCurve:
    """A finished learning curve.

    Attributes
    ----------
    folder : Path
    results : dict
        Content of ``curve.json``.
    """

    folder: Path
    results: dict[str, Any]

    @property
    def verdict(self) -> str:
        """What more images would bring, in one sentence."""
        return str(self.results["verdict"]["text"])

    @property
    def page(self) -> Path:
        """Path of the page with the figure."""
        return self.folder / PAGE_FILE


def curve(
    data: Data,
    output: str | os.PathLike[str],
    options: FitOptions | None = None,
    wanted: CurveOptions | None = None,
    *,
    progress: Progress | None = None,
) -> LearningCurve:
    """Draw the learning curve of a data set: how the score grows with the images, and where it would go.

    Features are computed once. In every training fold nested subsets of rising size are drawn, stratified, groups
    kept whole; on each a logistic head is chosen by four inner folds and judged on the same held-out images. A power
    law is fitted to the means and carried to three times the images at most. Called again with the same arguments
    after an interruption it goes on where it stopped.

    Parameters
    ----------
    data : path, DataSource or ImageDataset
    output : path
        Folder to write; new, or of the same curve.
    options : FitOptions, optional
        Of one backbone; grid and study, balancing and views are not for curves.
    wanted : CurveOptions, optional
    progress : Progress, optional

    Returns
    -------
    LearningCurve

    Raises
    ------
    InputError, DataError, ImageError, SplitError, WeightsError, EngineError
        When the input cannot be used, there are too few images, or a prediction is asked for too far away.
    RunError
        When `output` holds something else.

    Examples
    --------
    >>> import headstart
    >>> found = headstart.curve("photographs/", "curves/first")  # doctest: +SKIP
    >>> found.verdict  # doctest: +SKIP
    'About 900 more images for +2 points (90 % band 400 to 2,100); three times as many would bring 3.1.'
    """
    options, wanted, progress = options or FitOptions(), wanted or CurveOptions(), progress or Silent()
    folder = Path(output)
    files.check_output_folder(folder)
    space = _space(options)
    check_weights(options, space)
    audited = audit_data(data, skip_unreadable=options.skip_unreadable, n_threads=options.n_threads, progress=progress)
    find_metric(wanted.metric).check_classes(len(audited.dataset.classes))
    _check_reach(wanted.at, len(audited.dataset), wanted.n_folds)
    _draws(audited.dataset, wanted, options.seed)  # what cannot be drawn is refused before anything is written
    sources = open_sources(options, space, audited.dataset, folder=folder, progress=progress)
    space = named_space(space, sources)
    identity = {**run_identity(audited, space, sources, options), "curve": _identity(wanted)}
    engines = {"0": sources[0].record}
    with files.claimed(folder, identity, {"data": audited.source}, images=False, engines=engines):
        if not (folder / CURVE_FILE).is_file():
            _Job(folder, audited, sources[0], space, options, wanted, progress).run()
        results = _read(folder)
        write_curve(folder, results)
    return LearningCurve(folder, results)


def _space(options: FitOptions) -> Space:
    """One source with the heads of curves."""
    asked = (options.grid, options.study, options.search, options.balance, options.augment)
    if any(value is not None for value in asked) or len(options.backbones) > 1:
        raise InputError(
            "A learning curve is drawn for one backbone with heads of its own. Leave grid, study, search, balance, "
            "augment and further backbones out."
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


def _identity(wanted: CurveOptions) -> dict[str, Any]:
    names = ("metric", "n_sizes", "n_repeats", "n_folds")
    return {**{name: getattr(wanted, name) for name in names}, "at": list(wanted.at)}


def _draws(dataset: Any, wanted: CurveOptions, seed: int) -> Any:
    return draw_subsets(dataset, n_sizes=wanted.n_sizes, n_repeats=wanted.n_repeats, n_folds=wanted.n_folds, seed=seed)


@dataclass(frozen=True, eq=False)
class _Job:
    """One curve in hand."""

    folder: Path
    audited: AuditedDataset
    source: FeatureSource
    space: Space
    options: FitOptions
    wanted: CurveOptions
    progress: Progress

    def run(self) -> None:
        """Features, subsets, heads, law; ``curve.json`` is written last."""
        work = self.folder / files.WORK_FOLDER
        self.source.save_network(work)
        features = self._features(work)
        dataset = grouped(
            self.audited.dataset, find_near_duplicates(self.audited.dataset, self.audited.audit, features)
        )
        draws = _draws(dataset, self.wanted, self.options.seed)
        plan = self._plan(dataset)
        data = StudyData((features,), dataset.training_labels(), len(dataset.classes), dataset.weights, dataset.groups)
        journal = Journal(work)
        found = run_folds(data, draws.folds, plan, journal=journal, title="Subsets", progress=self.progress)
        losses = losses_of(draws, found, data, self.wanted.metric, plan.positive)
        curve_found = curve_document(draws, losses, len(dataset), self.wanted.metric, self.wanted.at)
        write_json(self.folder / CURVE_FILE, {**self._about(), **curve_found})
        journal.close()

    def _features(self, work: Path) -> NDArray[np.float32]:
        options = self.options
        cache = open_cache(options.cache, fallback=work, limit=options.cache_limit, progress=self.progress)
        extractor = self.source.extractor
        features = extract_features(self.audited.dataset, extractor, cache=cache, progress=self.progress)
        extractor.release()
        return features

    def _plan(self, dataset: ImageDataset) -> StudyPlan:
        positive = choose_positive(dataset, self.options.positive).code
        plan = study_plan(self.space, (self.source,), self.options, positive, n_images=len(dataset))
        return replace(plan, choose_by="log_loss", n_jobs=self.options.n_worker_processes)

    def _about(self) -> dict[str, Any]:
        return {
            "format": 1,
            "headstart": __version__,
            "classes": list(self.audited.dataset.classes),
            "source": self.source.spec.label,
            "engine": self.source.record,
            "n_folds": self.wanted.n_folds,
            "seed": self.options.seed,
            "data_sha256": self.audited.dataset.fingerprint(),
        }


def _read(folder: Path) -> dict[str, Any]:
    path = folder / CURVE_FILE
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged. Remove the folder and run `headstart curve` again.") from error
