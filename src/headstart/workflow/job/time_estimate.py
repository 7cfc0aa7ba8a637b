"""About how long the steps of a fit take, from a short trial and a cost model of the heads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from headstart.augment import IDENTITY, View
from headstart.balance import balance_notes
from headstart.data import ImageDataset
from headstart.data.split.split import Split
from headstart.data.table.encoding import TableEncoding
from headstart.errors import plural
from headstart.features.cache import FeatureCache
from headstart.features.extract import n_cached
from headstart.features.extractor import Extractor
from headstart.heads import batch_notes
from headstart.progress import Progress
from headstart.study.baselines import TITLES
from headstart.study.folds import final_fold, outer_folds
from headstart.study.plan import StudyPlan
from headstart.study.time_estimate import study_seconds
from headstart.workflow.job.job import Job
from headstart.workflow.job.made_rows import made_row_counts
from headstart.workflow.job.memory import least_bytes, memory_note
from headstart.workflow.job.sources import FeatureSource
from headstart.workflow.job.time_saving import time_words
from headstart.workflow.options.finetuning import requested_specs
from headstart.workflow.options.training_set import left_out_notes

_TRIAL_BATCHES = 3
_PAGE_S = 5.0
_SCORED_S, _WRITTEN_S = 2e-6, 1.5e-6
"""Seconds of scoring and of writing a probability of one class for one image, its 1,000 resamples among them."""
_SECONDS_APIECE = 0.2
"""Seconds that an image takes beside the network: its neighbours and its picture."""
_PASSES_APIECE = 3
"""Forward passes that an image costs: one for its prediction, one that is remembered, and the way back of that one."""


@dataclass(frozen=True)
class SourceCosts:
    """Features of one source: what it is, images whose features the cache has, and seconds for those it has not.

    `n_needed` counts forward passes over images and views, without those that an earlier source makes already;
    `made_s` are seconds for rows that are made up in training folds, of which none is looked for in the cache;
    `has_network` is False where heads see the user's own array alone.
    """

    label: str
    engine: str
    n_needed: int
    n_cached: int
    seconds: float
    made_s: float = 0.0
    has_network: bool = True


@dataclass(frozen=True)
class Costs:
    """Work that a fit has to do, and about how long it takes.

    Attributes
    ----------
    n_images : int
        Number of images.
    n_candidates : int
        Number of heads to be tried, on all sources together.
    sources : tuple of SourceCosts
    heads_s : float
        Seconds of the study.
    n_views : int
        Views of each image, itself among them.
    tax_s : float
        Seconds of `heads_s` in which the groups are ignored, for the optimism from doing so.
    baselines_s : tuple of float
        Seconds of the features and studies of the simple baselines.
    n_extractions : int
        Times that the features of every image are computed: once, or where a preparation is fitted once for each outer
        fold and once for the final model.
    explanations_s : float
        Seconds of the explanations of the most telling images.
    n_made : int
        Rows that are made up in all sets of training rows, and shown to the network of every source.
    n_made_sets : int
        Sets of training rows that they are made in.
    report_s : float
        Seconds of the scores, the tables and the report.
    """

    n_images: int
    n_candidates: int
    sources: tuple[SourceCosts, ...]
    heads_s: float
    n_views: int = 1
    tax_s: float = 0.0
    baselines_s: tuple[float, ...] = ()
    n_extractions: int = 1
    explanations_s: float = 0.0
    n_made: int = 0
    n_made_sets: int = 0
    report_s: float = _PAGE_S

    @property
    def n_cached(self) -> int:
        """Features that are there, counted over images, views and sources."""
        return sum(source.n_cached for source in self.sources)

    @property
    def n_missing(self) -> int:
        """Features that are to be computed, counted over images, views and sources."""
        return sum(source.n_needed for source in self.sources) - self.n_cached

    @property
    def features_s(self) -> float:
        """Seconds of computing the features of all sources."""
        return sum(source.seconds + source.made_s for source in self.sources)

    def stages(self, *after_heads: float | None) -> dict[str, Sequence[float | None]]:
        """Seconds of the tasks of every stage, for `headstart.progress.Progress.expect`; arguments as for `study_s`."""
        seconds = [source.seconds / self.n_extractions for source in self.sources if source.seconds]
        share = 1 / self.n_views
        once = [one * share for one in seconds]
        once += [one * (1 - share) for one in seconds if self.n_views > 1]
        return {
            "features": [*once * self.n_extractions, *self._made_s()],
            "study": self.study_s(*after_heads),
            "baselines": self.baselines_s,
            "explanations": (self.explanations_s,) if self.explanations_s else (),
            "report": [self.report_s],
        }

    def _made_s(self) -> list[float]:
        """Seconds of the rows that are made up, set by set; those of all sources of a set one after another."""
        each = [source.made_s / self.n_made_sets for source in self.sources if self.n_made_sets]
        return each * self.n_made_sets

    def study_s(self, *after_heads: float | None) -> list[float | None]:
        """Seconds of heads, of the tasks that follow them (None where that is not known yet) and of the tax."""
        return [self.heads_s - self.tax_s, *after_heads, *([self.tax_s] if self.tax_s else [])]


def fit_costs(
    dataset: ImageDataset,
    plan: StudyPlan,
    sources: Sequence[FeatureSource],
    cache: FeatureCache,
    split: Split,
    *,
    taxed: bool,
    views: Sequence[View] = (),
    n_extractions: int = 1,
) -> Costs:
    """Costs of a fit, features tried on a few batches where any are missing, heads on a few steps.

    Parameters
    ----------
    dataset : ImageDataset
    plan : StudyPlan
    sources : sequence of FeatureSource
    cache : FeatureCache
    split : Split
    taxed : bool
        The study runs twice, for the optimism from ignoring the groups.
    views : sequence of View
        Views whose features are computed, the images among them; empty: the images alone.
    n_extractions : int
        Times that features are computed, where a preparation is fitted in every fold: none of them is looked for in
        the cache, since what is fitted is not known yet.
    """
    n_made, n_made_sets = made_row_counts(dataset, plan, split, taxed=taxed)
    features = tuple(
        _source_costs(
            dataset,
            source,
            cache,
            _views_left(source, sources[:number], views),
            alone=len(sources) == 1,
            n_extractions=n_extractions,
            n_made=n_made,
        )
        for number, source in enumerate(sources)
    )
    n_columns = table_width(dataset)
    widths = [source.extractor.row_shape[0] + n_columns for source in sources]
    folds = [*outer_folds(split), final_fold(split)]
    heads_s = study_seconds(folds, plan, widths, len(dataset.classes))
    n_each = max(len(_views_of(source, views)) for source in sources)
    tax_s = heads_s if taxed else 0.0
    return Costs(
        len(dataset),
        len(plan.candidates),
        features,
        heads_s + tax_s,
        n_each,
        tax_s=tax_s,
        n_extractions=n_extractions,
        n_made=n_made,
        n_made_sets=n_made_sets,
    )


def table_width(dataset: ImageDataset) -> int:
    """Number of columns that the table columns of a data set are encoded as, at the most."""
    return len(TableEncoding.fit(dataset.columns, np.arange(len(dataset))).outputs)


def _views_left(source: FeatureSource, before: Sequence[FeatureSource], views: Sequence[View]) -> tuple[View, ...]:
    """Views of a source that no forward pass for a source before it gives, the image itself where nothing is viewed."""
    made = [
        str(view.settings())
        for other in before
        if other.extractor.shares_pass(source.extractor)
        for view in _views_of(other, views)
    ]
    return tuple(view for view in _views_of(source, views) if str(view.settings()) not in made)


def _views_of(source: FeatureSource, views: Sequence[View]) -> tuple[View, ...]:
    return tuple(views) or source.extractor.averaged or (IDENTITY,)


def _source_costs(
    dataset: ImageDataset,
    source: FeatureSource,
    cache: FeatureCache,
    every: Sequence[View],
    *,
    alone: bool,
    n_extractions: int,
    n_made: int,
) -> SourceCosts:
    extractor = source.extractor
    cached = 0 if source.is_fitted else sum(n_cached(dataset, extractor, cache, view) for view in every)
    needed = len(dataset) * len(every) * n_extractions
    missing = needed - cached
    each_s = seconds_per_image(extractor) if missing or n_made else 0.0
    if not alone:
        extractor.release()  # sources may share a network, which the next one may move to another device
    return SourceCosts(
        source.spec.label,
        extractor.engine.label,
        needed,
        cached,
        missing * each_s,
        made_s=n_made * each_s,
        has_network=not extractor.backbone.is_absent,
    )


def announce(job: Job, cache: FeatureCache, split: Split, baselines_s: Sequence[float] = ()) -> Costs:
    """Tell the user what is about to be done and about how long it will take, `baselines_s` of it for the baselines."""
    dataset, plan = job.audited.dataset, job.plan
    taxed = job.options.leakage_tax and dataset.groups is not None
    costs = fit_costs(
        dataset,
        plan,
        job.sources,
        cache,
        split,
        taxed=taxed,
        views=job.views.all(),
        n_extractions=n_extractions(job, split, taxed=taxed),
    )
    costs = replace(
        costs,
        baselines_s=tuple(baselines_s),
        explanations_s=explanation_seconds(job),
        report_s=report_seconds(len(dataset), len(dataset.classes), baselines=bool(baselines_s)),
    )
    tunes = bool(requested_specs(job.options))
    after_s = sum(costs.baselines_s) + costs.explanations_s + costs.report_s
    minutes = (costs.features_s + costs.heads_s + after_s) / 60
    repeated = f", drawn {split.repeats} times" if split.repeats > 1 else ""
    halved = ", the weaker ones dropped early," if plan.halving is not None else ""
    beside = ", simple baselines beside them" if job.options.baselines else ""
    job.progress.note(
        f"Plan: {_features_words(costs)}, {plural(costs.n_candidates, 'candidate')}{halved} tried in folds "
        f"{split.scheme}{repeated}{beside}: about {minutes:.1f} minutes{', and fine-tuning' if tunes else ''}."
    )
    note_split_rule(split, job.progress)
    seconds = {"features": costs.features_s, "heads": costs.heads_s, "baselines": sum(costs.baselines_s)}
    for words in (time_words(seconds, split), memory_note(needed_bytes(job, costs.n_views))):
        if words:
            job.progress.note(words)
    job.progress.expect(costs.stages(*([None] if tunes else []), *([0.0] if plan.ensemble else [])))
    left_out = left_out_notes(job.space, job.views, len(dataset))
    for note in (*made_notes(costs), *search_notes(plan, split, dataset), *left_out):
        job.progress.note(f"Note: {note}")
    return costs


def needed_bytes(job: Job, n_views: int) -> int:
    """About how many bytes of memory a fit takes: features of all images and views, twice, and what results take."""
    n_images, n_classes = len(job.audited.dataset), len(job.audited.dataset.classes)
    widths = sum(source.extractor.row_shape[0] for source in job.sources)
    return 2 * 4 * widths * n_images * n_views + least_bytes(n_images, n_classes, repeats=job.options.repeats)


def report_seconds(n_images: int, n_classes: int, *, baselines: bool) -> float:
    """Seconds of scores with their intervals, of tables with a probability of every class for every image, and a page.

    >>> report_seconds(1_000, 10, baselines=False) < 6, report_seconds(20_000, 1_000, baselines=True) > 60
    (True, True)
    """
    n_tables = 1 + (len(TITLES) if baselines else 0)
    return _PAGE_S + n_images * n_classes * (_SCORED_S + n_tables * _WRITTEN_S)


def note_split_rule(split: Split, progress: Progress) -> None:
    """Say by which rule the scheme of a split was taken, where it was not asked for by its name."""
    if split.rule:
        progress.note(f"Split {split.scheme}: {split.rule}.")


def explanation_seconds(job: Job) -> float:
    """Seconds that the explanations of a fit take; of several networks the costliest counts.

    By the multiply-adds of the network, as other costs, since none of it is tried beforehand.
    """
    from headstart.explain.telling import N_TELLING

    if not job.options.explanations or all(source.extractor.backbone.is_absent for source in job.sources):
        return 0.0
    dearest = max(source.rough_seconds_per_image for source in job.sources)
    n_threads = max(source.extractor.engine.n_threads for source in job.sources)
    n_images = min(N_TELLING, len(job.audited.dataset))
    return n_images * (_PASSES_APIECE * dearest / n_threads + _SECONDS_APIECE)


def n_extractions(job: Job, split: Split, *, taxed: bool = False) -> int:
    """Times that the features of every image are computed: several where a preparation is fitted in each fold."""
    if not any(source.is_fitted for source in job.sources):
        return 1
    n_outer = len(outer_folds(split))
    return n_outer * (2 if taxed else 1) + 1


def made_notes(costs: Costs) -> list[str]:
    """Note on the rows that are made up; none where none are."""
    if not costs.n_made:
        return []
    return [
        f"SMOTE makes {costs.n_made:,} windows in {costs.n_made_sets} sets of training windows, and every network "
        "looks at each."
    ]


def _features_words(costs: Costs) -> str:
    n_sources = len(costs.sources)
    if costs.n_extractions > 1:
        seen = "" if costs.n_views == 1 else f", {costs.n_views} views each,"
        among = "" if n_sources == 1 else f" from each of {n_sources} sources"
        return (
            f"features of {costs.n_images:,} images{seen}{among} {costs.n_extractions} times, once for each fold in "
            "which the channels are normalised and once for the final model"
        )
    what = "images" if costs.n_views == 1 else "views"
    if n_sources == 1 and not costs.sources[0].has_network:
        return "no features, since heads see your own array alone"
    if n_sources == 1:
        return f"features of {costs.n_missing:,} {what} ({costs.n_cached:,} are cached)"
    each = "" if costs.n_views == 1 else f", {costs.n_views} views each,"
    return (
        f"features of {costs.n_images:,} images{each} from each of {n_sources} sources ({costs.n_missing:,} to be "
        f"computed, {costs.n_cached:,} are cached)"
    )


def search_notes(plan: StudyPlan, split: Split, dataset: ImageDataset) -> tuple[str, ...]:
    """Notes on settings that the folds, or their smallest classes, are too small for."""
    trains = [train for fold in (*outer_folds(split), final_fold(split)) for train, _ in fold.inner]
    labels, n_classes = np.asarray(dataset.labels), len(dataset.classes)
    counts = np.stack([np.bincount(labels[train], minlength=n_classes) for train in trains])
    methods = [candidate.training_set.balance for candidate in plan.candidates]
    return (*batch_notes(plan.heads, min(map(len, trains))), *balance_notes(methods, counts, dataset.classes))


def seconds_per_image(extractor: Extractor) -> float:
    """Seconds of the forward pass per image, from a trial on blank images (the first batch is not counted)."""
    size, n_batches = extractor.preparation.size, _TRIAL_BATCHES * extractor.n_streams
    shape = (extractor.engine.batch_size, *size, extractor.backbone.n_channels)
    pixels = np.zeros(shape, dtype=extractor.preparation.dtype)
    extractor.compute(pixels)
    with ThreadPoolExecutor(extractor.n_streams) as streams:
        start = time.perf_counter()
        list(streams.map(extractor.compute, [pixels] * n_batches))
        return (time.perf_counter() - start) / (n_batches * extractor.engine.batch_size)
