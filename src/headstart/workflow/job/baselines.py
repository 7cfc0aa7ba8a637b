"""The simple baselines of a fit: their features, their studies, and what is written of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.baselines.random_weights import random_weights_extractor
from headstart.decisions import DecisionRules
from headstart.features.descriptors.extractor import DescriptorExtractor
from headstart.features.extract import extract_features, n_cached
from headstart.features.joint import JointExtractor
from headstart.results.models.transfer import TransferResults
from headstart.results.writers.transfer import transfer_results
from headstart.study.baselines import (
    Baseline,
    BaselineFold,
    BaselineOutcome,
    all_positive_f1,
    run_baseline,
    standard_baselines,
)
from headstart.study.decisions import decide_folds
from headstart.study.finetuning.competition import judge_alone
from headstart.study.folds import outer_folds
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.time_estimate import measured_speed, study_seconds
from headstart.study.transfer_verdict import Transfer, judge_transfer
from headstart.workflow.job.time_estimate import seconds_per_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset
    from headstart.data.split.split import Split
    from headstart.features.cache import FeatureCache
    from headstart.features.extractor import Extractor
    from headstart.progress import Progress
    from headstart.study.data import StudyData
    from headstart.study.features import FoldFeatures
    from headstart.study.fold_result import FoldResult
    from headstart.study.folds import OuterFold
    from headstart.study.run import StudyResult
    from headstart.workflow.job.fold_extractors import FoldExtractors
    from headstart.workflow.job.job import Job
    from headstart.workflow.job.sources import FeatureSource
    from headstart.workflow.options.fit import FitOptions

SCRATCH = "from_scratch"


@dataclass(frozen=True, eq=False)
class BaselineSources:
    """Sources of the baselines' features.

    Attributes
    ----------
    describer : DescriptorExtractor
        Descriptors made by hand.
    random_extractor : Extractor or None
        The first pretrained backbone of the run with random weights; None where the run has random weights alone.
    random_source : int
        Number of the source that has that backbone.
    has_network : bool
        False where heads of the run see an array of the user's own alone.
    """

    describer: DescriptorExtractor
    random_extractor: Extractor | None
    random_source: int = 0
    has_network: bool = True

    @property
    def notes(self) -> list[str]:
        """Notes on the baselines for the reader of the report."""
        if not self.has_network:
            return ["No network takes part in the run, so there is no baseline with its random weights."]
        if self.random_extractor is None:
            return ["The run's own weights are random: a baseline with random weights would be the run itself."]
        backbone, engine = self.random_extractor.backbone, self.random_extractor.engine
        return [f"Random weights: {backbone.name}, {backbone.weights.source}, computed by {engine.label}."]

    @property
    def random_blocks(self) -> tuple[int, ...]:
        """Number of features of every block of the random weights' features; empty without them."""
        return () if self.random_extractor is None else self.random_extractor.stage_widths

    def features(
        self, extractors: FoldExtractors, progress: Progress
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | FoldFeatures | None]:
        """Descriptors and features of random weights, computed once per image and kept like those of the run.

        Where the run fits a preparation in every fold, the random weights are shown what it makes of the images, as the
        run's own are; the descriptors, which speak of colours, see the images as they are.
        """
        dataset, cache, untrained = extractors.dataset, extractors.cache, self.random_extractor
        if untrained is not None and self.is_joint(dataset, cache, is_fitted=extractors.is_fitted):
            joint = JointExtractor([untrained, self.describer])
            both = extract_features(dataset, joint, cache=cache, progress=progress)
            untrained.release()
            return both[:, joint.widths[0] :], both[:, : joint.widths[0]]
        descriptors = extract_features(dataset, self.describer, cache=cache, progress=progress)
        if untrained is None:
            return descriptors, None
        if extractors.is_fitted:
            return descriptors, extractors.by_fold([untrained], sources=[self.random_source], views=False)
        rows = extract_features(dataset, untrained, cache=cache, progress=progress)
        untrained.release()
        return descriptors, rows

    def is_joint(self, dataset: ImageDataset, cache: FeatureCache, *, is_fitted: bool) -> bool:
        """Whether every image is read once for both: where descriptors run beside passes, and neither is all kept."""
        untrained = self.random_extractor
        if untrained is None or is_fitted or untrained.averaged or untrained.n_streams < self.describer.n_streams:
            return False
        return all(n_cached(dataset, one, cache) < len(dataset) for one in (untrained, self.describer))


def open_baselines(options: FitOptions, sources: Sequence[FeatureSource]) -> BaselineSources:
    """Sources of the baselines' features: the pixels of the first source, and its backbone with random weights."""
    weights = [source.extractor.backbone.weights for source in sources]
    has_network = not all(one.is_absent for one in weights)
    pretrained = [source for source, one in zip(sources, weights, strict=True) if not (one.is_random or one.is_absent)]
    random_extractor = random_weights_extractor(pretrained[0].extractor, seed=options.seed) if pretrained else None
    first = (pretrained or list(sources))[0]
    describer = DescriptorExtractor(first.extractor.preparation, n_threads=options.n_worker_processes)
    return BaselineSources(describer, random_extractor, first.number, has_network)


def baseline_seconds(
    baselines: BaselineSources,
    dataset: ImageDataset,
    cache: FeatureCache,
    split: Split,
    plan: StudyPlan,
    *,
    is_fitted: bool = False,
) -> list[float]:
    """About how long the features of the baselines, as far as they are missing, and then their studies take.

    Where a preparation `is_fitted`, features differ from fold to fold.
    """
    times = len(outer_folds(split)) if is_fitted else 1
    features_s: list[float] = []
    if missing := len(dataset) - n_cached(dataset, baselines.describer, cache):
        features_s.append(missing * baselines.describer.seconds_per_image())
    untrained = baselines.random_extractor
    if untrained is not None and (missing := len(dataset) - n_cached(dataset, untrained, cache)):
        features_s += [missing * seconds_per_image(untrained)] * times
    if baselines.is_joint(dataset, cache, is_fitted=is_fitted):
        features_s = [sum(features_s)]
    width = baselines.describer.row_shape[0]
    blank = np.zeros((0, width), dtype=np.float32)
    wide = None if untrained is None else np.zeros((0, *untrained.row_shape), dtype=np.float32)
    found = standard_baselines(0, blank, wide, n_classes=len(dataset.classes), own=dataset.pixels.baseline_columns())
    folds, n_classes = outer_folds(split), len(dataset.classes)
    n_rows = max(len(fold.train) for fold in folds)
    widths = [baseline.n_features for baseline in found]
    together = _together(found, plan)
    speed = measured_speed(together, widths, n_classes, n_rows)
    study_s = study_seconds(folds, together, widths, n_classes, speed=speed)
    return [*features_s, *([study_s / len(found)] * len(found))]


def _together(baselines: Sequence[Baseline], plan: StudyPlan) -> StudyPlan:
    """All baselines as the sources of one plan, for its duration."""
    sources = tuple(FeatureSourceSpec(backbone=baseline.name) for baseline in baselines)
    return StudyPlan(
        tuple(
            Candidate(source, head)
            for source, baseline in zip(sources, baselines, strict=True)
            for head in baseline.heads
        ),
        sources,
        plan.choose_by,
        n_jobs=plan.n_jobs,
    )


def judge_baselines(
    job: Job,
    study: StudyResult,
    split: Split,
    descriptors: NDArray[np.float32],
    random_features: NDArray[np.float32] | FoldFeatures | None,
    *,
    random_blocks: tuple[int, ...] = (),
    scratch: BaselineOutcome | None = None,
) -> Transfer:
    """Every baseline chosen and judged on the run's outer folds, and the run against the best of them."""
    folds: list[OuterFold] = outer_folds(split)
    columns = study.data.columns
    own = job.audited.dataset.pixels.baseline_columns()
    baselines = standard_baselines(
        len(study.data.labels),
        descriptors,
        random_features,
        n_classes=study.data.n_classes,
        random_blocks=random_blocks,
        has_table=columns is not None,
        table_title="" if columns is None else columns.title,
        own=own,
    )
    outcomes = [
        run_baseline(
            baseline,
            study.data,
            folds,
            study.plan,
            job.decision_rules,
            journal=job.journal,
            progress=job.progress,
        )
        for baseline in baselines
    ]
    if scratch is not None:
        outcomes.append(scratch)
    return judge_transfer(study.oof, outcomes, choose_by=job.options.metric, seed=job.options.seed)


def scratch_baseline(job: Job, study: StudyResult) -> BaselineOutcome | None:
    """The network trained from scratch as a baseline, where it is among the fine-tuning candidates; else None."""
    fine_tuning = study.fine_tuning
    places = (
        [] if fine_tuning is None else [place for place, spec in enumerate(fine_tuning.specs) if spec.start == "random"]
    )
    if fine_tuning is None or not places:
        return None
    number = places[0]
    found = judge_alone(
        study.data, study.folds, study.plan, fine_tuning, number, journal=job.journal, progress=job.progress
    )
    found = decide_folds(study.data, found, study.plan, DecisionRules(job.options.calibrate, None, None))
    label = fine_tuning.specs[number].label
    folds = []
    for one in found:
        if one.fine_tuned is None or one.fine_tuned.chosen is None:
            shares = _class_shares(study.data, one.outer.train)
            probabilities = np.tile(shares, (len(one.outer.test), 1))
            folds.append(BaselineFold(one.outer, math.nan, probabilities, "training diverged: shares of the classes"))
            continue
        score = float(one.fine_tuned.scores[number + 1])
        folds.append(BaselineFold(one.outer, score, one.probabilities, label, score))
    return BaselineOutcome(SCRATCH, "same network from scratch", tuple(folds), on_holdout=True)


def _class_shares(data: StudyData, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of every class among the training images."""
    each = np.eye(data.n_classes)[data.labels[rows]] if data.soft is None else data.soft[rows]
    return np.average(each, axis=0, weights=None if data.weights is None else data.weights[rows])


def baselines_document(job: Job, study: StudyResult, baselines: BaselineSources, transfer: Transfer) -> TransferResults:
    """``transfer`` of results.json; without a verdict where no outer fold's choice was pretrained."""
    without = sum(is_untransferred(job, study, result) for result in study.folds)
    notes = baselines.notes
    if study.data.columns is not None:
        notes = [*notes, "The baselines that look at pictures see the same table columns as the run."]
    if baselines.random_extractor is not None and without:
        notes = [
            *notes,
            f"In {without} of {len(study.folds)} outer folds the run itself chose a network that was never pretrained: "
            "nothing is transferred there.",
        ]
    if job.audited.dataset.pixels.baseline_columns() and study.plan.positive is not None:
        positive = study.plan.positive
        named = job.audited.dataset.classes[positive]
        score = all_positive_f1(study.data.labels, positive)
        notes = [*notes, f"A rule that calls every window {named} has an F1 score of {score:.3f}."]
    transferred = baselines.random_extractor is not None and without < len(study.folds)
    return transfer_results(transfer, transferred=transferred, has_network=baselines.has_network, notes=notes)


def is_untransferred(job: Job, study: StudyResult, result: FoldResult) -> bool:
    """Whether what an outer fold chose started from random weights; of an ensemble, whether every member did."""
    if result.ensemble is not None and result.ensemble.is_kept:
        return all(_is_random(job, study, one.number, is_tuned=one.is_tuned) for one in result.ensemble.members)
    place = result.fine_tuned_choice
    if place is not None and _is_random(job, study, place, is_tuned=True):
        return True
    return _is_random(job, study, result.chosen, is_tuned=False)


def _is_random(job: Job, study: StudyResult, number: int, *, is_tuned: bool) -> bool:
    """Whether a candidate, or one of the fine-tuning candidates, started from random weights."""
    if is_tuned:
        return study.fine_tuning is not None and study.fine_tuning.specs[number].start == "random"
    return job.sources[study.plan.source_of(number)].extractor.backbone.weights.is_random
