"""What a study works on: its data, what it tries, and the folds it chooses and judges on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.data.split.split import Split
from headstart.errors import InputError
from headstart.heads import HeadSpec
from headstart.study.search.costs import Scale, candidate_cost
from headstart.study.search.rungs import HalvingPlan
from headstart.study.search.space import Candidate, FeatureSourceSpec
from headstart.study.training_set.build import PLAIN, TrainingSetSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

Inner = tuple[tuple["Integers", "Integers"], ...]
FINAL = -1
HOLDOUT: Final = 0
"""The inner fold that costly candidates are chosen on."""


@dataclass(frozen=True, eq=False)
class StudyData:
    """What heads are trained and judged on.

    Attributes
    ----------
    features : tuple of ndarray of shape (n_images, n_features), float32
        One array for each source, widths as they come; memory maps where they are large.
    labels : ndarray of shape (n_images,), int64
    n_classes : int
    weights : ndarray of shape (n_images,), float64, or None
    groups : ndarray of shape (n_images,), int64, or None
    soft : ndarray of shape (n_images, n_classes), float64, or None
        Probability of every class by the label itself, rows summing to one; heads are trained on it, `labels` are
        judged by.
    views : tuple of mappings of str to ndarray of shape (n_images, n_views, n_features), float32
        For each source the features of views, by the name of their policy; empty where nothing is augmented.
    parents : ndarray of shape (n_images, 2), int64, or None
        Numbers of the rows that each was made of; a real image is its own, -1 stands for rows of the training fold
        that the sampler does not tell. None: all are real images.
    """

    features: tuple[NDArray[np.float32], ...]
    labels: Integers
    n_classes: int
    weights: Floats | None = None
    groups: Integers | None = None
    soft: Floats | None = None
    views: tuple[Mapping[str, NDArray[np.float32]], ...] = ()
    parents: Integers | None = None

    @classmethod
    def of(
        cls,
        dataset: ImageDataset,
        features: tuple[NDArray[np.float32], ...],
        views: tuple[Mapping[str, NDArray[np.float32]], ...] = (),
    ) -> StudyData:
        """Images of a data set with their features, and those of their views.

        Raises
        ------
        InputError
            When the images have no labels.
        """
        return cls(
            features,
            dataset.training_labels(),
            len(dataset.classes),
            dataset.weights,
            dataset.groups,
            soft=dataset.soft,
            views=views,
        )

    def of_source(self, source: int) -> StudyData:
        """The same images with the features of one source alone."""
        return replace(self, features=(self.features[source],), views=self.views[source : source + 1])

    def take(self, rows: Integers) -> StudyData:
        """The rows named, in their order, without their views."""
        return replace(
            self,
            features=tuple(features[rows] for features in self.features),
            labels=self.labels[rows],
            weights=None if self.weights is None else self.weights[rows],
            groups=None if self.groups is None else self.groups[rows],
            soft=None if self.soft is None else self.soft[rows],
            views=(),
            parents=None if self.parents is None else self.parents[rows],
        )


@dataclass(frozen=True)
class StudyCandidate:
    """A head, the number of the source whose features it is trained on, and what is done to the rows before."""

    source: int
    head: HeadSpec
    treatment: TrainingSetSpec = PLAIN


@dataclass(frozen=True)
class StudyPlan:
    """What is tried, and how the choice is made.

    Attributes
    ----------
    candidates : tuple of StudyCandidate
    sources : tuple of FeatureSourceSpec
        What the features come from, in the order of `StudyData.features`.
    choose_by : str
        Name of the metric that the inner folds choose by.
    positive : int or None
        Positive class of a two-class task.
    seed : int
    n_jobs : int
        Worker processes; never changes the results.
    halving : HalvingPlan or None
        Drop the weaker candidates early.
    train_precision : {"fp32", "bf16"}
        Of the large products in training dense heads; decides last digits.
    seconds_per_image : tuple of float
        Of the features of each source, for the cost of a candidate; empty: the cost counts heads alone. It decides
        which of the tied is the cheapest, so it must be the same when a run is resumed.
    n_views : mapping of str to int
        Views of each image under every policy, for the cost of training on them and of predicting from them.

    Raises
    ------
    InputError
        When there is no candidate, or a candidate names a source that is not there.
    """

    candidates: tuple[StudyCandidate, ...]
    sources: tuple[FeatureSourceSpec, ...] = (FeatureSourceSpec(),)
    choose_by: str = "log_loss"
    positive: int | None = None
    seed: int = 0
    n_jobs: int = 1
    halving: HalvingPlan | None = None
    train_precision: str = "fp32"
    seconds_per_image: tuple[float, ...] = ()
    n_views: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.candidates:
            raise InputError("There is no candidate to try. Name at least one head.")
        wrong = [candidate.source for candidate in self.candidates if not 0 <= candidate.source < len(self.sources)]
        if wrong:
            raise InputError(
                f"A candidate names source {wrong[0]}, but there are {len(self.sources)}, numbered from 0."
            )
        if self.seconds_per_image and len(self.seconds_per_image) != len(self.sources):
            raise InputError(
                f"{len(self.sources)} sources need as many seconds per image, not {len(self.seconds_per_image)}."
            )

    @classmethod
    def of_heads(cls, heads: Sequence[HeadSpec], *, seed: int = 0) -> StudyPlan:
        """Plan of heads on the features of one source."""
        return cls(tuple(StudyCandidate(0, head) for head in heads), seed=seed)

    @property
    def heads(self) -> tuple[HeadSpec, ...]:
        """Head of every candidate."""
        return tuple(candidate.head for candidate in self.candidates)

    def named(self) -> tuple[Candidate, ...]:
        """The candidates with their sources in full, as ``candidates.parquet`` wants them."""
        return tuple(Candidate(self.sources[one.source], one.head, one.treatment) for one in self.candidates)

    def label(self, index: int) -> str:
        """One line for people; the source is named where there are several."""
        candidate = self.candidates[index]
        named = Candidate(self.sources[candidate.source], candidate.head, candidate.treatment)
        return named.short_label if len(self.sources) == 1 else named.label

    def of_source(self, source: int, among: Sequence[int] | None = None) -> list[int]:
        """Numbers of the candidates of one source, of all or of those given, in their order."""
        numbers = range(len(self.candidates)) if among is None else among
        return [index for index in numbers if self.candidates[index].source == source]

    def treatments(self, among: Sequence[int]) -> dict[TrainingSetSpec, list[int]]:
        """Those of the candidates named that share a treatment, by treatment, in their order."""
        found: dict[TrainingSetSpec, list[int]] = {}
        for index in among:
            found.setdefault(self.candidates[index].treatment, []).append(index)
        return found

    def costs(self, data: StudyData, n_rows: int) -> Floats:
        """What every candidate costs whoever uses it, for `n_rows` training rows; see `candidate_cost`."""
        return np.array([candidate_cost(one.head, self._scale(one, data, n_rows)) for one in self.candidates])

    def rows_of(self, candidate: StudyCandidate, n_images: int) -> int:
        """About how many rows a candidate is fitted on, views counted and balancing not."""
        treatment = candidate.treatment
        return n_images * (1 if treatment.balance == "views" else self.n_views.get(treatment.augment, 1))

    def _scale(self, candidate: StudyCandidate, data: StudyData, n_images: int) -> Scale:
        seconds = self.seconds_per_image[candidate.source] if self.seconds_per_image else 0.0
        n_views = self.n_views.get(candidate.treatment.augment, 1)
        return Scale(
            n_images,
            data.features[candidate.source].shape[1],
            data.n_classes,
            seconds,
            n_rows_per_image=self.rows_of(candidate, n_images) / n_images,
            n_views_trained=n_views,
            n_views_predicted=n_views if candidate.treatment.tta else 1,
        )


@dataclass(frozen=True, eq=False)
class OuterFold:
    """One outer fold, or with ``fold == FINAL`` the refit on all rows.

    Attributes
    ----------
    repeat, fold : int
    train, test : ndarray of int64
        Row numbers; the refit has no test rows.
    inner : tuple of (train rows, validation rows)
    """

    repeat: int
    fold: int
    train: Integers
    test: Integers
    inner: Inner

    @property
    def key(self) -> str:
        """Name in the journal and of the saved head."""
        return "final" if self.fold == FINAL else f"repeat{self.repeat}-fold{self.fold}"


def outer_folds(split: Split) -> list[OuterFold]:
    """Every outer fold of a split, all repeats, in order."""
    return [
        OuterFold(repeat, fold, train, test, tuple(split.inner(repeat, fold)))
        for repeat in range(split.repeats)
        for fold, train, test in split.outer(repeat)
    ]


def final_fold(split: Split) -> OuterFold:
    """The refit on all rows: the inner folds that choose its candidate cover the whole data set."""
    everything = np.arange(len(split), dtype=np.int64)
    return OuterFold(0, FINAL, everything, everything[:0], tuple(split.full_inner()))
