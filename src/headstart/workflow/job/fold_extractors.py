"""Extractors of the features of a job in every outer fold: its sources, with a preparation fitted there or as they are.

Where the preparation is fitted there is one array of features for each outer fold and one for the final model, each by
a preparation that saw that fold's training images alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.backbones.feature_block import DESCRIPTORS, LAST
from headstart.features.channel_sums import channel_normalisation
from headstart.study.data import StudyData
from headstart.study.features import FeatureSet, FittedFeatures, SharedFeatures, WithMadeRows
from headstart.workflow.job.made_rows import RowMaker, makes_rows
from headstart.workflow.job.sources import FeatureSource, extract_all, extract_all_views

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset
    from headstart.data.preparation import FittablePreparation, FittedPreparation, Preparation
    from headstart.features.cache import FeatureCache
    from headstart.features.extractor import Extractor
    from headstart.progress import Progress
    from headstart.study.features import FoldFeatures
    from headstart.study.folds import OuterFold
    from headstart.workflow.job.job import Job

    Integers = NDArray[np.int64]


class FoldExtractors:
    """Extractors of a job's sources in every outer fold, and the features that they give.

    Parameters
    ----------
    job : Job
    dataset : ImageDataset
        Readable images with their hashes.
    cache : FeatureCache
    rows_of : callable, optional
        Rows that a fold's preparations are fitted on. Default: its training rows.
    """

    def __init__(
        self,
        job: Job,
        dataset: ImageDataset,
        cache: FeatureCache,
        *,
        rows_of: Callable[[OuterFold], Integers] = lambda fold: fold.train,
    ) -> None:
        self._job, self.dataset, self.cache, self._rows_of = job, dataset, cache, rows_of
        self._fittable: tuple[FittablePreparation, ...] | None = None
        self._preparations: dict[bytes, tuple[FittedPreparation, ...]] = {}

    @property
    def is_fitted(self) -> bool:
        """Whether something is fitted in every fold before the features."""
        return is_fitted(self._job)

    def confirming(self) -> tuple[NDArray[np.float32], ...]:
        """Features in which near-duplicates are confirmed, before any fold is drawn: nothing is fitted for them.

        Those of the study where they are; else the pooled output of the last stage of the first source alone, where
        there are pairs to confirm: whatever heads are trained on, the same images count as near-duplicates. Without a
        network they are handcrafted descriptors, each on the scale of its own spread.
        """
        job, sources = self._job, [source.extractor for source in self._job.sources]
        if self._confirms_by_own(sources):
            return extract_all(self.dataset, sources, self.cache, job.progress)
        if not job.audited.audit.candidates:
            return (np.zeros((len(self.dataset), 0), dtype=np.float32),)
        if sources[0].backbone.is_absent:
            described = sources[0].with_blocks((DESCRIPTORS,))
            return tuple(map(_scaled, extract_all(self.dataset, [described], self.cache, job.progress)))
        last = sources[0].with_blocks((LAST,), beside=() if sources[0].is_plain else sources[0].computed)
        fold = "near-duplicates" if self.is_fitted else ""
        return extract_all(self.dataset, [last], self.cache, job.progress, fold=fold)

    def _confirms_by_own(self, sources: Sequence[Extractor]) -> bool:
        """Whether near-duplicates are confirmed in the features of the study."""
        first = sources[0]
        return not (self.is_fitted or first.averaged or first.backbone.is_absent) and first.blocks == (LAST,)

    def study_data(self, joined: ImageDataset, confirming: tuple[NDArray[np.float32], ...]) -> StudyData:
        """Data of the study: the images with near-duplicates joined, and their features.

        Parameters
        ----------
        joined : ImageDataset
        confirming : tuple of ndarray
            What `confirming` gave, which may be the features.
        """
        job, sources = self._job, [source.extractor for source in self._job.sources]
        blocks = tuple(source.stage_widths for source in sources)
        if self.is_fitted:
            return StudyData.of(joined, self._with_made_rows(joined, self.by_fold(sources)), blocks=blocks)
        own = confirming
        if not self._confirms_by_own(sources):
            own = extract_all(self.dataset, sources, self.cache, job.progress)
        views = extract_all_views(self.dataset, sources, job.views, self.cache, job.progress)
        if makes_rows(job.plan):
            shared = SharedFeatures(FeatureSet(own, views))
            return StudyData.of(joined, self._with_made_rows(joined, shared), blocks=blocks)
        return StudyData.of(joined, own, views, blocks=blocks)

    def _with_made_rows(self, joined: ImageDataset, features: FoldFeatures) -> FoldFeatures:
        """The features with the rows that are made up in every fold, where candidates are trained on such."""
        job = self._job
        if not makes_rows(job.plan):
            return features

        def of_sources(fold: OuterFold) -> list[Extractor]:
            return [self.extractor(fold, number) for number in range(len(job.sources))]

        maker = RowMaker(joined, self.cache, job.progress, seed=job.options.seed, extractors=of_sources)
        return WithMadeRows(features, maker.of)

    def by_fold(
        self, extractors: Sequence[Extractor], *, sources: Sequence[int] | None = None, views: bool = True
    ) -> FittedFeatures:
        """Features of some extractors by the preparations of every fold.

        Parameters
        ----------
        extractors : sequence of Extractor
        sources : sequence of int, optional
            For each the number of the source whose preparation it takes. Default: every source in order.
        views : bool
            With the views that the search needs.
        """
        job = self._job
        places = range(len(extractors)) if sources is None else sources

        def extract(preparations: tuple[FittedPreparation, ...], fold: str) -> FeatureSet:
            prepared = [one.with_preparation(preparations[of]) for one, of in zip(extractors, places, strict=True)]
            rows = extract_all(self.dataset, prepared, self.cache, job.progress, fold=fold)
            if not views:
                return FeatureSet(rows)
            seen = extract_all_views(self.dataset, prepared, job.views, self.cache, job.progress, fold=fold)
            return FeatureSet(rows, seen)

        widths = [extractor.row_shape[0] for extractor in extractors]
        return FittedFeatures(self._fitted, extract, widths, rows_of=self._rows_of)

    def preparation(self, fold: OuterFold, source: int) -> Preparation:
        """Preparation of a source in an outer fold."""
        if not self.is_fitted:
            return self._job.sources[source].extractor.preparation
        return self._fitted(self._rows_of(fold))[source]

    def extractor(self, fold: OuterFold, source: int) -> Extractor:
        """Extractor of a source in an outer fold."""
        given = self._job.sources[source].extractor
        return given.with_preparation(self.preparation(fold, source)) if self.is_fitted else given

    def _fitted(self, rows: Integers) -> tuple[FittedPreparation, ...]:
        """Preparations of all sources, fitted on some rows: in the data set they are given, and no others."""
        key = rows.tobytes()
        if key not in self._preparations:
            if self._fittable is None:
                self._fittable = tuple(
                    fittable_preparation(source, self.dataset, self.cache, self._job.progress)
                    for source in self._job.sources
                )
            weights = self.dataset.weights
            counted = rows if weights is None else rows[weights[rows] > 0]  # an image of weight 0 is left out
            self._preparations[key] = tuple(one.fit(self.dataset, counted) for one in self._fittable)
        return self._preparations[key]


def _scaled(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features in units of their standard deviation; those that do not vary are 0."""
    spread = features.std(axis=0)
    scaled: NDArray[np.float32] = (features - features.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
    return scaled


def is_fitted(job: Job) -> bool:
    """Whether a job fits something in every fold before the features."""
    return any(source.is_fitted for source in job.sources)


def fittable_preparation(
    source: FeatureSource, dataset: ImageDataset, cache: FeatureCache, progress: Progress
) -> FittablePreparation:
    """The preparation of a source that is fitted in every fold; sums of its channels are computed once for all.

    Where the data set has one of its own it stands for both: pictures that it draws are on the scale of the weights.
    """
    if source.own_preparation is not None:
        return source.own_preparation
    return channel_normalisation(source.extractor, dataset, cache=cache, progress=progress)
