"""Plan of a study: the candidates, and how it chooses among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import InputError
from headstart.heads import HeadSpec
from headstart.metrics import find_metric
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.search.costs import Scale, candidate_cost
from headstart.study.search.halving.plan import HalvingPlan
from headstart.study.training_set.spec import TrainingSetSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.study.data import StudyData

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True)
class StudyPlan:
    """Candidates of a study, and how it chooses among them.

    Attributes
    ----------
    candidates : tuple of Candidate
    sources : tuple of FeatureSourceSpec
        Sources of the features, in the order of `StudyData.widths`.
    choose_by : str
        Name of the metric that the inner folds choose by.
    positive : int or None
        Positive class of a two-class task.
    seed : int
        Seed of the fits and of the choice.
    n_jobs : int
        Number of worker processes; never changes the results.
    halving : HalvingPlan or None
        Drop the weaker candidates early.
    train_precision : {"fp32", "bf16"}
        Precision of the large products in training dense heads; decides last digits.
    seconds_per_image : tuple of float
        Seconds to compute the features of an image, for each source; empty: the cost counts heads alone. It decides
        which of the tied is the cheapest, so it must be the same when a run is resumed.
    n_views : mapping of str to int
        Number of views of each image under every policy, for the cost of training on them and of predicting from them.
    ensemble : bool
        An ensemble of what the inner folds tried competes with the best candidate of every outer fold.

    Raises
    ------
    InputError
        When there is no candidate, a candidate names a source that is not there, or a source is named twice.
    """

    candidates: tuple[Candidate, ...]
    sources: tuple[FeatureSourceSpec, ...] = (FeatureSourceSpec(),)
    choose_by: str = "log_loss"
    positive: int | None = None
    seed: int = 0
    n_jobs: int = 1
    halving: HalvingPlan | None = None
    train_precision: str = "fp32"
    seconds_per_image: tuple[float, ...] = ()
    n_views: Mapping[str, int] = field(default_factory=dict)
    ensemble: bool = False

    def __post_init__(self) -> None:
        if not self.candidates:
            raise InputError("There is no candidate to try. Name at least one head.")
        unknown = next((one.source for one in self.candidates if one.source not in self._numbers), None)
        if unknown is not None:
            raise InputError(
                f"A candidate is trained on features of '{unknown.label}', which is no source of the plan."
            )
        if len(self._numbers) < len(self.sources):
            twice = next(source for source in self.sources if self.sources.count(source) > 1)
            raise InputError(f"The plan names the source '{twice.label}' twice. Name each once.")
        if self.seconds_per_image and len(self.seconds_per_image) != len(self.sources):
            raise InputError(
                f"{len(self.sources)} sources need as many seconds per image, not {len(self.seconds_per_image)}."
            )

    @classmethod
    def of_heads(cls, heads: Sequence[HeadSpec], *, seed: int = 0) -> StudyPlan:
        """Plan of heads on the features of one source."""
        source = FeatureSourceSpec()
        return cls(tuple(Candidate(source, head) for head in heads), (source,), seed=seed)

    @property
    def heads(self) -> tuple[HeadSpec, ...]:
        """Head of every candidate."""
        return tuple(candidate.head for candidate in self.candidates)

    @cached_property
    def _numbers(self) -> dict[FeatureSourceSpec, int]:
        return {source: number for number, source in enumerate(self.sources)}

    def label(self, index: int) -> str:
        """One line for people; the source is named where there are several."""
        candidate = self.candidates[index]
        return candidate.short_label if len(self.sources) == 1 else candidate.label

    def source_of(self, index: int) -> int:
        """Number of the source whose features a candidate is trained on."""
        return self.source_number(self.candidates[index])

    def source_number(self, candidate: Candidate) -> int:
        """Place of a candidate's source among `sources`."""
        return self._numbers[candidate.source]

    def of_source(self, source: int, among: Sequence[int] | None = None) -> list[int]:
        """Numbers of the candidates of one source, of all or of those given, in their order."""
        numbers = range(len(self.candidates)) if among is None else among
        return [index for index in numbers if self.source_of(index) == source]

    def by_training_set(self, among: Sequence[int]) -> dict[TrainingSetSpec, list[int]]:
        """Numbers of the candidates, of those given, that share a training set, by training set."""
        found: dict[TrainingSetSpec, list[int]] = {}
        for index in among:
            found.setdefault(self.candidates[index].training_set, []).append(index)
        return found

    def costs(self, data: StudyData, n_rows: int) -> Floats:
        """Cost of every candidate to whoever uses it, for `n_rows` training rows; see `candidate_cost`."""
        return np.array([candidate_cost(one.head, self._scale(one, data, n_rows)) for one in self.candidates])

    def rows_of(self, candidate: Candidate, n_images: int) -> int:
        """Rough number of rows that a candidate is fitted on, views counted and balancing not."""
        training_set = candidate.training_set
        return n_images * (1 if training_set.balance == "views" else self.n_views.get(training_set.augment, 1))

    def n_views_predicted(self, candidate: Candidate) -> int:
        """Number of views of each image that a candidate predicts."""
        n_views = self.n_views.get(candidate.training_set.augment, 1)
        return max(1, len(candidate.training_set.predicted_views(range(n_views))))

    def score(self, data: StudyData, rows: Integers, probabilities: Floats) -> float:
        """The choosing score of probabilities (n, n_classes) of rows (n,) of a data set; nan where they have none."""
        weights = None if data.weights is None else data.weights[rows]
        metric = find_metric(self.choose_by)
        return float(metric(data.labels[rows], probabilities, weights, positive=self.positive))

    def _scale(self, candidate: Candidate, data: StudyData, n_images: int) -> Scale:
        source = self.source_number(candidate)
        seconds = self.seconds_per_image[source] if self.seconds_per_image else 0.0
        return Scale(
            n_images,
            data.widths[source],
            data.n_classes,
            seconds,
            n_rows_per_image=self.rows_of(candidate, n_images) / n_images,
            n_views_trained=self.n_views.get(candidate.training_set.augment, 1),
            n_views_predicted=self.n_views_predicted(candidate),
        )
